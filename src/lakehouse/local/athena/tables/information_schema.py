"""``information_schema``, and the partitions of Hive tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.relations import TableSource
from lakehouse.local.athena.sql.sql_types import BIGINT, VARCHAR, SqlType
from lakehouse.local.athena.sql.type_text import parse_hive_type
from lakehouse.local.athena.tables.catalog import Catalog, GlueTable, columns_of, is_iceberg, is_view
from lakehouse.local.athena.tables.views import decoded

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.statement import Session, TableName

Register = Callable[[pa.Table], str]

_TYPES: dict[SqlType, pa.DataType] = {VARCHAR: pa.string(), BIGINT: pa.int64()}


def _columns(*names: str) -> tuple[tuple[str, SqlType], ...]:
    return tuple((name, BIGINT if name == "ordinal_position" else VARCHAR) for name in names)


_TABLES: dict[str, tuple[tuple[str, SqlType], ...]] = {
    "schemata": _columns("catalog_name", "schema_name"),
    "tables": _columns("table_catalog", "table_schema", "table_name", "table_type"),
    "views": _columns("table_catalog", "table_schema", "table_name", "view_definition"),
    "columns": _columns(
        *("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "column_default"),
        *("is_nullable", "data_type", "comment", "extra_info"),
    ),
}


def source(name: TableName, catalog: Catalog, register: Register, session: Session) -> TableSource:
    """How a table of the information schema is read.

    Args:
        name: Its name.
        catalog: The Data Catalog.
        register: Gives DuckDB a table of Arrow, and returns its name there.
        session: Says the data catalog's name.

    Returns:
        The source.

    Raises:
        StatementFailedError: There is no such table.
    """
    columns = _TABLES.get(name.table)
    if columns is None:
        raise StatementFailedError("TABLE_NOT_FOUND", f"Table '{name}' does not exist")

    def render(_scan: object) -> str:
        rows = list(_rows(name.table, catalog, session.catalog))
        schema = pa.schema([(column, _TYPES[kind]) for column, kind in columns])
        return f"SELECT * FROM {register(pa.Table.from_pylist(rows, schema=schema))}"

    return TableSource(columns, render)


def _rows(table: str, catalog: Catalog, name: str) -> Iterator[dict[str, Any]]:
    if table == "schemata":
        for database in (*catalog.databases(), "information_schema"):
            yield {"catalog_name": name, "schema_name": database}
        return
    for database in catalog.databases():
        for one in catalog.tables(database):
            own = {"table_catalog": name, "table_schema": database, "table_name": one["Name"]}
            if table == "tables":
                yield own | {"table_type": "VIEW" if is_view(one) else "BASE TABLE"}
            elif table == "views" and is_view(one):
                yield own | {"view_definition": decoded(one).sql}
            elif table == "columns":
                yield from _column_rows(own, one)


def _column_rows(own: dict[str, Any], table: GlueTable) -> Iterator[dict[str, Any]]:
    keys = {key["Name"] for key in table.get("PartitionKeys") or []}
    for position, column in enumerate(columns_of(table), start=1):
        try:
            kind = str(parse_hive_type(column.get("Type") or "string", is_iceberg=is_iceberg(table)))
        except StatementFailedError:
            kind = column.get("Type", "")
        yield own | {
            "column_name": column["Name"],
            "ordinal_position": position,
            "is_nullable": "YES",
            "data_type": kind,
            "comment": column.get("Comment"),
            "extra_info": "partition key" if column["Name"] in keys else None,
        }


def hive_partitions(name: TableName, table: GlueTable, catalog: Catalog, register: Register) -> TableSource:
    """How ``"t$partitions"`` of a Hive table is read.

    Args:
        name: The table.
        table: Its definition.
        catalog: Has its partitions.
        register: Gives DuckDB a table of Arrow, and returns its name there.

    Returns:
        The source: a column a partition key.

    Raises:
        StatementFailedError: The table has no partitions.
    """
    keys = [key["Name"] for key in table.get("PartitionKeys") or []]
    if not keys:
        raise StatementFailedError("TABLE_NOT_FOUND", f"Table '{name}$partitions' does not exist")
    types = [parse_hive_type(key.get("Type") or "string") for key in table["PartitionKeys"]]
    rows = [dict(zip(keys, one["Values"], strict=True)) for one in catalog.partitions(name)]
    held = register(pa.Table.from_pylist(rows, schema=pa.schema([(key, pa.string()) for key in keys])))
    listed = ", ".join(
        f'CAST(nullif("{key}", \'__HIVE_DEFAULT_PARTITION__\') AS {kind.duck}) AS "{key}"'
        for key, kind in zip(keys, types, strict=True)
    )
    return TableSource(tuple(zip(keys, types, strict=True)), lambda _scan: f"SELECT {listed} FROM {held}")
