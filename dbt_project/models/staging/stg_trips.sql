with

source as (

    select * from {{ ref('base_yellow_trips') }}
    union all
    select * from {{ ref('base_green_trips') }}

),

renamed as (

    select

        ---------- ids
        -- Trips have no id of their own: reports that agree in all of this are one trip's.
        {{ surrogate_key([
            'taxi_type', 'vendor_id', 'rate_code_id', 'payment_type_id', 'pickup_zone_id', 'dropoff_zone_id',
            'passenger_count', 'trip_miles', 'fare_amount', 'extra_amount', 'mta_tax_amount', 'tip_amount',
            'tolls_amount', 'improvement_surcharge_amount', 'congestion_surcharge_amount', 'airport_fee_amount',
            'total_amount', 'is_stored_and_forwarded', 'pickup_at', 'dropoff_at',
        ]) }} as trip_id,
        taxi_type,
        vendor_id,
        rate_code_id,
        payment_type_id,
        pickup_zone_id,
        dropoff_zone_id,

        ---------- numbers
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

        ---------- booleans
        is_stored_and_forwarded,

        ---------- timestamps
        pickup_at,
        dropoff_at,
        landed_date

    from source

)

select * from renamed
