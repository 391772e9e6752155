"""Formats of dates, and durations in words.

https://trino.io/docs/current/functions/datetime.html#mysql-date-functions
https://trino.io/docs/current/functions/datetime.html#java-date-functions
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions.joda import Element, formatted, joda_format, mysql_format
from lakehouse.local.athena.sql.functions.joda_parsing import instant as parsed_instant
from lakehouse.local.athena.sql.functions.joda_parsing import parsed
from lakehouse.local.athena.sql.functions.library import python, scalar
from lakehouse.local.athena.sql.sql_types import ZonedTimestamp, literal
from lakehouse.local.athena.sql.typed import let
from lakehouse.local.athena.sql.zones import instant, wall_time, zone_of

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call
    from lakehouse.local.athena.sql.signatures import Binding

# How DuckDB writes what a part of a format writes, by field and the fewest digits.
_WRITES = {
    ("year", 4): "%Y", ("month", 2): "%m", ("month", 1): "%-m", ("day", 2): "%d", ("day", 1): "%-d",
    ("hour", 2): "%H", ("hour", 1): "%-H", ("clock_12", 2): "%I", ("clock_12", 1): "%-I", ("minute", 2): "%M",
    ("second", 2): "%S", ("day_of_year", 3): "%j",
}  # fmt: skip
_WORDS = {
    ("text", "month"): "%B", ("short_text", "month"): "%b", ("text", "day_of_week"): "%A",
    ("short_text", "day_of_week"): "%a", ("text", "halfday"): "%p",
}  # fmt: skip
# What DuckDB reads as Joda does, where all digits are there.
_READS = {"year": 4, "month": 2, "day": 2, "hour": 2, "minute": 2, "second": 2}
_FRACTION_DIGITS = {3: "%g", 6: "%g000"}


def _strftime(elements: tuple[Element, ...]) -> str | None:
    """DuckDB's format that writes the same; None where there is none."""
    found = []
    for one in elements:
        match one.kind:
            case "literal":
                found.append(one.field.replace("%", "%%"))
            case "number":
                found.append(_WRITES.get((one.field, one.least), ""))
            case "fraction":
                found.append(_FRACTION_DIGITS.get(one.least, ""))
            case _:
                found.append(_WORDS.get((one.kind, one.field), ""))
    return "".join(found) if all(found) else None


def _strptime(elements: tuple[Element, ...]) -> tuple[str, str] | None:
    """The texts that DuckDB reads alike, as a regular expression, and its format."""
    pattern, form = "", ""
    seen: list[str] = []
    for one in elements:
        if one.kind == "literal":
            pattern += re.escape(one.field)
            form += one.field.replace("%", "%%")
        elif one.kind == "number" and one.field in _READS:
            pattern += f"[0-9]{{{_READS[one.field]}}}"
            form += _WRITES[(one.field, _READS[one.field])]
            seen.append(one.field)
        else:
            return None
    return (pattern, form) if {"year", "month", "day"} <= set(seen) and len(set(seen)) == len(seen) else None


def _format(call: Call) -> tuple[Element, ...] | None:
    """The format, where it is a literal."""
    given = call.arguments[1]
    if not given.is_literal or given.value is None:
        return None
    return (mysql_format if call.name in {"date_format", "date_parse"} else joda_format)(str(given.value))


def _written(call: Call) -> str:
    one, elements = call.arguments[0], _format(call)
    kind = one.type
    form = None if elements is None else _strftime(elements)

    def body(x: str) -> str:
        wall = wall_time(x, kind) if isinstance(kind, ZonedTimestamp) else x
        if form is not None:
            return f"strftime({wall}, {literal(form)})"
        if call.name == "date_format":
            return f"athena_date_format({wall}, {call[1]})"
        zone = zone_of(x, kind) if isinstance(kind, ZonedTimestamp) else "'UTC'"
        there = instant(x, kind) if isinstance(kind, ZonedTimestamp) else x
        return f"athena_format_datetime({wall}, {zone}, (epoch_us({wall}) - epoch_us({there})) // 1000000, {call[1]})"

    return let(one.sql, body)


for _name in ("date_format", "format_datetime"):
    for _kind in ("timestamp(p)", "timestamp(p) with time zone"):
        scalar(f"{_name}({_kind}, varchar) -> varchar", _written)


def _read(call: Call, slow: str) -> str:
    """DuckDB reads what has all its digits, Python the rest."""
    elements = _format(call)
    usual = None if elements is None else _strptime(elements)
    if usual is None:
        return slow.format(call[0])
    return let(
        call[0],
        lambda x: (
            f"CASE WHEN regexp_full_match({x}, {literal(usual[0])}) "
            f"THEN coalesce(try_strptime({x}, {literal(usual[1])}), {slow.format(x)}) ELSE {slow.format(x)} END"
        ),
    )


def _parsed_instant(call: Call) -> str:
    kind = call.result
    if isinstance(kind, ZonedTimestamp) and kind.zone is None:
        return f"athena_parse_datetime({call[0]}, {call[1]})"
    return _read(call, f"athena_parse_datetime({{0}}, {call[1]}).instant")


def _static_zone(binding: Binding) -> str | None:
    """UTC, unless the format has a place for a zone or is not known."""
    given = binding.arguments[1]
    if not given.is_literal or given.value is None:
        return None
    return None if any(one.field == "zone" for one in joda_format(str(given.value))) else "UTC"


scalar("date_parse(varchar, varchar) -> timestamp(3)", lambda call: _read(call, f"athena_date_parse({{0}}, {call[1]})"))
scalar(
    "parse_datetime(varchar, varchar) -> timestamp(3) with time zone",
    _parsed_instant,
    result=lambda binding: ZonedTimestamp(3, _static_zone(binding)),
)


@python("athena_date_format", "TIMESTAMP, VARCHAR", "VARCHAR")
def _date_format(wall: datetime, text: str) -> str:
    """A time in a format of MySQL's."""
    return formatted(mysql_format(text), wall)


@python("athena_format_datetime", "TIMESTAMP, VARCHAR, BIGINT, VARCHAR", "VARCHAR")
def _format_datetime(wall: datetime, zone: str, offset: int, text: str) -> str:
    """A time in a format of Joda's."""
    return formatted(joda_format(text), wall, zone, offset)


@python("athena_date_parse", "VARCHAR, VARCHAR", "TIMESTAMP")
def _date_parse(text: str, form: str) -> datetime:
    """A time out of a text in a format of MySQL's."""
    return parsed(mysql_format(form), text)[0]


@python("athena_parse_datetime", "VARCHAR, VARCHAR", "STRUCT(instant TIMESTAMP, zone VARCHAR)")
def _parse_datetime(text: str, form: str) -> dict[str, Any]:
    """An instant out of a text in a format of Joda's."""
    found, zone = parsed_instant(joda_format(form), text)
    return {"instant": found, "zone": zone}


# --- durations --------------------------------------------------------------------------------------------------------

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")
_DURATION_UNITS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_WORDS_OF_SECONDS = (("week", 604_800), ("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


@python("athena_parse_duration", "VARCHAR", "BIGINT")
def _parse_duration(text: str) -> int:
    """Milliseconds, half up."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"duration is not a valid data duration string: {text}")
    unit = _DURATION_UNITS.get(found[2])
    if unit is None:
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"Unknown time unit: {found[2]}")
    return math.floor(float(found[1]) * unit + 0.5)


@python("athena_human_seconds", "DOUBLE", "VARCHAR")
def _human_readable_seconds(seconds: float) -> str:
    """Seconds in words."""
    if not math.isfinite(seconds):
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"Invalid argument found: {seconds}")
    rest, words = abs(math.floor(seconds + 0.5)), []
    for name, length in _WORDS_OF_SECONDS:
        count, rest = divmod(rest, length)
        if count:
            words.append(f"{count} {name}{'s' if count > 1 else ''}")
    return ", ".join(words) or "0 seconds"


scalar("parse_duration(varchar) -> interval day to second", "athena_parse_duration({0})")
scalar("human_readable_seconds(double) -> varchar", "athena_human_seconds({0})")
