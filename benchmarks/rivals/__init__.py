"""The cost of other ways to call the same API, against the client: `python -m benchmarks.rivals`."""
