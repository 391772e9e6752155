"""Java's format strings, as ``%,.2f``.

https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/Formatter.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.functions.joda import DAYS, MONTHS
from lakehouse.local.athena.sql.functions.json_texts import java_double

_SPECIFIER = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(<]*)(\d+)?(?:\.(\d+))?([tT]?[a-zA-Z%])")
_EXACT = Context(prec=1000, rounding=ROUND_HALF_UP)
_WORD_BITS = 64
_USUAL_DIGITS = 6
_LEAST_PLAIN = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class _Specifier:
    """What one ``%`` asks for."""

    text: str
    flags: str
    width: int
    precision: int | None
    conversion: str
    index: int | None = field(default=None)

    def wrong(self, why: str) -> StatementFailedError:
        return StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"Invalid format string: {self.text} ({why})")

    def padded(self, text: str) -> str:
        found = text.upper() if self.conversion.isupper() else text
        return found.ljust(self.width) if "-" in self.flags else found.rjust(self.width)

    def signed(self, digits: str, *, is_negative: bool) -> str:
        """Digits with sign, groups and zeros before them."""
        if "," in self.flags:
            whole, point, fraction = digits.partition(".")
            digits = f"{int(whole):,}{point}{fraction}"
        before, after = "-" if is_negative else "+" if "+" in self.flags else " " if " " in self.flags else "", ""
        if is_negative and "(" in self.flags:
            before, after = "(", ")"
        if "0" in self.flags:
            digits = digits.rjust(self.width - len(before) - len(after), "0")
        return self.padded(before + digits + after)


def java_format(text: str, arguments: Sequence[Any]) -> str:
    """Write arguments as a format string says.

    Args:
        text: The format string.
        arguments: None, booleans, whole numbers, decimals, doubles, texts, dates and times.

    Returns:
        The text.

    Raises:
        StatementFailedError: The format string is wrong, or is not for these arguments.
    """
    found, position, ordinary, last = [], 0, 0, -1
    while position < len(text):
        start = text.find("%", position)
        if start < 0:
            break
        found.append(text[position:start])
        one = _specifier(text, start)
        position = start + len(one.text)
        if one.conversion in "%n":
            found.append(one.padded("%") if one.conversion == "%" else "\n")
            continue
        if "<" in one.flags:
            index = last
        elif one.index is not None:
            index = one.index - 1
        else:
            index, ordinary = ordinary, ordinary + 1
        if not 0 <= index < len(arguments):
            raise one.wrong("MissingFormatArgument: Format specifier")
        last = index
        found.append(_written(one, arguments[index]))
    return "".join([*found, text[position:]])


def _specifier(text: str, start: int) -> _Specifier:
    match = _SPECIFIER.match(text, start)
    if match is None:
        raise StatementFailedError(
            "INVALID_FUNCTION_ARGUMENT", f"Invalid format string: {text} (UnknownFormatConversion: Conversion = '%')"
        )
    index, flags, width, precision, conversion = match.groups()
    return _Specifier(
        match[0],
        flags,
        int(width or 0),
        None if precision is None else int(precision),
        conversion,
        None if index is None else int(index),
    )


def _written(one: _Specifier, value: Any) -> str:
    conversion = one.conversion.lower()
    if conversion[0] == "t" and len(conversion) > 1:
        return one.padded("null" if value is None else _moment(one, value))
    writers: dict[str, Callable[[_Specifier, Any], str]] = {
        "s": _text,
        "b": _truth,
        "d": _whole,
        "x": _unsigned,
        "o": _unsigned,
        "f": _fixed,
        "e": _scientific,
        "g": _general,
    }
    writer = writers.get(conversion)
    if writer is None:
        if conversion in "hac":
            raise not_supported(f"The format %{one.conversion}")
        raise one.wrong(f"UnknownFormatConversion: Conversion = '{one.conversion}'")
    if value is None and conversion not in "sb":
        return one.padded("null")
    return writer(one, value)


def _text(one: _Specifier, value: Any) -> str:
    shown = _shown(value)
    return one.padded(shown if one.precision is None else shown[: one.precision])


def _shown(value: Any) -> str:
    """Java's ``toString``."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return java_double(value)
        case datetime():
            return f"{value.date().isoformat()}T{_clock(value.time())}"
        case date():
            return value.isoformat()
        case time():
            return _clock(value)
    return str(value)


def _clock(value: time) -> str:
    if value.microsecond:
        return value.isoformat(timespec="microseconds" if value.microsecond % 1000 else "milliseconds")
    return value.isoformat(timespec="seconds" if value.second else "minutes")


def _truth(one: _Specifier, value: Any) -> str:
    return one.padded(_shown(value) if isinstance(value, bool) else str(value is not None).lower())


def _whole(one: _Specifier, value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise one.wrong(f"IllegalFormatConversion: {one.conversion} != {type(value).__name__}")
    return one.signed(str(abs(value)), is_negative=value < 0)


def _unsigned(one: _Specifier, value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise one.wrong(f"IllegalFormatConversion: {one.conversion} != {type(value).__name__}")
    is_hex = one.conversion.lower() == "x"
    prefix = ("0x" if is_hex else "0") if "#" in one.flags else ""
    digits = format(value % 2**_WORD_BITS, "x" if is_hex else "o")
    return one.padded(prefix + (digits.rjust(one.width - len(prefix), "0") if "0" in one.flags else digits))


def _number(one: _Specifier, value: Any) -> Decimal | None:
    """A number's exact digits, as Java sees them; None for what is infinite or no number."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, float):
        raise one.wrong(f"IllegalFormatConversion: {one.conversion} != {type(value).__name__}")
    found = Decimal(repr(value))
    return found if found.is_finite() else None


def _not_finite(one: _Specifier, value: float) -> str:
    sign = "+" if value > 0 and "+" in one.flags else ""
    return one.padded(sign + java_double(value))


def _rounded(number: Decimal, digits: int) -> Decimal:
    return abs(number).quantize(Decimal(1).scaleb(-digits), context=_EXACT)


def _fixed(one: _Specifier, value: Any) -> str:
    number = _number(one, value)
    if number is None:
        return _not_finite(one, value)
    digits = _USUAL_DIGITS if one.precision is None else one.precision
    return one.signed(format(_rounded(number, digits), "f"), is_negative=number.is_signed())


def _scientific(one: _Specifier, value: Any) -> str:
    number = _number(one, value)
    if number is None:
        return _not_finite(one, value)
    digits = _USUAL_DIGITS if one.precision is None else one.precision
    return one.signed(_with_exponent(number, digits), is_negative=number.is_signed())


def _with_exponent(number: Decimal, digits: int) -> str:
    exponent = number.adjusted() if number else 0
    mantissa = _rounded(number.scaleb(-exponent, _EXACT), digits)
    if mantissa >= 10:
        exponent += 1
        mantissa = _rounded(number.scaleb(-exponent, _EXACT), digits)
    return f"{mantissa:f}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"


def _general(one: _Specifier, value: Any) -> str:
    number = _number(one, value)
    if number is None:
        return _not_finite(one, value)
    digits = max(1, _USUAL_DIGITS if one.precision is None else one.precision)
    significant = Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal(abs(number))
    if not significant or _LEAST_PLAIN <= significant < Decimal(1).scaleb(digits):
        places = digits - 1 - (significant.adjusted() if significant else 0)
        return one.signed(format(_rounded(number, places), "f"), is_negative=number.is_signed())
    return one.signed(_with_exponent(number, digits - 1), is_negative=number.is_signed())


_OF_DATES: dict[str, Callable[[date], str]] = {
    "Y": lambda d: f"{d.year:04}",
    "y": lambda d: f"{d.year % 100:02}",
    "C": lambda d: f"{d.year // 100:02}",
    "m": lambda d: f"{d.month:02}",
    "d": lambda d: f"{d.day:02}",
    "e": lambda d: str(d.day),
    "j": lambda d: f"{d.timetuple().tm_yday:03}",
    "A": lambda d: DAYS[d.weekday()],
    "a": lambda d: DAYS[d.weekday()][:3],
    "B": lambda d: MONTHS[d.month - 1],
    "b": lambda d: MONTHS[d.month - 1][:3],
    "h": lambda d: MONTHS[d.month - 1][:3],
    "D": lambda d: f"{d.month:02}/{d.day:02}/{d.year % 100:02}",
    "F": lambda d: d.isoformat(),
}
_OF_TIMES: dict[str, Callable[[time], str]] = {
    "H": lambda t: f"{t.hour:02}",
    "k": lambda t: str(t.hour),
    "I": lambda t: f"{t.hour % 12 or 12:02}",
    "l": lambda t: str(t.hour % 12 or 12),
    "M": lambda t: f"{t.minute:02}",
    "S": lambda t: f"{t.second:02}",
    "L": lambda t: f"{t.microsecond // 1000:03}",
    "N": lambda t: f"{t.microsecond * 1000:09}",
    "p": lambda t: "am" if t.hour < 12 else "pm",
    "R": lambda t: f"{t.hour:02}:{t.minute:02}",
    "T": lambda t: f"{t.hour:02}:{t.minute:02}:{t.second:02}",
    "r": lambda t: f"{t.hour % 12 or 12:02}:{t.minute:02}:{t.second:02} {'AM' if t.hour < 12 else 'PM'}",
}


def _moment(one: _Specifier, value: Any) -> str:
    suffix = one.conversion[1]
    day = value if isinstance(value, date) else None
    clock = value.time() if isinstance(value, datetime) else value if isinstance(value, time) else None
    if day is not None and suffix in _OF_DATES:
        return _OF_DATES[suffix](day)
    if clock is not None and suffix in _OF_TIMES:
        return _OF_TIMES[suffix](clock)
    if suffix in "cZzsQ":
        raise not_supported(f"The format %{one.conversion}")
    raise one.wrong(f"IllegalFormatConversion: {suffix} != {type(value).__name__}")
