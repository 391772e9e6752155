{{ iceberg_config(
    staging='stg_raw_events',
    unique_key='event_id',
    partitioned_by=['day(occurred_at)'],
    corrected=['user_id', 'session_id', 'event_type', 'device', 'amount', 'occurred_at'],
) }}

with

reports as (

    select * from {{ ref('stg_raw_events') }}
    {{ only_new_landings() }}

),

ranked as (

    select
        *,
        row_number() over (partition by event_id order by landed_date desc, occurred_at desc) as landing_rank
    from reports

),

events as (

    select
        event_id,
        user_id,
        session_id,
        event_type,
        device,
        amount,
        occurred_at,
        landed_date
    from ranked
    where landing_rank = 1

)

select * from events
