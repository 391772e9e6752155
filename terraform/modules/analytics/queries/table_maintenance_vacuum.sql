-- Expires snapshots beyond the table's vacuum_* properties, then removes files that no snapshot refers to.
VACUUM fct_trips
