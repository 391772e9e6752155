"""Why a statement fails, in Athena's words.

The names are Trino's error codes, which Athena puts before the message; the numbers are Athena's.
https://docs.aws.amazon.com/athena/latest/ug/error-reference.html
"""

from __future__ import annotations

from lakehouse.errors import LocalError

SYSTEM, USER, OTHER = 1, 2, 3

# Athena's ErrorType, by Trino's name; all others are general errors of the statement.
_TYPES = {
    "ICEBERG_COMMIT_ERROR": 233,
    "EXCEEDED_LOCAL_MEMORY_LIMIT": 1,
    "GENERIC_INTERNAL_ERROR": 401,
    "PERMISSION_DENIED": 1003,
    "TABLE_NOT_FOUND": 1301,
    "SCHEMA_NOT_FOUND": 1301,
    "SYNTAX_ERROR": 1006,
    "NOT_SUPPORTED": 1009,
}
_GENERAL = 1006
_OF_THE_SYSTEM = frozenset({"GENERIC_INTERNAL_ERROR", "EXCEEDED_LOCAL_MEMORY_LIMIT"})


class StatementFailedError(LocalError):
    """A statement that Athena would answer with FAILED.

    Attributes:
        code: Trino's name of the error.
        text: What is wrong, without the code.
    """

    def __init__(self, code: str, text: str, *, line: int | None = None, column: int | None = None) -> None:
        """Describe the failure.

        Args:
            code: Trino's name of the error, as ``COLUMN_NOT_FOUND``.
            text: What is wrong.
            line: Line of the statement, from 1; None where the place is not known.
            column: Column of the line, from 1.
        """
        self.code = code
        self.text = text
        self.line = line
        self.column = column
        super().__init__(code, text)

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}:{self.column}: "
        return f"{self.code}: {place}{self.text}"

    @property
    def error_type(self) -> int:
        """Athena's number."""
        return _TYPES.get(self.code, _GENERAL)

    @property
    def category(self) -> int:
        """Whose fault it is: the system's or the user's."""
        return SYSTEM if self.code in _OF_THE_SYSTEM else USER


def not_supported(form: str, instead: str = "") -> StatementFailedError:
    """Refuse a form of SQL that the laptop does not execute.

    Args:
        form: What it is, as it is written.
        instead: What to do, as a sentence.

    Returns:
        The failure, to be raised.
    """
    return StatementFailedError("NOT_SUPPORTED", f"{form} is not executed on the laptop. {instead}".rstrip())
