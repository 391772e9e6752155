"""CAST to dates and times, and the literals of moments.

https://trino.io/docs/current/language/types.html#date-and-time
"""

from __future__ import annotations

import re
from datetime import date, datetime

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.checks import checked, failing
from lakehouse.local.athena.sql.number_casts import cannot
from lakehouse.local.athena.sql.sql_types import (
    DATE,
    UNKNOWN,
    SqlType,
    Time,
    Timestamp,
    ZonedTimestamp,
    is_text,
    literal,
)
from lakehouse.local.athena.sql.typed import Typed, let
from lakehouse.local.athena.sql.zones import canonical, first_instant, instant, wall_time, zone_of

_DATE_AS_TEXT = r"\s*[+-]?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}\s*"
_TIME_AS_TEXT = r"[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?"
_MOMENT_AS_TEXT = rf"[+-]?[0-9]{{4,}}-[0-9]{{1,2}}-[0-9]{{1,2}}( {_TIME_AS_TEXT})?"
_WALL_TIME = rf"^\s*{_MOMENT_AS_TEXT}"
_ZONED_AS_TEXT = rf"({_MOMENT_AS_TEXT})( ?([+-][0-9]{{1,2}}(:?[0-9]{{2}})?)| ([A-Za-z][\w/+:-]*))?"
# DuckDB's timestamps have microseconds.
_FINEST = 6
# Python's dates end here.
_LAST_YEAR = 9999


def to_date(sql: str, kind: SqlType) -> str:
    """CAST to date.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: Trino does not cast the type to date.
    """
    if is_text(kind):
        message = "'Value cannot be cast to date: ' || {x}"
        return checked(sql, _DATE_AS_TEXT, DATE, "TRY_CAST(trim({x}) AS DATE)", message)
    if isinstance(kind, Timestamp):
        return f"CAST({sql} AS DATE)"
    if isinstance(kind, ZonedTimestamp):
        return f"CAST({wall_time(sql, kind)} AS DATE)"
    raise cannot(kind, DATE)


def to_time(sql: str, kind: SqlType, precision: int) -> str:
    """CAST to time.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.
        precision: Digits of the second's fraction.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: Trino does not cast the type to time.
    """
    if is_text(kind):
        moment = "TRY_CAST('1970-01-01 ' || CASE WHEN {x} LIKE '%:%:%' THEN {x} ELSE {x} || ':00' END AS TIMESTAMP)"
        body = f"CAST({rounded(moment, _FINEST, precision)} AS TIME)"
        return checked(sql, _TIME_AS_TEXT, Time(precision), body, "'Value cannot be cast to time: ' || {x}")
    if isinstance(kind, Time):
        if kind.precision <= precision:
            return sql
        moment = f"(DATE '1970-01-01' + {sql})"
        return f"CAST({rounded(moment, kind.precision, precision)} AS TIME)"
    if isinstance(kind, Timestamp | ZonedTimestamp):
        wall = wall_time(sql, kind) if isinstance(kind, ZonedTimestamp) else sql
        return f"CAST({rounded(wall, kind.precision, precision)} AS TIME)"
    raise cannot(kind, Time(precision))


def to_timestamp(sql: str, kind: SqlType, precision: int, today: date | None) -> str:
    """CAST to timestamp.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.
        precision: Digits of the second's fraction.
        today: The date that a time gets, of the statement's start; None where no statement casts.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: Trino does not cast the type to timestamp.
    """
    if is_text(kind):
        # A zone behind it is read, and left out.
        wall = _padded(f"trim(regexp_extract({{x}}, {literal(_WALL_TIME)}))")
        body = rounded(f"TRY_CAST({wall} AS TIMESTAMP)", _FINEST, precision)
        message = "'Value cannot be cast to timestamp: ' || {x}"
        return checked(sql, rf"\s*{_ZONED_AS_TEXT}\s*", Timestamp(precision), body, message)
    if kind == DATE:
        return f"CAST({sql} AS TIMESTAMP)"
    if isinstance(kind, Timestamp):
        return rounded(sql, kind.precision, precision)
    if isinstance(kind, ZonedTimestamp):
        return rounded(wall_time(sql, kind), kind.precision, precision)
    if isinstance(kind, Time) and today is not None:
        return rounded(f"(DATE '{today.isoformat()}' + {sql})", kind.precision, precision)
    raise cannot(kind, Timestamp(precision))


def _padded(text: str) -> str:
    """A moment's text with its seconds, which DuckDB wants."""
    return f"CASE WHEN regexp_matches({text}, '^[^:]*:[^:]*$') THEN {text} || ':00' ELSE {text} END"


def rounded(sql: str, given: int, wanted: int) -> str:
    """A TIMESTAMP with fewer digits, half up.

    Args:
        sql: DuckDB's text of the value.
        given: How many digits the second's fraction has.
        wanted: How many it may have.

    Returns:
        DuckDB's text.
    """
    if given <= wanted:
        return sql
    unit = 10 ** (6 - wanted)
    return let(
        f"epoch_us({sql})",
        # DuckDB's % has the sign of the dividend.
        lambda x: f"make_timestamp({x} + {unit // 2} - ((({x} + {unit // 2}) % {unit}) + {unit}) % {unit})",
    )


def to_zoned(given: Typed, wanted: ZonedTimestamp, today: date | None) -> Typed:
    """CAST to timestamp with time zone; the zone is known where the value's is.

    Args:
        given: The value.
        wanted: The type that is asked for.
        today: The date that a time gets, see ``to_timestamp``.

    Returns:
        The value.

    Raises:
        StatementFailedError: Trino does not cast the type to timestamp with time zone.
    """
    kind, sql = given.type, given.sql
    if kind == UNKNOWN:
        return Typed("CAST(NULL AS TIMESTAMP)", ZonedTimestamp(wanted.precision, "UTC"))
    if is_text(kind):
        return _text_to_zoned(given, wanted.precision)
    if isinstance(kind, ZonedTimestamp):
        result = ZonedTimestamp(wanted.precision, kind.zone)
        if kind.precision <= wanted.precision:
            return Typed(sql, result)
        if kind.zone is not None:
            return Typed(rounded(sql, kind.precision, wanted.precision), result)

        def body(x: str) -> str:
            moved = rounded(instant(x, kind), kind.precision, wanted.precision)
            packed = f"struct_pack(instant := {moved}, zone := {zone_of(x, kind)})"
            return f"CASE WHEN {x} IS NOT NULL THEN {packed} END"

        return Typed(let(sql, body), result)
    if kind == DATE or isinstance(kind, Timestamp | Time):
        precision = 0 if kind == DATE else kind.precision  # type: ignore[union-attr]
        wall = to_timestamp(sql, kind, precision, today)
        return Typed(rounded(wall, precision, wanted.precision), ZonedTimestamp(wanted.precision, "UTC"))
    raise cannot(kind, wanted)


def _text_to_zoned(given: Typed, precision: int) -> Typed:
    if given.is_literal and given.value is not None:
        return _parsed_zoned(str(given.value), precision, "INVALID_CAST_ARGUMENT")
    pattern = literal(_ZONED_AS_TEXT)
    kind = ZonedTimestamp(precision, None)
    failure = failing("INVALID_CAST_ARGUMENT", "'Value cannot be cast to timestamp with time zone: ' || {x}", kind)

    def body(x: str) -> str:
        moment = f"regexp_extract({x}, {pattern}, 1)"
        wall = rounded(f"TRY_CAST({_padded(moment)} AS TIMESTAMP)", _FINEST, precision)
        zone = f"athena_zone(trim(substr({x}, length({moment}) + 1)))"
        parts = f"struct_pack(wall := {wall}, zone := {zone})"
        packed = let(
            let(parts, lambda p: f"struct_pack(instant := athena_valid_instant({p}.wall, {p}.zone), zone := {p}.zone)"),
            lambda p: f"CASE WHEN {p}.instant IS NOT NULL THEN {p} END",
        )
        failed = failure.replace("{x}", x)
        return (
            f"CASE WHEN {x} IS NULL THEN NULL WHEN regexp_full_match({x}, {pattern}) "
            f"THEN coalesce({packed}, {failed}) ELSE {failed} END"
        )

    return Typed(let(given.sql, body), kind)


def zoned_literal(text: str, precision: int | None = None) -> Typed:
    """A timestamp with a zone, from its text.

    Args:
        text: As ``2024-01-01 00:00:00.5 Europe/Berlin``; without a zone it is in UTC.
        precision: Digits of the second's fraction; None for as many as there are.

    Returns:
        The value.

    Raises:
        StatementFailedError: The text has another form, or clocks skip the time.
    """
    return _parsed_zoned(text, precision, "INVALID_LITERAL")


def _parsed_zoned(text: str, precision: int | None, code: str) -> Typed:
    found = re.fullmatch(_ZONED_AS_TEXT, text.strip())
    if found is None:
        raise StatementFailedError(code, f"'{text}' is not a valid TIMESTAMP literal")
    zone = canonical(text.strip()[found.end(1) :] or "UTC")
    digits = len(found[1].partition(".")[2])
    if digits > _FINEST:
        raise not_supported(f"A timestamp of {digits} digits", "Use 6 digits at most.")
    wanted = digits if precision is None else precision
    moment = _moment(found[1], code)
    if zone != "UTC":
        there = first_instant(datetime.fromisoformat(moment), zone)
        if there is None:
            raise StatementFailedError(code, f"'{text}' is skipped by the clocks of {zone}")
        moment = there.isoformat(sep=" ")
    return Typed(rounded(f"TIMESTAMP {literal(moment)}", digits, wanted), ZonedTimestamp(wanted, zone))


def _moment(text: str, code: str) -> str:
    """A timestamp's text with two digits for each part of it, and six for a fraction."""
    date, _, time = padded_moment(text).partition(" ")
    year, month, day = date.lstrip("+").rsplit("-", 2)
    clock, _, fraction = time.partition(".")
    hour, minute, second = clock.split(":")
    if not 0 < int(year) <= _LAST_YEAR:
        raise not_supported(f"The timestamp {text}", f"Use the years 1 to {_LAST_YEAR}.")
    written = f"{int(year):04}-{int(month):02}-{int(day):02} {int(hour):02}:{int(minute):02}:{int(second):02}"
    try:
        datetime.fromisoformat(written)
    except ValueError as error:
        raise StatementFailedError(code, f"'{text}' is not a valid TIMESTAMP literal") from error
    return f"{written}.{fraction.ljust(_FINEST, '0')}" if fraction else written


def padded_moment(text: str) -> str:
    """A timestamp's text as DuckDB reads it: with its seconds.

    Args:
        text: As ``2024-1-1`` or ``2024-01-01 10:00``.

    Returns:
        As ``2024-1-1 00:00:00``.
    """
    date, _, time = text.strip().partition(" ")
    return f"{date} {time or '00:00'}{':00' if time.count(':') < 2 else ''}"
