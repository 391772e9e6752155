"""Rules compiled from a contract, and the quarantine of the rows that break them."""
