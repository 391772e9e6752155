{#
    Configures an incremental Iceberg table: new and changed rows are merged by their key.

    What holds for every table of a layer is in dbt_project.yml: table type, format, compression, place.

    unique_key: the column that a row is told by.
    partitioned_by: columns or Iceberg's transforms of them, such as day(occurred_at).
#}
{% macro iceberg_config(unique_key, partitioned_by) %}
    {{ config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key=unique_key,
        partitioned_by=partitioned_by,
        update_condition='src.landed_date > target.landed_date',
        on_schema_change='append_new_columns',
        table_properties={'vacuum_max_snapshot_age_seconds': 432000},
    ) }}
{% endmacro %}
