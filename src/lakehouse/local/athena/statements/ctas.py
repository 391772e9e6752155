"""CREATE TABLE AS and INSERT INTO.

https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html
https://docs.aws.amazon.com/athena/latest/ug/insert-into.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.outcome import ColumnInfo, Outcome
from lakehouse.local.athena.statements import create_table, hive_tables, writing
from lakehouse.local.athena.statements.tokens import Tokens
from lakehouse.local.athena.tables.catalog import is_iceberg, is_view
from lakehouse.local.athena.tables.objects import joined

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.compiled import CompiledQuery
    from lakehouse.local.athena.sql.statement import TableName
    from lakehouse.local.athena.statements.context import Context

_ROWS = [ColumnInfo("rows", "bigint", 19)]
# Of Athena; what is not among them becomes a property of an Iceberg table.
_HIVE_PROPERTIES = frozenset(
    {
        *(
            "table_type",
            "is_external",
            "external_location",
            "location",
            "format",
            "write_compression",
            "partitioned_by",
        ),
        *(
            "field_delimiter",
            "bucketed_by",
            "bucket_count",
            "parquet_compression",
            "orc_compression",
            "format_compression",
        ),
    }
)


def create(context: Context, tokens: Tokens) -> Outcome:
    """CREATE TABLE: of a query, or of columns.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: It fails.
    """
    plain = Tokens(tokens.statement)
    tokens.expect("create", "table")
    is_lenient = tokens.accept("if", "not", "exists")
    name = context.name(tokens.name())
    if tokens.peek() == "(":
        return create_table.create(context, plain)
    properties = _properties(tokens) if tokens.accept("with") else {}
    tokens.expect("as")
    text, with_data = _query(tokens.rest())
    if is_lenient and context.catalog.find(name) is not None:
        return context.scanned(Outcome("DDL", "CREATE_TABLE_AS_SELECT", _ROWS, update_count=0))
    return _create_as(context, name, context.compiled(text), properties, with_data=with_data)


def _query(text: str) -> tuple[str, bool]:
    found = re.search(r"\bWITH\s+(NO\s+)?DATA\s*\Z", text, re.IGNORECASE)
    if found is None:
        return text, True
    return text[: found.start()], found[1] is None


def _properties(tokens: Tokens) -> dict[str, Any]:
    """WITH (name = value, …): texts, numbers, booleans, arrays of texts."""

    def value() -> Any:
        if tokens.accept("array"):
            tokens.expect("[")
            found = []
            while not tokens.accept("]"):
                found.append(tokens.string())
                tokens.accept(",")
            return found
        token = tokens.take()
        if token.kind == "string":
            return token.text[1:-1].replace("''", "'")
        return token.text

    def pair() -> tuple[str, Any]:
        name = tokens.identifier()
        tokens.expect("=")
        return name.lower(), value()

    return dict(tokens.listed(pair))


def _create_as(
    context: Context, name: TableName, query: CompiledQuery, properties: dict[str, Any], *, with_data: bool
) -> Outcome:
    if not context.catalog.has_database(name.database):
        raise StatementFailedError("SCHEMA_NOT_FOUND", f"Schema '{name.database}' does not exist")
    if str(properties.get("table_type", "hive")).lower() == "iceberg":
        rows = _create_iceberg(context, name, query, properties, with_data=with_data)
        manifest = None
    else:
        location = _hive_location(context, properties)
        if "bucketed_by" in properties or "bucket_count" in properties:
            raise not_supported("CREATE TABLE AS with bucketed_by", "Use partitioned_by, or an Iceberg table.")
        chosen = {**properties, "write_compression": _compression(properties)}
        written = hive_tables.create_as(context, name, query, location=location, properties=chosen, with_data=with_data)
        rows, manifest = written.rows, list(written.files)
    return context.scanned(Outcome("DDL", "CREATE_TABLE_AS_SELECT", _ROWS, update_count=rows, manifest=manifest))


def _compression(properties: dict[str, Any]) -> str:
    for name in ("write_compression", "parquet_compression", "orc_compression", "format_compression"):
        if name in properties:
            return str(properties[name]).lower()
    return ""


def _hive_location(context: Context, properties: dict[str, Any]) -> str:
    location = properties.get("external_location")
    if location:
        return f"{str(location).rstrip('/')}/"
    # Below the place of results, as Athena has it.
    return f"{joined(context.output_location, 'tables', context.new_folder().name)}/"


def _create_iceberg(
    context: Context, name: TableName, query: CompiledQuery, properties: dict[str, Any], *, with_data: bool
) -> int:
    if str(properties.get("is_external", "true")).lower() != "false":
        raise StatementFailedError(
            "INVALID_TABLE_PROPERTY", "External tables are not supported for Iceberg: set is_external=false"
        )
    location = properties.get("location")
    if not location:
        raise StatementFailedError("INVALID_TABLE_PROPERTY", "Iceberg table creation requires the property location")
    if context.catalog.find(name) is not None:
        raise writing.already_exists(name)
    others = {key: str(value) for key, value in properties.items() if key not in {*_HIVE_PROPERTIES, "partitioning"}}
    own = create_table.iceberg_properties(others, str(properties.get("format", "parquet")), _compression(properties))
    return writing.create_as(
        context,
        name,
        query,
        location=str(location),
        partitioning=[str(one) for one in properties.get("partitioning", ())],
        properties=own,
        with_data=with_data,
    )


def insert(context: Context, tokens: Tokens) -> Outcome:
    """INSERT INTO.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: It fails.
    """
    tokens.expect("insert", "into")
    name = context.name(tokens.name())
    names = None
    if tokens.peek() == "(" and tokens.peek(1) not in {"select", "with", "values", "(", "table"}:
        names = tokens.listed(tokens.identifier)
    table = context.catalog.table(name)
    if is_view(table):
        raise StatementFailedError("NOT_SUPPORTED", "Inserting into views is not supported")
    query = context.compiled(tokens.rest())
    if is_iceberg(table):
        rows = writing.insert(context, name, names, query)
        return context.scanned(Outcome("DML", "INSERT", _ROWS, update_count=rows))
    written = hive_tables.insert(context, name, table, names, query)
    return context.scanned(Outcome("DML", "INSERT", _ROWS, update_count=written.rows, manifest=list(written.files)))
