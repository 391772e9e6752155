"""The formats of Hive tables' files: how DuckDB reads each, and what of it is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.casts import cast
from lakehouse.local.athena.sql.sql_types import (
    DOUBLE,
    REAL,
    VARBINARY,
    Array,
    Decimal,
    Map,
    Row,
    SqlType,
    Timestamp,
    ZonedTimestamp,
    is_integer,
    is_text,
    literal,
    quoted,
)
from lakehouse.local.athena.sql.type_text import parse_hive_type
from lakehouse.local.athena.sql.typed import Typed
from lakehouse.local.athena.tables.arrow_types import type_of
from lakehouse.local.athena.tables.avro_files import avro_as_parquet
from lakehouse.local.athena.tables.catalog import GlueTable
from lakehouse.local.athena.tables.converted import lines_as_parquet, orc_as_parquet
from lakehouse.local.athena.tables.json_files import LONGEST_LINE_BYTES, json_columns, of_one_spelling, spelled_alike
from lakehouse.local.athena.tables.objects import size_of
from lakehouse.local.athena.tables.parquet_files import footer
from lakehouse.local.athena.tables.text_files import LAZY_SIMPLE, OPEN_CSV, lines_of, of_lines, of_open_csv, records_of


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: In lower case.
        type: Its type.
    """

    name: str
    type: SqlType


@dataclass(frozen=True, slots=True)
class File:
    """A file of a table.

    Attributes:
        uri: The object.
        path: What DuckDB reads: its file on this machine, or one that was made of it.
        original: Its file on this machine.
    """

    uri: str
    path: Path
    original: Path


Select = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        libraries: The SerDes that mean it.
        select: Makes DuckDB's text that reads columns of some files; ``is_located`` adds ``filename``.
        groups: Files that are read together.
        bytes_read: How many bytes of a file are read for some columns.
        converted: Makes a file of it that DuckDB reads, in a folder; None where it reads them as they are.
    """

    libraries: tuple[str, ...]
    select: Select
    groups: Callable[[Sequence[File]], Sequence[Sequence[File]]]
    bytes_read: Callable[[File, Collection[str]], int]
    converted: Callable[[File, Path, GlueTable], File] | None = None


def _together(files: Sequence[File]) -> Sequence[Sequence[File]]:
    return [files]


def _whole(file: File, _columns: Collection[str]) -> int:
    """Files of rows, as text, are read from end to end, whatever columns are asked for."""
    return size_of(file.original)


def _paths(files: Sequence[File]) -> str:
    return f"[{', '.join(literal(str(file.path)) for file in files)}]"


def _listed(columns: Sequence[tuple[str, str]], *, is_located: bool) -> str:
    listed = [f"{sql} AS {quoted(name)}" for name, sql in columns]
    return ", ".join([*listed, *(["filename"] if is_located else [])]) or "1 AS nothing"


# --- parquet ----------------------------------------------------------------------------------------------------------


def _of_one_schema(files: Sequence[File]) -> Sequence[Sequence[File]]:
    groups: dict[str, list[File]] = {}
    for file in files:
        schema = footer(file.path, file.uri).schema
        groups.setdefault(schema.remove_metadata().to_string(), []).append(file)
    return list(groups.values())


def _parquet_bytes(file: File, columns: Collection[str]) -> int:
    return footer(file.path, file.uri).bytes_of(columns)


def _parquet(files: Sequence[File], columns: Sequence[Column], _table: GlueTable, *, is_located: bool) -> str:
    schema = footer(files[0].path, files[0].uri).schema
    by_name = {field.name.lower(): field for field in schema}
    listed = []
    for column in columns:
        field = by_name.get(column.name)
        if field is None:
            listed.append((column.name, f"CAST(NULL AS {column.type.duck})"))
            continue
        kind = type_of(field.type)
        if kind is None or not _is_readable(kind, column.type):
            raise StatementFailedError(
                "HIVE_BAD_DATA",
                f"Field {column.name}'s type {field.type} in parquet file {files[0].uri} is incompatible with type "
                f"{column.type} defined in table schema",
            )
        listed.append((column.name, _as_declared(quoted(field.name), kind, column.type)))
    located = ", filename = true" if is_located else ""
    return f"SELECT {_listed(listed, is_located=is_located)} FROM read_parquet({_paths(files)}{located})"


def _is_readable(found: SqlType, wanted: SqlType) -> bool:
    """Whether a column of a file can be one of a table: Hive widens, but turns no type into another."""
    match found, wanted:
        case (Array(a), Array(b)):
            return _is_readable(a, b)
        case (Map(), Map()):
            return _is_readable(found.key, wanted.key) and _is_readable(found.value, wanted.value)
        case (Row(), Row()):
            return True
        case (Timestamp() | ZonedTimestamp(), Timestamp() | ZonedTimestamp()):
            return True
    if found == wanted or (is_text(found) and is_text(wanted)):
        return True
    if found == VARBINARY:
        return is_text(wanted)
    if is_integer(found):
        return is_integer(wanted) or isinstance(wanted, Decimal) or wanted in (DOUBLE, REAL)
    if isinstance(found, Decimal):
        return isinstance(wanted, Decimal) or wanted in (DOUBLE, REAL) or is_integer(wanted)
    return found == REAL and wanted == DOUBLE


def _as_declared(sql: str, found: SqlType, wanted: SqlType) -> str:
    if found == VARBINARY and is_text(wanted):
        return f"decode({sql})"
    if isinstance(found, Row) and isinstance(wanted, Row):
        return _row_as_declared(sql, found, wanted)
    if isinstance(found, Array) and isinstance(wanted, Array) and isinstance(wanted.element, Row):
        return f"list_transform({sql}, lambda e: {_as_declared('e', found.element, wanted.element)})"
    return cast(Typed(sql, found), wanted).sql


def _row_as_declared(sql: str, found: Row, wanted: Row) -> str:
    """Fields go by their names, those that a file lacks are null."""
    held = {name.lower(): (name, kind) for name, kind in zip(found.held_names, found.types, strict=True)}
    fields = []
    for name, kind in zip(wanted.held_names, wanted.types, strict=True):
        own = held.get(name.lower())
        value = f"CAST(NULL AS {kind.duck})"
        if own is not None:
            value = _as_declared(f"struct_extract({sql}, {literal(own[0])})", own[1], kind)
        fields.append(f"{quoted(name)} := {value}")
    return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"


_NOTHING = "'nothing': 'VARCHAR'"

# --- JSON -------------------------------------------------------------------------------------------------------------


def _of_one_spelling(files: Sequence[File]) -> Sequence[Sequence[File]]:
    groups = spelled_alike([file.path for file in files])
    return [[files[index] for index in group] for group in groups]


def _of_json(file: File, folder: Path, table: GlueTable) -> File:
    columns = table["StorageDescriptor"].get("Columns", [])
    types = {one["Name"].lower(): parse_hive_type(one.get("Type") or "string") for one in columns}
    return replace(file, path=of_one_spelling(file.original, types, folder))


def _json(files: Sequence[File], columns: Sequence[Column], table: GlueTable, *, is_located: bool) -> str:
    serde = (table["StorageDescriptor"].get("SerdeInfo") or {}).get("Parameters") or {}
    ignores = str(serde.get("ignore.malformed.json", "false")).lower() == "true"
    found = json_columns([file.path for file in files], {column.name: column.type for column in columns})
    declared = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in found.declared.items())
    listed = [(column.name, found.expressions[column.name]) for column in columns]
    located = ", filename = true" if is_located else ""
    # One column at least: DuckDB takes none for a request to find them.
    text = (
        f"read_json({_paths(files)}, columns = {{{declared or _NOTHING}}}, format = 'newline_delimited', "
        f"ignore_errors = {str(ignores).lower()}, maximum_object_size = {LONGEST_LINE_BYTES}{located})"
    )
    return f"SELECT {_listed(listed, is_located=is_located)} FROM {text}"


# --- text, Avro and ORC -----------------------------------------------------------------------------------------------


def _open_csv(files: Sequence[File], columns: Sequence[Column], table: GlueTable, *, is_located: bool) -> str:
    places = _places(table)
    listed = [(one.name, of_open_csv(places[one.name], one.name, one.type)) for one in columns]
    return _of_fields(files, listed, is_located=is_located)


def _lines(files: Sequence[File], columns: Sequence[Column], table: GlueTable, *, is_located: bool) -> str:
    places = _places(table)
    listed = [(one.name, of_lines(places[one.name], one.type, table)) for one in columns]
    return _of_fields(files, listed, is_located=is_located)


def _places(table: GlueTable) -> dict[str, int]:
    return {one["Name"].lower(): index for index, one in enumerate(table["StorageDescriptor"].get("Columns", []))}


def _of_fields(files: Sequence[File], listed: Sequence[tuple[str, str]], *, is_located: bool) -> str:
    located = ", filename = true" if is_located else ""
    return f"SELECT {_listed(listed, is_located=is_located)} FROM read_parquet({_paths(files)}{located})"


def _of_records(file: File, folder: Path, table: GlueTable) -> File:
    return replace(file, path=lines_as_parquet(file.original, file.uri, folder, records_of(table)))


def _of_lines(file: File, folder: Path, table: GlueTable) -> File:
    return replace(file, path=lines_as_parquet(file.original, file.uri, folder, lines_of(table)))


def _of_orc(file: File, folder: Path, _table: GlueTable) -> File:
    return replace(file, path=orc_as_parquet(file.original, file.uri, folder))


def _orc_bytes(file: File, columns: Collection[str]) -> int:
    """The share of the columns that are read, as they are in parquet."""
    held = footer(file.path, file.uri)
    whole = sum(held.bytes_by_column.values())
    return size_of(file.original) * held.bytes_of(columns) // whole if whole else 0


def _of_avro(file: File, folder: Path, table: GlueTable) -> File:
    serde = (table["StorageDescriptor"].get("SerdeInfo") or {}).get("Parameters") or {}
    schema = serde.get("avro.schema.literal") or (table.get("Parameters") or {}).get("avro.schema.literal")
    return replace(file, path=avro_as_parquet(file.original, file.uri, folder, schema))


FORMATS: dict[str, Format] = {
    "parquet": Format(
        ("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",), _parquet, _of_one_schema, _parquet_bytes
    ),
    "json": Format(
        ("org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe"),
        _json,
        _of_one_spelling,
        _whole,
        _of_json,
    ),
    "csv": Format((OPEN_CSV,), _open_csv, _together, _whole, _of_records),
    "textfile": Format((LAZY_SIMPLE,), _lines, _together, _whole, _of_lines),
    "avro": Format(("org.apache.hadoop.hive.serde2.avro.AvroSerDe",), _parquet, _of_one_schema, _whole, _of_avro),
    "orc": Format(("org.apache.hadoop.hive.ql.io.orc.OrcSerde",), _parquet, _of_one_schema, _orc_bytes, _of_orc),
}
