"""Truncation, addition, difference and sequences of dates and times, by Joda's rules.

https://trino.io/docs/current/functions/datetime.html#truncation-function
https://trino.io/docs/current/functions/datetime.html#interval-functions
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.checks import failing
from lakehouse.local.athena.sql.functions.library import macro, scalar
from lakehouse.local.athena.sql.moment_casts import rounded
from lakehouse.local.athena.sql.operators import in_zone
from lakehouse.local.athena.sql.sql_types import DATE, SqlType, Time, Timestamp, ZonedTimestamp, literal
from lakehouse.local.athena.sql.typed import Typed, let
from lakehouse.local.athena.sql.zones import instant, instant_at, wall_time, wall_time_at

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

_TIME_UNITS = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000}
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAY = 86_400_000_000
_MOST_ENTRIES = 10_000

# Joda's months from one time to a later one: the last day of a month is as good as a later day of another.
macro("athena_micros(t)", "(epoch_us(t) - epoch_us(date_trunc('day', t)))")
macro(
    "athena_months_to(a, b)",
    "((year(b) - year(a)) * 12 + month(b) - month(a) - CASE WHEN day(b) * 86400000000 + athena_micros(b) < "
    "CASE WHEN day(b) = day(last_day(b)) THEN least(day(a), day(b)) ELSE day(a) END * 86400000000 + athena_micros(a) "
    "THEN 1 ELSE 0 END)",
)
macro("athena_months(a, b)", "CASE WHEN b >= a THEN athena_months_to(a, b) ELSE -athena_months_to(b, a) END")
# A year's day, where the 29th of February counts as the day before it if the other year has none.
macro(
    "athena_year_day(t, other)",
    "(dayofyear(t) - CASE WHEN month(t) > 2 OR (month(t) = 2 AND day(t) = 29) THEN CASE WHEN "
    "day(last_day(make_date(year(t), 2, 1))) = 29 AND day(last_day(make_date(year(other), 2, 1))) = 28 "
    "THEN 1 ELSE 0 END ELSE 0 END) * 86400000000 + athena_micros(t)",
)
macro(
    "athena_years_to(a, b)",
    "(year(b) - year(a) - CASE WHEN athena_year_day(b, a) < athena_year_day(a, b) THEN 1 ELSE 0 END)",
)
macro("athena_years(a, b)", "CASE WHEN b >= a THEN athena_years_to(a, b) ELSE -athena_years_to(b, a) END")


def _units(kind: SqlType) -> tuple[str, ...]:
    """The units that there are for a type."""
    if kind == DATE:
        return (*_DAYS, *_MONTHS)
    return tuple(_TIME_UNITS) if isinstance(kind, Time) else (*_TIME_UNITS, *_DAYS, *_MONTHS)


def _by_unit(call: Call, kind: SqlType, emit: Callable[[str], str]) -> str:
    """An expression for the unit that the first argument names."""
    unit = call.arguments[0]
    name = "DATE" if kind == DATE else "Time" if isinstance(kind, Time) else "Timestamp"
    if unit.is_literal and unit.value is not None:
        if str(unit.value).lower() not in _units(kind):
            raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"'{unit.value}' is not a valid {name} field")
        return emit(str(unit.value).lower())
    message = f"'''' || {unit.sql} || ''' is not a valid {name} field'"
    branches = " ".join(f"WHEN {literal(one)} THEN {emit(one)}" for one in _units(kind))
    failure = failing("INVALID_FUNCTION_ARGUMENT", message, call.result)
    missing = " OR ".join(f"{one} IS NULL" for one in call.sql)
    return f"CASE WHEN {missing} THEN NULL ELSE CASE lower({unit.sql}) {branches} ELSE {failure} END END"


def _changed_wall(sql: str, kind: ZonedTimestamp, change: Callable[[str], str]) -> str:
    """An instant whose wall time is changed, and whose offset stays where it can."""
    zone = kind.zone
    if zone is None:
        return in_zone(sql, kind, change, is_wall=True)
    return let(sql, lambda x: instant_at(change(wall_time_at(x, zone)), zone, x))


def _truncated(call: Call) -> str:
    one = call.arguments[1]
    return _by_unit(call, one.type, lambda unit: _truncate(unit, one))


def _truncate(unit: str, one: Typed) -> str:
    kind = one.type
    if kind == DATE:
        return f"CAST(date_trunc('{unit}', {one.sql}) AS DATE)"
    if isinstance(kind, Time):
        return f"CAST(date_trunc('{unit}', DATE '1970-01-01' + {one.sql}) AS TIME)"
    if not isinstance(kind, ZonedTimestamp):
        return f"date_trunc('{unit}', {one.sql})"
    if unit not in _TIME_UNITS:
        return _changed_wall(one.sql, kind, lambda wall: f"date_trunc('{unit}', {wall})")

    def body(x: str) -> str:
        # An hour of the clocks may be told twice: what is taken away is taken from the instant.
        wall = wall_time(x, kind)
        there = (
            f"make_timestamp(epoch_us({instant(x, kind)}) - epoch_us({wall}) + epoch_us(date_trunc('{unit}', {wall})))"
        )
        if kind.zone is not None:
            return there
        packed = f"struct_pack(instant := {there}, zone := struct_extract({x}, 'zone'))"
        return f"CASE WHEN {x} IS NOT NULL THEN {packed} END"

    return let(one.sql, body)


def _added(call: Call) -> str:
    one = call.arguments[2]
    return _by_unit(call, one.type, lambda unit: _add(unit, call[1], one))


def _step(unit: str, amount: str) -> str:
    if unit in _TIME_UNITS:
        return f"to_microseconds({amount} * {_TIME_UNITS[unit] * 1000})"
    count = _DAYS.get(unit) or _MONTHS[unit]
    return f"{'to_days' if unit in _DAYS else 'to_months'}(CAST({amount} * {count} AS INTEGER))"


def _add(unit: str, amount: str, one: Typed) -> str:
    kind, step = one.type, _step(unit, amount)
    if kind == DATE:
        return f"CAST({one.sql} + {step} AS DATE)"
    if isinstance(kind, Time):
        moved = f"(DATE '1970-01-01' + {one.sql} + {step})"
        return f"CAST({_as_precise(moved, unit, kind.precision)} AS TIME)"
    if isinstance(kind, Timestamp):
        return _as_precise(f"({one.sql} + {step})", unit, kind.precision)
    assert isinstance(kind, ZonedTimestamp)  # noqa: S101 - the signature says so
    if unit not in _TIME_UNITS:
        return _changed_wall(one.sql, kind, lambda wall: f"({wall} + {step})")
    if kind.zone is not None:
        return _as_precise(f"({one.sql} + {step})", unit, kind.precision)
    return in_zone(one.sql, kind, lambda x: _as_precise(f"({x} + {step})", unit, kind.precision), is_wall=False)


def _as_precise(sql: str, unit: str, precision: int) -> str:
    """Milliseconds may be more than the type has digits for."""
    return rounded(sql, 3, precision) if unit == "millisecond" else sql


def _difference(call: Call) -> str:
    first, second = call.arguments[1], call.arguments[2]
    kind = first.type
    if isinstance(kind, ZonedTimestamp):
        return let(first.sql, lambda a: let(second.sql, lambda b: _zoned_difference(call, a, b, kind)))
    if isinstance(kind, Time):
        moments = [f"(DATE '1970-01-01' + {one.sql})" for one in (first, second)]
    else:
        moments = [f"CAST({one.sql} AS TIMESTAMP)" for one in (first, second)]
    return _by_unit(call, kind, lambda unit: _between(unit, moments[0], moments[1]))


def _zoned_difference(call: Call, a: str, b: str, kind: ZonedTimestamp) -> str:
    """Days and longer are those that clocks show in the first one's zone."""
    there = [instant(one, kind) for one in (a, b)]
    if kind.zone is not None:
        walls = [wall_time_at(one, kind.zone) for one in there]
    else:
        walls = [f"athena_wall({one}, struct_extract({a}, 'zone'))" for one in there]
    return _by_unit(call, kind, lambda unit: _between(unit, *(there if unit in _TIME_UNITS else walls)))


def _between(unit: str, a: str, b: str) -> str:
    if unit in _MONTHS:
        whole = [f"date_trunc('millisecond', {one})" for one in (a, b)]
        name = "athena_years" if unit == "year" else "athena_months"
        count = let(whole[0], lambda x: let(whole[1], lambda y: f"{name}({x}, {y})"))
        return f"({count} // 3)" if unit == "quarter" else count
    length = _TIME_UNITS[unit] if unit in _TIME_UNITS else _DAYS[unit] * _DAY // 1000
    # Digits after the milliseconds do not count.
    return f"((epoch_ms({b}) - epoch_ms({a})) // {length})"


for _kind in ("date", "time(p)", "timestamp(p)", "timestamp(p) with time zone"):
    scalar(f"date_trunc(varchar, {_kind}) -> {_kind}", _truncated)
    scalar(f"date_add(varchar, bigint, {_kind}) -> {_kind}", _added)
    scalar(f"date_diff(varchar, {_kind}, {_kind}) -> bigint", _difference)

# --- sequences --------------------------------------------------------------------------------------------------------


def _sequence(call: Call, count: str, element: str) -> str:
    """``count`` is how many steps there are, ``element`` one with ``{i}`` for its place; a, b and s are arguments."""
    wrong = failing(
        "INVALID_FUNCTION_ARGUMENT",
        literal(
            "sequence stop value should be greater than or equal to start value if step is greater than zero "
            "otherwise stop should be less than or equal to start value"
        ),
        call.result,
    )
    many = failing(
        "INVALID_FUNCTION_ARGUMENT",
        literal(f"result of sequence function must not have more than {_MOST_ENTRIES} entries"),
        call.result,
    )
    (name,) = call.names(1)

    def body(a: str, b: str, s: str) -> str:
        steps = count.format(a=a, b=b, s=s)
        made = f"list_transform(range(CAST({steps} + 1 AS BIGINT)), lambda {name}: {element.format(a=a, s=s, i=name)})"
        return (
            f"CASE WHEN {a} IS NULL OR {b} IS NULL OR {s} IS NULL THEN NULL "
            f"WHEN NOT (({s} > 0 AND {b} >= {a}) OR ({s} < 0 AND {b} <= {a})) THEN {wrong} "
            f"WHEN {steps} >= {_MOST_ENTRIES} THEN {many} ELSE {made} END"
        )

    step = (
        call[2]
        if len(call.sql) > 2
        else f"CASE WHEN {call[1]} >= {call[0]} THEN {_DAY // 1000} ELSE -{_DAY // 1000} END"
    )
    return let(call[0], lambda a: let(call[1], lambda b: let(step, lambda s: body(a, b, s))))


def _by_time(call: Call) -> str:
    if call.arguments[0].type == DATE:
        day = _DAY // 1000
        message = literal("sequence step must be a day interval if start and end values are dates")
        failure = failing("INVALID_FUNCTION_ARGUMENT", message, call.result)
        made = _sequence(
            call, f"(({{b}} - {{a}}) // ({{s}} // {day}))", f"({{a}} + CAST({{i}} * ({{s}} // {day}) AS INTEGER))"
        )
        return f"CASE WHEN {call[2]} % {day} <> 0 THEN {failure} ELSE {made} END" if len(call.sql) > 2 else made
    return _sequence(
        call, "((epoch_us({b}) - epoch_us({a})) // ({s} * 1000))", "({a} + to_microseconds({i} * {s} * 1000))"
    )


def _by_months(call: Call) -> str:
    moved = "({a} + to_months(CAST({i} * {s} AS INTEGER)))"
    count = "(athena_months(CAST({a} AS TIMESTAMP), CAST({b} AS TIMESTAMP)) // {s})"
    return _sequence(call, count, f"CAST({moved} AS DATE)" if call.arguments[0].type == DATE else moved)


scalar("sequence(date, date) -> array(date)", _by_time)
for _kind in ("date", "timestamp(p)"):
    scalar(f"sequence({_kind}, {_kind}, interval day to second) -> array({_kind})", _by_time)
    scalar(f"sequence({_kind}, {_kind}, interval year to month) -> array({_kind})", _by_months)
