"""What became of a create whose outcome is unknown: found on the server, absent, or in doubt."""
