"""Joda's formats of dates and times, as ``yyyy-MM-dd``, and those of MySQL, which Trino turns into Joda's.

https://www.joda.org/joda-time/apidocs/org/joda/time/format/DateTimeFormat.html
https://trino.io/docs/current/functions/datetime.html#mysql-date-functions
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.zones import offset_minutes

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT = 3
# The most digits that are read for a field.
_MOST_DIGITS = {"day_of_year": 3, "day_of_week": 1}
_LONGEST_YEAR = 9
# Two digits stand for the years from 50 before this one to 49 after it.
_MYSQL_PIVOT = 2020


@dataclass(frozen=True, slots=True)
class Element:
    """A part of a format.

    Attributes:
        kind: ``literal``, ``number``, ``text``, ``short_text``, ``two_digits``, ``fraction``, ``offset``,
            ``colon_offset``, ``zone`` or ``zone_name``.
        field: Which field, or the literal's text.
        least: Fewest digits that are written.
        most: Most digits that are read.
        pivot: The year in the middle of those that two digits stand for.
    """

    kind: str
    field: str
    least: int = 1
    most: int = 2
    pivot: int = 0


def _number(field: str, least: int) -> Element:
    return Element("number", field, least, _MOST_DIGITS.get(field, 2))


_CLOCK_12 = (
    *(_number("clock_12", 2), Element("literal", ":"), _number("minute", 2), Element("literal", ":")),
    *(_number("second", 2), Element("literal", " "), Element("text", "halfday")),
)
_CLOCK_24 = (
    *(_number("hour", 2), Element("literal", ":"), _number("minute", 2), Element("literal", ":")),
    _number("second", 2),
)
_MYSQL: dict[str, tuple[Element, ...]] = {
    "a": (Element("short_text", "day_of_week"),),
    "b": (Element("short_text", "month"),),
    "c": (_number("month", 1),),
    "d": (_number("day", 2),),
    "e": (_number("day", 1),),
    "f": (Element("fraction", "fraction", 6, 9),),
    "H": (_number("hour", 2),),
    "h": (_number("clock_12", 2),),
    "I": (_number("clock_12", 2),),
    "i": (_number("minute", 2),),
    "j": (_number("day_of_year", 3),),
    "k": (_number("hour", 1),),
    "l": (_number("clock_12", 1),),
    "M": (Element("text", "month"),),
    "m": (_number("month", 2),),
    "p": (Element("text", "halfday"),),
    "r": _CLOCK_12,
    "S": (_number("second", 2),),
    "s": (_number("second", 2),),
    "T": _CLOCK_24,
    "v": (_number("week", 2),),
    "x": (Element("number", "week_year", 4, 4),),
    "W": (Element("text", "day_of_week"),),
    "Y": (Element("number", "year", 4, 4),),
    "y": (Element("two_digits", "year", 2, 2, _MYSQL_PIVOT),),
}
_NOT_MYSQL = frozenset("wUuVXD")
_JODA_NUMBERS = {
    "d": "day",
    "h": "clock_12",
    "H": "hour",
    "k": "clock_24",
    "K": "hour_12",
    "m": "minute",
    "s": "second",
    "e": "day_of_week",
    "D": "day_of_year",
    "w": "week",
}
_JODA_YEARS = {"y": "year", "Y": "year_of_era", "x": "week_year"}
_JODA_TOKEN = re.compile(r"([A-Za-z])\1*|'(?:[^']|'')*'|[^A-Za-z']+")
_NUMERIC_LETTERS = frozenset("cCxyYdhHmsSeDFwWkK")


def _invalid(message: str) -> StatementFailedError:
    return StatementFailedError("INVALID_FUNCTION_ARGUMENT", message)


@lru_cache(maxsize=200)
def mysql_format(text: str) -> tuple[Element, ...]:
    """Read a format of MySQL's.

    Args:
        text: As ``%Y-%m-%d``.

    Returns:
        Its parts.

    Raises:
        StatementFailedError: It has a part that Trino does not support.
    """
    found: list[Element] = []
    for character, escaped in ((one[-1], len(one) > 1) for one in re.findall(r"%.|[^%]", text, re.DOTALL)):
        if escaped and character in _NOT_MYSQL:
            raise _invalid(f"%{character} not supported in date format string")
        if escaped and character in _MYSQL:
            found.extend(_MYSQL[character])
        else:
            found.append(Element("literal", character))
    return tuple(found)


@lru_cache(maxsize=200)
def joda_format(text: str) -> tuple[Element, ...]:
    """Read a format of Joda's.

    Args:
        text: As ``yyyy-MM-dd'T'HH:mm``.

    Returns:
        Its parts.

    Raises:
        StatementFailedError: It is none.
    """
    tokens = [found[0] for found in _JODA_TOKEN.finditer(text)]
    if not text or "".join(tokens) != text:
        raise _invalid(f"Invalid pattern specification: {text}")
    following = [*tokens[1:], ""]
    return tuple(_joda_element(token, after) for token, after in zip(tokens, following, strict=True))


def _joda_element(token: str, after: str) -> Element:
    letter, length = token[0], len(token)
    if letter == "'":
        return Element("literal", token[1:-1].replace("''", "'") or "'")
    if not letter.isalpha():
        return Element("literal", token)
    is_adjacent = bool(after) and after[0] in _NUMERIC_LETTERS and not (after[0] == "M" and len(after) >= _SHORT)
    if letter in _JODA_YEARS:
        if length == 2 and letter != "Y":
            most = 2 if is_adjacent else _LONGEST_YEAR
            return Element("two_digits", _JODA_YEARS[letter], 2, most, datetime.now().year - 30)  # noqa: DTZ005 - a year
        return Element("number", _JODA_YEARS[letter], length, length if is_adjacent else _LONGEST_YEAR)
    if letter in _JODA_NUMBERS:
        return _number(_JODA_NUMBERS[letter], length)
    return _joda_text(token)


def _joda_text(token: str) -> Element:
    length = len(token)
    match token[0]:
        case "M" if length < _SHORT:
            return _number("month", length)
        case "M" | "E" as letter:
            field = "month" if letter == "M" else "day_of_week"
            return Element("text" if length > _SHORT else "short_text", field)
        case "a":
            return Element("text", "halfday")
        case "G":
            return Element("text", "era")
        case "C":
            return Element("number", "century", length, length)
        case "S":
            return Element("fraction", "fraction", length, length)
        case "Z":
            return Element({1: "offset", 2: "colon_offset"}.get(length, "zone"), "zone")
        case "z":
            return Element("zone_name", "zone", length)
    raise _invalid(f"Illegal pattern component: {token}")


def formatted(elements: tuple[Element, ...], wall: datetime, zone: str = "UTC", offset: int = 0) -> str:
    """Write a time.

    Args:
        elements: The format.
        wall: What clocks show.
        zone: The zone's name.
        offset: Seconds that the zone is ahead of UTC.

    Returns:
        The text.

    Raises:
        StatementFailedError: The format wants what is not known here, as a zone's name in words.
    """
    return "".join(_written(element, wall, zone, offset) for element in elements)


def _written(element: Element, wall: datetime, zone: str, offset: int) -> str:
    match element.kind:
        case "literal":
            return element.field
        case "number":
            return str(_field(element.field, wall)).zfill(element.least)
        case "two_digits":
            return f"{_field(element.field, wall) % 100:02}"
        case "fraction":
            return f"{wall.microsecond // 1000:03}".ljust(element.least, "0")[: max(element.least, 1)]
        case "text" | "short_text":
            text = _text(element.field, wall)
            return text[:_SHORT] if element.kind == "short_text" else text
        case "zone":
            return zone
        case "zone_name":
            if offset_minutes(zone) is None or (zone == "UTC" and element.least > _SHORT):
                raise not_supported("A zone's name in words", "Write the zone's offset (Z) or id (ZZZ).")
            return zone
    return _offset_text(offset, ":" if element.kind == "colon_offset" else "")


def _offset_text(offset: int, colon: str) -> str:
    hours, rest = divmod(abs(offset), 3600)
    text = f"{'-' if offset < 0 else '+'}{hours:02}{colon}{rest // 60:02}"
    return f"{text}{colon}{rest % 60:02}" if rest % 60 else text


def _text(field: str, wall: datetime) -> str:
    match field:
        case "month":
            return MONTHS[wall.month - 1]
        case "day_of_week":
            return DAYS[wall.weekday()]
        case "halfday":
            return "AM" if wall.hour < 12 else "PM"
    return "AD"


def _field(field: str, wall: datetime) -> int:
    calendar = wall.isocalendar()
    values = {
        "year": wall.year,
        "year_of_era": wall.year,
        "century": wall.year // 100,
        "week_year": calendar.year,
        "week": calendar.week,
        "day_of_week": calendar.weekday,
        "day_of_year": wall.timetuple().tm_yday,
        "month": wall.month,
        "day": wall.day,
        "hour": wall.hour,
        "clock_24": wall.hour or 24,
        "hour_12": wall.hour % 12,
        "clock_12": wall.hour % 12 or 12,
        "minute": wall.minute,
        "second": wall.second,
    }
    return values[field]
