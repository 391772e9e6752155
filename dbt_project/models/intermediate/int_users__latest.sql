with

versions as (

    select
        *,
        row_number() over (partition by user_id order by updated_at desc, landed_date desc) as recency_rank
    from {{ ref('stg_raw_users') }}

),

latest as (

    select
        user_id,
        email,
        country_code,
        subscription_plan,
        is_active,
        created_at,
        updated_at
    from versions
    where recency_rank = 1

)

select * from latest
