-- Revenue a day and borough, with the change against the same day of the week before.
WITH revenue AS (
  SELECT
    trips.pickup_date,
    zones.borough,
    count(*) AS trips,
    sum(trips.total_amount) AS revenue
  FROM fct_trips AS trips
  INNER JOIN dim_zones AS zones ON trips.pickup_zone_id = zones.zone_id
  WHERE trips.pickup_date >= current_date - INTERVAL '35' DAY
  GROUP BY trips.pickup_date, zones.borough
)
SELECT
  now.pickup_date,
  now.borough,
  now.trips,
  round(now.revenue, 2) AS revenue,
  round(100.0 * (now.revenue - before.revenue) / nullif(before.revenue, 0), 1) AS change_percent
FROM revenue AS now
LEFT JOIN revenue AS before
  ON now.borough = before.borough AND before.pickup_date = now.pickup_date - INTERVAL '7' DAY
ORDER BY now.pickup_date DESC, revenue DESC
