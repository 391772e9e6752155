"""A table as one query reads it: which columns, and which of its files may hold what it looks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for a column, so that files in which it cannot are left out.

    Attributes:
        column: The column.
        operator: ``=``, ``<``, ``<=``, ``>``, ``>=``, ``in``, ``is null`` or ``is not null``.
        values: What it is compared with.
    """

    column: str
    operator: str
    values: tuple[Any, ...] = ()


@dataclass(slots=True)
class Scan:
    """A table's place in a statement; its text is made when all is known of what is read.

    Attributes:
        number: Which of the statement's scans it is.
        render: Makes DuckDB's text of the table, and notes the bytes that are read.
        columns: The columns that are read, in lower case.
        conditions: All of them hold for every row that matters.
    """

    number: int
    render: Callable[[Scan], str]
    columns: set[str] = field(default_factory=set)
    conditions: list[Condition] = field(default_factory=list)

    def use(self, column: str) -> None:
        """Note that a column is read.

        Args:
            column: Its name.
        """
        self.columns.add(column.lower())

    @property
    def placeholder(self) -> str:
        """What stands in DuckDB's text until the scan is rendered."""
        return f"/*scan:{self.number}*/"


def rendered(sql: str, scans: Sequence[Scan]) -> str:
    """DuckDB's text with all scans in their places.

    Args:
        sql: The text with placeholders.
        scans: The scans.

    Returns:
        The text.
    """
    for scan in scans:
        if scan.placeholder in sql:
            sql = sql.replace(scan.placeholder, scan.render(scan))
    return sql
