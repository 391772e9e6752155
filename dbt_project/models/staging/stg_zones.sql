with

source as (

    select * from {{ ref('taxi_zones') }}

),

renamed as (

    select

        ---------- ids
        locationid as zone_id,

        ---------- strings
        borough,
        zone as zone_name,
        service_zone

    from source

)

select * from renamed
