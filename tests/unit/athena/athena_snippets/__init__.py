"""Expressions with the text that Athena shows for the first cell, a module a section of the documentation.

``None`` is null. An expression without SELECT is put behind one. A value that the documentation does not print is
worked out from the rule that it states.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fails:
    """The expression fails.

    Attributes:
        code: Trino's name of the error.
    """

    code: str
