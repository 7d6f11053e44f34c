"""Bounds, times and repeats requests. Knows no HTTP library: a transport is passed in."""
