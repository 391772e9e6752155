"""Lambda handlers, one a file: decode the event, call, return."""
