"""Functions of maps.

https://trino.io/docs/current/functions/map.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.casts import failing
from lakehouse.local.athena.sql.functions.library import scalar
from lakehouse.local.athena.sql.functions.support import lets, refused, strict
from lakehouse.local.athena.sql.sql_types import Row
from lakehouse.local.athena.sql.typed import let

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call


def _subscript(call: Call) -> str:
    """``m[k]``: the key must be there."""

    def body(given: list[str]) -> str:
        held, key = given
        failure = failing(
            "INVALID_FUNCTION_ARGUMENT", f"'Key not present in map: ' || CAST({key} AS VARCHAR)", call.result
        )
        found = f"CASE WHEN map_contains({held}, {key}) THEN map_extract_value({held}, {key}) ELSE {failure} END"
        return strict(given, found)

    return lets(call.sql, body)


scalar("$subscript(map(K, V), K) -> V", _subscript)
scalar("element_at(map(K, V), K) -> V", "map_extract_value({0}, {1})")
scalar("cardinality(map(K, V)) -> bigint", "CAST(cardinality({0}) AS BIGINT)")


def _made(
    call: Call, pairs: str, *, none: str = "map key cannot be null", twice: str = "Duplicate map keys are not allowed"
) -> str:
    """A map of a list of structs of ``k`` and ``v``; a key must not be null, and not be there twice."""

    def body(x: str) -> str:
        keys = f"list_transform({x}, lambda made_x: made_x.k)"

        def checked(k: str) -> str:
            doubled = f"len(list_filter({k}, lambda key_x, key_i: list_position({k}, key_x) <> key_i)) > 0"
            made = f"CAST(map_from_entries({x}) AS {call.result.duck})"
            made = refused(doubled, twice, call.result, made)
            return refused(f"list_count({k}) < len({k})", none, call.result, made)

        return strict([x], let(keys, checked))

    return let(pairs, body)


def _map(call: Call) -> str:
    def body(given: list[str]) -> str:
        keys, values = given
        pair = f"struct_pack(k := list_extract({keys}, pair_i), v := list_extract({values}, pair_i))"
        pairs = f"list_transform(range(1, CAST(len({keys}) AS BIGINT) + 1), lambda pair_i: {pair})"
        message = "Key and value arrays must be the same length"
        return strict(given, refused(f"len({keys}) <> len({values})", message, call.result, _made(call, pairs)))

    return lets(call.sql, body)


scalar("map() -> map(unknown, unknown)", "MAP {{}}")
scalar("map(array(K), array(V)) -> map(K, V)", _map)
scalar("map_keys(map(K, V)) -> array(K)", "map_keys({0})")
scalar("map_values(map(K, V)) -> array(V)", "map_values({0})")
scalar("map_concat(map(K, V)...) -> map(K, V)", lambda call: strict(call.sql, f"map_concat({', '.join(call.sql)})"))
scalar(
    "map_entries(map(K, V)) -> array(row(K, V))",
    "list_transform(map_entries({0}), lambda entry_x: struct_pack(field0 := entry_x.key, field1 := entry_x.value))",
)


def _pair(call: Call) -> str:
    """A list of structs of ``k`` and ``v``, of an array of rows."""
    kind = call.parameters[0].parts[0]
    assert isinstance(kind, Row)  # noqa: S101 - the signature says so
    key, value = kind.held_names
    failure = failing("INVALID_FUNCTION_ARGUMENT", "'map entry cannot be null'", kind.types[0])
    entry = (
        f"""struct_pack(k := CASE WHEN pair_x IS NULL THEN {failure} ELSE pair_x."{key}" END, v := pair_x."{value}")"""
    )
    return f"list_transform({call[0]}, lambda pair_x: {entry})"


def _many(call: Call) -> str:
    def body(x: str) -> str:
        keys = f"list_transform({x}, lambda made_x: made_x.k)"

        def grouped(k: str) -> str:
            values = f"list_transform(list_filter({x}, lambda many_x: many_x.k = key_x), lambda many_x: many_x.v)"
            distinct = f"list_filter({k}, lambda key_x, key_i: list_position({k}, key_x) = key_i)"
            pairs = f"list_transform({distinct}, lambda key_x: struct_pack(k := key_x, v := {values}))"
            made = f"CAST(map_from_entries({pairs}) AS {call.result.duck})"
            return refused(f"list_count({k}) < len({k})", "map key cannot be null", call.result, made)

        return strict([x], let(keys, grouped))

    return let(_pair(call), body)


scalar(
    "map_from_entries(array(row(K, V))) -> map(K, V)",
    lambda call: _made(call, _pair(call), twice="Duplicate keys are not allowed"),
)
scalar("multimap_from_entries(array(row(K, V))) -> map(K, array(V))", _many)


def _entries(call: Call, key: str, value: str) -> str:
    """A map of another one's entries, with other keys or values."""
    (entry,) = call.names(1)
    body = call.body(1, f"{entry}.key", f"{entry}.value")
    pair = f"struct_pack(k := {key.format(body=body, entry=entry)}, v := {value.format(body=body, entry=entry)})"
    return f"list_transform(map_entries({call[0]}), lambda {entry}: {pair})"


def _filtered(call: Call) -> str:
    (entry,) = call.names(1)
    body = call.body(1, f"{entry}.key", f"{entry}.value")
    return f"map_from_entries(list_filter(map_entries({call[0]}), lambda {entry}: {body}))"


scalar("map_filter(map(K, V), function(K, V, boolean)) -> map(K, V)", _filtered)
scalar(
    "transform_keys(map(A, V), function(A, V, K)) -> map(K, V)",
    lambda call: _made(call, _entries(call, "{body}", "{entry}.value"), twice="Duplicate keys are not allowed"),
)
scalar(
    "transform_values(map(K, A), function(K, A, V)) -> map(K, V)",
    lambda call: f"map_from_entries({_entries(call, '{entry}.key', '{body}')})",
)


def _zipped_with(call: Call) -> str:
    (key,) = call.names(1)

    def body(given: list[str]) -> str:
        left, right = given
        extra = f"list_filter(map_keys({right}), lambda {key}: NOT map_contains({left}, {key}))"
        keys = f"list_concat(map_keys({left}), {extra})"
        value = call.body(2, key, f"map_extract_value({left}, {key})", f"map_extract_value({right}, {key})")
        pairs = f"list_transform({keys}, lambda {key}: struct_pack(k := {key}, v := {value}))"
        return strict(given, f"CAST(map_from_entries({pairs}) AS {call.result.duck})")

    return lets(call.sql[:2], body)


scalar("map_zip_with(map(K, A), map(K, B), function(K, A, B, C)) -> map(K, C)", _zipped_with)
