{#
    The condition of an incremental run: what landed on the last day that the table knows, or later. That day counts
    again, since more may have landed on it; the merge by key makes that harmless.

    The day is asked for beforehand, so that Athena reads the folders of these days only.
#}
{% macro only_new_landings() %}
    {%- set last = last_landing() -%}
    {%- if last -%}
        where landed_date >= '{{ last }}'
    {%- endif -%}
{% endmacro %}

{# The last day that an incremental run finds in its table; none in a run that makes the table. #}
{% macro last_landing() %}
    {%- if execute and is_incremental() -%}
        {{- return(run_query('select max(landed_date) from ' ~ this).columns[0].values()[0]) -}}
    {%- endif -%}
    {{- return(none) -}}
{% endmacro %}
