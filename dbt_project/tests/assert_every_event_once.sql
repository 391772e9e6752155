-- fct_events has every event that staging has a report of, once.
with

facts as (

    select count(*) as fact_count from {{ ref('fct_events') }}

),

staged as (

    select count(distinct event_id) as staged_count from {{ ref('stg_raw_events') }}

)

select
    facts.fact_count,
    staged.staged_count
from facts
cross join staged
where facts.fact_count <> staged.staged_count
