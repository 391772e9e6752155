{#
    Configures an incremental Iceberg table: new and changed rows are merged by their key.

    What holds for every table of a layer is in dbt_project.yml: table type, format, compression, place.

    staging: the model that reports the rows.
    unique_key: the column that a row is told by.
    corrected: columns that a file uploaded again on its day may have other values of; a key that is made of all of a
        row's columns has none.
    partitioned_by: columns or Iceberg's transforms of them, such as day(occurred_at).
#}
{% macro iceberg_config(staging, unique_key, partitioned_by, corrected=[]) %}
    {%- set changes = ['src.landed_date > target.landed_date'] -%}
    {%- for column in corrected -%}
        {%- do changes.append('src.' ~ column ~ ' is distinct from target.' ~ column) -%}
    {%- endfor -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=unique_key,
        partitioned_by=partitioned_by,
        pre_hook="{{ remove_replaced('" ~ staging ~ "', '" ~ unique_key ~ "') }}",
        update_condition='(' ~ changes | join(' or ') ~ ')',
        on_schema_change='append_new_columns',
        table_properties={'vacuum_max_snapshot_age_seconds': 432000},
    ) }}
{% endmacro %}
