-- An Iceberg table by hand; dbt makes those of the curated layer.
-- day(pickup_at) partitions by a column that queries use anyway: nobody has to know of the partitions.
CREATE TABLE trips_archive (
  trip_id string,
  pickup_at timestamp,
  dropoff_at timestamp,
  pickup_zone_id int,
  dropoff_zone_id int,
  total_amount decimal(10, 2)
)
PARTITIONED BY (day(pickup_at))
LOCATION '${location}trips_archive/'
TBLPROPERTIES (
  'table_type' = 'ICEBERG',
  'format' = 'parquet',
  'write_compression' = 'zstd',
  'vacuum_max_snapshot_age_seconds' = '432000'
)
