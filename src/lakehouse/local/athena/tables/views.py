"""Views, as Athena keeps them in the Data Catalog: a text of JSON in base64.

https://github.com/trinodb/trino/blob/master/lib/trino-metastore/src/main/java/io/trino/metastore/Table.java
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.casts import cast
from lakehouse.local.athena.sql.dialect import parse
from lakehouse.local.athena.sql.queries import Queries, Query
from lakehouse.local.athena.sql.relations import TableSource
from lakehouse.local.athena.sql.scope import Column
from lakehouse.local.athena.sql.sql_types import quoted
from lakehouse.local.athena.sql.type_text import hive_type, parse_type
from lakehouse.local.athena.sql.typed import Typed

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.statement import Statement, TableName
    from lakehouse.local.athena.tables.catalog import GlueTable

_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class View:
    """A view.

    Attributes:
        sql: Its query.
        catalog: Of names without one.
        database: Of names without one.
        columns: Names and Trino's types.
    """

    sql: str
    catalog: str
    database: str
    columns: tuple[tuple[str, str], ...]


def decoded(table: GlueTable) -> View:
    """Read a view.

    Args:
        table: Its definition.

    Returns:
        The view.

    Raises:
        StatementFailedError: It is one of Hive, or of another engine.
    """
    found = re.fullmatch(r"/\* Presto View: (\S+) \*/", str(table.get("ViewOriginalText", "")).strip())
    if found is None:
        raise StatementFailedError("NOT_SUPPORTED", f"Hive views are not supported: {table['Name']}")
    body = json.loads(base64.b64decode(found[1]))
    columns = tuple((one["name"], one["type"]) for one in body["columns"])
    return View(body["originalSql"], body.get("catalog", "awsdatacatalog"), body.get("schema", "default"), columns)


def encoded(view: View, name: TableName) -> dict[str, Any]:
    """A view's definition.

    Args:
        view: The view.
        name: Its name.

    Returns:
        A ``TableInput``.
    """
    body = {
        "originalSql": view.sql,
        "catalog": view.catalog,
        "schema": view.database,
        "columns": [{"name": column, "type": kind} for column, kind in view.columns],
    }
    text = base64.b64encode(json.dumps(body).encode()).decode()
    columns = [{"Name": column.lower(), "Type": _column_type(kind)} for column, kind in view.columns]
    return {
        "Name": name.table,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": columns, "Location": "", "SerdeInfo": {}},
        "ViewOriginalText": f"/* Presto View: {text} */",
        "ViewExpandedText": "/* Presto View */",
    }


def _column_type(kind: str) -> str:
    try:
        return hive_type(parse_type(kind))
    except StatementFailedError:
        return "string"  # the catalog has no name for it; the view's own text has


def source(name: TableName, table: GlueTable, statement: Statement, depth: int) -> TableSource:
    """How a view is read: its query, with the columns' types that it was made with.

    Args:
        name: Its name.
        table: Its definition.
        statement: The statement that reads it.
        depth: How many views are around.

    Returns:
        The source.

    Raises:
        StatementFailedError: Its query is wrong by now, or it reads itself.
    """
    if depth > _DEEPEST:
        raise StatementFailedError("VIEW_IS_RECURSIVE", f"View '{name}' is recursive")
    view = decoded(table)
    own = statement.session
    statement.session = replace(own, catalog=view.catalog, database=view.database)
    try:
        query = Queries(statement).compile(parse(view.sql))
    finally:
        statement.session = own
    if len(query.columns) != len(view.columns):
        raise StatementFailedError("VIEW_IS_STALE", f"View '{name}' is stale or in invalid state: its columns changed")
    columns, texts = [], []
    for held, found, (column, kind) in zip(query.names, query.columns, view.columns, strict=True):
        value = Typed(f"v.{quoted(held)}", found.type)
        wanted = parse_type(kind)
        shown = value if str(found.type) == str(wanted) else cast(value, wanted)
        texts.append(f"{shown.sql} AS {quoted(column)}")
        columns.append(Column(column, shown.type, ""))
    sql = f"SELECT {', '.join(texts)} FROM ({query.sql}) AS v"
    names = tuple(column for column, _ in view.columns)
    return TableSource((), view=Query(sql, tuple(columns), names))
