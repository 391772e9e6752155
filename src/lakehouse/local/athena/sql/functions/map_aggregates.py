"""Aggregate functions that make maps.

https://trino.io/docs/current/functions/aggregate.html#map-aggregate-functions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.casts import failing
from lakehouse.local.athena.sql.functions.library import aggregate
from lakehouse.local.athena.sql.functions.support import entries, lets
from lakehouse.local.athena.sql.sql_types import BIGINT
from lakehouse.local.athena.sql.typed import let

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call


def _pairs(call: Call) -> str:
    distinct = "DISTINCT " if call.is_distinct else ""
    pairs = f"list({distinct}struct_pack(k := {call[0]}, v := {call[1]}){call.order}){call.tail}"
    return f"list_filter({pairs}, lambda pair_x: pair_x.k IS NOT NULL)"


def _none_is_null(pairs: str) -> str:
    return let(pairs, lambda x: f"CASE WHEN len({x}) > 0 THEN {x} END")


def _map(call: Call) -> str:
    """Keys that are null are left out, and of several values the first is taken."""
    return entries(call, _none_is_null(_pairs(call)))


def _multimap(call: Call) -> str:
    def body(x: str) -> str:
        keys = f"list_transform({x}, lambda made_x: made_x.k)"
        values = f"list_transform(list_filter({x}, lambda many_x: many_x.k = key_x), lambda many_x: many_x.v)"

        def grouped(k: str) -> str:
            distinct = f"list_filter({k}, lambda key_x, key_i: list_position({k}, key_x) = key_i)"
            pairs = f"list_transform({distinct}, lambda key_x: struct_pack(k := key_x, v := {values}))"
            return f"CAST(map_from_entries({pairs}) AS {call.result.duck})"

        return let(keys, grouped)

    return let(_none_is_null(_pairs(call)), body)


def _union(call: Call) -> str:
    distinct = "DISTINCT " if call.is_distinct else ""
    maps = f"list_filter(list({distinct}{call[0]}{call.order}){call.tail}, lambda map_x: map_x IS NOT NULL)"
    pairs = "list_transform(map_entries(map_x), lambda entry_x: struct_pack(k := entry_x.key, v := entry_x.value))"
    return entries(
        call,
        let(maps, lambda x: f"CASE WHEN len({x}) > 0 THEN flatten(list_transform({x}, lambda map_x: {pairs})) END"),
    )


def _most_frequent(call: Call) -> str:
    """Exact where Trino is not."""
    buckets, value, _ = call.sql
    counts = f"map_entries(histogram({value}){call.tail})"
    ranked = (
        f"list_transform({counts}, lambda count_x: struct_pack(n := -CAST(count_x.value AS BIGINT), k := count_x.key))"
    )
    failure = failing(
        "INVALID_FUNCTION_ARGUMENT", "'approx_most_frequent bucket count must be greater than one'", BIGINT
    )
    checked = f"CASE WHEN {buckets} >= 2 THEN {buckets} ELSE {failure} END"

    def body(given: list[str]) -> str:
        top = f"list_slice(list_sort({given[0]}), 1, {given[1]})"
        made = f"map_from_entries(list_transform({top}, lambda top_x: struct_pack(k := top_x.k, v := -top_x.n)))"
        return f"CASE WHEN len({given[0]}) > 0 THEN CAST({made} AS {call.result.duck}) END"

    return lets([ranked, f"any_value({checked}){call.tail}"], body)


aggregate("histogram(K) -> map(K, bigint)", "CAST(histogram({distinct}{0}){tail} AS {type})")
aggregate("map_agg(K, V) -> map(K, V)", _map)
aggregate("multimap_agg(K, V) -> map(K, array(V))", _multimap)
aggregate("map_union(map(K, V)) -> map(K, V)", _union)
for _kind in ("bigint", "varchar"):
    aggregate(f"approx_most_frequent(bigint, {_kind}, bigint) -> map({_kind}, bigint)", _most_frequent)
