"""The current time, time zones, ISO 8601 and Unix times.

https://trino.io/docs/current/functions/datetime.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import not_supported
from lakehouse.local.athena.sql.casts import cast
from lakehouse.local.athena.sql.functions.iso8601 import parse_instant
from lakehouse.local.athena.sql.functions.library import scalar
from lakehouse.local.athena.sql.signatures import Binding
from lakehouse.local.athena.sql.sql_types import (
    DATE,
    SqlType,
    Time,
    Timestamp,
    ZonedTimestamp,
    literal,
)
from lakehouse.local.athena.sql.text_forms import as_varchar
from lakehouse.local.athena.sql.typed import let
from lakehouse.local.athena.sql.zones import canonical, instant, instant_at, instant_of, offset_name, wall_time

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

_FINEST = 6
_MINUTE = 60_000


def _given(binding: Binding, index: int) -> Any:
    """A literal argument's value; None for any other expression."""
    argument = binding.arguments[index]
    return argument.value if argument.is_literal else None


# --- the current time -------------------------------------------------------------------------------------------------


def _precision(binding: Binding) -> int:
    digits = _given(binding, 0) if binding.arguments else 3
    if not isinstance(digits, int) or not 0 <= digits <= _FINEST:
        raise not_supported(f"A current time of {digits} digits", "Use 0 to 6 digits.")
    return digits


def _now(call: Call) -> str:
    kind = call.result
    digits = kind.precision if isinstance(kind, Time | Timestamp | ZonedTimestamp) else _FINEST
    text = call.statement.session.now.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    return f"TIMESTAMP {literal(text[: 20 + digits].rstrip('.'))}"


for _arguments in ("", "bigint"):
    for _name in ("current_timestamp", "now"):
        if _name != "now" or not _arguments:
            scalar(
                f"{_name}({_arguments}) -> timestamp(3) with time zone",
                _now,
                result=lambda binding: ZonedTimestamp(_precision(binding), "UTC"),
            )
    scalar(f"localtimestamp({_arguments}) -> timestamp(3)", _now, result=lambda binding: Timestamp(_precision(binding)))
    scalar(
        f"localtime({_arguments}) -> time(3)",
        lambda call: f"CAST({_now(call)} AS TIME)",
        result=lambda binding: Time(_precision(binding)),
    )
scalar("current_date() -> date", lambda call: f"CAST({_now(call)} AS DATE)")
scalar("current_timezone() -> varchar", "'UTC'")
scalar("current_user() -> varchar", lambda call: literal(call.statement.session.user))
for _kind in ("varchar", "timestamp(p)", "timestamp(p) with time zone"):
    scalar(f"date({_kind}) -> date", lambda call: cast(call.arguments[0], DATE).sql)


# --- time zones -------------------------------------------------------------------------------------------------------


def _zone_of(binding: Binding, index: int) -> str | None:
    zone = _given(binding, index)
    return canonical(zone) if isinstance(zone, str) else None


def _in_zone(call: Call, there: str, zone: str) -> str:
    """An instant in the result's zone, or in one that is known only when the query runs."""
    if isinstance(call.result, ZonedTimestamp) and call.result.zone is not None:
        return there
    packed = let(zone, lambda z: let(there, lambda t: _packed(t, z)))
    return f"CASE WHEN {' AND '.join(f'{one} IS NOT NULL' for one in call.sql)} THEN {packed} END"


def _packed(there: str, zone: str) -> str:
    return f"struct_pack(instant := {there}, zone := {zone})"


def _at_timezone(call: Call) -> str:
    kind = call.arguments[0].type
    assert isinstance(kind, ZonedTimestamp)  # noqa: S101 - the signature says so
    return _in_zone(call, instant(call[0], kind), f"athena_zone({call[1]})")


def _at_offset(call: Call) -> str:
    kind = call.arguments[0].type
    assert isinstance(kind, ZonedTimestamp)  # noqa: S101 - the signature says so
    return _in_zone(call, instant(call[0], kind), f"athena_offset_zone({call[1]} // {_MINUTE})")


def _with_timezone(call: Call) -> str:
    zone = call.result.zone if isinstance(call.result, ZonedTimestamp) else None
    if zone is not None:
        return let(call[0], lambda wall: instant_at(wall, zone, wall))
    there = let(call[0], lambda wall: instant_of(wall, f"athena_zone({call[1]})", wall))
    return _in_zone(call, there, f"athena_zone({call[1]})")


def _interval_zone(binding: Binding) -> str | None:
    milliseconds = _given(binding, 1)
    return None if milliseconds is None else canonical(offset_name(milliseconds // _MINUTE))


scalar(
    "at_timezone(timestamp(p) with time zone, varchar) -> timestamp(p) with time zone",
    _at_timezone,
    result=lambda binding: ZonedTimestamp(binding.numbers["p"], _zone_of(binding, 1)),
)
scalar(
    "at_timezone(timestamp(p) with time zone, interval day to second) -> timestamp(p) with time zone",
    _at_offset,
    result=lambda binding: ZonedTimestamp(binding.numbers["p"], _interval_zone(binding)),
)
scalar(
    "with_timezone(timestamp(p), varchar) -> timestamp(p) with time zone",
    _with_timezone,
    result=lambda binding: ZonedTimestamp(binding.numbers["p"], _zone_of(binding, 1)),
)

# --- Unix times -------------------------------------------------------------------------------------------------------

_FROM_UNIX = "make_timestamp(CAST(floor({0} * 1000 + 0.5) AS BIGINT) * 1000)"


def _given_offset(binding: Binding) -> str | None:
    hours, minutes = _given(binding, 1), _given(binding, 2)
    return None if hours is None or minutes is None else canonical(offset_name(hours * 60 + minutes))


def _from_unix(zone: str) -> Any:
    return lambda call: _in_zone(call, _FROM_UNIX.format(call[0]), zone.format(*call.sql))


def _zoned_in_milliseconds(zone: str | None) -> SqlType:
    return ZonedTimestamp(3, zone)


scalar(
    "from_unixtime(double) -> timestamp(3) with time zone", _FROM_UNIX, result=lambda _: _zoned_in_milliseconds("UTC")
)
scalar(
    "from_unixtime(double, varchar) -> timestamp(3) with time zone",
    _from_unix("athena_zone({1})"),
    result=lambda binding: _zoned_in_milliseconds(_zone_of(binding, 1)),
)
scalar(
    "from_unixtime(double, bigint, bigint) -> timestamp(3) with time zone",
    _from_unix("athena_offset_zone({1} * 60 + {2})"),
    result=lambda binding: _zoned_in_milliseconds(_given_offset(binding)),
)
scalar("to_unixtime(timestamp(p)) -> double", "(epoch_us({0}) / 1000000.0::DOUBLE)")
scalar(
    "to_unixtime(timestamp(p) with time zone) -> double",
    lambda call: f"(epoch_us({instant(call[0], call.arguments[0].type)}) / 1000000.0::DOUBLE)",  # type: ignore[arg-type]
)
scalar("to_milliseconds(interval day to second) -> bigint", "{0}")

# --- ISO 8601 ---------------------------------------------------------------------------------------------------------


def _to_iso8601(call: Call) -> str:
    kind = call.arguments[0].type
    if not isinstance(kind, ZonedTimestamp):
        return f"replace({as_varchar(call[0], kind)}, ' ', 'T')"

    def body(x: str) -> str:
        there, wall = instant(x, kind), wall_time(x, kind)
        text = as_varchar(wall, Timestamp(kind.precision))
        return f"replace({text}, ' ', 'T') || athena_iso_offset(epoch_us({wall}) - epoch_us({there}))"

    return let(call[0], body)


for _kind in ("date", "timestamp(p)", "timestamp(p) with time zone"):
    scalar(f"to_iso8601({_kind}) -> varchar", _to_iso8601)

# What most texts are, so that few go through Python.
_USUAL_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?"


def _from_iso8601(call: Call) -> str:
    kind = call.result
    if isinstance(kind, ZonedTimestamp) and kind.zone is not None:
        found, _ = parse_instant(str(call.arguments[0].value))
        return f"TIMESTAMP {literal(found.isoformat(sep=' '))}"

    def body(x: str) -> str:
        milliseconds = rf"CAST(rpad(regexp_extract({x}, '\.(\d{{1,3}})', 1), 3, '0') AS INTEGER)"
        wall = f"TRY_CAST(replace({x}[:19], 'T', ' ') AS TIMESTAMP) + to_milliseconds({milliseconds})"
        zone = rf"CASE WHEN {x} LIKE '%Z' THEN 'UTC' ELSE athena_zone(regexp_extract({x}, '[+-]\d\d:\d\d$')) END"
        usual = let(
            f"struct_pack(wall := {wall}, zone := {zone})",
            lambda p: (
                f"CASE WHEN {p}.wall IS NOT NULL "
                f"THEN {_packed(f'athena_fixed_instant({p}.wall, {p}.zone)', f'{p}.zone')} END"
            ),
        )
        return (
            f"CASE WHEN regexp_full_match({x}, {literal(_USUAL_ISO)}) "
            f"THEN coalesce({usual}, athena_iso_instant({x})) ELSE athena_iso_instant({x}) END"
        )

    return let(call[0], body)


def _iso_zone(binding: Binding) -> str | None:
    text = _given(binding, 0)
    return parse_instant(text)[1] if isinstance(text, str) else None


scalar(
    "from_iso8601_timestamp(varchar) -> timestamp(3) with time zone",
    _from_iso8601,
    result=lambda binding: _zoned_in_milliseconds(_iso_zone(binding)),
)
scalar(
    "from_iso8601_date(varchar) -> date",
    lambda call: let(
        call[0],
        lambda x: (
            f"CASE WHEN regexp_full_match({x}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') "
            f"THEN coalesce(TRY_CAST({x} AS DATE), athena_iso_date({x})) ELSE athena_iso_date({x}) END"
        ),
    ),
)
