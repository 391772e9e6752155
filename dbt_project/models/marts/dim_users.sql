with

known as (

    select
        user_id,
        email,
        country_code,
        subscription_plan,
        is_active,
        false as is_inferred,
        created_at,
        updated_at
    from {{ ref('int_users__latest') }}

),

-- Users of whom only events tell so far: their own rows land later, or are in quarantine.
inferred as (

    select
        events.user_id,
        cast(null as varchar) as email,
        cast(null as varchar) as country_code,
        cast(null as varchar) as subscription_plan,
        cast(null as boolean) as is_active,
        true as is_inferred,
        cast(null as timestamp(6)) as created_at,
        cast(null as timestamp(6)) as updated_at
    from {{ ref('fct_events') }} as events
    left join known on events.user_id = known.user_id
    where known.user_id is null
    group by events.user_id

),

users as (

    select * from known
    union all
    select * from inferred

)

select * from users
