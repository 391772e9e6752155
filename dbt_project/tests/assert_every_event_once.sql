-- fct_events has every event that staging has a report of, once.
with

facts as (
    select count(*) as row_count from {{ ref('fct_events') }}
),

staged as (
    select count(distinct event_id) as row_count from {{ ref('stg_raw_events') }}
)

select *
from facts
cross join staged
where facts.row_count <> staged.row_count
