{#
    A timestamp of its ISO 8601 text, as the processed layer has it: 2024-01-01T00:00:30.000000. An instant, which ends
    in Z, is given in UTC.
#}
{% macro iso_timestamp(column) %}cast(translate({{ column }}, 'TZ', ' ') as timestamp(6)){% endmacro %}
