"""Read a paged listing in order, lazily, with a few pages ahead at most."""
