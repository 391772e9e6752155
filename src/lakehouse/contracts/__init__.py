"""Data contracts: one ODCS file a dataset, and what differs between a file and its contract."""
