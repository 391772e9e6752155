{#
    The condition of an incremental run: what landed on the last day that the table knows, or later. That day counts
    again, since more may have landed on it; the merge by key makes that harmless.

    The day is asked for beforehand, so that Athena reads the folders of these days only.
#}
{% macro only_new_landings() %}
    {%- if execute and is_incremental() -%}
        {%- set last = run_query('select max(landed_date) from ' ~ this).columns[0].values()[0] -%}
        {%- if last -%}
            where landed_date >= '{{ last }}'
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
