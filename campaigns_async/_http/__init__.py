"""The wire: requests from arguments, values from responses, and the transport. Nothing else knows HTTP."""
