with

source as (

    select * from {{ source('processed', 'yellow_tripdata') }}

),

renamed as (

    select

        ---------- ids
        'yellow' as taxi_type,
        cast(vendorid as integer) as vendor_id,
        cast(ratecodeid as integer) as rate_code_id,
        cast(payment_type as integer) as payment_type_id,
        cast(pulocationid as integer) as pickup_zone_id,
        cast(dolocationid as integer) as dropoff_zone_id,

        ---------- numbers
        cast(passenger_count as integer) as passenger_count,
        cast(trip_distance as decimal(10, 2)) as trip_miles,
        cast(fare_amount as decimal(10, 2)) as fare_amount,
        cast(extra as decimal(10, 2)) as extra_amount,
        cast(mta_tax as decimal(10, 2)) as mta_tax_amount,
        cast(tip_amount as decimal(10, 2)) as tip_amount,
        cast(tolls_amount as decimal(10, 2)) as tolls_amount,
        cast(improvement_surcharge as decimal(10, 2)) as improvement_surcharge_amount,
        cast(congestion_surcharge as decimal(10, 2)) as congestion_surcharge_amount,
        cast(airport_fee as decimal(10, 2)) as airport_fee_amount,
        cast(total_amount as decimal(10, 2)) as total_amount,

        ---------- booleans
        store_and_fwd_flag = 'Y' as is_stored_and_forwarded,

        ---------- timestamps
        {{ iso_timestamp('tpep_pickup_datetime') }} as pickup_at,
        {{ iso_timestamp('tpep_dropoff_datetime') }} as dropoff_at,
        landed_date

    from source

)

select * from renamed
