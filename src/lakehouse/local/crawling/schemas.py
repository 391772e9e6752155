"""Columns of files, in the type names of the Hive metastore, out of footers and first records only.

Source: https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Columns = dict[str, str]

PARQUET_MAGIC = b"PAR1"
# A first look: enough records for a schema, few enough bytes for a folder of many files.
SAMPLE_BYTES = 1024 * 1024
_MOST_RECORDS = 1000
# Narrow first: the type of two records that differ is the wider one.
_NUMBERS = ("int", "bigint", "double")


@dataclass(frozen=True, slots=True)
class FileSchema:
    """What one file turned out to be.

    Attributes:
        classification: ``parquet``, ``json`` or ``csv``.
        columns: Names and Hive types, in order.
        records: Records in the file, or in the sample where only that was read.
        compression: ``gzip`` where the file is, else ``none``.
    """

    classification: str
    columns: tuple[tuple[str, str], ...]
    records: int
    compression: str = "none"


def of_parquet(source: Any) -> FileSchema | None:
    """Read a parquet footer.

    Args:
        source: A seekable file.

    Returns:
        Its schema; None where it is no parquet file, or holds a type that Hive has not.
    """
    try:
        footer = pq.ParquetFile(source)
        columns = tuple((field.name.lower(), hive_type(field.type)) for field in footer.schema_arrow)
    except (pa.ArrowException, OSError, UnsupportedTypeError):
        return None
    return FileSchema("parquet", columns, footer.metadata.num_rows)


class UnsupportedTypeError(ValueError):
    """A type that a Hive table cannot have."""


def hive_type(kind: pa.DataType) -> str:
    """Name an Arrow type as the Data Catalog does.

    Args:
        kind: The Arrow type.

    Returns:
        For example ``array<struct<a:int>>``.

    Raises:
        UnsupportedTypeError: There is no such Hive type.
    """
    for matches, name in _HIVE_TYPES:
        if matches(kind):
            return name
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_dictionary(kind):
        return hive_type(kind.value_type)
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name.lower()}:{hive_type(field.type)}' for field in kind)}>"
    if pa.types.is_map(kind):
        return f"map<{hive_type(kind.key_type)},{hive_type(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"array<{hive_type(kind.value_type)}>"
    raise UnsupportedTypeError(f"{kind} has no Hive type")


# An unsigned integer needs the next wider signed type.
_HIVE_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_int8, "tinyint"),
    (lambda kind: pa.types.is_int16(kind) or pa.types.is_uint8(kind), "smallint"),
    (lambda kind: pa.types.is_int32(kind) or pa.types.is_uint16(kind), "int"),
    (lambda kind: pa.types.is_int64(kind) or pa.types.is_uint32(kind), "bigint"),
    (pa.types.is_uint64, "decimal(20,0)"),
    (lambda kind: pa.types.is_float16(kind) or pa.types.is_float32(kind), "float"),
    (pa.types.is_float64, "double"),
    (pa.types.is_boolean, "boolean"),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind), "string"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_date, "date"),
    (
        lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind),
        "binary",
    ),
    (pa.types.is_time, "bigint"),
)


def of_text(head: bytes, *, is_whole: bool) -> FileSchema | None:
    """Classify the beginning of a text file as JSON or CSV.

    Args:
        head: Its first bytes.
        is_whole: Whether they are all of it.

    Returns:
        Its schema; None where it is neither.
    """
    compression = "none"
    if head[:2] == b"\x1f\x8b":
        compression = "gzip"
        with gzip.GzipFile(fileobj=io.BytesIO(head)) as archive:
            try:
                head = archive.read1(SAMPLE_BYTES)
            except (OSError, EOFError):
                return None
            is_whole = False
    try:
        # The sample may end within a character.
        text = head.decode("utf-8-sig", errors="strict" if is_whole else "ignore")
    except UnicodeDecodeError:
        return None
    if "\x00" in text or not text.strip():
        return None
    found = _of_json(text, is_whole=is_whole) or _of_csv(text, is_whole=is_whole)
    return FileSchema(found.classification, found.columns, found.records, compression) if found else None


def _lines(text: str, *, is_whole: bool) -> list[str]:
    lines = text.splitlines()
    if not is_whole and not text.endswith("\n") and len(lines) > 1:
        lines.pop()
    return [line for line in lines if line.strip()][:_MOST_RECORDS]


def _of_json(text: str, *, is_whole: bool) -> FileSchema | None:
    records: list[Any] = []
    try:
        if text.lstrip().startswith("["):
            records = json.loads(text)
        else:
            records = [json.loads(line) for line in _lines(text, is_whole=is_whole)]
    except ValueError:
        try:
            records = [json.loads(text)]
        except ValueError:
            return None
    if not records or not all(isinstance(record, dict) for record in records):
        return None
    columns: Columns = {}
    for record in records:
        for name, value in record.items():
            key = name.lower()
            columns[key] = widest(columns.get(key), json_type(value))
    return FileSchema("json", tuple((name, kind or "string") for name, kind in columns.items()), len(records))


def json_type(value: Any) -> str:
    """The Hive type of a JSON value.

    Args:
        value: The value.

    Returns:
        The type; an empty text for null, which says nothing.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return "int" if -(2**31) <= value < 2**31 else "bigint"
    if isinstance(value, list):
        item = ""
        for each in value:
            item = widest(item, json_type(each))
        return f"array<{item or 'string'}>"
    if isinstance(value, dict):
        fields = ",".join(f"{name.lower()}:{json_type(each) or 'string'}" for name, each in value.items())
        return f"struct<{fields}>"
    return _SCALARS[type(value)]


_SCALARS = {type(None): "", bool: "boolean", float: "double", str: "string"}


def widest(first: str | None, second: str) -> str:
    """The type that holds the values of two.

    Args:
        first: A Hive type; None or empty for none yet.
        second: Another.

    Returns:
        The wider one; ``string`` where neither holds the other.
    """
    if not first or first == second:
        return second or first or ""
    if not second:
        return first
    if first in _NUMBERS and second in _NUMBERS:
        return max(first, second, key=_NUMBERS.index)
    return "string"


def _of_csv(text: str, *, is_whole: bool) -> FileSchema | None:
    lines = _lines(text, is_whole=is_whole)
    try:
        delimiter = csv.Sniffer().sniff("\n".join(lines[:20]), delimiters=",;|\t").delimiter
    except csv.Error:
        return None
    rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    # As Glue has it: at least two columns and two rows, all of one length.
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        return None
    header, *body = rows
    if any(_text_type(cell) != "string" or not cell.strip() for cell in header):
        return None
    columns: Columns = {}
    for row in body:
        for name, cell in zip(header, row, strict=True):
            columns[name.strip().lower()] = widest(columns.get(name.strip().lower()), _text_type(cell))
    return FileSchema("csv", tuple((name, kind or "string") for name, kind in columns.items()), len(body))


def _text_type(cell: str) -> str:
    cell = cell.strip()
    if not cell:
        return ""
    if re.fullmatch(r"[+-]?\d{1,18}", cell):
        return "bigint"
    if re.fullmatch(r"[+-]?(\d+\.\d*|\.?\d+)([eE][+-]?\d+)?", cell):
        return "double"
    if cell.lower() in ("true", "false"):
        return "boolean"
    # Glue's own classifier leaves dates and timestamps as strings.
    return "string"
