with

source as (

    select * from {{ source('processed', 'users') }}

),

renamed as (

    select

        ---------- ids
        user_id,

        ---------- strings
        email,
        country_code,
        plan as subscription_plan,

        ---------- booleans
        is_active,

        ---------- timestamps
        {{ iso_timestamp('created_at') }} as created_at,
        {{ iso_timestamp('updated_at') }} as updated_at,
        landed_date

    from source

)

select * from renamed
