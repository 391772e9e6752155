"""Tables as the Data Catalog has them, and how DuckDB reads each kind."""
