with

source as (

    select * from {{ source('processed', 'events') }}

),

renamed as (

    select

        ---------- ids
        event_id,
        user_id,
        session_id,

        ---------- strings
        event_type,
        device,

        ---------- numbers
        cast(amount as decimal(12, 2)) as amount,

        ---------- timestamps
        {{ iso_timestamp('occurred_at') }} as occurred_at,
        landed_date

    from source

)

select * from renamed
