-- A row a day: files of months, since a file a day would hold one row.
{{ config(partitioned_by=['month(pickup_date)']) }}

with

trips as (

    select * from {{ ref('fct_trips') }}

),

days as (

    select
        pickup_date,
        count(*) as trip_count,
        count_if(taxi_type = 'yellow') as yellow_trip_count,
        count_if(taxi_type = 'green') as green_trip_count,
        sum(passenger_count) as passenger_count,
        cast(sum(trip_miles) as decimal(18, 2)) as trip_miles,
        cast(sum(fare_amount) as decimal(18, 2)) as fare_amount,
        cast(sum(tip_amount) as decimal(18, 2)) as tip_amount,
        cast(sum(total_amount) as decimal(18, 2)) as total_amount
    from trips
    group by pickup_date

)

select * from days
