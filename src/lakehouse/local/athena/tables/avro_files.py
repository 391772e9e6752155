"""Files of Avro, which DuckDB does not read: made parquet of for one statement, and made of parquet.

https://docs.aws.amazon.com/athena/latest/ug/avro-serde.html
https://avro.apache.org/docs/1.12.0/specification/
"""

from __future__ import annotations

import json
import re
import uuid
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fastavro import reader, writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException

from lakehouse.local.athena.failures import StatementFailedError, not_supported

_ROWS_AT_A_TIME = 16_384
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_READ: dict[str, pa.DataType] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "fixed": pa.binary(),
    "string": pa.string(),
    "enum": pa.string(),
}
_READ_AS: dict[str, pa.DataType] = {
    "date": pa.date32(),
    **dict.fromkeys(("timestamp-millis", "timestamp-micros"), pa.timestamp("us")),
    **dict.fromkeys(("local-timestamp-millis", "local-timestamp-micros"), pa.timestamp("us")),
}
_WRITTEN: dict[pa.DataType, Any] = {
    pa.bool_(): "boolean",
    **dict.fromkeys((pa.int8(), pa.int16(), pa.int32()), "int"),
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
    **dict.fromkeys((pa.binary(), pa.large_binary()), "bytes"),
    **dict.fromkeys((pa.string(), pa.large_string()), "string"),
    pa.date32(): {"type": "int", "logicalType": "date"},
}
# What the libraries raise where bytes or schemas are wrong.
_DAMAGED = (
    *(ValueError, TypeError, ArithmeticError, LookupError, EOFError, OSError),
    *(SchemaParseException, SchemaResolutionError, zlib.error),
)


def avro_as_parquet(path: Path, uri: str, folder: Path, schema: str | None) -> Path:
    """A file of Avro as one of parquet.

    Args:
        path: The file.
        uri: The object, for the message.
        folder: Takes the new file.
        schema: The table's ``avro.schema.literal``; None where the file's own schema counts.

    Returns:
        The new file.

    Raises:
        StatementFailedError: It is no file of Avro, is not what the schema says, or has types that are not read here.
    """
    target = folder / f"{uuid.uuid4().hex}.parquet"
    try:
        with path.open("rb") as file:
            records = reader(file, json.loads(schema) if schema else None)
            wanted: Any = records.reader_schema or records.writer_schema
            named: dict[str, pa.DataType] = {}
            columns = pa.schema([(one["name"], _arrow(one["type"], named)) for one in wanted["fields"]])
            with pq.ParquetWriter(target, columns, compression="lz4") as made:
                for rows in _batches(records):
                    made.write_table(pa.Table.from_pylist(rows, schema=columns))
    except _DAMAGED as error:
        raise StatementFailedError("HIVE_BAD_DATA", f"Not valid Avro file: {uri} ({error})") from error
    return target


def _batches(records: Iterator[Any]) -> Iterator[list[Any]]:
    while rows := list(islice(records, _ROWS_AT_A_TIME)):
        yield rows


def _arrow(kind: Any, named: dict[str, pa.DataType]) -> pa.DataType:
    """Arrow's type; ``named`` has those that a schema may refer to by name."""
    if isinstance(kind, list):
        others = [one for one in kind if one != "null"]
        if len(others) > 1:
            raise not_supported("A union of several types in files of AVRO")
        return _arrow(others[0], named) if others else pa.null()
    if isinstance(kind, str):
        if kind not in _READ and kind not in named:
            raise not_supported(f"The type {kind} within itself, in files of AVRO")
        return _READ.get(kind) or named[kind]
    made = _complex(kind, named)
    if "name" in kind:
        named[kind["name"]] = made
    return made


def _complex(kind: dict[str, Any], named: dict[str, pa.DataType]) -> pa.DataType:
    logical = kind.get("logicalType")
    if logical == "decimal":
        return pa.decimal128(kind["precision"], kind.get("scale", 0))
    if logical in _READ_AS:
        return _READ_AS[logical]
    if logical is not None:
        raise not_supported(f"The logical type {logical} in files of AVRO")
    match kind["type"]:
        case "record" | "error":
            return pa.struct([(one["name"], _arrow(one["type"], named)) for one in kind["fields"]])
        case "array":
            return pa.list_(_arrow(kind["items"], named))
        case "map":
            return pa.map_(pa.string(), _arrow(kind["values"], named))
        case other:
            return _arrow(other, named)


def parquet_as_avro(path: Path, codec: str) -> Path:
    """A file of parquet as one of Avro.

    Args:
        path: The file, which goes.
        codec: How the new one is compressed.

    Returns:
        The new file, beside it.

    Raises:
        StatementFailedError: Avro has no such types or names.
    """
    target = path.with_name(f"{path.name}.avro")
    with pq.ParquetFile(path) as source, target.open("wb") as file:
        columns = pa.schema([(one.name, _in_milliseconds(one.type)) for one in source.schema_arrow])
        schema = {"type": "record", "name": "row", "fields": _fields(list(columns), "row")}
        rows = (
            row
            for batch in source.iter_batches(_ROWS_AT_A_TIME)
            for row in batch.cast(columns, safe=False).to_pylist(maps_as_pydicts="strict")
        )
        writer(file, schema, rows, codec)
    path.unlink()
    return target


def _in_milliseconds(kind: pa.DataType) -> pa.DataType:
    """A type with timestamps as Hive's files of Avro have them: milliseconds since 1970 in UTC."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ms", "UTC")
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, _in_milliseconds(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(_in_milliseconds(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(one.name, _in_milliseconds(one.type)) for one in kind])
    return kind


def _fields(fields: list[pa.Field], path: str) -> list[dict[str, Any]]:
    wrong = [one.name for one in fields if not _NAME.fullmatch(one.name)]
    if wrong:
        raise not_supported(f"The name {wrong[0]!r} in files of AVRO", "Use letters, digits and underscores.")
    return [
        {"name": one.name, "type": ["null", _avro(one.type, f"{path}_{one.name}")], "default": None} for one in fields
    ]


def _avro(kind: pa.DataType, path: str) -> Any:
    """Avro's type; records are named by their places, so that no two have one name."""
    if kind in _WRITTEN:
        return _WRITTEN[kind]
    if pa.types.is_timestamp(kind):
        return {"type": "long", "logicalType": "timestamp-millis"}
    if pa.types.is_decimal(kind):
        return {"type": "bytes", "logicalType": "decimal", "precision": kind.precision, "scale": kind.scale}
    if pa.types.is_list(kind):
        return {"type": "array", "items": ["null", _avro(kind.value_type, path)]}
    if pa.types.is_map(kind) and pa.types.is_string(kind.key_type):
        return {"type": "map", "values": ["null", _avro(kind.item_type, path)]}
    if pa.types.is_struct(kind):
        return {"type": "record", "name": path, "fields": _fields(list(kind), path)}
    raise not_supported(f"The type {kind} in files of AVRO", "Keys of its maps are texts.")
