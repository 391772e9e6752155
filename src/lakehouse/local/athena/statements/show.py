"""SHOW, DESCRIBE and EXPLAIN.

https://docs.aws.amazon.com/athena/latest/ug/show-columns.html and the pages after it
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.outcome import Outcome, text_outcome
from lakehouse.local.athena.sql.sql_types import literal
from lakehouse.local.athena.statements import queries
from lakehouse.local.athena.tables.catalog import columns_of, is_iceberg, is_view
from lakehouse.local.athena.tables.pruned_partitions import path_of_values
from lakehouse.local.athena.tables.views import decoded

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.statement import TableName
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens
    from lakehouse.local.athena.tables.catalog import GlueTable

_WIDTH = 20


def show(context: Context, tokens: Tokens) -> Outcome:
    """SHOW.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: What is to be shown is not there, or the form is not executed here.
    """
    tokens.expect("show")
    forms: dict[tuple[str, ...], Callable[[Context, Tokens], Outcome]] = {
        ("databases",): _databases,
        ("schemas",): _databases,
        ("tables",): _tables,
        ("views",): _views,
        ("columns",): _columns,
        ("partitions",): _partitions,
        ("tblproperties",): _properties,
        ("create", "table"): _create_table,
        ("create", "view"): _create_view,
    }
    for words, form in forms.items():
        if tokens.accept(*words):
            return form(context, tokens)
    raise not_supported(f"SHOW {tokens.rest().upper()}")


def _chosen(names: Iterable[str], tokens: Tokens) -> list[str]:
    """The names that a pattern of Hive's lets through: ``*`` for any text, ``|`` between alternatives."""
    if not tokens.is_done:
        tokens.accept("like")
        text = tokens.string()
        tokens.done()
        patterns = [re.compile(one.replace(".*", "*").replace("*", ".*"), re.IGNORECASE) for one in text.split("|")]
        return sorted(name for name in names if any(pattern.fullmatch(name) for pattern in patterns))
    return sorted(names)


def _databases(context: Context, tokens: Tokens) -> Outcome:
    return text_outcome("DDL", "SHOW_DATABASES", _chosen(context.catalog.databases(), tokens), ["database_name"])


def _database(context: Context, tokens: Tokens) -> str:
    if tokens.accept("in") or tokens.accept("from"):
        return tokens.name()[-1].lower()
    return context.session.database


def _tables(context: Context, tokens: Tokens) -> Outcome:
    database = _database(context, tokens)
    names = _chosen((one["Name"] for one in context.catalog.tables(database)), tokens)
    return text_outcome("DDL", "SHOW_TABLES", names, ["tab_name"])


def _views(context: Context, tokens: Tokens) -> Outcome:
    database = _database(context, tokens)
    names = _chosen((one["Name"] for one in context.catalog.tables(database) if is_view(one)), tokens)
    return text_outcome("UTILITY", "SHOW_VIEWS", names, ["views"])


def _columns(context: Context, tokens: Tokens) -> Outcome:
    if not (tokens.accept("in") or tokens.accept("from")):
        raise tokens.unexpected("in")
    parts = tokens.name()
    if tokens.accept("in") or tokens.accept("from"):
        parts = [tokens.name()[-1], parts[-1]]
    table = context.catalog.table(context.name(parts))
    return text_outcome("UTILITY", "SHOW_COLUMNS", [f"{one['Name']:<{_WIDTH}}" for one in columns_of(table)], ["field"])


def _keys(table: GlueTable) -> list[str]:
    return [key["Name"] for key in table.get("PartitionKeys") or []]


def _partitions(context: Context, tokens: Tokens) -> Outcome:
    name = context.name(tokens.name())
    tokens.done()
    table = context.catalog.table(name)
    keys = _keys(table)
    if not keys:
        raise StatementFailedError("FAILED", f"SemanticException Table {name.table} is not a partitioned table")
    lines = [path_of_values(keys, one["Values"]) for one in context.catalog.partitions(name)]
    return text_outcome("DDL", "SHOW_PARTITIONS", lines, ["partition"])


def _parameters(context: Context, name: TableName, table: GlueTable) -> Mapping[str, str]:
    return context.tables.loaded(name).properties if is_iceberg(table) else table.get("Parameters") or {}


def _properties(context: Context, tokens: Tokens) -> Outcome:
    name = context.name(tokens.name())
    wanted = tokens.listed(tokens.string) if tokens.peek() == "(" else []
    tokens.done()
    found = _parameters(context, name, context.catalog.table(name))
    if wanted:
        lines = [str(found.get(wanted[0], f"Table {name} does not have property: {wanted[0]}"))]
    else:
        lines = [f"{key}\t{value}" for key, value in sorted(found.items())]
    return text_outcome("UTILITY", "SHOW_TABLE_PROPERTIES", lines, ["prpt_name", "prpt_value"])


def _create_view(context: Context, tokens: Tokens) -> Outcome:
    name = context.name(tokens.name())
    table = context.catalog.table(name)
    if not is_view(table):
        raise StatementFailedError("NOT_SUPPORTED", f"Relation '{name}' is a table, not a view")
    lines = [f"CREATE VIEW {name} AS", *decoded(table).sql.split("\n")]
    return text_outcome("UTILITY", "SHOW_CREATE_VIEW", lines, ["Create View"])


def _create_table(context: Context, tokens: Tokens) -> Outcome:
    name = context.name(tokens.name())
    table = context.catalog.table(name)
    if is_view(table):
        raise StatementFailedError("NOT_SUPPORTED", f"Relation '{name}' is a view, not a table")
    lines = _iceberg_lines(context, name, table) if is_iceberg(table) else _hive_lines(name, table)
    return text_outcome("UTILITY", "SHOW_CREATE_TABLE", lines, ["createtab_stmt"])


def _column_lines(columns: Iterable[Mapping[str, str]]) -> list[str]:
    texts = [
        f"  `{one['Name']}` {one.get('Type', '')}"
        + (f" COMMENT {literal(one['Comment'])}" if one.get("Comment") else "")
        for one in columns
    ]
    return [f"{text}, " for text in texts[:-1]] + [f"{text})" for text in texts[-1:]]


def _property_lines(properties: Mapping[str, str]) -> list[str]:
    pairs = [f"  '{key}'='{value}'" for key, value in sorted(properties.items())]
    return (
        ["TBLPROPERTIES (", *[f"{pair}, " for pair in pairs[:-1]], *[f"{pair})" for pair in pairs[-1:]]]
        if pairs
        else []
    )


def _hive_lines(name: TableName, table: GlueTable) -> list[str]:
    storage = table["StorageDescriptor"]
    serde = storage.get("SerdeInfo") or {}
    lines = [f"CREATE EXTERNAL TABLE `{name.database}.{name.table}`(", *_column_lines(storage.get("Columns", []))]
    if table.get("PartitionKeys"):
        lines += ["PARTITIONED BY ( ", *_column_lines(table["PartitionKeys"])]
    lines += ["ROW FORMAT SERDE ", f"  '{serde.get('SerializationLibrary', '')}' "]
    if serde.get("Parameters"):
        pairs = [f"  '{key}'='{value}'" for key, value in sorted(serde["Parameters"].items())]
        lines += ["WITH SERDEPROPERTIES ( ", *[f"{pair}, " for pair in pairs[:-1]], f"{pairs[-1]}) "]
    lines += [
        "STORED AS INPUTFORMAT ",
        f"  '{storage.get('InputFormat', '')}' ",
        "OUTPUTFORMAT ",
        f"  '{storage.get('OutputFormat', '')}'",
    ]
    lines += ["LOCATION", f"  '{storage.get('Location', '')}'"]
    return [*lines, *_property_lines(table.get("Parameters") or {})]


def _iceberg_lines(context: Context, name: TableName, table: GlueTable) -> list[str]:
    loaded = context.tables.loaded(name)
    lines = [
        f"CREATE TABLE {name.database}.{name.table} (",
        *_column_lines(columns_of(table)),
    ]
    spec = loaded.spec()
    if spec.fields:
        lines.append(f"PARTITIONED BY ({', '.join(_transform_text(context, name, one) for one in spec.fields)})")
    lines.append(f"LOCATION '{loaded.location()}'")
    shown = {key: value for key, value in loaded.properties.items() if not key.startswith("write.")}
    shown |= {
        "table_type": "iceberg",
        "write_compression": loaded.properties.get("write.parquet.compression-codec", "zstd"),
    }
    return [*lines, *_property_lines(shown)]


def _transform_text(context: Context, name: TableName, field: object) -> str:
    column = context.tables.loaded(name).schema().find_column_name(field.source_id)  # type: ignore[attr-defined]
    text = str(field.transform)  # type: ignore[attr-defined]
    if text == "identity":
        return f"`{column}`"
    found = re.fullmatch(r"(\w+)\[(\d+)\]", text)
    return f"{found[1]}({found[2]}, `{column}`)" if found else f"{text}(`{column}`)"


def describe(context: Context, tokens: Tokens) -> Outcome:
    """DESCRIBE.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: There is no such table.
    """
    tokens.take()
    if tokens.accept("view"):
        raise not_supported("DESCRIBE VIEW", "Use DESCRIBE.")
    is_detailed = tokens.accept("extended") or tokens.accept("formatted")
    name = context.name(tokens.name())
    if not tokens.is_done:
        raise not_supported("DESCRIBE of a column or a partition", "Use DESCRIBE of the table.")
    if is_detailed:
        raise not_supported("DESCRIBE EXTENDED and DESCRIBE FORMATTED", "Use DESCRIBE, or SHOW CREATE TABLE.")
    table = context.catalog.table(name)
    lines = [_described(one) for one in columns_of(table)]
    if table.get("PartitionKeys"):
        lines += [
            _blank(),
            _row("# Partition Information", "", ""),
            _row("# col_name", "data_type", "comment"),
            _blank(),
        ]
        lines += [_described(one) for one in table["PartitionKeys"]]
    if is_iceberg(table):
        fields = context.tables.loaded(name).spec().fields
        lines = [_row("# Table schema:", "", ""), _row("# col_name", "data_type", "comment"), *lines]
        lines += [_blank(), _row("# Partition spec:", "", "")]
        if fields:
            schema = context.tables.loaded(name).schema()
            lines.append(_row("# field_name", "field_transform", "column_name"))
            lines += [_row(one.name, str(one.transform), str(schema.find_column_name(one.source_id))) for one in fields]
    return text_outcome("UTILITY", "DESCRIBE_TABLE", lines, ["col_name", "data_type", "comment"])


def _row(*cells: str) -> str:
    return "\t".join(f"{cell:<{_WIDTH}}" for cell in cells)


def _blank() -> str:
    return _row(" ", " ", " ")


def _described(column: Mapping[str, str]) -> str:
    return _row(column["Name"], column.get("Type", ""), column.get("Comment") or "")


def explain(context: Context, tokens: Tokens) -> Outcome:
    """EXPLAIN [ANALYZE].

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: The query is wrong.
    """
    tokens.expect("explain")
    is_analyze = tokens.accept("analyze")
    if tokens.accept("("):
        while not tokens.accept(")"):
            tokens.take()
    tokens.accept("verbose")
    return queries.explain(context, tokens.rest(), is_analyze=is_analyze)
