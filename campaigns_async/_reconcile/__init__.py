"""Reconciling a create whose outcome is unknown: found on the server, absent, or still unknown."""
