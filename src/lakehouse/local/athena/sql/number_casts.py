"""CAST to numbers and booleans.

https://trino.io/docs/current/functions/conversion.html
"""

from __future__ import annotations

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.checks import checked, failing, fitting, shown_name
from lakehouse.local.athena.sql.coercion import can_become
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    REAL,
    Char,
    Decimal,
    SqlType,
    is_integer,
    is_text,
    literal,
)
from lakehouse.local.athena.sql.typed import let

_NUMBERS_AS_TEXT = "[+-]?[0-9]+"
_FLOATING_AS_TEXT = r"\s*([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[dDfF]?|[+-]?NaN|[+-]?Infinity)\s*"
_DECIMAL_AS_TEXT = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
# Halfway between the largest real and what would follow it.
_TOO_LARGE_FOR_REAL = "3.4028235677973366e38"


def cannot(kind: SqlType, wanted: SqlType) -> StatementFailedError:
    """Refuse a cast that Trino does not know.

    Args:
        kind: The type that is there.
        wanted: The type that is asked for.

    Returns:
        The failure, to be raised.
    """
    return StatementFailedError("TYPE_MISMATCH", f"Cannot cast {kind} to {wanted}")


def to_integer(sql: str, kind: SqlType, wanted: SqlType) -> str:
    """CAST to tinyint, smallint, integer or bigint.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.
        wanted: The type that is asked for.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: Trino does not cast one to the other.
    """
    if is_text(kind):
        text = f"trim({sql})" if isinstance(kind, Char) else sql
        return checked(text, _NUMBERS_AS_TEXT, wanted, f"TRY_CAST({{x}} AS {wanted.duck})")
    if kind in (DOUBLE, REAL):
        return _rounded(sql, kind, wanted)
    if isinstance(kind, Decimal):
        return fitting(sql, "{x}", "INVALID_CAST_ARGUMENT", wanted)
    if is_integer(kind) and not can_become(kind, wanted):
        return fitting(sql, "{x}", "NUMERIC_VALUE_OUT_OF_RANGE", wanted)
    if is_integer(kind) or kind == BOOLEAN:
        return f"CAST({sql} AS {wanted.duck})"
    raise cannot(kind, wanted)


def _rounded(sql: str, kind: SqlType, wanted: SqlType) -> str:
    """DuckDB's cast rounds half to even, Java's half up."""
    if wanted == BIGINT:
        return fitting(sql, "round({x})", "INVALID_CAST_ARGUMENT", wanted)
    message = literal(f"Cannot cast {kind} NaN to {wanted}")
    return let(
        sql,
        lambda x: (
            f"CASE WHEN isnan({x}) THEN {failing('INVALID_CAST_ARGUMENT', message, wanted)} "
            f"ELSE {fitting(x, 'round({x})', 'NUMERIC_VALUE_OUT_OF_RANGE', wanted)} END"
        ),
    )


def to_floating(sql: str, kind: SqlType, wanted: SqlType) -> str:
    """CAST to real or double; what is too large becomes infinite.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.
        wanted: The type that is asked for.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: Trino does not cast one to the other.
    """
    infinite = f"CAST(CASE WHEN {{n}} THEN '-Infinity' ELSE 'Infinity' END AS {wanted.duck})"
    if is_text(kind):
        number = "rtrim(trim({x}), 'dDfF')"
        negative = f"{number} LIKE '-%'"
        body = (
            f"CASE WHEN regexp_matches({{x}}, '[nN]') THEN TRY_CAST(trim({{x}}) AS {wanted.duck}) "
            f"ELSE coalesce(TRY_CAST({number} AS {wanted.duck}), {infinite.replace('{n}', negative)}) END"
        )
        return checked(sql, _FLOATING_AS_TEXT, wanted, body)
    if kind == DOUBLE and wanted == REAL:
        return let(
            sql,
            lambda x: (
                f"CASE WHEN isfinite({x}) AND abs({x}) >= {_TOO_LARGE_FOR_REAL} "
                f"THEN {infinite.replace('{n}', f'{x} < 0')} ELSE CAST({x} AS {wanted.duck}) END"
            ),
        )
    if is_integer(kind) or kind in (BOOLEAN, DOUBLE, REAL) or isinstance(kind, Decimal):
        return f"CAST({sql} AS {wanted.duck})"
    raise cannot(kind, wanted)


def to_decimal(sql: str, kind: SqlType, wanted: Decimal) -> str:
    """CAST to decimal.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.
        wanted: The type that is asked for.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: Trino does not cast one to the other.
    """
    if is_text(kind):
        message = f"'Cannot cast VARCHAR ''' || {{x}} || ''' to {shown_name(wanted)}.'"
        return checked(sql, _DECIMAL_AS_TEXT, wanted, f"TRY_CAST({{x}} AS {wanted.duck})", message)
    if kind in (DOUBLE, REAL):
        # The nearest decimal of the double's shortest text, as Java's BigDecimal.valueOf.
        return fitting(sql, "CAST({x} AS VARCHAR)", "INVALID_CAST_ARGUMENT", wanted)
    if (is_integer(kind) or isinstance(kind, Decimal)) and not can_become(kind, wanted):
        return fitting(sql, "{x}", "INVALID_CAST_ARGUMENT", wanted)
    if is_integer(kind) or kind == BOOLEAN or isinstance(kind, Decimal):
        return f"CAST({sql} AS {wanted.duck})"
    raise cannot(kind, wanted)


def to_boolean(sql: str, kind: SqlType) -> str:
    """CAST to boolean.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: Trino does not cast the type to boolean.
    """
    if is_text(kind):
        return checked(sql, "(?i)(true|false|t|f|1|0)", BOOLEAN, "lower({x}) IN ('true', 't', '1')")
    if is_integer(kind) or kind in (DOUBLE, REAL) or isinstance(kind, Decimal):
        return f"({sql} <> 0)"
    raise cannot(kind, BOOLEAN)
