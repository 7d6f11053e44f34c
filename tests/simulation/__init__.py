"""A deterministic simulation: the real client, in a loop whose time is made up, before a model of the server."""
