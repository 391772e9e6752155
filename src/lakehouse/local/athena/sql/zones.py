"""Time zones: the wall time of an instant somewhere, and the instant of a wall time.

The zones of a query's session are UTC, as Athena's are. The macros of ``functions.basics`` do the work where a
zone has a name; a zone of one offset is an addition.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.sql_types import ZonedTimestamp, literal
from lakehouse.local.athena.sql.typed import let

_OFFSET = re.compile(r"([+-])(\d{1,2})(?::?(\d{2}))?")
_PREFIXED = re.compile(r"(etc/)?(utc|gmt|ut)([+-].*)", re.IGNORECASE)
_UTC_NAMES = frozenset(
    {"utc", "z", "ut", "uct", "gmt", "gmt0", "greenwich", "universal", "zulu"}
    | {
        f"etc/{name}"
        for name in ("utc", "ut", "uct", "gmt", "gmt0", "gmt+0", "gmt-0", "greenwich", "universal", "zulu")
    }
)
_ZONES = {zone.lower(): zone for zone in available_timezones()}
_FURTHEST_MINUTES = 14 * 60


def canonical(zone: str) -> str:
    """A zone's name as Trino writes it.

    Args:
        zone: As ``europe/berlin``, ``+2`` or ``Z``.

    Returns:
        As ``Europe/Berlin``, ``+02:00`` or ``UTC``.

    Raises:
        StatementFailedError: There is no such zone.
    """
    text = zone.strip()
    if text.lower() in _UTC_NAMES:
        return "UTC"
    if text.lower() in _ZONES and not text.lower().startswith("etc/gmt"):
        return _ZONES[text.lower()]
    prefixed = _PREFIXED.fullmatch(text)
    offset = _OFFSET.fullmatch(prefixed[3] if prefixed else text)
    if offset is None:
        raise _unknown(zone)
    minutes = int(f"{offset[1]}1") * (int(offset[2]) * 60 + int(offset[3] or 0))
    if prefixed and prefixed[1] and prefixed[2].lower() == "gmt":
        # POSIX counts westwards.
        minutes = -minutes
    if abs(minutes) > _FURTHEST_MINUTES or int(offset[3] or 0) > 59:
        raise _unknown(zone)
    return offset_name(minutes)


def offset_name(minutes: int) -> str:
    """The name of a zone of one offset.

    Args:
        minutes: How far it is ahead of UTC.

    Returns:
        As ``+02:00``, or ``UTC``.
    """
    if not minutes:
        return "UTC"
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _unknown(zone: str) -> StatementFailedError:
    return StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"'{zone}' is not a valid time zone")


def offset_minutes(zone: str) -> int | None:
    """How far a zone of one offset is ahead of UTC.

    Args:
        zone: A canonical name.

    Returns:
        Minutes; None for a zone with a name.
    """
    if zone == "UTC":
        return 0
    offset = _OFFSET.fullmatch(zone)
    return None if offset is None else int(f"{offset[1]}1") * (int(offset[2]) * 60 + int(offset[3]))


def first_instant(wall: datetime, zone: str) -> datetime | None:
    """When clocks in a zone first show a time.

    Args:
        wall: The time, without a zone.
        zone: The zone's canonical name.

    Returns:
        The instant in UTC, without a zone; None where the clocks skip the time.
    """
    minutes = offset_minutes(zone)
    if minutes is not None:
        return wall - timedelta(minutes=minutes)
    there = ZoneInfo(zone)
    found = wall.replace(tzinfo=there).astimezone(ZoneInfo("UTC"))
    return found.replace(tzinfo=None) if found.astimezone(there).replace(tzinfo=None) == wall else None


def wall_time(sql: str, kind: ZonedTimestamp) -> str:
    """What clocks show at an instant, in its own zone.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.

    Returns:
        DuckDB's text of a TIMESTAMP.
    """
    if kind.zone is not None:
        return wall_time_at(sql, kind.zone)
    return let(sql, lambda x: wall_time_of(f"struct_extract({x}, 'instant')", f"struct_extract({x}, 'zone')"))


def wall_time_at(instant: str, zone: str) -> str:
    """What clocks show at an instant in a zone that is known.

    Args:
        instant: DuckDB's text of a TIMESTAMP in UTC.
        zone: The zone's canonical name.

    Returns:
        DuckDB's text of a TIMESTAMP.
    """
    minutes = offset_minutes(zone)
    if minutes is None:
        return f"timezone({literal(zone)}, timezone('UTC', {instant}))"
    return f"({instant} + to_minutes({minutes}))" if minutes else instant


def wall_time_of(instant: str, zone: str) -> str:
    """What clocks show at an instant in a zone that is known only when the query runs.

    Args:
        instant: DuckDB's text of a TIMESTAMP in UTC.
        zone: DuckDB's text of the zone's canonical name.

    Returns:
        DuckDB's text of a TIMESTAMP.
    """
    return f"athena_wall({instant}, {zone})"


def instant_at(wall: str, zone: str, near: str | None = None) -> str:
    """When clocks in a zone that is known show a time; one that they skip is moved forward.

    Args:
        wall: DuckDB's text of a TIMESTAMP.
        zone: The zone's canonical name.
        near: DuckDB's text of an instant that the time comes of: where clocks show it twice, its offset stays.

    Returns:
        DuckDB's text of a TIMESTAMP in UTC.
    """
    minutes = offset_minutes(zone)
    if minutes is None:
        return instant_of(wall, literal(zone), near)
    return f"({wall} - to_minutes({minutes}))" if minutes else wall


def instant_of(wall: str, zone: str, near: str | None = None) -> str:
    """When clocks in a zone that is known only when the query runs show a time.

    Args:
        wall: DuckDB's text of a TIMESTAMP.
        zone: DuckDB's text of the zone's canonical name.
        near: See ``instant_at``.

    Returns:
        DuckDB's text of a TIMESTAMP in UTC.
    """
    if near is None:
        return let(wall, lambda w: f"athena_instant({w}, {zone})")

    def body(w: str, offset: str) -> str:
        kept = f"athena_minus({w}, {offset})"
        return f"CASE WHEN athena_offset({kept}, {zone}) = {offset} THEN {kept} ELSE athena_instant({w}, {zone}) END"

    return let(wall, lambda w: let(f"athena_offset({near}, {zone})", lambda offset: body(w, offset)))


def instant(sql: str, kind: ZonedTimestamp) -> str:
    """The instant, without its zone.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.

    Returns:
        DuckDB's text of a TIMESTAMP in UTC.
    """
    return sql if kind.zone is not None else f"struct_extract({sql}, 'instant')"


def zone_of(sql: str, kind: ZonedTimestamp) -> str:
    """The zone's name.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.

    Returns:
        DuckDB's text of a VARCHAR.
    """
    return literal(kind.zone) if kind.zone is not None else f"struct_extract({sql}, 'zone')"
