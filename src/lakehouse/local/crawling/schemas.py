"""What a file turns out to be, and the columns of text files by their first records, in the Hive metastore's types.

Source: https://docs.aws.amazon.com/glue/latest/dg/add-classifier.html
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from dataclasses import dataclass
from typing import Any

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
