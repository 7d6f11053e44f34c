"""The benchmarks: the cost of the client, against the same work by hand (`python -m benchmarks`)."""
