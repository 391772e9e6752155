"""What the catalog holds: names as Glue keeps them, look-ups, and what goes with a table.

What is stored is never changed in place: a checkpoint may be reading it.
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import glue

from lakehouse.local.fixes.glue_catalog import durable
from lakehouse.local.fixes.glue_catalog.operations import Json, invalid, missing
from lakehouse.local.registry import fixes

# Earlier versions of the tables, oldest first.
versions = AccountRegionScopedDict()
durable.keep("table_versions", versions)

# What the emulator keeps by "database/table".
_OF_TABLES = (
    glue._tables,
    glue._partitions,
    glue._partition_indexes,
    glue._table_column_statistics,
    glue._partition_column_statistics,
    versions,
)


@fixes(
    "glue",
    "GetTableVersions: restart",
    replaces="ministack.services.glue:_ALL_STATE",
    signature="dict",
    symptom="the versions of a table are not kept",
)
def all_state(original: dict[str, Any]) -> dict[str, Any]:
    """Versions are part of what is saved and loaded."""
    return {**original, "table_versions": versions}


def name_of(data: Mapping[str, Any], member: str) -> str:
    """A name in a request, folded as Glue folds it when it is stored and looked up.

    https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html

    Args:
        data: The request or a part of it.
        member: The member that holds the name.

    Returns:
        The name in lower case.

    Raises:
        CatalogError: There is none, or it is too long.
    """
    name = data.get(member) or ""
    if not 1 <= len(name) <= 255:
        raise invalid(f"{member} must have between 1 and 255 characters.")
    return str(name).lower()


def in_lower_case(columns: list[Json] | None) -> list[Json]:
    """Columns with their names as Glue stores them.

    Seen on AWS: https://github.com/apache/flink-connector-aws/pull/206

    Args:
        columns: As they were given.

    Returns:
        Copies.
    """
    return [{**column, "Name": name_of(column, "Name")} for column in columns or ()]


def described(entity: Mapping[str, Any]) -> Json:
    """The storage descriptor of a table or partition as Glue stores it.

    Args:
        entity: The table or partition as it was given.

    Returns:
        The member that holds it; nothing where none was given.
    """
    storage = entity.get("StorageDescriptor")
    if not storage:
        return {}
    columns = {"Columns": in_lower_case(storage["Columns"])} if storage.get("Columns") else {}
    return {"StorageDescriptor": {**storage, **columns}}


def key_of(data: Mapping[str, Any], member: str = "TableName") -> str:
    """Where the emulator keeps the table that a request names.

    Args:
        data: The request.
        member: The member that holds the table's name.

    Returns:
        The key.
    """
    return f"{name_of(data, 'DatabaseName')}/{name_of(data, member)}"


def find_database(data: Mapping[str, Any], member: str = "DatabaseName") -> Json:
    """The database that a request names.

    Args:
        data: The request.
        member: The member that holds its name.

    Returns:
        The database.

    Raises:
        CatalogError: There is none of this name.
    """
    database: Json | None = glue._databases.get(name_of(data, member))
    if database is None:
        raise missing(f"Database {data[member]} not found.")
    return database


def find_table(data: Mapping[str, Any], member: str = "TableName") -> tuple[str, Json]:
    """The table that a request names.

    Args:
        data: The request.
        member: The member that holds its name.

    Returns:
        Where the emulator keeps it, and the table.

    Raises:
        CatalogError: There is no such table or no such database.
    """
    key = key_of(data, member)
    table: Json | None = glue._tables.get(key)
    if table is None:
        find_database(data)
        raise missing(f"Table {data[member]} not found.")
    return key, table


def tables_of(database: str) -> list[Json]:
    """The tables of a database.

    Args:
        database: Its name in lower case.

    Returns:
        The tables.
    """
    return [table for key, table in glue._tables.items() if key.startswith(f"{database}/")]


def forget_table(key: str) -> None:
    """Remove a table and all that goes with it.

    Args:
        key: Where the emulator keeps it.
    """
    for kept in _OF_TABLES:
        kept.pop(key, None)


def without_nothing(entity: Mapping[str, Any]) -> Json:
    """An answer without the members that say nothing: clients cannot send them back.

    Args:
        entity: What is stored.

    Returns:
        A copy without members that are None, and without an empty owner or location.
    """
    return {
        member: value
        for member, value in entity.items()
        if value is not None and not (member in {"Owner", "LocationUri"} and not value)
    }
