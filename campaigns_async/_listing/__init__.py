"""Reading a paged listing lazily and in order, with a bounded number of prefetched pages."""
