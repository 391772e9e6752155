"""Where a statement's tables come from: the Data Catalog, views, metadata tables, the information schema."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.casts import cast
from lakehouse.local.athena.sql.expressions import Expressions
from lakehouse.local.athena.sql.queries import Queries
from lakehouse.local.athena.sql.scope import Scope
from lakehouse.local.athena.sql.sql_types import DATE, Timestamp, ZonedTimestamp
from lakehouse.local.athena.sql.statement import Statement, TableName
from lakehouse.local.athena.sql.zones import instant
from lakehouse.local.athena.tables import hive, iceberg, information_schema, metadata_tables, views
from lakehouse.local.athena.tables.catalog import Catalog, is_iceberg, is_view

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from lakehouse.local.athena.duck import Duck
    from lakehouse.local.athena.sql.relations import TableSource
    from lakehouse.local.athena.tables.usage import Usage


class CatalogTables:
    """The tables that statements read."""

    def __init__(self, catalog: Catalog, usage: Usage, duck: Duck) -> None:
        """Take what gives access.

        Args:
            catalog: The Data Catalog.
            usage: Counts the bytes that are read.
            duck: Holds small tables that are made for a statement.
        """
        self.catalog = catalog
        self._usage = usage
        self._duck = duck
        self._registered = 0
        self._views = 0
        # A statement sees each table as it was when it was first read.
        self._loaded: dict[TableName, Table] = {}
        # Tables that only this statement has.
        self.own: dict[TableName, TableSource] = {}

    def source(
        self,
        name: TableName,
        version: exp.Version | None,
        statement: Statement,
        only: Collection[str] | None = None,
    ) -> TableSource:
        """Find a table or view, see ``Tables``.

        Args:
            name: Its name.
            version: Which version of it.
            statement: The statement that reads it.
            only: The data files that are read.

        Returns:
            What is read.

        Raises:
            StatementFailedError: There is no such table, or it cannot be read.
        """
        if name in self.own:
            return self.own[name]
        if name.database == "information_schema":
            return information_schema.source(name, self.catalog, self._register, statement.session)
        base, _, suffix = name.table.partition("$")
        plain = TableName(name.catalog, name.database, base)
        table = self.catalog.table(plain)
        if is_view(table):
            if version is not None or suffix:
                raise not_supported("Time travel of views")
            self._views += 1
            try:
                return views.source(plain, table, statement, self._views)
            finally:
                self._views -= 1
        if is_iceberg(table):
            loaded = self.loaded(plain)
            if suffix:
                return metadata_tables.source(loaded, suffix, self._register)
            snapshot = None if version is None else self._snapshot(loaded, plain, version, statement)
            return iceberg.source(loaded, snapshot, self.catalog.objects, self._usage, only)
        if version is not None:
            raise StatementFailedError("NOT_SUPPORTED", f"This connector does not support versioned tables: {plain}")
        if suffix == "partitions":
            return information_schema.hive_partitions(plain, table, self.catalog, self._register)
        if suffix:
            raise StatementFailedError("TABLE_NOT_FOUND", f"Table '{name}' does not exist")
        return hive.source(plain, table, self.catalog, self._usage)

    def loaded(self, name: TableName) -> Table:
        """An Iceberg table, as this statement sees it.

        Args:
            name: Its name.

        Returns:
            The table.
        """
        if name not in self._loaded:
            self._loaded[name] = self.catalog.iceberg_table(name)
        return self._loaded[name]

    def forget(self, name: TableName) -> None:
        """Read a table anew when it is next asked for.

        Args:
            name: Its name.
        """
        self._loaded.pop(name, None)

    def _register(self, table: pa.Table) -> str:
        self._registered += 1
        name = f"registered_{self._registered}"
        self._duck.connection.register(name, table)
        return name

    def _snapshot(self, table: Table, name: TableName, version: exp.Version, statement: Statement) -> int:
        value = Expressions(statement, Scope(), Queries(statement)).compile(version.expression)
        if str(version.this).upper() in {"VERSION", "SYSTEM_VERSION"}:
            return self._version(table, name, value.value)
        kind = value.type
        if kind == DATE or isinstance(kind, Timestamp):
            value = cast(value, ZonedTimestamp(6))
        if not isinstance(value.type, ZonedTimestamp):
            raise StatementFailedError(
                "TYPE_MISMATCH",
                f"Type {kind} invalid. Temporal pointers must be of type Timestamp, Timestamp with Time Zone, or Date.",
            )
        ((moment,),) = self._duck.execute(f"SELECT epoch_ms({instant(value.sql, value.type)})").fetchall()
        found = None if moment is None else table.snapshot_as_of_timestamp(int(moment))
        if found is None:
            raise StatementFailedError(
                "INVALID_ARGUMENTS",
                f"No version history table {name.table} at or before {version.expression.sql('trino')}",
            )
        return found.snapshot_id

    def _version(self, table: Table, name: TableName, value: object) -> int:
        if isinstance(value, str):
            ref = table.snapshot_by_name(value)
            if ref is None:
                raise StatementFailedError("INVALID_ARGUMENTS", f"Cannot find snapshot with reference name: {value}")
            return ref.snapshot_id
        if not isinstance(value, int) or table.snapshot_by_id(value) is None:
            raise StatementFailedError("INVALID_ARGUMENTS", f"Iceberg snapshot ID does not exists: {value} in {name}")
        return value
