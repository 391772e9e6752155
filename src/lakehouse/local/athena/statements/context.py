"""What a statement runs with."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from lakehouse.local.athena.duck import Duck, failure_of
from lakehouse.local.athena.outcome import Outcome
from lakehouse.local.athena.sql.compiled import CompiledQuery, compile_query
from lakehouse.local.athena.sql.statement import Session, TableName
from lakehouse.local.athena.tables.catalog import Catalog
from lakehouse.local.athena.tables.objects import Objects
from lakehouse.local.athena.tables.source import CatalogTables
from lakehouse.local.athena.tables.usage import Usage


@dataclass(slots=True)
class Context:
    """A statement's surroundings.

    Attributes:
        session: Where it runs.
        catalog: The Data Catalog.
        objects: What tables are made of.
        duck: Executes queries.
        usage: Counts the bytes that are read.
        tables: The tables that it reads.
        folder: A folder for files on the way, which is deleted after it.
        output_location: Where results go; files of tables without a location go below it.
        workgroup: The workgroup.
        athena: Keeps prepared statements.
    """

    session: Session
    catalog: Catalog
    objects: Objects
    duck: Duck
    usage: Usage
    folder: Path
    output_location: str
    workgroup: str
    athena: Any
    tables: CatalogTables = field(init=False)

    def __post_init__(self) -> None:
        """Tables are read anew for every statement."""
        self.tables = CatalogTables(self.catalog, self.usage, self.duck)

    def name(self, parts: Sequence[str]) -> TableName:
        """A table's full name.

        Args:
            parts: As it is written.

        Returns:
            The name.
        """
        *before, table = (part.lower() for part in parts)
        database = before[-1] if before else self.session.database
        return TableName(before[-2] if len(before) > 1 else self.session.catalog, database, table)

    def compiled(self, query: object) -> CompiledQuery:
        """Compile a query.

        Args:
            query: Its text or tree.

        Returns:
            The query.

        Raises:
            StatementFailedError: It is wrong, or is not executed here.
        """
        return compile_query(query, self.session, self.tables)  # type: ignore[arg-type]

    def run(self, sql: str) -> list[tuple[object, ...]]:
        """Execute DuckDB's text.

        Args:
            sql: The text.

        Returns:
            The rows.

        Raises:
            StatementFailedError: It fails.
        """
        try:
            return self.duck.execute(sql).fetchall()
        except duckdb.Error as error:
            raise failure_of(error) from error

    def new_folder(self) -> Path:
        """A new folder for files on the way.

        Returns:
            The folder.
        """
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def scanned(self, outcome: Outcome) -> Outcome:
        """Tell an outcome what was read.

        Args:
            outcome: The outcome.

        Returns:
            The same.
        """
        outcome.scanned_bytes = self.usage.scanned_bytes
        return outcome
