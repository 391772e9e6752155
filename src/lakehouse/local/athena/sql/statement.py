"""What is shared by all parts of one statement while it is compiled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlglot import exp

    from lakehouse.local.athena.sql.relations import TableSource
    from lakehouse.local.athena.sql.scans import Scan


@dataclass(frozen=True, slots=True)
class TableName:
    """A table's full name, in lower case.

    Attributes:
        catalog: The data catalog.
        database: The database.
        table: The table, with a suffix such as ``$snapshots`` where one was written.
    """

    catalog: str
    database: str
    table: str

    def __str__(self) -> str:
        return f"{self.catalog}.{self.database}.{self.table}"


@dataclass(frozen=True, slots=True)
class Session:
    """Where a statement runs.

    Attributes:
        catalog: Of names without one.
        database: Of names without one.
        now: When the statement was started, in UTC, without a zone.
        user: Who runs it.
    """

    catalog: str
    database: str
    now: datetime
    user: str = "athena"


class Tables(Protocol):
    """Where tables come from."""

    def source(
        self,
        name: TableName,
        version: exp.Version | None,
        statement: Statement,
        only: Collection[str] | None = None,
    ) -> TableSource:
        """Find a table or view.

        Args:
            name: Its name.
            version: Which version of it, as in ``FOR TIMESTAMP AS OF``.
            statement: The statement that reads it.
            only: The data files that are read; None for all.

        Returns:
            What is read.

        Raises:
            StatementFailedError: There is no such table, or it cannot be read.
        """


@dataclass(slots=True)
class Statement:
    """A statement being compiled.

    Attributes:
        session: Where it runs.
        tables: Where its tables come from.
        scans: The scans of tables, in the order they were found.
    """

    session: Session
    tables: Tables
    scans: list[Scan] = field(default_factory=list)
    _aliases: dict[str, int] = field(default_factory=dict)

    def alias(self, wanted: str) -> str:
        """A name for a relation that no other has in DuckDB.

        Args:
            wanted: The name in the statement.

        Returns:
            It, or it with a number.
        """
        count = self._aliases.get(wanted.lower(), 0)
        self._aliases[wanted.lower()] = count + 1
        return f"{wanted}_{count}" if count else wanted

    def qualified(self, parts: Sequence[str]) -> TableName:
        """A table's full name.

        Args:
            parts: As it is written: table, or database and table, or catalog, database and table.

        Returns:
            The name.
        """
        *before, table = (part.lower() for part in parts)
        database = before[-1] if before else self.session.database
        catalog = before[-2] if len(before) > 1 else self.session.catalog
        return TableName(catalog, database, table)
