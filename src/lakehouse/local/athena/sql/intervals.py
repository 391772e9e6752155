"""Literals of intervals, as ``INTERVAL '2 10:00' DAY TO MINUTE``."""

from __future__ import annotations

import re

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.sql_types import INTERVAL_DAY, INTERVAL_YEAR
from lakehouse.local.athena.sql.typed import Typed

_MILLISECONDS = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000, "WEEK": 7 * 86_400_000}
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
    if node.this is None or not node.this.is_string:
        raise not_supported(f"The interval {node.sql('trino')}", "Write the number as text: INTERVAL '1' DAY.")
    text, unit = str(node.this.this).strip(), node.args["unit"]
    if isinstance(unit, exp.IntervalSpan):
        first, last = (str(one.name).upper() for one in (unit.this, unit.expression))
    else:
        first = last = str(unit.name).upper().removesuffix("S")
    sign = -1 if text.startswith("-") else 1
    body = text.lstrip("+-")
    try:
        if first in _MONTHS:
            return _months(body, first, last, sign)
        return _milliseconds(body, first, last, sign)
    except ValueError as error:
        raise StatementFailedError("INVALID_LITERAL", f"'{text}' is not a valid INTERVAL literal") from error


def _months(body: str, first: str, last: str, sign: int) -> Typed:
    years, _, months = body.partition("-")
    count = int(body) * _MONTHS[first] if first == last else int(years) * 12 + int(months or 0)
    return Typed(f"CAST({sign * count} AS INTEGER)", INTERVAL_YEAR, sign * count, is_literal=True)


def _milliseconds(body: str, first: str, last: str, sign: int) -> Typed:
    if first == last:
        if first not in _MILLISECONDS:
            raise ValueError(first)
        count = round(float(body) * _MILLISECONDS[first]) if first == "SECOND" else int(body) * _MILLISECONDS[first]
    else:
        fields = _FIELDS[_FIELDS.index(first) : _FIELDS.index(last) + 1]
        parts = re.split(r"[\s:]+", body)
        if len(parts) > len(fields):
            raise ValueError(body)
        count = sum(round(float(part) * _MILLISECONDS[name]) for part, name in zip(parts, fields, strict=False))
    return Typed(f"CAST({sign * count} AS BIGINT)", INTERVAL_DAY, sign * count, is_literal=True)
