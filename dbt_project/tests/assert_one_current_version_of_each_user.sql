-- Every known user has one current version in the snapshot, and no version ends before it begins.
with

users as (

    select user_id from {{ ref('int_users__latest') }}

),

versions as (

    select
        user_id,
        count_if(dbt_valid_to is null) as current_versions,
        count_if(dbt_valid_to < dbt_valid_from) as reversed_versions
    from {{ ref('snap_users') }}
    group by user_id

)

select users.user_id
from users
left join versions on users.user_id = versions.user_id
where coalesce(versions.current_versions, 0) <> 1 or versions.reversed_versions > 0
