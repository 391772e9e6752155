"""Question marks in statements, and the values that stand for them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lakehouse.local.athena.failures import StatementFailedError

_PARTS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|/\*.*?\*/|\?""", re.DOTALL)


def count_of(text: str) -> int:
    """How many question marks a statement has.

    Args:
        text: The statement.

    Returns:
        Those that are in no quotes and no comments.
    """
    return sum(found[0] == "?" for found in _PARTS.finditer(text))


def bound(text: str, values: Sequence[str]) -> str:
    """A statement with values in the places of its question marks.

    Args:
        text: The statement.
        values: The values, as they are written in SQL.

    Returns:
        The statement.

    Raises:
        StatementFailedError: There are more of one than of the other.
    """
    wanted = count_of(text)
    if wanted != len(values):
        raise StatementFailedError(
            "INVALID_PARAMETER_USAGE", f"Incorrect number of parameters: expected {wanted} but found {len(values)}"
        )
    rest = iter(values)
    return _PARTS.sub(lambda found: next(rest) if found[0] == "?" else found[0], text)
