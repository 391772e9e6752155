"""Literals: what is written as it is, and types as they are written.

https://trino.io/docs/current/language/types.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal as Exact
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql import intervals
from lakehouse.local.athena.sql.casts import cast, zoned_literal
from lakehouse.local.athena.sql.scope import failure_at
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    LARGEST_PRECISION,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Char,
    Decimal,
    Time,
    Timestamp,
    Varchar,
    ZonedTime,
    ZonedTimestamp,
    literal,
)
from lakehouse.local.athena.sql.type_text import parse_type
from lakehouse.local.athena.sql.typed import Typed

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.expressions import Expressions


def _literal(_expressions: Expressions, node: exp.Literal) -> Typed:
    text = str(node.this)
    if node.is_string:
        return Typed(literal(text), Varchar(len(text)), text, is_literal=True)
    return number(text)


def _boolean(_expressions: Expressions, node: exp.Boolean) -> Typed:
    return Typed("TRUE" if node.this else "FALSE", BOOLEAN, bool(node.this), is_literal=True)


def _null(_expressions: Expressions, _node: exp.Null) -> Typed:
    return Typed("NULL", UNKNOWN, None, is_literal=True)


def _binary(_expressions: Expressions, node: exp.HexString) -> Typed:
    digits = str(node.this)
    if len(digits) % 2:
        raise failure_at(node, "INVALID_LITERAL", "Binary literal must contain an even number of digits")
    return Typed(f"unhex('{digits}')", VARBINARY, bytes.fromhex(digits), is_literal=True)


def _interval(_expressions: Expressions, node: exp.Interval) -> Typed:
    return intervals.literal_interval(node)


def number(text: str) -> Typed:
    """A number as it is written.

    Args:
        text: As ``1``, ``-1.50`` or ``1e3``.

    Returns:
        An integer, a bigint or a double.

    Raises:
        StatementFailedError: It is too long for a bigint.
    """
    if re.fullmatch(r"-?\d+", text):
        value = int(text)
        if -(2**31) <= value < 2**31:
            return Typed(text if value >= 0 else f"({text})", INTEGER, value, is_literal=True)
        if not -(2**63) <= value < 2**63:
            raise StatementFailedError("INVALID_LITERAL", f"Invalid numeric literal: {text}")
        return Typed(f"CAST({text} AS BIGINT)", BIGINT, value, is_literal=True)
    # Athena takes a point for a double, unlike Trino: see https://docs.aws.amazon.com/athena/latest/ug/data-types.html,
    # which wants decimals to be written as DECIMAL '0.12'.
    return Typed(f"CAST('{text}' AS DOUBLE)", DOUBLE, float(text), is_literal=True)


def decimal_literal(text: str) -> Typed:
    """A number behind the word DECIMAL.

    Args:
        text: As ``1``, ``-1.50`` or ``.5``.

    Returns:
        A decimal with as many digits as are written.

    Raises:
        StatementFailedError: It is no number, or too long for a decimal.
    """
    form = re.fullmatch(r"([+-]?)(\d*)(?:\.(\d*))?", text.strip())
    digits = "" if form is None else form[2] + (form[3] or "")
    if form is None or not digits:
        raise StatementFailedError("INVALID_LITERAL", f"'{text}' is not a valid DECIMAL literal")
    fraction = form[3] or ""
    kind = Decimal(len(digits), len(fraction))
    if kind.precision > LARGEST_PRECISION:
        raise StatementFailedError("INVALID_LITERAL", f"'{text}' is not a valid DECIMAL literal")
    return Typed(f"CAST('{text.strip()}' AS {kind.duck})", kind, Exact(text.strip()), is_literal=True)


def typed_literal(text: str, node: exp.Cast) -> Typed:
    """A literal with its type before it, as ``DATE '2024-01-01'``.

    Args:
        text: What is in the quotes.
        node: The literal.

    Returns:
        The value.

    Raises:
        StatementFailedError: The text is none of the type.
    """
    name = str(node.meta["typed_literal"]).lower()
    if name.startswith("timestamp"):
        zoned = zoned_literal(text)
        has_zone = bool(
            re.search(r"(?:\d\s*[+-]\d{1,2}(?::?\d{2})?|\s[A-Za-z][\w/+-]*)$", text.strip().partition(" ")[2])
        )
        kind = zoned.type
        assert isinstance(kind, ZonedTimestamp)  # noqa: S101 - that is what it makes
        if has_zone:
            return Typed(zoned.sql, kind, text, is_literal=True)
        return Typed(zoned.sql, Timestamp(kind.precision), text, is_literal=True)
    if name == "date":
        if not re.fullmatch(r"\s*[+-]?\d{1,6}-\d{1,2}-\d{1,2}\s*", text):
            raise StatementFailedError("INVALID_LITERAL", f"'{text}' is not a valid DATE literal")
        return Typed(f"DATE {literal(text.strip())}", DATE, text.strip(), is_literal=True)
    if name == "time":
        zoned_time = re.fullmatch(
            r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*([+-])(\d{1,2})(?::(\d{2}))?", text
        )
        if zoned_time:
            hour, minute, second, fraction, sign, hours, minutes = (part or "" for part in zoned_time.groups())
            shown = f"{hour:0>2}:{minute}:{second:0>2}{fraction and '.'}{fraction}{sign}{hours:0>2}:{minutes:0>2}"
            return Typed(literal(shown), ZonedTime(len(fraction)), shown, is_literal=True)
        digits = len(text.partition(".")[2])
        full = text if text.count(":") == 2 else f"{text}:00"
        return Typed(f"TIME {literal(full)}", Time(digits), text, is_literal=True)
    if name == "decimal":
        return decimal_literal(text)
    if name in {"char", "character"}:
        return Typed(literal(text.rstrip(" ")), Char(len(text)), text, is_literal=True)
    return cast(Typed(literal(text), VARCHAR, text, is_literal=True), parse_type(name))


def type_sql(node: exp.DataType) -> str:
    """A type as it is written in a statement.

    Args:
        node: The type.

    Returns:
        Trino's text.
    """
    text = node.sql("trino")
    return re.sub(r"\bINT\b", "INTEGER", text)


LITERALS: dict[type[exp.Expr], Callable[[Expressions, Any], Typed]] = {
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Null: _null,
    exp.HexString: _binary,
    exp.Interval: _interval,
}
