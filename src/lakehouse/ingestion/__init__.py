"""From an event that a file landed to the execution that converts it."""
