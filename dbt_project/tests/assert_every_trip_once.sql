-- fct_trips has every trip that staging has a report of, once.
with

facts as (
    select count(*) as row_count from {{ ref('fct_trips') }}
),

staged as (
    select count(distinct trip_id) as row_count from {{ ref('stg_trips') }}
)

select *
from facts
cross join staged
where facts.row_count <> staged.row_count
