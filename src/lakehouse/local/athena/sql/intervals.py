"""Literals of intervals, as ``INTERVAL '2 10:00' DAY TO MINUTE``."""

from __future__ import annotations

import re

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.sql_types import INTERVAL_DAY, INTERVAL_YEAR
from lakehouse.local.athena.sql.typed import Typed

_MILLISECONDS = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000, "WEEK": 7 * 86_400_000}
# Of a second's fraction: intervals have milliseconds.
_MOST_DIGITS = 3
_MONTHS = {"MONTH": 1, "YEAR": 12}
_FIELDS = ("DAY", "HOUR", "MINUTE", "SECOND")


def literal_interval(node: exp.Interval) -> Typed:
    """A literal of an interval.

    Args:
        node: The literal.

    Returns:
        Milliseconds, or months.

    Raises:
        StatementFailedError: It has another form.
    """
    number, sign = node.this, 1
    if isinstance(number, exp.Neg):
        number, sign = number.this, -1
    if number is None or not number.is_string:
        raise not_supported(f"The interval {node.sql('trino')}", "Write the number as text: INTERVAL '1' DAY.")
    text, unit = str(number.this).strip(), node.args["unit"]
    if isinstance(unit, exp.IntervalSpan):
        first, last = (str(one.name).upper() for one in (unit.this, unit.expression))
    else:
        first = last = str(unit.name).upper().removesuffix("S")
    sign = -sign if text.startswith("-") else sign
    body = text[1:] if text[:1] in {"-", "+"} else text
    try:
        if first in _MONTHS:
            return _months(body, first, last, sign)
        return _milliseconds(body, first, last, sign)
    except ValueError as error:
        raise StatementFailedError("INVALID_LITERAL", f"'{text}' is not a valid INTERVAL literal") from error


def _months(body: str, first: str, last: str, sign: int) -> Typed:
    years, _, months = body.partition("-")
    count = _whole(body) * _MONTHS[first] if first == last else _whole(years) * 12 + _whole(months or "0")
    return Typed(f"CAST({sign * count} AS INTEGER)", INTERVAL_YEAR, sign * count, is_literal=True)


def _whole(text: str) -> int:
    if not re.fullmatch("[0-9]+", text):
        raise ValueError(text)
    return int(text)


def _part(text: str, name: str) -> int:
    """Milliseconds of a part; only seconds have a fraction."""
    whole, _, fraction = text.partition(".")
    if not fraction:
        return _whole(whole) * _MILLISECONDS[name]
    if name != "SECOND" or len(fraction) > _MOST_DIGITS:
        raise ValueError(text)
    return _whole(whole) * 1000 + _whole(fraction.ljust(_MOST_DIGITS, "0"))


def _milliseconds(body: str, first: str, last: str, sign: int) -> Typed:
    if first == last:
        if first not in _MILLISECONDS:
            raise ValueError(first)
        count = _part(body, first)
    else:
        fields = _FIELDS[_FIELDS.index(first) : _FIELDS.index(last) + 1]
        parts = re.split(r"[\s:]+", body)
        if len(parts) > len(fields):
            raise ValueError(body)
        count = sum(_part(part, name) for part, name in zip(parts, fields, strict=False))
    return Typed(f"CAST({sign * count} AS BIGINT)", INTERVAL_DAY, sign * count, is_literal=True)
