"""Tables of the Data Catalog, as a person wants to see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.athena_queries import AthenaQueries
from lakehouse.aws_errors import translate
from lakehouse.errors import RecordNotFoundError

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table.

    Attributes:
        layer: The layer that it is of.
        database: Its database.
        name: Its name.
        kind: ``iceberg``, ``hive`` or ``view``.
        location: Its folder.
        columns: Name, type and comment of each.
        partitioned_by: The columns of a Hive table's partitions.
        changed_at: When its definition was last changed.
    """

    layer: str
    database: str
    name: str
    kind: str
    location: str
    columns: tuple[tuple[str, str, str], ...]
    partitioned_by: tuple[str, ...]
    changed_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """The table for a program.

        Returns:
            Plain values.
        """
        return asdict(self)


def tables_of(glue: GlueClient, layer: str, database: str) -> Iterator[TableFacts]:
    """A database's tables.

    Args:
        glue: The Data Catalog.
        layer: The layer that the database is of.
        database: The database.

    Yields:
        The tables, in the order of their names.

    Raises:
        LakehouseError: The Data Catalog cannot be read.
    """
    try:
        pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
        found = [one for page in pages for one in page["TableList"]]
    except (ClientError, BotoCoreError) as error:
        raise translate(error, f"listing the tables of {database}") from error
    for one in sorted(found, key=lambda table: table["Name"]):
        yield _facts(layer, database, one)


def table_facts(glue: GlueClient, layer: str, database: str, name: str) -> TableFacts:
    """One table.

    Args:
        glue: The Data Catalog.
        layer: The layer that the database is of.
        database: The database.
        name: The table.

    Returns:
        The table.

    Raises:
        RecordNotFoundError: There is no such table.
        LakehouseError: The Data Catalog cannot be read.
    """
    try:
        return _facts(layer, database, glue.get_table(DatabaseName=database, Name=name)["Table"])
    except glue.exceptions.EntityNotFoundException as error:
        raise RecordNotFoundError(f"There is no table {database}.{name}. List them: lakehouse tables") from error
    except (ClientError, BotoCoreError) as error:
        raise translate(error, f"reading the table {database}.{name}") from error


def _facts(layer: str, database: str, table: Mapping[str, Any]) -> TableFacts:
    storage = table.get("StorageDescriptor", {})
    keys = table.get("PartitionKeys") or []
    columns = [*storage.get("Columns", []), *keys]
    kind = "hive"
    if table.get("TableType") == "VIRTUAL_VIEW":
        kind = "view"
    elif str((table.get("Parameters") or {}).get("table_type", "")).upper() == "ICEBERG":
        kind = "iceberg"
    return TableFacts(
        layer=layer,
        database=database,
        name=table["Name"],
        kind=kind,
        location=storage.get("Location", ""),
        columns=tuple((one["Name"], one.get("Type", ""), one.get("Comment", "")) for one in columns),
        partitioned_by=tuple(one["Name"] for one in keys),
        changed_at=table.get("UpdateTime"),
    )


def snapshots_of(queries: AthenaQueries, facts: TableFacts) -> list[dict[str, Any]]:
    """An Iceberg table's snapshots.

    Args:
        queries: Of the table's database.
        facts: The table.

    Returns:
        ``committed_at``, ``snapshot_id``, ``operation`` and ``added_records`` of each, the newest first.

    Raises:
        LakehouseError: Athena cannot tell.
    """
    # The name is one that the Data Catalog gave.
    sql = "SELECT committed_at, snapshot_id, operation, element_at(summary, 'added-records') FROM "
    result = queries.run(f'{sql}"{facts.name}$snapshots" ORDER BY committed_at DESC')
    return [
        {
            "committed_at": committed_at,
            "snapshot_id": number,
            "operation": operation,
            "added_records": None if added is None else int(added),
        }
        for committed_at, number, operation, added in queries.rows(result)
    ]
