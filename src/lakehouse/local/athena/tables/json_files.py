"""Files of JSON lines: their keys go by any case, as the SerDes have it, DuckDB's by one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.sql_types import (
    DATE,
    JSON,
    UNKNOWN,
    Array,
    Map,
    Row,
    SqlType,
    Timestamp,
    Varchar,
    is_text,
    literal,
    quoted,
)

Structure = Any

LONGEST_LINE_BYTES = 128 * 1024**2


@dataclass(frozen=True, slots=True)
class JsonColumns:
    """How columns are read.

    Attributes:
        declared: DuckDB's types by key, as they are spelled in the files.
        expressions: DuckDB's text by column.
    """

    declared: dict[str, str]
    expressions: dict[str, str]


@lru_cache(maxsize=1024)
def _structure(path: Path, _size: int, _changed: int) -> Structure:
    """Which keys a file has, at every level, as DuckDB finds them in all of its lines."""
    try:
        with duckdb.connect(":memory:") as connection:
            found = connection.execute(
                "SELECT json_group_structure(json) FROM read_ndjson_objects(?, "
                f"maximum_object_size = {LONGEST_LINE_BYTES}, ignore_errors = true)",
                [str(path)],
            ).fetchone()
    except duckdb.Error as error:
        raise StatementFailedError("HIVE_BAD_DATA", f"Not valid JSON: {path.name} ({error})") from error
    return json.loads(found[0]) if found and found[0] else {}


def json_columns(paths: Sequence[Path], columns: Mapping[str, SqlType]) -> JsonColumns:
    """Find how columns are spelled in files of JSON.

    Args:
        paths: The files.
        columns: Types by name, in lower case.

    Returns:
        How DuckDB reads them.
    """
    structures = []
    for path in paths:
        facts = path.stat()
        structures.append(_structure(path, facts.st_size, facts.st_mtime_ns))
    declared: dict[str, str] = {}
    expressions = {}
    for name, kind in columns.items():
        spelled = sorted({key for one in structures if isinstance(one, dict) for key in one if key.lower() == name})
        values = []
        for key in spelled:
            inner = [one[key] for one in structures if isinstance(one, dict) and key in one]
            held = _held(kind, inner)
            declared[key] = held.duck
            values.append(_value(quoted(key), held, kind))
        whole = f"coalesce({', '.join(values)})" if len(values) > 1 else "".join(values)
        expressions[name] = whole or f"CAST(NULL AS {kind.duck})"
    return JsonColumns(declared, expressions)


def _held(kind: SqlType, structures: Sequence[Structure]) -> SqlType:
    """The type as which DuckDB reads a value: a row's fields as they are spelled."""
    match kind:
        case Row():
            inside = [one for one in structures if isinstance(one, dict)]
            names, types = [], []
            for name, one in kind.fields:
                for key in sorted({key for each in inside for key in each if key.lower() == (name or "").lower()}):
                    names.append(key)
                    types.append(_held(one, [each[key] for each in inside if key in each]))
            return Row(tuple(names), tuple(types)) if names else Row(("nothing",), (Varchar(),))
        case Array(element):
            return Array(_held(element, [one[0] for one in structures if isinstance(one, list) and one]))
        case Map(key, value):
            inside = [inner for one in structures if isinstance(one, dict) for inner in one.values()]
            return Map(key, _held(value, inside))
        case Timestamp():
            return Varchar()
    if is_text(kind) or kind in (DATE, JSON, UNKNOWN):
        # What is an object or an array in the file is its text.
        return JSON_TEXT if any(isinstance(one, dict | list) for one in structures) else Varchar()
    return kind


JSON_TEXT = JSON


def _value(sql: str, held: SqlType, wanted: SqlType) -> str:
    match held, wanted:
        case (Row(), Row()):
            fields = []
            spelled = {name.lower(): name for name in held.held_names}
            types = dict(zip(held.held_names, held.types, strict=True))
            for name, kind in zip(wanted.held_names, wanted.types, strict=True):
                own = spelled.get(name.lower())
                value = f"CAST(NULL AS {kind.duck})"
                if own is not None:
                    value = _value(f"struct_extract({sql}, {literal(own)})", types[own], kind)
                fields.append(f"{quoted(name)} := {value}")
            return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"
        case (Array(a), Array(b)):
            inner = _value("e", a, b)
            return sql if inner == "e" else f"list_transform({sql}, lambda e: {inner})"
        case (_, Timestamp()):
            return f"CAST({sql} AS TIMESTAMP)"
    if wanted == DATE:
        return f"CAST({sql} AS DATE)"
    return sql
