"""Fields of dates, times and intervals.

https://trino.io/docs/current/functions/datetime.html#extraction-function
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.functions.library import alias, scalar
from lakehouse.local.athena.sql.sql_types import ZonedTimestamp
from lakehouse.local.athena.sql.typed import let
from lakehouse.local.athena.sql.zones import instant, wall_time

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

_OF_DATES = {
    "year": "year({0})", "quarter": "quarter({0})", "month": "month({0})", "week": "week({0})", "day": "day({0})",
    "day_of_week": "isodow({0})", "day_of_year": "dayofyear({0})", "year_of_week": "isoyear({0})",
}  # fmt: skip
_OF_TIMES = {
    "hour": "hour({0})", "minute": "minute({0})", "second": "second({0})", "millisecond": "(millisecond({0}) % 1000)",
}  # fmt: skip
# How many milliseconds a part has, and how many of it the next larger has.
_OF_INTERVALS = {"millisecond": (1, 1000), "second": (1000, 60), "minute": (60_000, 60), "hour": (3_600_000, 24)}
_HOUR, _MINUTE = 3_600_000_000, 60_000_000


def _shown(call: Call) -> str:
    """The argument as clocks show it."""
    one = call.arguments[0]
    return wall_time(one.sql, one.type) if isinstance(one.type, ZonedTimestamp) else one.sql


def _declare(name: str, kind: str, text: str) -> None:
    scalar(f"{name}({kind}) -> bigint", lambda call: text.format(_shown(call)))


for _name, _text in (_OF_DATES | _OF_TIMES).items():
    for _kind in ("date", "timestamp(p)", "timestamp(p) with time zone"):
        if _kind != "date" or _name in _OF_DATES:
            _declare(_name, _kind, _text)
for _name, _text in _OF_TIMES.items():
    _declare(_name, "time(p)", _text)
for _name, (_unit, _count) in _OF_INTERVALS.items():
    scalar(f"{_name}(interval day to second) -> bigint", f"(({{0}} // {_unit}) % {_count})")
scalar("day(interval day to second) -> bigint", "({0} // 86400000)")
scalar("month(interval year to month) -> bigint", "CAST({0} % 12 AS BIGINT)")
scalar("year(interval year to month) -> bigint", "CAST({0} // 12 AS BIGINT)")
for _new, _known in (
    *(("dow", "day_of_week"), ("doy", "day_of_year"), ("day_of_month", "day")),
    *(("week_of_year", "week"), ("yow", "year_of_week")),
):
    alias(_new, _known)
for _kind in ("date", "timestamp(p)", "timestamp(p) with time zone"):
    scalar(f"last_day_of_month({_kind}) -> date", lambda call: f"last_day({_shown(call)})")


def _offset(call: Call, text: str) -> str:
    kind = call.arguments[0].type
    assert isinstance(kind, ZonedTimestamp)  # noqa: S101 - the signature says so
    return let(
        call[0],
        lambda x: let(f"(epoch_us({wall_time(x, kind)}) - epoch_us({instant(x, kind)}))", text.format),
    )


scalar("timezone_hour(timestamp(p) with time zone) -> bigint", lambda call: _offset(call, f"({{0}} // {_HOUR})"))
scalar(
    "timezone_minute(timestamp(p) with time zone) -> bigint",
    lambda call: _offset(call, f"(({{0}} % {_HOUR}) // {_MINUTE})"),
)
