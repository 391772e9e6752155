-- The daily numbers as they were yesterday, beside what they are now: which days did a run change?
-- Snapshots: SELECT * FROM "fct_trips_daily$history"; one of them by id: FOR VERSION AS OF 1234567890.
SELECT
  now.pickup_date,
  before.trip_count AS trips_before,
  now.trip_count AS trips_now,
  round(now.total_amount - before.total_amount, 2) AS revenue_change
FROM fct_trips_daily AS now
LEFT JOIN fct_trips_daily FOR TIMESTAMP AS OF (current_timestamp - INTERVAL '1' DAY) AS before
  ON before.pickup_date = now.pickup_date
WHERE before.pickup_date IS NULL
  OR before.trip_count <> now.trip_count
  OR before.total_amount <> now.total_amount
ORDER BY now.pickup_date
