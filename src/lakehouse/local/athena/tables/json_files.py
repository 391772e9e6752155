"""Files of JSON lines: their keys go by any case, as the SerDes have it, DuckDB's by one."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.checks import failing
from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    JSON,
    REAL,
    UNKNOWN,
    VARBINARY,
    Array,
    Decimal,
    Map,
    Row,
    SqlType,
    Timestamp,
    Varchar,
    is_integer,
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


def _of(path: Path) -> Structure:
    facts = path.stat()
    return _structure(path, facts.st_size, facts.st_mtime_ns)


def _spellings(structure: Structure, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key of a structure, by where it is in lower case."""
    if isinstance(structure, list):
        for one in structure:
            yield from _spellings(one, (*place, "[]"))
    elif isinstance(structure, dict):
        for key, inner in structure.items():
            yield (*place, key.lower()), key
            yield from _spellings(inner, (*place, key.lower()))


def spelled_alike(paths: Sequence[Path]) -> list[list[int]]:
    """Files that can be read together: DuckDB has no two keys that differ in their case only.

    Args:
        paths: The files.

    Returns:
        Groups of their indices.
    """
    groups: list[tuple[dict[tuple[str, ...], str], list[int]]] = []
    for index, path in enumerate(paths):
        own = dict(_spellings(_of(path)))
        for known, members in groups:
            if all(known.get(place, key) == key for place, key in own.items()):
                known.update(own)
                members.append(index)
                break
        else:
            groups.append((own, [index]))
    return [members for _, members in groups]


def of_one_spelling(path: Path, columns: Mapping[str, SqlType], folder: Path) -> Path:
    """A file in which keys do not differ in their case only.

    Args:
        path: The file.
        columns: Types by name, in lower case.
        folder: Takes a new file where one must be made.

    Returns:
        The file, or one with all keys in lower case but those of maps.
    """
    seen: dict[tuple[str, ...], str] = {}
    structure = _of(path)
    is_alike = all(seen.setdefault(place, key) == key for place, key in _spellings(structure))
    # DuckDB reads numbers with a point, and large ones, as doubles; a decimal may have more digits.
    is_exact = not any(map(_has_digits, columns.values())) or not re.search("DOUBLE|HUGEINT", json.dumps(structure))
    if is_alike and is_exact:
        return path
    whole = Row(tuple(columns), tuple(columns.values()))
    target = folder / f"{uuid.uuid4().hex}.json"
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as source, target.open("w", encoding="utf-8") as file:
        for line in source:
            try:
                value = json.loads(line, parse_float=_Digits, parse_int=_Digits)
            except ValueError:
                file.write(line)  # told, or left out, by who reads it
                continue
            file.write(json.dumps(_lowered(value, whole), ensure_ascii=False) + "\n")
    return target


class _Digits(str):
    """A number as it is written."""

    __slots__ = ()

    def read(self) -> float:
        """The number, as precise as Python's are."""
        return float(self) if set(self) & set(".eE") else int(self)


def _has_digits(kind: SqlType) -> bool:
    """Whether a value may have more digits than a double."""
    return (isinstance(kind, Decimal) and kind.precision > _DIGITS_OF_DOUBLES) or any(map(_has_digits, kind.parts))


def _lowered(value: Any, kind: SqlType | None) -> Any:
    if isinstance(value, _Digits):
        return str(value) if isinstance(kind, Decimal) else value.read()
    if isinstance(value, list):
        return [_lowered(one, kind.element if isinstance(kind, Array) else None) for one in value]
    if not isinstance(value, dict):
        return value
    if isinstance(kind, Map):
        return {key: _lowered(one, kind.value) for key, one in value.items()}
    types = (
        {name.lower(): one for name, one in zip(kind.held_names, kind.types, strict=True)}
        if isinstance(kind, Row)
        else None
    )
    if types is None:
        return value
    return {key.lower(): _lowered(one, types.get(key.lower())) for key, one in value.items()}


def json_columns(paths: Sequence[Path], columns: Mapping[str, SqlType]) -> JsonColumns:
    """Find how columns are spelled in files of JSON.

    Args:
        paths: The files.
        columns: Types by name, in lower case.

    Returns:
        How DuckDB reads them.
    """
    structures = [_of(path) for path in paths]
    declared: dict[str, str] = {}
    expressions = {}
    for name, kind in columns.items():
        if _has_bytes(kind):
            raise not_supported(f"The type {kind} in files of JSON", "Declare the column as string.")
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
    # Values that are not of the column's kind are read as text, and looked at: DuckDB would round them.
    return (
        kind if _family(kind) == "other" or all(str(one) in _LIKE[_family(kind)] for one in structures) else Varchar()
    )


_WHOLE = frozenset({"BIGINT", "UBIGINT", "NULL"})
_LIKE = {"whole": _WHOLE, "number": _WHOLE | {"DOUBLE", "HUGEINT"}, "boolean": frozenset({"BOOLEAN", "NULL"})}


def _family(kind: SqlType) -> str:
    if is_integer(kind):
        return "whole"
    if kind in (DOUBLE, REAL) or isinstance(kind, Decimal):
        return "number"
    return "boolean" if kind == BOOLEAN else "other"


def _checked(sql: str, kind: SqlType) -> str:
    """A text as a value of a type; what is none is an error."""
    form = {"whole": r"'[+-]?[0-9]+([.]0*)?'", "boolean": "'(?i)true|false'"}.get(_family(kind), "'(?s).+'")
    value = f"CASE WHEN regexp_full_match({sql}, {form}) THEN TRY_CAST({sql} AS {kind.duck}) END"
    told = f"'Error parsing field value ' || {sql} || ' as {kind}'"
    wrong = f"{sql} IS NOT NULL AND {value} IS NULL"
    return f"CASE WHEN {wrong} THEN {failing('HIVE_BAD_DATA', told, kind)} ELSE {value} END"


JSON_TEXT = JSON
_DIGITS_OF_DOUBLES = 15


def _has_bytes(kind: SqlType) -> bool:
    return kind == VARBINARY or any(map(_has_bytes, kind.parts))


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
    if isinstance(held, Varchar) and _family(wanted) != "other":
        return _checked(sql, wanted)
    return sql
