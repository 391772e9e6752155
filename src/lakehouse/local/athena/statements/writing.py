"""INSERT and CREATE TABLE AS into Iceberg tables, and the checks that all writing shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.casts import cast, cast_sql
from lakehouse.local.athena.sql.checks import failing
from lakehouse.local.athena.sql.coercion import can_be_stored, can_become, converted
from lakehouse.local.athena.sql.sql_types import UNKNOWN, Char, SqlType, Varchar, is_text, quoted
from lakehouse.local.athena.sql.typed import Typed
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
        can_be_stored(given, kind) for given, kind in zip(query.types, kinds, strict=True)
    )
    if not fits:
        raise StatementFailedError(
            "TYPE_MISMATCH",
            f"Insert query has mismatched column types: Table: [{', '.join(map(str, kinds))}], "
            f"Query: [{', '.join(map(str, query.types))}]",
        )
    held = {
        name: _stored(f"i.{quoted(own)}", given, kind)
        for name, own, given, kind in zip(targets, query.held_names, query.types, kinds, strict=True)
    }
    listed = ", ".join(f"{held.get(name, f'CAST(NULL AS {kind.duck})')} AS {quoted(name)}" for name, kind in columns)
    return f"SELECT {listed} FROM ({query.sql}) AS i"


def _stored(sql: str, given: SqlType, wanted: SqlType) -> str:
    """A value as a column holds it; one that does not fit fails.

    https://github.com/trinodb/trino/blob/master/core/trino-main/src/main/java/io/trino/sql/planner/LogicalPlanner.java
    """
    if given == wanted and given.duck == wanted.duck:
        return sql
    if can_become(given, wanted):
        return converted(sql, given, wanted)
    if not (is_text(given) and isinstance(wanted, Varchar | Char)):
        return cast(Typed(sql, given), wanted).sql
    message = f"'Cannot truncate non-space characters when casting from {given} to {wanted} on INSERT'"
    failure = failing("INVALID_CAST_ARGUMENT", message, wanted)
    short = cast_sql(sql, given, wanted)
    return f"CASE WHEN length(rtrim({sql}, ' ')) > {wanted.length} THEN {failure} ELSE {short} END"


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
    columns = [(field.name.lower(), trino_type(field.field_type)) for field in table.schema().fields]
    writer = DataFileWriter(table.metadata, context.duck, context.objects, context.new_folder())
    files = writer.write(as_columns(query, columns, names))
    try:
        append(table, files, context.objects)
    except CommitFailedException as error:
        raise StatementFailedError("ICEBERG_COMMIT_ERROR", f"Failed to commit to table {name}: {error}") from error
    except NoSuchTableError as error:
        raise StatementFailedError("TABLE_NOT_FOUND", f"The table was dropped meanwhile: {error}") from error
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
