"""INSERT and CREATE TABLE AS into Iceberg tables, and the checks that all writing shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.coercion import can_become, converted
from lakehouse.local.athena.sql.sql_types import UNKNOWN, SqlType, Varchar, quoted
from lakehouse.local.athena.tables.iceberg_types import iceberg_schema, trino_type
from lakehouse.local.athena.write.commit import add, append
from lakehouse.local.athena.write.data_files import DataFileWriter
from lakehouse.local.athena.write.transforms import partition_spec

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.compiled import CompiledQuery
    from lakehouse.local.athena.sql.statement import TableName
    from lakehouse.local.athena.statements.context import Context

Columns = Sequence[tuple[str, SqlType]]


def as_columns(query: CompiledQuery, columns: Columns, names: Sequence[str] | None = None) -> str:
    """A query's result as rows of a table.

    Args:
        query: The query.
        columns: The table's columns.
        names: Those that the query's columns are for, in order; None for all.

    Returns:
        DuckDB's text; its columns have the names and types of the table's.

    Raises:
        StatementFailedError: They do not fit.
    """
    wanted = dict(columns)
    targets = [name.lower() for name in names] if names is not None else [name for name, _ in columns]
    for name in targets:
        if name not in wanted:
            raise StatementFailedError("COLUMN_NOT_FOUND", f"Insert column name does not exist in target table: {name}")
    kinds = [wanted[name] for name in targets]
    fits = len(kinds) == len(query.types) and all(
        fits_into(given, kind) for given, kind in zip(query.types, kinds, strict=True)
    )
    if not fits:
        raise StatementFailedError(
            "TYPE_MISMATCH",
            f"Insert query has mismatched column types: Table: [{', '.join(map(str, kinds))}], "
            f"Query: [{', '.join(map(str, query.types))}]",
        )
    held = {
        name: converted(f"i.{quoted(own)}", given, kind)
        if given != kind or given.duck != kind.duck
        else f"i.{quoted(own)}"
        for name, own, given, kind in zip(targets, query.held_names, query.types, kinds, strict=True)
    }
    listed = ", ".join(f"{held.get(name, f'CAST(NULL AS {kind.duck})')} AS {quoted(name)}" for name, kind in columns)
    return f"SELECT {listed} FROM ({query.sql}) AS i"


def fits_into(given: SqlType, wanted: SqlType) -> bool:
    """Whether a value may be stored in a column; texts of any length may, where they fit.

    Args:
        given: The value's type.
        wanted: The column's.

    Returns:
        True where it may.
    """
    if isinstance(given, Varchar) and isinstance(wanted, Varchar):
        return True
    return can_become(given, wanted)


def count_of(context: Context, sql: str) -> int:
    """How many rows a text gives.

    Args:
        context: The statement's surroundings.
        sql: DuckDB's text.

    Returns:
        The number.
    """
    row = context.run(f"SELECT count(*) FROM ({sql}) AS c")[0]
    return int(str(row[0]))


def insert(context: Context, name: TableName, names: Sequence[str] | None, query: CompiledQuery) -> int:
    """Add a query's rows to an Iceberg table.

    Args:
        context: The statement's surroundings.
        name: The table.
        names: The columns that the query's are for.
        query: The query.

    Returns:
        Rows added.

    Raises:
        StatementFailedError: The rows do not fit, or others changed the table every time.
    """
    table = context.tables.loaded(name)
    columns = [(field.name, trino_type(field.field_type)) for field in table.schema().fields]
    writer = DataFileWriter(table.metadata, context.duck, context.objects, context.new_folder())
    files = writer.write(as_columns(query, columns, names))
    try:
        append(table, files)
    except CommitFailedException as error:
        context.objects.delete(file.file_path for file in files)
        raise StatementFailedError("ICEBERG_COMMIT_ERROR", f"Failed to commit to table {name}: {error}") from error
    return sum(file.record_count for file in files)


def create_as(
    context: Context,
    name: TableName,
    query: CompiledQuery,
    *,
    location: str,
    partitioning: Sequence[str],
    properties: dict[str, str],
    with_data: bool = True,
) -> int:
    """Make an Iceberg table of a query's rows, in one step.

    Args:
        context: The statement's surroundings.
        name: The table.
        query: The query.
        location: Its folder.
        partitioning: Its partitions, as they are written.
        properties: Its properties.
        with_data: Whether the rows go into it.

    Returns:
        Rows in it.

    Raises:
        StatementFailedError: There is such a table, or Iceberg does not hold such a column.
    """
    for column, kind in zip(query.names, query.types, strict=True):
        if kind == UNKNOWN:
            raise StatementFailedError("COLUMN_TYPE_UNKNOWN", f"Column type is unknown: {column}")
    schema = iceberg_schema([(column.lower(), kind) for column, kind in zip(query.names, query.types, strict=True)])
    try:
        transaction = context.catalog.iceberg.create_table_transaction(
            (name.database, name.table),
            schema,
            location=location.rstrip("/"),
            partition_spec=partition_spec(list(partitioning), schema),
            properties=properties,
        )
        metadata = transaction.table_metadata
        columns = [(field.name, trino_type(field.field_type)) for field in metadata.schema().fields]
        files = []
        if with_data:
            writer = DataFileWriter(metadata, context.duck, context.objects, context.new_folder())
            files = writer.write(as_columns(query, columns))
        add(transaction, files)
        transaction.commit_transaction()
    except TableAlreadyExistsError as error:
        raise already_exists(name) from error
    return sum(file.record_count for file in files)


def already_exists(name: TableName) -> StatementFailedError:
    """The failure of making a table that there is.

    Args:
        name: The table.

    Returns:
        The failure, to be raised.
    """
    return StatementFailedError("TABLE_ALREADY_EXISTS", f"Table '{name}' already exists", line=1, column=1)
