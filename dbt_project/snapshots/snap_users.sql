{% snapshot snap_users %}

    {{ config(unique_key='user_id', strategy='timestamp', updated_at='updated_at') }}

    select
        user_id,
        email,
        country_code,
        plan,
        is_active,
        created_at,
        updated_at
    from {{ ref('dim_users') }}
    where not is_inferred

{% endsnapshot %}
