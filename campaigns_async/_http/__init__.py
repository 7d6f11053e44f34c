"""What goes over the wire: requests out of arguments, values out of responses. No I/O."""
