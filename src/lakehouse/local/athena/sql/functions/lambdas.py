"""Functions of arrays that take lambda expressions.

https://trino.io/docs/current/functions/lambda.html
https://trino.io/docs/current/functions/array.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.casts import failing
from lakehouse.local.athena.sql.functions.library import aggregate, scalar
from lakehouse.local.athena.sql.functions.support import lets, strict
from lakehouse.local.athena.sql.sql_types import INTEGER, Array
from lakehouse.local.athena.sql.typed import let

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call


def _matching(call: Call, how: str, empty: str) -> str:
    (x,) = call.names(1)
    tests = f"list_transform({call[0]}, lambda {x}: {call.body(1, x)})"
    # null where an answer depends on an unknown, as AND and OR themselves.
    decided, other = ("FALSE", "TRUE") if how == "and" else ("TRUE", "FALSE")
    return let(
        tests,
        lambda t: (
            f"CASE WHEN {t} IS NULL THEN NULL WHEN len({t}) = 0 THEN {empty} WHEN list_contains({t}, {decided}) "
            f"THEN {decided} WHEN list_count({t}) < len({t}) THEN NULL ELSE {other} END"
        ),
    )


scalar("all_match(array(T), function(T, boolean)) -> boolean", lambda call: _matching(call, "and", "TRUE"))
scalar("any_match(array(T), function(T, boolean)) -> boolean", lambda call: _matching(call, "or", "FALSE"))
scalar("none_match(array(T), function(T, boolean)) -> boolean", lambda call: f"(NOT {_matching(call, 'or', 'FALSE')})")
scalar(
    "filter(array(T), function(T, boolean)) -> array(T)",
    lambda call: f"list_filter({call[0]}, lambda {call.names(1)[0]}: {call.body(1, *call.names(1))})",
)
scalar(
    "transform(array(T), function(T, U)) -> array(U)",
    lambda call: f"list_transform({call[0]}, lambda {call.names(1)[0]}: {call.body(1, *call.names(1))})",
)


def _folded(call: Call, array: str, start: str, element_type: str) -> str:
    """The last state. DuckDB's list_reduce wants one type for states and elements: both are put into one struct."""
    state, element = call.names(2)
    held = call.parameters[1].duck
    steps = f"list_transform({array}, lambda {element}: struct_pack(s := CAST(NULL AS {held}), x := {element}))"
    nothing = f"CAST(NULL AS {element_type})"
    first = f"struct_pack(s := CAST({start} AS {held}), x := {nothing})"
    body = call.body(2, f"{state}.s", f"{element}.x")
    step = f"struct_pack(s := CAST({body} AS {held}), x := {nothing})"
    return f"struct_extract(list_reduce({steps}, lambda {state}, {element}: {step}, {first}), 's')"


def _reduced(call: Call) -> str:
    kind = call.parameters[0]
    assert isinstance(kind, Array)  # noqa: S101 - the signature says so

    def body(given: list[str]) -> str:
        array, start = given
        last = let(_folded(call, array, start, kind.element.duck), lambda state: call.body(3, state))
        return strict([array], last)

    return lets(call.sql[:2], body)


def _reduced_rows(call: Call) -> str:
    given = f"list({'DISTINCT ' if call.is_distinct else ''}{call[0]}{call.order}){call.tail}"
    values = f"list_filter({given}, lambda given_x: given_x IS NOT NULL)"
    start = f"any_value({call[1]}){call.tail}"

    def body(texts: list[str]) -> str:
        array, first = texts
        return f"CASE WHEN len({array}) > 0 THEN {_folded(call, array, first, call.parameters[0].duck)} END"

    return lets([values, start], body)


scalar("reduce(array(T), S, function(S, T, S), function(S, R)) -> R", _reduced)
aggregate("reduce_agg(T, S, function(S, T, S), function(S, S, S)) -> S", _reduced_rows)


def _zipped_with(call: Call) -> str:
    (index,) = call.names(1)

    def body(given: list[str]) -> str:
        left, right = given
        made = call.body(2, f"list_extract({left}, {index})", f"list_extract({right}, {index})")
        places = f"range(1, CAST(greatest(len({left}), len({right})) AS BIGINT) + 1)"
        return strict(given, f"list_transform({places}, lambda {index}: {made})")

    return lets(call.sql[:2], body)


scalar("zip_with(array(T), array(U), function(T, U, R)) -> array(R)", _zipped_with)


def _compared(call: Call) -> str:
    """``array_sort`` by a comparator: of two elements, the later comes first where it is less."""
    one, other = call.names(2)
    failure = failing("INVALID_FUNCTION_ARGUMENT", "'Lambda comparator must return either -1, 0, or 1'", INTEGER)

    def body(given: list[str]) -> str:
        (array,) = given
        later, earlier = (f"list_extract({array}, {which}({one}, {other}))" for which in ("greatest", "least"))
        sign = let(call.body(1, later, earlier), lambda c: f"CASE WHEN {c} IN (-1, 0, 1) THEN {c} ELSE {failure} END")
        places = f"range(1, len({array}) + 1)"
        before = f"CASE WHEN {one} = {other} THEN FALSE ELSE ({one} < {other}) <> ({sign} < 0) END"
        ranked = f"struct_pack(r := len(list_filter({places}, lambda {one}: {before})), i := {other})"
        ranks = f"list_sort(list_transform({places}, lambda {other}: {ranked}))"
        return strict(given, f"list_transform({ranks}, lambda {one}: list_extract({array}, {one}.i))")

    return lets(call.sql[:1], body)


scalar("array_sort(array(T), function(T, T, integer)) -> array(T)", _compared)
