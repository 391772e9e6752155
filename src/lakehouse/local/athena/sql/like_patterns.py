"""Patterns of LIKE with an ESCAPE of their own: DuckDB takes what Trino refuses, and no character of several bytes.

https://trino.io/docs/current/functions/comparison.html#pattern-comparison-like
"""

from __future__ import annotations

from contextlib import suppress

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions.library import python
from lakehouse.local.athena.sql.sql_types import VARCHAR, literal
from lakehouse.local.athena.sql.typed import Typed

# DuckDB's ESCAPE of every pattern, whatever the statement's is.
_ESCAPE = "\\"
_MEANT = frozenset({"%", "_"})


def escaped_pattern(pattern: Typed, escape: Typed) -> str:
    """What stands behind LIKE.

    Args:
        pattern: The pattern.
        escape: What its ESCAPE says.

    Returns:
        DuckDB's text.
    """
    text = f"athena_like_pattern({pattern.as_type(VARCHAR).sql}, {escape.as_type(VARCHAR).sql})"
    if isinstance(pattern.value, str) and isinstance(escape.value, str):
        # A wrong one fails when the query runs, as in Trino: not in a branch that is never taken, nor in TRY.
        with suppress(StatementFailedError):
            text = literal(like_pattern(pattern.value, escape.value))
    return f"{text} ESCAPE {literal(_ESCAPE)}"


@python("athena_like_pattern", "VARCHAR, VARCHAR", "VARCHAR")
def like_pattern(pattern: str, escape: str) -> str:
    """A pattern with DuckDB's escape instead of its own.

    Args:
        pattern: The pattern.
        escape: Its escape; an empty one is none.

    Returns:
        The pattern.

    Raises:
        StatementFailedError: The escape is longer than a character, or stands before one that needs none.
    """
    if len(escape) > 1:
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", "Escape string must be a single character")
    parts: list[str] = []
    is_escaped = False
    for one in pattern:
        if is_escaped and one not in {*_MEANT, escape}:
            break
        if not is_escaped and one == escape:
            is_escaped = True
            continue
        needs_escape = one == _ESCAPE or (is_escaped and one in _MEANT)
        parts.append(_ESCAPE + one if needs_escape else one)
        is_escaped = False
    if is_escaped:
        told = "Escape character must be followed by '%', '_' or the escape character itself"
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", told)
    return "".join(parts)
