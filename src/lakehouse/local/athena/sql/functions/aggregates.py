"""Aggregate functions, but those of statistics and of maps.

https://trino.io/docs/current/functions/aggregate.html
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import not_supported
from lakehouse.local.athena.sql.casts import failing
from lakehouse.local.athena.sql.functions import hashes
from lakehouse.local.athena.sql.functions.library import aggregate, python
from lakehouse.local.athena.sql.functions.support import lets
from lakehouse.local.athena.sql.operators import scaled
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    VARBINARY,
    VARCHAR,
    Array,
    Decimal,
    SqlType,
    Timestamp,
    is_integer,
    is_text,
)
from lakehouse.local.athena.sql.typed import let

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

_LONGEST_LIST = 1_048_576
_PRIME = 0x9E3779B185EBCA87

aggregate("count() -> bigint", "count(*){tail}")
aggregate("count(T) -> bigint", "count({distinct}{0}){tail}")
aggregate("count_if(boolean) -> bigint", "CAST(coalesce(count_if({distinct}{0}){tail}, 0) AS BIGINT)")
aggregate("sum(bigint) -> bigint", "CAST(sum({distinct}{0}){tail} AS BIGINT)")
aggregate("sum(double) -> double", "sum({distinct}{0}){tail}")
aggregate("sum(real) -> real", "CAST(sum({distinct}{0}){tail} AS FLOAT)")
aggregate("sum(decimal(p,s)) -> decimal(38,s)", "CAST(sum({distinct}{0}){tail} AS {type})")
aggregate("sum(interval day to second) -> interval day to second", "CAST(sum({distinct}{0}){tail} AS BIGINT)")
aggregate("sum(interval year to month) -> interval year to month", "CAST(sum({distinct}{0}){tail} AS INTEGER)")
aggregate("avg(bigint) -> double", "avg({distinct}{0}){tail}")
aggregate("avg(double) -> double", "avg({distinct}{0}){tail}")
aggregate("avg(real) -> real", "CAST(avg({distinct}{0}){tail} AS FLOAT)")
aggregate("avg(interval day to second) -> interval day to second", "CAST(round(avg({distinct}{0}){tail}) AS BIGINT)")
aggregate("avg(interval year to month) -> interval year to month", "CAST(round(avg({distinct}{0}){tail}) AS INTEGER)")


def _average_of_decimals(call: Call) -> str:
    """Exact, half up: DuckDB's is a double."""
    kind = call.result
    assert isinstance(kind, Decimal)  # noqa: S101 - the signature says so
    distinct = "DISTINCT " if call.is_distinct else ""
    # Digits without their point are a whole number; only the sum is turned into one, since that takes its time.
    total = f"CAST(replace(CAST(sum({distinct}{call[0]}){call.tail} AS VARCHAR), '.', '') AS HUGEINT)"
    count = f"count({distinct}{call[0]}){call.tail}"
    halved = f"(({total} * 2 + sign({total}) * {count}) // (2 * {count}))"
    return f"CASE WHEN {count} > 0 THEN {scaled(f'CAST({halved} AS HUGEINT)', kind)} END"


aggregate("avg(decimal(p,s)) -> decimal(p,s)", _average_of_decimals)
aggregate("min(E) -> E", "min({distinct}{0}){tail}", orderable="E")
aggregate("max(E) -> E", "max({distinct}{0}){tail}", orderable="E")
aggregate("min_by(V, E) -> V", "arg_min_null({0}, {1}){tail}", orderable="E")
aggregate("max_by(V, E) -> V", "arg_max_null({0}, {1}){tail}", orderable="E")


def _several(call: Call) -> str:
    """The first or last n."""
    *values, count = call.sql
    message = f"'{'third' if len(values) > 1 else 'second'} argument of {call.name} must be a positive integer'"
    checked = f"CASE WHEN {count} > 0 THEN {count} ELSE {failing('INVALID_FUNCTION_ARGUMENT', message, BIGINT)} END"
    if len(values) == 1:
        return f"{call.name}({values[0]}, {checked}){call.tail}"
    # A null is a value here, which DuckDB leaves out.
    name = {"min_by": "arg_min", "max_by": "arg_max"}[call.name]
    found = f"{name}(struct_pack(v := {values[0]}), {values[1]}, {checked}){call.tail}"
    return f"list_transform({found}, lambda by_x: by_x.v)"


for _name in ("min", "max"):
    aggregate(f"{_name}(E, bigint) -> array(E)", _several, orderable="E")
    aggregate(f"{_name}_by(V, E, bigint) -> array(V)", _several, orderable="E")
aggregate("any_value(T) -> T", "any_value({0}{order}){tail}")
aggregate("arbitrary(T) -> T", "any_value({0}{order}){tail}")
aggregate("array_agg(T) -> array(T)", "list({distinct}{0}{order}){tail}")
aggregate("bool_and(boolean) -> boolean", "bool_and({0}){tail}")
aggregate("bool_or(boolean) -> boolean", "bool_or({0}){tail}")
aggregate("every(boolean) -> boolean", "bool_and({0}){tail}")
aggregate("bitwise_and_agg(bigint) -> bigint", "bit_and({0}){tail}")
aggregate("bitwise_or_agg(bigint) -> bigint", "bit_or({0}){tail}")
aggregate("bitwise_xor_agg(bigint) -> bigint", "bit_xor({distinct}{0}){tail}")


def _joined(call: Call) -> str:
    message = f"'Concatenated string has the length in bytes larger than the maximum output length {_LONGEST_LIST}'"
    failure = failing("EXCEEDED_FUNCTION_MEMORY_LIMIT", message, VARCHAR)
    distinct = "DISTINCT " if call.is_distinct else ""
    whole = f"string_agg({distinct}{call[0]}, {call[1]}{call.order}){call.tail}"
    return let(whole, lambda x: f"CASE WHEN strlen({x}) > {_LONGEST_LIST} THEN {failure} ELSE {x} END")


aggregate("listagg(varchar, varchar) -> varchar", _joined)

# Exact where Trino is not: what is on a laptop can be counted.
aggregate("approx_distinct(T) -> bigint", "count(DISTINCT {0}){tail}")


def _distinct_within(call: Call) -> str:
    message = f"'Standard error must be in [0.0040625, 0.26]: ' || CAST({call[1]} AS VARCHAR)"
    failure = failing("INVALID_FUNCTION_ARGUMENT", message, BIGINT)
    fits = f"{call[1]} BETWEEN 0.0040625 AND 0.26000"
    return f"CASE WHEN {fits} THEN count(DISTINCT {call[0]}){call.tail} ELSE {failure} END"


aggregate("approx_distinct(T, double) -> bigint", _distinct_within)


@python("athena_percentiles", "STRUCT(x DOUBLE, w DOUBLE)[], DOUBLE[]", "DOUBLE[]")
def percentiles(pairs: list[dict[str, float]], fractions: list[float]) -> list[float]:
    """Values at percentages, as a t-digest has them that keeps every value.

    https://github.com/airlift/airlift/blob/master/stats/src/main/java/io/airlift/stats/TDigest.java

    Args:
        pairs: The values with their weights.
        fractions: The percentages, from 0 to 1.

    Returns:
        The values.
    """
    ordered = sorted((one["x"], one["w"]) for one in pairs)
    return [_value_at(ordered, one) for one in fractions]


def _value_at(ordered: list[tuple[float, float]], fraction: float) -> float:
    total = sum(weight for _, weight in ordered)
    (low, first), (high, last) = ordered[0], ordered[-1]
    index = fraction * total
    if len(ordered) == 1 or index < 1 or (first > 1 and index < first / 2):
        return low
    if index > total - 1 or (last > 1 and total - index <= last / 2):
        return high
    so_far = first / 2
    for (left, weight), (right, next_weight) in pairwise(ordered):
        delta = (weight + next_weight) / 2
        if so_far + delta > index:
            if weight == 1 and index - so_far < 0.5:
                return left
            if next_weight == 1 and so_far + delta - index <= 0.5:
                return right
            z1 = index - so_far - (0.5 if weight == 1 else 0)
            z2 = so_far + delta - index - (0.5 if next_weight == 1 else 0)
            return (left * z2 + right * z1) / (z1 + z2)
        so_far += delta
    return high


def _percentile(call: Call) -> str:
    fraction = call.arguments[-1]
    is_array = isinstance(fraction.type, Array)
    fractions = fraction.sql if is_array else f"[{fraction.sql}]"
    message = "'Percentile must be between 0 and 1'"
    wrong = f"len(list_filter({fractions}, lambda part_x: part_x < 0 OR part_x > 1)) > 0"
    failure = failing("INVALID_FUNCTION_ARGUMENT", message, Array(DOUBLE))
    checked = f"CASE WHEN {wrong} THEN {failure} ELSE {fractions} END"
    kind = call.result.parts[0] if isinstance(call.result, Array) else call.result
    pairs, values = _weighted(call, kind) if len(call.arguments) == 3 else _unweighted(call)

    def body(given: list[str]) -> str:
        found = values(given[0], given[1])
        return f"CASE WHEN len({given[0]}) > 0 THEN {found if is_array else f'list_extract({found}, 1)'} END"

    return lets([pairs, f"any_value({checked}){call.tail}"], body)


def _unweighted(call: Call) -> tuple[str, Callable[[str, str], str]]:
    distinct = "DISTINCT " if call.is_distinct else ""
    given = f"list_filter(list({distinct}{call[0]}){call.tail}, lambda value_x: value_x IS NOT NULL)"

    def values(ordered: str, fractions: str) -> str:
        place = f"least(CAST(floor(part_x * len({ordered})) AS BIGINT) + 1, len({ordered}))"
        return f"list_transform({fractions}, lambda part_x: list_extract({ordered}, {place}))"

    return f"list_sort({given})", values


def _weighted(call: Call, kind: SqlType) -> tuple[str, Callable[[str, str], str]]:
    light = failing("INVALID_FUNCTION_ARGUMENT", "'percentile weight must be > 0'", DOUBLE)
    weight = f"CASE WHEN {call[1]} <= 0 THEN {light} ELSE CAST({call[1]} AS DOUBLE) END"
    pairs = f"list(struct_pack(x := CAST({call[0]} AS DOUBLE), w := {weight})){call.tail}"
    rounded = "round(value_x)" if is_integer(kind) else "value_x"

    def values(given: str, fractions: str) -> str:
        found = f"athena_percentiles({given}, {fractions})"
        return f"list_transform({found}, lambda value_x: CAST({rounded} AS {kind.duck}))"

    return f"list_filter({pairs}, lambda pair_x: pair_x.x IS NOT NULL AND pair_x.w IS NOT NULL)", values


for _kind in ("bigint", "real", "double"):
    for _weight in ("", "double, "):
        aggregate(f"approx_percentile({_kind}, {_weight}double) -> {_kind}", _percentile)
        aggregate(f"approx_percentile({_kind}, {_weight}array(double)) -> array({_kind})", _percentile)


@python("athena_checksum_part", "BLOB", "HUGEINT")
def checksum_part(data: bytes) -> int:
    """What a value adds to a checksum.

    Args:
        data: The value's bytes.

    Returns:
        A number of 64 bits.
    """
    return _part(data)


def _part(data: bytes) -> int:
    return hashes.xxhash64(data) * _PRIME % 2**64


@python("athena_checksum_number", "BIGINT", "HUGEINT")
def checksum_number(value: int) -> int:
    """What a number adds to a checksum.

    Args:
        value: The number.

    Returns:
        A number of 64 bits.
    """
    return _part(struct.pack("<q", value))


@python("athena_checksum_double", "DOUBLE", "HUGEINT")
def checksum_double(value: float) -> int:
    """What a number adds to a checksum.

    Args:
        value: The number.

    Returns:
        A number of 64 bits.
    """
    return _part(struct.pack("<d", value + 0.0))


@python("athena_checksum", "HUGEINT", "BLOB")
def checksum(total: int) -> bytes:
    """A checksum of its parts.

    Args:
        total: Their sum.

    Returns:
        8 bytes.
    """
    return struct.pack("<Q", total % 2**64)


def _part_of_checksum(sql: str, kind: SqlType) -> str:
    if is_integer(kind):
        return f"athena_checksum_number(CAST({sql} AS BIGINT))"
    if kind == BOOLEAN:
        return f"athena_checksum_number(CAST(CAST({sql} AS INTEGER) AS BIGINT))"
    if kind == DATE:
        return f"athena_checksum_number(CAST({sql} - DATE '1970-01-01' AS BIGINT))"
    if isinstance(kind, Timestamp):
        return f"athena_checksum_number(epoch_us({sql}))"
    if isinstance(kind, Decimal) and kind.precision <= 18:
        return f"athena_checksum_number(CAST({sql}::DECIMAL(38,{kind.scale}) * {10**kind.scale} AS BIGINT))"
    if kind == DOUBLE:
        return f"athena_checksum_double({sql})"
    if is_text(kind):
        return f"athena_checksum_part(encode({sql}))"
    if kind == VARBINARY:
        return f"athena_checksum_part({sql})"
    raise not_supported(f"checksum of {kind}")


def _checksum(call: Call) -> str:
    part = f"coalesce({_part_of_checksum(call[0], call.arguments[0].type)}, {_PRIME}::HUGEINT)"
    return f"athena_checksum(CAST(sum({part}){call.tail} AS HUGEINT))"


aggregate("checksum(T) -> varbinary", _checksum)
