-- Compacts small data files and applies row-level deletes; a WHERE on partition columns narrows it.
-- https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html
OPTIMIZE fct_trips REWRITE DATA USING BIN_PACK
