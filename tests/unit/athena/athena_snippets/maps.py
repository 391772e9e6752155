"""Maps: the documentation's examples, keys that are missing, null or there twice."""

from athena_snippets import Fails

SECTION = "Map functions and operators"
SOURCE = "https://trino.io/docs/current/functions/map.html"
SNIPPETS = [
    ("map(array[1, 3], array[2, 4])", "{1=2, 3=4}"),
    ("map()", "{}"),
    ("map(array['a'], array[null])", "{a=null}"),
    ("map(array[1, 1], array[2, 3])", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("map(array[1, null], array[2, 3])", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("map(array[1], array[2, 3])", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("map(array['a', 'b'], array[1, 2])['b']", "2"),
    ("map(array['a'], array[1])['z']", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("try(map(array['a'], array[1])['z'])", None),
    ("element_at(map(array['a'], array[1]), 'a')", "1"),
    ("element_at(map(array['a'], array[1]), 'z')", None),
    ("cardinality(map(array[1], array[2]))", "1"),
    ("map_from_entries(array[(1, 'x'), (2, 'y')])", "{1=x, 2=y}"),
    ("map_from_entries(array[(1, 'x'), (1, 'y')])", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("map_from_entries(array[(1, 'x'), null])", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("map_from_entries(array[(null, 'x')])", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("multimap_from_entries(array[(1, 'x'), (2, 'y'), (1, 'z')])", "{1=[x, z], 2=[y]}"),
    ("map_entries(map(array[1, 2], array['x', 'y']))", "[{field0=1, field1=x}, {field0=2, field1=y}]"),
    ("map_keys(map(array['a', 'b'], array[1, 2]))", "[a, b]"),
    ("map_values(map(array['a', 'b'], array[1, 2]))", "[1, 2]"),
    ("map_concat(map(array['a'], array[1]), map(array['a', 'b'], array[2, 3]))", "{a=2, b=3}"),
    ("map_concat(map(array['a'], array[1]), null)", None),
    ("map_filter(map(array[], array[]), (k, v) -> true)", "{}"),
    ("map_filter(map(array[10, 20, 30], array['a', null, 'c']), (k, v) -> v is not null)", "{10=a, 30=c}"),
    ("map_filter(map(array['k1', 'k2', 'k3'], array[20, 3, 15]), (k, v) -> v > 10)", "{k1=20, k3=15}"),
    (
        (
            "map_zip_with(map(array[1, 2, 3], array['a', 'b', 'c']), map(array[1, 2, 3], array['d', 'e', "
            "'f']), (k, v1, v2) -> concat(v1, v2))"
        ),
        "{1=ad, 2=be, 3=cf}",
    ),
    (
        (
            "map_zip_with(map(array['k1', 'k2'], array[1, 2]), map(array['k2', 'k3'], array[4, 9]), (k, v1, "
            "v2) -> (v1, v2))"
        ),
        "{k1={field0=1, field1=null}, k2={field0=2, field1=4}, k3={field0=null, field1=9}}",
    ),
    (
        (
            "map_zip_with(map(array['a', 'b', 'c'], array[1, 8, 27]), map(array['a', 'b', 'c'], array[1, 2, "
            "3]), (k, v1, v2) -> k || cast(v1 / v2 as varchar))"
        ),
        "{a=a1, b=b4, c=c9}",
    ),
    ("transform_keys(map(array[], array[]), (k, v) -> k + 1)", "{}"),
    ("transform_keys(map(array[1, 2, 3], array['a', 'b', 'c']), (k, v) -> k + 1)", "{2=a, 3=b, 4=c}"),
    ("transform_keys(map(array['a', 'b', 'c'], array[1, 2, 3]), (k, v) -> v * v)", "{1=1, 4=2, 9=3}"),
    ("transform_keys(map(array['a', 'b'], array[1, 2]), (k, v) -> concat(k, cast(v as varchar)))", "{a1=1, b2=2}"),
    ("transform_keys(map(array[1, 2], array['a', 'b']), (k, v) -> 1)", Fails("INVALID_FUNCTION_ARGUMENT")),
    ("transform_values(map(array[], array[]), (k, v) -> v + 1)", "{}"),
    ("transform_values(map(array[1, 2, 3], array[10, 20, 30]), (k, v) -> v + k)", "{1=11, 2=22, 3=33}"),
    ("transform_values(map(array['a', 'b'], array[1, 2]), (k, v) -> k || cast(v as varchar))", "{a=a1, b=b2}"),
    ("map_entries(map(array['a'], array[1]))", "[{field0=a, field1=1}]"),
    ("map_filter(map(array['a', 'b'], array[1, 2]), (k, v) -> v > 1)", "{b=2}"),
    (
        (
            "map_zip_with(map(array['a'], array[1]), map(array['a'], array[2]), (k, v1, v2) -> coalesce(v1, "
            "0) + coalesce(v2, 0))"
        ),
        "{a=3}",
    ),
]
