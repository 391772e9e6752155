{#
    Removes the rows of a file that was uploaded again, corrected, on the day that an incremental run reads again: what
    the new version no longer reports would stay for ever, since a merge only adds and changes.

    All of staging is read only where something is gone: a row may be reported by a file of an earlier day, too.
#}
{% macro remove_replaced(staging, key) %}
    {%- set last = last_landing() -%}
    {%- if last -%}
        {%- set known = 'select ' ~ key ~ ' from ' ~ ref(staging) -%}
        {%- set gone = "from " ~ this ~ " where landed_date >= '" ~ last ~ "' and " ~ key ~ " not in (" -%}
        {%- set again = "select count(*) " ~ gone ~ known ~ " where landed_date >= '" ~ last ~ "')" -%}
        {%- if run_query(again).columns[0].values()[0] > 0 -%}
            delete {{ gone }}{{ known }})
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
