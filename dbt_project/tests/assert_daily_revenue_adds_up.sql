-- What was earned is the same by trip and by day.
with

trips as (

    select
        sum(total_amount) as total_amount,
        count(*) as trip_count
    from {{ ref('fct_trips') }}

),

days as (

    select
        sum(total_amount) as total_amount,
        sum(trip_count) as trip_count
    from {{ ref('fct_trips_daily') }}

)

select
    trips.total_amount as amount_of_trips,
    days.total_amount as amount_of_days,
    trips.trip_count as trips_by_trip,
    days.trip_count as trips_by_day
from trips
cross join days
where trips.total_amount <> days.total_amount or trips.trip_count <> days.trip_count
