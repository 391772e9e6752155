"""Expressions that fail: what a value must be like to be cast."""

from __future__ import annotations

from lakehouse.local.athena.sql.sql_types import Decimal, SqlType, literal
from lakehouse.local.athena.sql.typed import let


def failing(code: str, message: str, kind: SqlType) -> str:
    """An expression that fails where it is reached, also within TRY, which forbids DuckDB's ``error``.

    Args:
        code: Trino's name of the error.
        message: DuckDB's text of the message.
        kind: The type that it stands for.

    Returns:
        DuckDB's text.
    """
    return f"CAST(CAST(CAST('[[{code}: ' || {message} || ']]' AS INTEGER) AS VARCHAR) AS {kind.duck})"


def shown_name(kind: SqlType) -> str:
    """A type as messages name it.

    Args:
        kind: The type.

    Returns:
        As ``INT`` or ``DECIMAL(4, 2)``.
    """
    if isinstance(kind, Decimal):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    return {"INTEGER": "INT"}.get(str(kind).upper(), str(kind).upper())


def checked(sql: str, pattern: str, wanted: SqlType, body: str, message: str | None = None) -> str:
    """A text that has a form, turned into a value; one that has another fails.

    Args:
        sql: DuckDB's text of the text.
        pattern: The form, as a regular expression.
        wanted: The value's type.
        body: DuckDB's text of the value, with ``{x}`` for the text; null for what has the form and yet is no value.
        message: DuckDB's text of the message, with ``{x}`` for the text; None for the usual one.

    Returns:
        DuckDB's text.
    """
    # What cannot be cast is an error of Athena's with a name of its own, whatever DuckDB would say or take.
    told = message or f"'Cannot cast ''' || {{x}} || ''' to {shown_name(wanted)}'"

    def whole(x: str) -> str:
        failure = failing("INVALID_CAST_ARGUMENT", told.replace("{x}", x), wanted)
        return (
            f"CASE WHEN {x} IS NULL THEN NULL WHEN regexp_full_match({x}, {literal(pattern)}) "
            f"THEN coalesce({body.replace('{x}', x)}, {failure}) ELSE {failure} END"
        )

    return let(sql, whole)


def fitting(sql: str, body: str, code: str, wanted: SqlType) -> str:
    """A number in a type that may be too small for it.

    Args:
        sql: DuckDB's text of the number.
        body: DuckDB's text of what is cast, with ``{x}`` for the number.
        code: Trino's name of the error where it does not fit.
        wanted: The type.

    Returns:
        DuckDB's text.
    """

    def whole(x: str) -> str:
        message = f"'Cannot cast ''' || CAST({x} AS VARCHAR) || ''' to {shown_name(wanted)}'"
        tried = f"TRY_CAST({body.replace('{x}', x)} AS {wanted.duck})"
        return f"CASE WHEN {x} IS NOT NULL THEN coalesce({tried}, {failing(code, message, wanted)}) END"

    return let(sql, whole)
