"""Bounds, times and repeats requests. No HTTP library here: a transport is handed in."""
