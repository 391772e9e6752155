-- Rules that hold for every row, and how many rows break them: all numbers are 0.
SELECT 'trips are unique' AS rule, count(*) - count(DISTINCT trip_id) AS broken_rows
FROM fct_trips
UNION ALL
SELECT 'a trip ends after it began', count_if(dropoff_at < pickup_at)
FROM fct_trips
UNION ALL
SELECT 'pick-up zones are known', count_if(zones.zone_id IS NULL)
FROM fct_trips AS trips
LEFT JOIN dim_zones AS zones ON trips.pickup_zone_id = zones.zone_id
UNION ALL
SELECT 'users of events are known', count_if(users.user_id IS NULL)
FROM fct_events AS events
LEFT JOIN dim_users AS users ON events.user_id = users.user_id
UNION ALL
SELECT
  'daily numbers add up to the trips',
  abs((SELECT sum(trip_count) FROM fct_trips_daily) - (SELECT count(*) FROM fct_trips))
