"""What other ways to call the same API cost, against the client: `python -m benchmarks.rivals`."""
