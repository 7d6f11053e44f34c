"""Walks a paged listing, in order, lazily, a few pages ahead at most."""
