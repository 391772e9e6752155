"""Times out of texts, by Joda's formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.functions.joda import DAYS, MONTHS, Element
from lakehouse.local.athena.sql.zones import canonical, first_instant, offset_name

_SHORT = 3
# The year of a text that has only a day and a month.
_USUAL_YEAR = 2000
_OFFSET = re.compile(r"Z|([+-])(\d{2})(?::?(\d{2}))?")
_ZONE = re.compile(r"[A-Za-z][\w/+-]*|[+-]\d{2}:\d{2}")
_ZONE_NAMES = {
    **dict.fromkeys(("UT", "UTC", "GMT", "Z"), "UTC"),
    **dict.fromkeys(("EST", "EDT"), "America/New_York"),
    **dict.fromkeys(("CST", "CDT"), "America/Chicago"),
    **dict.fromkeys(("MST", "MDT"), "America/Denver"),
    **dict.fromkeys(("PST", "PDT"), "America/Los_Angeles"),
}
_LIMITS = {
    "month": (1, 12), "day": (1, 31), "day_of_year": (1, 366), "day_of_week": (1, 7), "week": (1, 53),
    "hour": (0, 23), "clock_24": (1, 24), "hour_12": (0, 11), "clock_12": (1, 12), "minute": (0, 59), "second": (0, 59),
}  # fmt: skip


class _Reader:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.fields: dict[str, int] = {}
        self.zone: str | None = None

    def failure(self) -> StatementFailedError:
        at = f' is malformed at "{self.text[self.position :]}"' if self.position < len(self.text) else " is too short"
        return StatementFailedError("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{self.text}"{at}')

    def _matched(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.position)
        if found is None:
            raise self.failure()
        self.position = found.end()
        return found

    def take(self, element: Element) -> None:
        takes: dict[str, Callable[[Element], None]] = {
            "literal": self._literal,
            "number": self._number,
            "two_digits": self._two_digits,
            "fraction": self._fraction,
            "text": self._word,
            "short_text": self._word,
            "zone": self._zone,
            "zone_name": self._zone_name,
        }
        takes.get(element.kind, self._offset)(element)

    def _literal(self, element: Element) -> None:
        end = self.position + len(element.field)
        if self.text[self.position : end].lower() != element.field.lower():
            raise self.failure()
        self.position = end

    def _number(self, element: Element) -> None:
        sign = "[+-]?" if element.field in {"year", "week_year"} else ""
        found = self._matched(re.compile(rf"{sign}[0-9]{{1,{element.most}}}"))
        self._keep(element.field, int(found[0]), found.start())

    def _keep(self, field: str, value: int, start: int) -> None:
        low, high = _LIMITS.get(field, (value, value))
        if not low <= value <= high:
            self.position = start
            raise StatementFailedError(
                "INVALID_FUNCTION_ARGUMENT",
                f'Cannot parse "{self.text}": Value {value} for {field} must be in the range [{low},{high}]',
            )
        self.fields[field] = value

    def _two_digits(self, element: Element) -> None:
        found = self._matched(re.compile("[0-9]{2}" if element.most == 2 else "[+-]?[0-9]+"))
        value = int(found[0])
        if len(found[0]) == 2 and found[0].isdigit():
            low = element.pivot - 50
            value = low + (value - low) % 100
        self._keep(element.field, value, found.start())

    def _fraction(self, element: Element) -> None:
        found = self._matched(re.compile(rf"[0-9]{{1,{element.most}}}"))
        self.fields["millisecond"] = int(found[0].ljust(_SHORT, "0")[:_SHORT])

    def _word(self, element: Element) -> None:
        words = {"month": MONTHS, "day_of_week": DAYS, "halfday": ("AM", "PM"), "era": ("BC", "AD")}[element.field]
        for index, word in enumerate(words):
            for form in (word, word[:_SHORT]):
                if self.text[self.position : self.position + len(form)].lower() == form.lower():
                    self.position += len(form)
                    self.fields[element.field] = index + (element.field not in {"halfday", "era"})
                    return
        raise self.failure()

    def _zone(self, _element: Element) -> None:
        self.zone = canonical(self._matched(_ZONE)[0])

    def _zone_name(self, _element: Element) -> None:
        found = self._matched(_ZONE)
        if found[0].upper() not in _ZONE_NAMES:
            self.position = found.start()
            raise self.failure()
        self.zone = _ZONE_NAMES[found[0].upper()]

    def _offset(self, _element: Element) -> None:
        found = self._matched(_OFFSET)
        minutes = int(found[2] or 0) * 60 + int(found[3] or 0)
        self.zone = offset_name(-minutes if found[1] == "-" else minutes)


def parsed(elements: tuple[Element, ...], text: str) -> tuple[datetime, str | None]:
    """Read a time.

    Args:
        elements: The format.
        text: The text.

    Returns:
        What clocks show, and the zone where there is one in the text.

    Raises:
        StatementFailedError: The text has another form.
    """
    reader = _Reader(text)
    for element in elements:
        reader.take(element)
    if reader.position < len(text):
        raise reader.failure()
    try:
        return _moment(reader.fields), reader.zone
    except (ValueError, OverflowError) as error:
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f'Cannot parse "{text}": {error}') from error


def instant(elements: tuple[Element, ...], text: str) -> tuple[datetime, str]:
    """Read an instant.

    Args:
        elements: The format.
        text: The text; without a zone it is in UTC.

    Returns:
        The instant in UTC, and the zone.

    Raises:
        StatementFailedError: The text has another form, or clocks skip the time.
    """
    wall, zone = parsed(elements, text)
    found = first_instant(wall, zone or "UTC")
    if found is None:
        raise StatementFailedError(
            "INVALID_FUNCTION_ARGUMENT", f'Cannot parse "{text}": Illegal instant due to time zone offset transition'
        )
    return found, zone or "UTC"


def _moment(fields: dict[str, int]) -> datetime:
    day = _date(fields)
    hour = fields.get("hour")
    if hour is None and "clock_24" in fields:
        hour = fields["clock_24"] % 24
    if hour is None:
        half = fields.get("hour_12", fields.get("clock_12", 0) % 12)
        hour = half + 12 * fields.get("halfday", 0)
    milliseconds = fields.get("millisecond", 0)
    return datetime(  # noqa: DTZ001 - what clocks show
        day.year, day.month, day.day, hour, fields.get("minute", 0), fields.get("second", 0), milliseconds * 1000
    )


def _date(fields: dict[str, int]) -> date:
    if fields.get("era") == 0 or "century" in fields:
        raise not_supported("A century or an era before ours, in a text that is parsed,")
    year = fields.get("year", fields.get("year_of_era"))
    if "week_year" in fields:
        return date.fromisocalendar(fields["week_year"], fields.get("week", 1), fields.get("day_of_week", 1))
    if "week" in fields:
        raise not_supported("A week without its year, in a text that is parsed,", "Add the week's year: xxxx or %x.")
    if year is None:
        has_day = not fields.keys().isdisjoint({"month", "day", "day_of_year", "day_of_week"})
        year = _USUAL_YEAR if has_day else 1970
    if "day_of_year" in fields and "day" not in fields:
        found = date(year, 1, 1) + timedelta(days=fields["day_of_year"] - 1)
        if found.year != year:
            raise ValueError("day of year out of range")
    else:
        found = date(year, fields.get("month", 1), fields.get("day", 1))
    if "day_of_week" in fields:
        found += timedelta(days=fields["day_of_week"] - found.isoweekday())
    return found
