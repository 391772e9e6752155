"""Dates and times as ISO 8601 writes them, in all the forms that Joda's parsers read."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions.library import macro, python
from lakehouse.local.athena.sql.zones import canonical, offset_name

_DATE = re.compile(
    r"(?P<year>[+-]?\d{1,9})(?:-W(?P<week>\d{1,2})(?:-(?P<weekday>\d))?|-(?P<ordinal>\d{3})"
    r"|-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"
)
_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?:(?P<hour_part>[.,]\d+)|:(?P<minute>\d{1,2})(?:(?P<minute_part>[.,]\d+)"
    r"|:(?P<second>\d{1,2})(?P<second_part>[.,]\d+)?)?)?"
)
_OFFSET = re.compile(r"Z|[+-]\d{2}(?::?\d{2})?")

# Minutes ahead of UTC as a zone's name, and microseconds as ISO 8601 has them.
macro(
    "athena_offset_zone(m)",
    "athena_zone(CASE WHEN m < 0 THEN '-' ELSE '+' END || lpad(CAST(abs(m) // 60 AS VARCHAR), 2, '0') || ':' "
    "|| lpad(CAST(abs(m) % 60 AS VARCHAR), 2, '0'))",
)
macro(
    "athena_iso_offset(u)",
    "CASE WHEN u // 60000000 = 0 THEN 'Z' ELSE CASE WHEN u < 0 THEN '-' ELSE '+' END || "
    "strftime(make_timestamp(abs(u)), '%H:%M') END",
)


def _invalid(text: str) -> StatementFailedError:
    return StatementFailedError("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')


def _date(found: re.Match[str]) -> date:
    year = int(found["year"])
    if found["week"]:
        return date.fromisocalendar(year, int(found["week"]), int(found["weekday"] or 1))
    if found["ordinal"]:
        day = date(year, 1, 1) + timedelta(days=int(found["ordinal"]) - 1)
        if day.year != year:
            raise ValueError(found["ordinal"])
        return day
    return date(year, int(found["month"] or 1), int(found["day"] or 1))


def _time(found: re.Match[str]) -> tuple[time, timedelta]:
    """The time, and what a fraction of its last part adds."""
    whole = time(int(found["hour"]), int(found["minute"] or 0), int(found["second"] or 0))
    for name, milliseconds in (("hour_part", 3_600_000), ("minute_part", 60_000), ("second_part", 1000)):
        if found[name]:
            added = int(Decimal("0." + found[name][1:]) * milliseconds)
            return whole, timedelta(milliseconds=added)
    return whole, timedelta()


@python("athena_iso_date", "VARCHAR", "DATE")
def parse_date(text: str) -> date:
    """Read a date.

    Args:
        text: As ``2020-05-11``, ``2020-W10`` or ``2020-123``.

    Returns:
        The date.

    Raises:
        StatementFailedError: It has another form.
    """
    found = _DATE.fullmatch(text)
    try:
        if found is not None:
            return _date(found)
    except (ValueError, OverflowError) as error:
        raise _invalid(text) from error
    raise _invalid(text)


def parse_instant(text: str) -> tuple[datetime, str]:
    """Read an instant.

    Args:
        text: A date, a time after ``T``, or both, with an offset or without; then it is in UTC.

    Returns:
        The instant in UTC, and the zone's name.

    Raises:
        StatementFailedError: It has another form.
    """
    before, separator, after = text.partition("T")
    day = _DATE.fullmatch(before)
    clock = _TIME.match(after)
    offset = _OFFSET.fullmatch(after, clock.end() if clock else 0) if separator else None
    end = (clock.end() if clock else 0) if offset is None else offset.end()
    if (before and day is None) or (not before and clock is None) or end != len(after):
        raise _invalid(text)
    try:
        date_part = date(1970, 1, 1) if day is None else _date(day)
        time_part, added = (time(), timedelta()) if clock is None else _time(clock)
        zone = "UTC" if offset is None else canonical(offset[0])
        ahead = timedelta() if zone == "UTC" else _ahead(zone)
        return datetime.combine(date_part, time_part) + added - ahead, zone
    except (ValueError, OverflowError) as error:
        raise _invalid(text) from error


def _ahead(zone: str) -> timedelta:
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return timedelta(minutes=-minutes if offset_name(-minutes) == zone else minutes)


@python("athena_iso_instant", "VARCHAR", "STRUCT(instant TIMESTAMP, zone VARCHAR)")
def _iso_instant(text: str) -> dict[str, Any]:
    """An instant and its zone."""
    found, zone = parse_instant(text)
    return {"instant": found, "zone": zone}
