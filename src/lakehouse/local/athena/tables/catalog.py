"""The Data Catalog as statements use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.tables.file_io import ObjectFileIO
from lakehouse.local.athena.tables.objects import Objects

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.table import Table

    from lakehouse.local.athena.sql.statement import TableName

GlueTable = Mapping[str, Any]

# The names of the one catalog there is.
_CATALOGS = frozenset({"awsdatacatalog", "hive"})
_PARTITIONS_A_CALL = 100


class Catalog:
    """Databases, tables and partitions."""

    def __init__(self, glue: GlueClient, objects: Objects) -> None:
        """Take what gives access.

        Args:
            glue: The Data Catalog.
            objects: What tables are made of.
        """
        self.glue = glue
        self.objects = objects
        self._iceberg: GlueCatalog | None = None

    def check(self, name: TableName) -> None:
        """Refuse a data catalog that there is not.

        Args:
            name: A table's name.

        Raises:
            StatementFailedError: It is in another catalog.
        """
        if name.catalog not in _CATALOGS:
            raise StatementFailedError("CATALOG_NOT_FOUND", f"Catalog '{name.catalog}' does not exist")

    def find(self, name: TableName) -> GlueTable | None:
        """Find a table.

        Args:
            name: Its name.

        Returns:
            The table, None where there is none.

        Raises:
            StatementFailedError: It is in another data catalog.
        """
        self.check(name)
        try:
            return self.glue.get_table(DatabaseName=name.database, Name=name.table)["Table"]
        except self.glue.exceptions.EntityNotFoundException:
            return None

    def table(self, name: TableName) -> GlueTable:
        """Find a table that must be there.

        Args:
            name: Its name.

        Returns:
            The table.

        Raises:
            StatementFailedError: There is no such table, or no such database.
        """
        found = self.find(name)
        if found is not None:
            return found
        if not self.has_database(name.database):
            raise StatementFailedError("SCHEMA_NOT_FOUND", f"Schema '{name.database}' does not exist")
        raise StatementFailedError("TABLE_NOT_FOUND", f"Table '{name}' does not exist")

    def has_database(self, name: str) -> bool:
        """Whether there is a database.

        Args:
            name: Its name.

        Returns:
            True where there is.
        """
        try:
            self.glue.get_database(Name=name)
        except self.glue.exceptions.EntityNotFoundException:
            return False
        return True

    def databases(self) -> Iterator[str]:
        """All databases.

        Yields:
            Their names.
        """
        for page in self.glue.get_paginator("get_databases").paginate():
            for one in page["DatabaseList"]:
                yield one["Name"]

    def tables(self, database: str) -> Iterator[GlueTable]:
        """A database's tables.

        Args:
            database: The database.

        Yields:
            The tables.

        Raises:
            StatementFailedError: There is no such database.
        """
        try:
            for page in self.glue.get_paginator("get_tables").paginate(DatabaseName=database):
                yield from page["TableList"]
        except self.glue.exceptions.EntityNotFoundException as error:
            raise StatementFailedError("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist") from error

    def partitions(self, name: TableName) -> Iterator[Mapping[str, Any]]:
        """A table's partitions.

        Args:
            name: The table.

        Yields:
            The partitions.
        """
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=name.database, TableName=name.table)
        for page in pages:
            yield from page["Partitions"]

    def add_partitions(self, name: TableName, table: GlueTable, values: Mapping[tuple[str, ...], str]) -> None:
        """Register partitions; those that are known stay as they are.

        Args:
            name: The table.
            table: Its definition: partitions are read as the table is.
            values: Locations by values.
        """
        storage = table["StorageDescriptor"]
        inputs = [
            {"Values": list(one), "StorageDescriptor": {**storage, "Location": location}, "Parameters": {}}
            for one, location in values.items()
        ]
        for start in range(0, len(inputs), _PARTITIONS_A_CALL):
            answer = self.glue.batch_create_partition(
                DatabaseName=name.database,
                TableName=name.table,
                PartitionInputList=inputs[start : start + _PARTITIONS_A_CALL],  # type: ignore[arg-type]
            )
            for error in answer.get("Errors", []):
                detail = error.get("ErrorDetail", {})
                if detail.get("ErrorCode") != "AlreadyExistsException":
                    raise StatementFailedError("HIVE_METASTORE_ERROR", str(detail.get("ErrorMessage")))

    @property
    def iceberg(self) -> GlueCatalog:
        """PyIceberg's view of the same catalog."""
        if self._iceberg is None:
            from lakehouse.local.athena.tables.iceberg_catalog import CertainGlueCatalog

            place = f"{ObjectFileIO.__module__}.{ObjectFileIO.__name__}"
            self._iceberg = CertainGlueCatalog("glue", client=self.glue, **{"py-io-impl": place})
        return self._iceberg

    def iceberg_table(self, name: TableName) -> Table:
        """An Iceberg table as it is now.

        Args:
            name: Its name.

        Returns:
            The table.
        """
        return self.iceberg.load_table((name.database, name.table))


def is_iceberg(table: GlueTable) -> bool:
    """Whether a table is one of Iceberg.

    Args:
        table: Its definition.

    Returns:
        True where it is.
    """
    return str((table.get("Parameters") or {}).get("table_type", "")).upper() == "ICEBERG"


def is_view(table: GlueTable) -> bool:
    """Whether a table is a view.

    Args:
        table: Its definition.

    Returns:
        True where it is.
    """
    return table.get("TableType") == "VIRTUAL_VIEW"


TABLE_FIELDS = (
    *("Name", "Description", "Owner", "LastAccessTime", "LastAnalyzedTime", "Retention", "StorageDescriptor"),
    *("PartitionKeys", "ViewOriginalText", "ViewExpandedText", "TableType", "Parameters", "TargetTable"),
)


def table_input(table: GlueTable, **changes: Any) -> dict[str, Any]:
    """A table's definition, to be written back.

    Args:
        table: The table as it was read.
        changes: What is different.

    Returns:
        A ``TableInput``.
    """
    return {name: table[name] for name in TABLE_FIELDS if name in table} | changes


def columns_of(table: GlueTable) -> Sequence[Mapping[str, str]]:
    """A table's columns, those of its partitions last.

    Args:
        table: Its definition.

    Returns:
        ``Name`` and ``Type`` of each.
    """
    own = table.get("StorageDescriptor", {}).get("Columns", [])
    # Iceberg's libraries leave columns of older schemas there, and say so.
    current = [one for one in own if (one.get("Parameters") or {}).get("iceberg.field.current") != "false"]
    return [*current, *(table.get("PartitionKeys") or [])]
