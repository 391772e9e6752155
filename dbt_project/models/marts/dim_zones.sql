with

zones as (

    select
        zone_id,
        borough,
        zone_name,
        service_zone,
        -- TLC's numbers for a place that nobody wrote down.
        zone_id not in (264, 265) as is_known
    from {{ ref('stg_zones') }}

)

select * from zones
