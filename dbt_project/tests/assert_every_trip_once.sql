-- fct_trips has every trip that staging has a report of, once.
with

facts as (

    select count(*) as fact_count from {{ ref('fct_trips') }}

),

staged as (

    select count(distinct trip_id) as staged_count from {{ ref('stg_trips') }}

)

select
    facts.fact_count,
    staged.staged_count
from facts
cross join staged
where facts.fact_count <> staged.staged_count
