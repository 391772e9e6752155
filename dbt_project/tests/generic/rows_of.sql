{# The grain of a model that takes every row of others: it has as many rows as they have together. #}
{% test rows_of(model, relations) %}
    with

    counted as (
        select
            (select count(*) from {{ model }}) as found_rows,
            {% for relation in relations %}
                {{ '+ ' if not loop.first }}(select count(*) from {{ relation }})
            {% endfor %} as expected_rows
    )

    select * from counted where found_rows <> expected_rows
{% endtest %}
