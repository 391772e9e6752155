"""Functions of arrays.

https://trino.io/docs/current/functions/array.html
"""

from __future__ import annotations

import random
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.casts import failing
from lakehouse.local.athena.sql.functions.library import macro, python, scalar
from lakehouse.local.athena.sql.functions.support import lets, refuse, refused, strict
from lakehouse.local.athena.sql.sql_types import Array, literal
from lakehouse.local.athena.sql.text_forms import as_varchar

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

_MOST_ELEMENTS = 10_000

# The first of those that are alike stays; null is like null. DuckDB's list_distinct keeps no order, and no nulls.
macro(
    "athena_distinct(a)",
    "list_filter(a, lambda distinct_x, distinct_i: list_position(a, distinct_x) = distinct_i)",
)


def _index_failure(call: Call, array: str, index: str) -> str:
    message = (
        f"CASE WHEN {index} = 0 THEN 'SQL array indices start at 1' WHEN {index} < 0 THEN "
        f"'Array subscript is negative: ' || CAST({index} AS VARCHAR) ELSE "
        f"'Array subscript must be less than or equal to array length: ' || CAST({index} AS VARCHAR) || ' > ' || "
        f"CAST(len({array}) AS VARCHAR) END"
    )
    return failing("INVALID_FUNCTION_ARGUMENT", message, call.result)


def _subscript(call: Call) -> str:
    """``a[i]``: counted from 1, and nothing else will do."""

    def body(given: list[str]) -> str:
        array, index = given
        return strict(
            given,
            f"CASE WHEN {index} < 1 OR {index} > len({array}) THEN {_index_failure(call, array, index)} "
            f"ELSE list_extract({array}, {index}) END",
        )

    return lets(call.sql, body)


def _element_at(call: Call) -> str:
    found = f"list_extract({call[0]}, {call[1]})"
    value = call.arguments[1].value
    if isinstance(value, int) and value:
        return found
    return lets(
        call.sql,
        lambda x: refused(f"{x[1]} = 0", "SQL array indices start at 1", call.result, f"list_extract({x[0]}, {x[1]})"),
    )


scalar("$subscript(array(E), bigint) -> E", _subscript)
scalar("element_at(array(E), bigint) -> E", _element_at)
scalar("cardinality(array(E)) -> bigint", "CAST(len({0}) AS BIGINT)")
scalar("array_distinct(array(E)) -> array(E)", lambda call: lets(call.sql, lambda x: f"athena_distinct({x[0]})"))


def _set(call: Call, keep: str) -> str:
    def body(given: list[str]) -> str:
        left, right = given
        kept = f"list_filter({left}, lambda set_x: list_position({right}, set_x) {keep})"
        return strict(given, lets([kept], lambda x: f"athena_distinct({x[0]})"))

    return lets(call.sql, body)


def _union(call: Call) -> str:
    return strict(call.sql, lets([f"list_concat({call[0]}, {call[1]})"], lambda x: f"athena_distinct({x[0]})"))


scalar("array_except(array(E), array(E)) -> array(E)", lambda call: _set(call, "IS NULL"))
scalar("array_intersect(array(E), array(E)) -> array(E)", lambda call: _set(call, "IS NOT NULL"))
scalar("array_union(array(E), array(E)) -> array(E)", _union)


def _joined(call: Call) -> str:
    kind = call.arguments[0].type
    assert isinstance(kind, Array)  # noqa: S101 - the signature says so

    def body(given: list[str]) -> str:
        array, delimiter, *null = given
        text = as_varchar("join_x", kind.element)
        text = f"coalesce({text}, {null[0]})" if null else text
        return strict(given, f"array_to_string(list_transform({array}, lambda join_x: {text}), {delimiter})")

    return lets(call.sql, body)


scalar("array_join(array(T), varchar) -> varchar", _joined)
scalar("array_join(array(T), varchar, varchar) -> varchar", _joined)
scalar("array_max(array(E)) -> E", "CASE WHEN list_count({0}) = len({0}) THEN list_max({0}) END", orderable="E")
scalar("array_min(array(E)) -> E", "CASE WHEN list_count({0}) = len({0}) THEN list_min({0}) END", orderable="E")
scalar(
    "array_position(array(E), E) -> bigint",
    lambda call: strict(call.sql, f"CAST(coalesce(list_position({call[0]}, {call[1]}), 0) AS BIGINT)"),
)
scalar(
    "array_remove(array(E), E) -> array(E)",
    lambda call: lets(
        call.sql,
        lambda x: strict(x, f"list_filter({x[0]}, lambda remove_x: remove_x IS DISTINCT FROM {x[1]})"),
    ),
)
scalar("array_sort(array(E)) -> array(E)", "list_sort({0}, 'ASC', 'NULLS LAST')", orderable="E")
scalar(
    "arrays_overlap(array(E), array(E)) -> boolean",
    lambda call: strict(
        call.sql,
        f"CASE WHEN list_has_any({call[0]}, {call[1]}) THEN TRUE WHEN (list_count({call[0]}) < len({call[0]}) "
        f"AND len({call[1]}) > 0) OR (list_count({call[1]}) < len({call[1]}) AND len({call[0]}) > 0) "
        "THEN NULL ELSE FALSE END",
    ),
)
scalar(
    "contains(array(E), E) -> boolean",
    lambda call: strict(
        call.sql,
        f"CASE WHEN list_contains({call[0]}, {call[1]}) THEN TRUE "
        f"WHEN list_count({call[0]}) < len({call[0]}) THEN NULL ELSE FALSE END",
    ),
)


def _contains_sequence(call: Call) -> str:
    def body(given: list[str]) -> str:
        array, wanted = given
        starts = f"range(1, CAST(len({array}) AS BIGINT) - CAST(len({wanted}) AS BIGINT) + 2)"
        same = f"list_slice({array}, part_i, part_i + len({wanted}) - 1) = {wanted}"
        found = f"len(list_filter({starts}, lambda part_i: {same})) > 0"
        return strict(given, f"(len({wanted}) = 0 OR {found})")

    return lets(call.sql, body)


scalar("contains_sequence(array(E), array(E)) -> boolean", _contains_sequence)
scalar("flatten(array(array(T))) -> array(T)", "flatten({0})")


@python("athena_combinations", "BIGINT, BIGINT", "BIGINT[][]")
def index_combinations(length: int, size: int) -> list[list[int]]:
    """Which elements of an array are together in its sub-groups.

    Args:
        length: How many the array has.
        size: How many a sub-group has.

    Returns:
        Their positions from 1.
    """
    if size < 0:
        refuse(f"combination size must not be negative: {size}")
    if size > 5:
        refuse("combination size must not exceed 5")
    if comb(length, size) * max(size, 1) > 100_000:
        refuse("combinations exceed max size of 100000")
    found = combinations(range(1, length + 1), size)
    return [list(one) for one in sorted(found, key=lambda one: one[::-1])]


@python("athena_permutation", "BIGINT", "BIGINT[]")
def permutation(length: int) -> list[int]:
    """Positions in any order.

    Args:
        length: How many there are.

    Returns:
        The positions, from 1.
    """
    return random.sample(range(1, length + 1), length)


def _combinations(call: Call) -> str:
    group = "list_transform(group_x, lambda group_i: list_extract({array}, group_i))"
    places = "athena_combinations(CAST(len({array}) AS BIGINT), {size})"
    return lets(
        call.sql,
        lambda x: f"list_transform({places.format(array=x[0], size=x[1])}, lambda group_x: {group.format(array=x[0])})",
    )


scalar("combinations(array(T), bigint) -> array(array(T))", _combinations)
scalar(
    "shuffle(array(E)) -> array(E)",
    lambda call: lets(
        call.sql,
        lambda x: (
            f"list_transform(athena_permutation(CAST(len({x[0]}) AS BIGINT)), "
            f"lambda shuffle_i: list_extract({x[0]}, shuffle_i))"
        ),
    ),
)


def _ngrams(call: Call) -> str:
    def body(given: list[str]) -> str:
        array, size = given
        starts = f"range(1, CAST(greatest(len({array}) - {size}, 0) AS BIGINT) + 2)"
        grams = f"list_transform({starts}, lambda gram_i: list_slice({array}, gram_i, gram_i + {size} - 1))"
        return strict(given, refused(f"{size} <= 0", "N must be positive", call.result, grams))

    return lets(call.sql, body)


scalar("ngrams(array(T), bigint) -> array(array(T))", _ngrams)


def _repeated(call: Call) -> str:
    def body(given: list[str]) -> str:
        element, count = given
        made = f"list_transform(range(CAST({count} AS BIGINT)), lambda repeat_i: {element})"
        few = "count argument of repeat function must be greater than or equal to 0"
        many = f"count argument of repeat function must be less than or equal to {_MOST_ELEMENTS}"
        made = refused(f"{count} < 0", few, call.result, made)
        return strict([count], refused(f"{count} > {_MOST_ELEMENTS}", many, call.result, made))

    return lets(call.sql, body)


scalar("repeat(T, bigint) -> array(T)", _repeated)
scalar("reverse(array(E)) -> array(E)", "list_reverse({0})")


def _sequence(call: Call) -> str:
    def body(given: list[str]) -> str:
        start, stop, *rest = given
        step = rest[0] if rest else f"CASE WHEN {start} <= {stop} THEN 1 ELSE -1 END"
        made = f"generate_series({start}, {stop}, {step})"
        many = f"result of sequence function must not have more than {_MOST_ELEMENTS} entries"
        made = refused(f"({stop}::HUGEINT - {start}) // {step} >= {_MOST_ELEMENTS}", many, call.result, made)
        if rest:
            message = (
                "sequence stop value should be greater than or equal to start value if step is greater than zero "
                "otherwise stop should be less than or equal to start"
            )
            wrong = f"({step} > 0 AND {stop} < {start}) OR ({step} < 0 AND {stop} > {start})"
            made = refused(
                f"{step} = 0", "step must not be zero", call.result, refused(wrong, message, call.result, made)
            )
        return strict(given, made)

    return lets(call.sql, body)


scalar("sequence(bigint, bigint) -> array(bigint)", _sequence)
scalar("sequence(bigint, bigint, bigint) -> array(bigint)", _sequence)


def _slice(call: Call) -> str:
    def body(given: list[str]) -> str:
        array, start, length = given
        begin = f"CASE WHEN {start} < 0 THEN len({array}) + {start} + 1 ELSE {start} END"
        # DuckDB counts positions before the first from the end.
        found = f"list_slice({array}, {begin}, {begin} + {length} - 1)"
        made = f"CASE WHEN {begin} < 1 OR {length} = 0 THEN {array}[1:0] ELSE {found} END"
        made = refused(f"{start} = 0", "SQL array indices start at 1", call.result, made)
        return strict(given, refused(f"{length} < 0", "length must be greater than or equal to 0", call.result, made))

    return lets(call.sql, body)


def _trimmed(call: Call) -> str:
    def body(given: list[str]) -> str:
        array, count = given
        kept = f"list_slice({array}, 1, len({array}) - {count})"
        kept = f"CASE WHEN {count} = len({array}) THEN {array}[1:0] ELSE {kept} END"
        message = (
            f"{literal('size must not exceed array cardinality ')} || CAST(len({array}) AS VARCHAR) || ': ' || "
            f"CAST({count} AS VARCHAR)"
        )
        failure = failing("INVALID_FUNCTION_ARGUMENT", message, call.result)
        kept = f"CASE WHEN {count} > len({array}) THEN {failure} ELSE {kept} END"
        return strict(given, refused(f"{count} < 0", "size must not be negative", call.result, kept))

    return lets(call.sql, body)


scalar("slice(array(E), bigint, bigint) -> array(E)", _slice)
scalar("trim_array(array(E), bigint) -> array(E)", _trimmed)


def _zipped(call: Call) -> str:
    def body(given: list[str]) -> str:
        lengths = ", ".join(f"len({one})" for one in given)
        fields = ", ".join(f"field{index} := list_extract({one}, zip_i)" for index, one in enumerate(given))
        places = f"range(1, CAST(greatest({lengths}) AS BIGINT) + 1)"
        return strict(given, f"list_transform({places}, lambda zip_i: struct_pack({fields}))")

    return lets(call.sql, body)


for _letters in ("A, B", "A, B, C", "A, B, C, D", "A, B, C, D, F"):
    _arrays = ", ".join(f"array({one})" for one in _letters.split(", "))
    scalar(f"zip({_arrays}) -> array(row({_letters}))", _zipped)


def _array_histogram(call: Call) -> str:
    def body(given: list[str]) -> str:
        is_first = f"key_x IS NOT NULL AND list_position({given[0]}, key_x) = key_i"
        keys = f"list_filter({given[0]}, lambda key_x, key_i: {is_first})"
        count = f"CAST(len(list_filter({given[0]}, lambda same_x: same_x = key_x)) AS BIGINT)"
        pairs = f"list_transform({keys}, lambda key_x: struct_pack(k := key_x, v := {count}))"
        return f"CAST(map_from_entries({pairs}) AS {call.result.duck})"

    return lets(call.sql, body)


scalar("array_histogram(array(K)) -> map(K, bigint)", _array_histogram)
