{# Values lie between two bounds, both included; null is no breach. #}
{% test accepted_range(model, column_name, minimum=none, maximum=none) %}
    select {{ column_name }}
    from {{ model }}
    where
        not (
            {{ column_name }} >= {{ minimum if minimum is not none else column_name }}
            and {{ column_name }} <= {{ maximum if maximum is not none else column_name }}
        )
{% endtest %}
