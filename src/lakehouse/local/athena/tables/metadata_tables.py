"""What Iceberg tables say of themselves: ``"t$snapshots"`` and its like.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-table-metadata.html
https://trino.io/docs/current/connector/iceberg.html#metadata-tables
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.relations import TableSource
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    INTEGER,
    VARBINARY,
    VARCHAR,
    Array,
    Map,
    Row,
    SqlType,
    ZonedTimestamp,
)
from lakehouse.local.athena.tables.iceberg_types import trino_type

if TYPE_CHECKING:
    from pyiceberg.table import Table

Rows = Sequence[Mapping[str, Any]]
Columns = tuple[tuple[str, SqlType], ...]

_MOMENT = ZonedTimestamp(3, "UTC")
_COUNTS = Map(INTEGER, BIGINT)
_BOUNDS = Map(INTEGER, VARCHAR)
_SUMMARY = Array(
    Row(("contains_null", "contains_nan", "lower_bound", "upper_bound"), (BOOLEAN, BOOLEAN, VARCHAR, VARCHAR))
)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)


def _snapshots(table: Table) -> tuple[Columns, Rows]:
    columns: Columns = (
        ("committed_at", _MOMENT), ("snapshot_id", BIGINT), ("parent_id", BIGINT), ("operation", VARCHAR),
        ("manifest_list", VARCHAR), ("summary", Map(VARCHAR, VARCHAR)),
    )  # fmt: skip
    rows = [
        {
            "committed_at": _moment(one.timestamp_ms),
            "snapshot_id": one.snapshot_id,
            "parent_id": one.parent_snapshot_id,
            "operation": one.summary.operation.value if one.summary else None,
            "manifest_list": one.manifest_list,
            "summary": list(one.summary.additional_properties.items()) if one.summary else [],
        }
        for one in table.snapshots()
    ]
    return columns, rows


def _history(table: Table) -> tuple[Columns, Rows]:
    columns: Columns = (
        ("made_current_at", _MOMENT), ("snapshot_id", BIGINT), ("parent_id", BIGINT), ("is_current_ancestor", BOOLEAN),
    )  # fmt: skip
    parents = {one.snapshot_id: one.parent_snapshot_id for one in table.snapshots()}
    current = table.current_snapshot()
    ancestors, number = set(), current.snapshot_id if current else None
    while number is not None and number not in ancestors:
        ancestors.add(number)
        number = parents.get(number)
    rows = [
        {
            "made_current_at": _moment(one.timestamp_ms),
            "snapshot_id": one.snapshot_id,
            "parent_id": parents.get(one.snapshot_id),
            "is_current_ancestor": one.snapshot_id in ancestors,
        }
        for one in table.history()
    ]
    return columns, rows


def _files(table: Table) -> tuple[Columns, Rows]:
    columns: Columns = (
        ("content", INTEGER), ("file_path", VARCHAR), ("file_format", VARCHAR), ("record_count", BIGINT),
        ("file_size_in_bytes", BIGINT), ("column_sizes", _COUNTS), ("value_counts", _COUNTS),
        ("null_value_counts", _COUNTS), ("nan_value_counts", _COUNTS), ("lower_bounds", _BOUNDS),
        ("upper_bounds", _BOUNDS), ("key_metadata", VARBINARY), ("split_offsets", Array(BIGINT)),
        ("equality_ids", Array(INTEGER)),
    )  # fmt: skip
    found = table.inspect.files().to_pylist() if table.current_snapshot() else []
    return columns, [{**one, **_bounds(table, one)} for one in found]


def _bounds(table: Table, file: Mapping[str, Any]) -> dict[str, Any]:
    """Bounds as texts: manifests have them as bytes."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import PrimitiveType

    def text(number: int, value: bytes) -> str | None:
        kind = table.schema().find_type(number)
        return str(from_bytes(kind, value)) if isinstance(kind, PrimitiveType) else None

    found = {}
    for name in ("lower_bounds", "upper_bounds"):
        pairs = file.get(name) or []
        found[name] = [
            (number, text(number, value)) for number, value in (pairs.items() if isinstance(pairs, dict) else pairs)
        ]
    return found


def _manifests(table: Table) -> tuple[Columns, Rows]:
    columns: Columns = (
        ("path", VARCHAR), ("length", BIGINT), ("partition_spec_id", INTEGER), ("added_snapshot_id", BIGINT),
        ("added_data_files_count", INTEGER), ("added_rows_count", BIGINT), ("existing_data_files_count", INTEGER),
        ("existing_rows_count", BIGINT), ("deleted_data_files_count", INTEGER), ("deleted_rows_count", BIGINT),
        ("partition_summaries", _SUMMARY),
    )  # fmt: skip
    snapshot = table.current_snapshot()
    manifests = snapshot.manifests(table.io) if snapshot else []
    summaries = (
        {one["path"]: one["partition_summaries"] for one in table.inspect.manifests().to_pylist()} if snapshot else {}
    )
    rows = [
        {
            "path": one.manifest_path,
            "length": one.manifest_length,
            "partition_spec_id": one.partition_spec_id,
            "added_snapshot_id": one.added_snapshot_id,
            "added_data_files_count": one.added_files_count,
            "added_rows_count": one.added_rows_count,
            "existing_data_files_count": one.existing_files_count,
            "existing_rows_count": one.existing_rows_count,
            "deleted_data_files_count": one.deleted_files_count,
            "deleted_rows_count": one.deleted_rows_count,
            "partition_summaries": summaries.get(one.manifest_path),
        }
        for one in manifests
    ]
    return columns, rows


def _partitions(table: Table) -> tuple[Columns, Rows]:
    struct = table.spec().partition_type(table.schema())
    kind = Row(
        tuple(field.name for field in struct.fields), tuple(trino_type(field.field_type) for field in struct.fields)
    )
    columns: Columns = (("record_count", BIGINT), ("file_count", BIGINT), ("total_size", BIGINT))
    if struct.fields:
        columns = (("partition", kind), *columns)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for task in table.scan().plan_files() if table.current_snapshot() else ():
        values = tuple(task.file.partition[index] for index in range(len(struct.fields)))
        held = {name: _held(value, one) for name, value, one in zip(kind.held_names, values, kind.types, strict=True)}
        row = found.setdefault(values, {"partition": held, "record_count": 0, "file_count": 0, "total_size": 0})
        row["record_count"] += task.file.record_count
        row["file_count"] += 1
        row["total_size"] += task.file.file_size_in_bytes
    return columns, list(found.values())


def _held(value: Any, kind: SqlType) -> Any:
    from datetime import date, timedelta

    if value is None:
        return None
    if str(kind) == "date" and isinstance(value, int):
        return date(1970, 1, 1) + timedelta(days=value)
    if str(kind).startswith("timestamp") and isinstance(value, int):
        return datetime(1970, 1, 1) + timedelta(microseconds=value)  # noqa: DTZ001 - held without a zone
    return value


def _refs(table: Table) -> tuple[Columns, Rows]:
    columns: Columns = (
        ("name", VARCHAR), ("type", VARCHAR), ("snapshot_id", BIGINT), ("max_reference_age_in_ms", BIGINT),
        ("min_snapshots_to_keep", INTEGER), ("max_snapshot_age_in_ms", BIGINT),
    )  # fmt: skip
    rows = [
        {
            "name": name,
            "type": one.snapshot_ref_type.value.upper(),
            "snapshot_id": one.snapshot_id,
            "max_reference_age_in_ms": one.max_ref_age_ms,
            "min_snapshots_to_keep": one.min_snapshots_to_keep,
            "max_snapshot_age_in_ms": one.max_snapshot_age_ms,
        }
        for name, one in table.metadata.refs.items()
    ]
    return columns, rows


def _properties(table: Table) -> tuple[Columns, Rows]:
    rows = [{"key": key, "value": value} for key, value in table.properties.items()]
    return (("key", VARCHAR), ("value", VARCHAR)), rows


METADATA_TABLES: dict[str, Callable[[Table], tuple[Columns, Rows]]] = {
    "snapshots": _snapshots,
    "history": _history,
    "files": _files,
    "manifests": _manifests,
    "partitions": _partitions,
    "refs": _refs,
    "properties": _properties,
}


def source(table: Table, suffix: str, register: Callable[[pa.Table], str]) -> TableSource:
    """How a metadata table is read.

    Args:
        table: The Iceberg table.
        suffix: What stands behind the dollar sign.
        register: Gives DuckDB a table of Arrow, and returns its name there.

    Returns:
        The source.

    Raises:
        StatementFailedError: There is no such metadata table.
    """
    build = METADATA_TABLES.get(suffix)
    if build is None:
        raise StatementFailedError("TABLE_NOT_FOUND", f"Table '{'.'.join(table.name())}${suffix}' does not exist")
    columns, rows = build(table)
    schema = pa.schema([(name, _arrow(kind)) for name, kind in columns])
    held = register(pa.Table.from_pylist([dict(row) for row in rows], schema=schema))
    return TableSource(columns, lambda _scan: f"SELECT * FROM {held}")


def _arrow(kind: SqlType) -> pa.DataType:
    match kind:
        case Map(key, value):
            return pa.map_(_arrow(key), _arrow(value))
        case Array(element):
            return pa.list_(_arrow(element))
        case Row():
            return pa.struct([(name, _arrow(one)) for name, one in zip(kind.held_names, kind.types, strict=True)])
        case ZonedTimestamp():
            return pa.timestamp("us")
    plain = {
        "varchar": pa.string(), "bigint": pa.int64(), "integer": pa.int32(), "boolean": pa.bool_(),
        "double": pa.float64(), "varbinary": pa.binary(), "date": pa.date32(), "real": pa.float32(),
        "uuid": pa.string(),
    }  # fmt: skip
    text = str(kind)
    if text.startswith("timestamp"):
        return pa.timestamp("us")
    if text.startswith("decimal"):
        return pa.decimal128(kind.precision, kind.scale)  # type: ignore[attr-defined]
    return plain.get(text, pa.string())
