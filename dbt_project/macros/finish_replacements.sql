{#
    Finishes what a killed run left half done; dbt_project.yml has it run before every command.

    dbt-athena replaces an Iceberg table by two renames: <name> becomes <name>__bkp, then the new table, which is whole
    before the first of them, becomes <name>; last <name>__bkp is dropped. The new one is called <name>__ha, or
    <name>__dbt_tmp in the full refresh of an incremental model. Between the renames there is no <name>, and the next
    run would make one as if there had never been any: of an incremental model, without all that it held.

    dbt has listed the tables already: where there is nothing to finish, this asks AWS nothing.
#}
{% macro finish_replacements() %}
    {%- if execute -%}
        {%- for node in graph.nodes.values() -%}
            {%- if node.resource_type == 'model' and node.config.materialized in ['table', 'incremental'] -%}
                {%- do finish_replacement(node) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{% macro finish_replacement(node) %}
    {%- set found = {} -%}
    {%- for suffix in ['', '__bkp', '__ha', '__dbt_tmp'] -%}
        {%- set relation = adapter.get_relation(node.database, node.schema, node.alias ~ suffix) -%}
        {%- if relation is not none -%}
            {%- do found.update({suffix: relation}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if '' in found and found | length > 1 -%}
        {%- do remove_leftovers(found) -%}
    {%- elif '__bkp' in found -%}
        {%- do give_name_back(found, node.alias) -%}
    {%- endif -%}
{% endmacro %}

{#
    There is no table: the new one becomes it, as it was about to. A new one of either kind may be older than this
    replacement if there are both; then the backup becomes the table again, which is whole in any case.
#}
{% macro give_name_back(found, name) %}
    {%- set backup = found['__bkp'] -%}
    {%- set made = [found.get('__ha'), found.get('__dbt_tmp')] | reject('none') | list -%}
    {%- set chosen = made[0] if made | length == 1 else backup -%}
    {%- do adapter.rename_relation(chosen, chosen.incorporate(path={'identifier': name})) -%}
    {%- do log(chosen.identifier ~ ' is ' ~ name ~ ' now: a run was killed while it replaced the table', info=True) -%}
    {%- if chosen is not sameas backup -%}
        {%- do remove_leftovers({'': chosen.incorporate(path={'identifier': name}), '__bkp': backup}) -%}
    {%- endif -%}
{% endmacro %}

{#
    There is a table: it is newer than its backup, which goes, as dbt-athena has it. A rename makes the new name and then
    deletes the old one: if it was cut short, both are of one table, and only the name goes, never the files. All else
    that has files of its own is dropped by dbt-athena when it makes it anew.
#}
{% macro remove_leftovers(found) %}
    {%- set place = adapter.get_glue_table_location(found['']) -%}
    {%- for suffix, relation in found.items() if suffix -%}
        {%- if adapter.get_glue_table_location(relation) == place -%}
            {%- do adapter.cache_dropped(relation) -%}
            {%- do adapter.delete_from_glue_catalog(relation) -%}
            {%- do log('Removed the name ' ~ relation.identifier ~ ': a rename was cut short', info=True) -%}
        {%- elif suffix == '__bkp' -%}
            {%- do adapter.drop_relation(relation) -%}
            {%- do log('Dropped ' ~ relation.identifier ~ ': a run was killed before it did', info=True) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}
