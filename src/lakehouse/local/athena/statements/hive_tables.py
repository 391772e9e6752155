"""Definitions of Hive tables, and rows written into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.sql_types import UNKNOWN, SqlType
from lakehouse.local.athena.sql.type_text import hive_type, parse_hive_type
from lakehouse.local.athena.statements.writing import already_exists, as_columns
from lakehouse.local.athena.tables.hive import format_of, require_location
from lakehouse.local.athena.write.hive_files import STORAGE, HiveWriter, Written

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.compiled import CompiledQuery
    from lakehouse.local.athena.sql.statement import TableName
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.tables.catalog import GlueTable

Columns = Sequence[tuple[str, SqlType]]


def create_as(
    context: Context,
    name: TableName,
    query: CompiledQuery,
    *,
    location: str,
    properties: Mapping[str, Any],
    with_data: bool = True,
) -> Written:
    """Make a Hive table of a query's rows: its files first, then its definition.

    Args:
        context: The statement's surroundings.
        name: The table.
        query: The query.
        location: Its folder, which must be empty.
        properties: ``format``, ``write_compression``, ``partitioned_by``, ``field_delimiter``.
        with_data: Whether the rows go into it.

    Returns:
        What was written.

    Raises:
        StatementFailedError: There is such a table, its folder has files, or the format is not written here.
    """
    if context.catalog.find(name) is not None:
        raise already_exists(name)
    if next(iter(context.objects.list(location, with_hidden=True)), None) is not None:
        raise StatementFailedError(
            "HIVE_PATH_ALREADY_EXISTS", f"Target directory for table '{name}' already exists: {location}"
        )
    pairs = [(column.lower(), kind) for column, kind in zip(query.names, query.types, strict=True)]
    for column, kind in pairs:
        if kind == UNKNOWN:
            raise StatementFailedError("COLUMN_TYPE_UNKNOWN", f"Column type is unknown: {column}")
    keys = [str(one).lower() for one in properties.get("partitioned_by", ())]
    if keys and [column for column, _ in pairs[len(pairs) - len(keys) :]] != keys:
        raise StatementFailedError(
            "HIVE_COLUMN_ORDER_MISMATCH",
            "Partition keys must be the last columns in the table and in the same order as the table properties: "
            + str(keys),
        )
    columns, key_columns = pairs[: len(pairs) - len(keys)], pairs[len(pairs) - len(keys) :]
    form = str(properties.get("format", "parquet")).lower()
    delimiter = str(properties.get("field_delimiter", "\x01"))
    writer = HiveWriter(
        context.duck,
        context.objects,
        context.new_folder(),
        form,
        str(properties.get("write_compression", "")),
        delimiter,
    )
    written = Written((), {}, 0)
    if with_data:
        written = writer.write(as_columns(query, pairs), columns, key_columns, location)
    definition = table_definition(name, columns, key_columns, location, form, delimiter)
    try:
        context.catalog.glue.create_table(DatabaseName=name.database, TableInput=definition)  # type: ignore[arg-type]
    except context.catalog.glue.exceptions.AlreadyExistsException as error:
        context.objects.delete(written.files)
        raise already_exists(name) from error
    if written.partitions:
        context.catalog.add_partitions(name, context.catalog.table(name), written.partitions)
    return written


def table_definition(
    name: TableName, columns: Columns, keys: Columns, location: str, form: str, delimiter: str
) -> dict[str, Any]:
    """A table that CREATE TABLE AS makes.

    Args:
        name: Its name.
        columns: Its columns.
        keys: Those of its partitions.
        location: Its folder.
        form: Its format.
        delimiter: Between the columns of text.

    Returns:
        A ``TableInput``.
    """
    reads, writes, serde = STORAGE[form]
    options = (
        {"field.delim": delimiter, "serialization.format": delimiter}
        if form == "textfile"
        else {"serialization.format": "1"}
    )
    return {
        "Name": name.table,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "has_encrypted_data": "false", "classification": form},
        "PartitionKeys": [{"Name": column, "Type": hive_type(kind)} for column, kind in keys],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": hive_type(kind)} for column, kind in columns],
            "Location": location,
            "InputFormat": reads,
            "OutputFormat": writes,
            "SerdeInfo": {"SerializationLibrary": serde, "Parameters": options},
        },
    }


def insert(
    context: Context, name: TableName, table: GlueTable, names: Sequence[str] | None, query: CompiledQuery
) -> Written:
    """Add a query's rows to a Hive table.

    Args:
        context: The statement's surroundings.
        name: The table.
        table: Its definition.
        names: The columns that the query's are for.
        query: The query.

    Returns:
        What was written.

    Raises:
        StatementFailedError: The rows do not fit, or the format is not written here.
    """
    columns = _typed(table["StorageDescriptor"].get("Columns", []))
    keys = _typed(table.get("PartitionKeys") or [])
    form = format_of(table)
    serde = table["StorageDescriptor"].get("SerdeInfo") or {}
    if str(serde.get("SerializationLibrary", "")).endswith("OpenCSVSerde"):
        raise StatementFailedError("NOT_SUPPORTED", "INSERT INTO is not supported for tables with the OpenCSVSerDe")
    delimiter = (serde.get("Parameters") or {}).get("field.delim", "\x01")
    codec = str(
        (table.get("Parameters") or {}).get("write.compression")
        or (table.get("Parameters") or {}).get("parquet.compression")
        or ""
    )
    known = context.catalog.partitions(name) if keys else ()
    places = {tuple(one["Values"]): one["StorageDescriptor"]["Location"] for one in known}
    writer = HiveWriter(context.duck, context.objects, context.new_folder(), form, codec, delimiter, places)
    written = writer.write(as_columns(query, [*columns, *keys], names), columns, keys, require_location(table))
    if written.partitions:
        context.catalog.add_partitions(name, table, written.partitions)
    return written


def _typed(columns: Sequence[Mapping[str, str]]) -> Columns:
    return [(one["Name"].lower(), parse_hive_type(one.get("Type") or "string")) for one in columns]
