"""What the client costs over the same work by hand: `python -m benchmarks`."""
