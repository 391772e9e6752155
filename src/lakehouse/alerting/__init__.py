"""Messages to people: what happened, where, why, and what to do next."""
