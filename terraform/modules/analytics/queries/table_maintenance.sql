-- Compacts small data files and applies row-level deletes, of the last month: older partitions do not change any more.
-- https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html
OPTIMIZE fct_trips REWRITE DATA USING BIN_PACK
WHERE pickup_date >= current_date - INTERVAL '31' DAY
