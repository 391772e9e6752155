SELECT trip_id, pickup_at, dropoff_at, pickup_zone_id, dropoff_zone_id, total_amount
FROM "${database}".fct_trips
WHERE pickup_date = ?
ORDER BY pickup_at
