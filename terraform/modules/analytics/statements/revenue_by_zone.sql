SELECT zones.borough, zones.zone_name, count(*) AS trips, round(sum(trips.total_amount), 2) AS revenue
FROM "${database}".fct_trips AS trips
INNER JOIN "${database}".dim_zones AS zones ON trips.pickup_zone_id = zones.zone_id
WHERE trips.pickup_date BETWEEN ? AND ?
GROUP BY zones.borough, zones.zone_name
ORDER BY revenue DESC
