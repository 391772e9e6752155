{{ iceberg_config(staging='stg_trips', unique_key='trip_id', partitioned_by=['pickup_date']) }}

with

reports as (

    select * from {{ ref('stg_trips') }}
    {{ only_new_landings() }}

),

ranked as (

    select
        *,
        row_number() over (partition by trip_id order by landed_date desc) as landing_rank
    from reports

),

trips as (

    select
        trip_id,
        taxi_type,
        vendor_id,
        rate_code_id,
        payment_type_id,
        pickup_zone_id,
        dropoff_zone_id,
        passenger_count,
        trip_miles,
        fare_amount,
        extra_amount,
        mta_tax_amount,
        tip_amount,
        tolls_amount,
        improvement_surcharge_amount,
        congestion_surcharge_amount,
        airport_fee_amount,
        total_amount,
        is_stored_and_forwarded,
        pickup_at,
        dropoff_at,
        cast(pickup_at as date) as pickup_date,
        landed_date
    from ranked
    where landing_rank = 1

)

select * from trips
