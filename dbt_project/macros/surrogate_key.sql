{# The key of a row that has none of its own: the MD5 hash of its columns, in hexadecimal digits. #}
{% macro surrogate_key(columns) %}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append("coalesce(cast(" ~ column ~ " as varchar), '')") -%}
    {%- endfor -%}
    lower(to_hex(md5(to_utf8({{ texts | join(" || '|' || ") }}))))
{%- endmacro %}
