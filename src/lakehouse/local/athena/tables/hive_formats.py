"""The formats of Hive tables' files: how DuckDB reads each, and what of it is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.casts import cast
from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DATE,
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
from lakehouse.local.athena.sql.typed import Typed
from lakehouse.local.athena.tables.arrow_types import type_of
from lakehouse.local.athena.tables.catalog import GlueTable
from lakehouse.local.athena.tables.json_files import LONGEST_LINE_BYTES, json_columns
from lakehouse.local.athena.tables.objects import size_of
from lakehouse.local.athena.tables.parquet_files import footer


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
        path: Its file on this machine.
    """

    uri: str
    path: Path


Select = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Format:
    """A format.

    Attributes:
        libraries: The SerDes that mean it.
        select: Makes DuckDB's text that reads columns of some files; ``is_located`` adds ``filename``.
        groups: Files that are read together.
        bytes_read: How many bytes of a file are read for some columns.
    """

    libraries: tuple[str, ...]
    select: Select
    groups: Callable[[Sequence[File]], Sequence[Sequence[File]]]
    bytes_read: Callable[[File, Collection[str]], int]


def _together(files: Sequence[File]) -> Sequence[Sequence[File]]:
    return [files]


def _whole(file: File, _columns: Collection[str]) -> int:
    """Files of text are read from end to end, whatever columns are asked for."""
    return size_of(file.path)


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


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv(files: Sequence[File], columns: Sequence[Column], table: GlueTable, *, is_located: bool) -> str:
    storage = table["StorageDescriptor"]
    serde = storage.get("SerdeInfo") or {}
    options = {
        **(storage.get("Parameters") or {}),
        **(table.get("Parameters") or {}),
        **(serde.get("Parameters") or {}),
    }
    is_open = str(serde.get("SerializationLibrary", "")).endswith("OpenCSVSerde")
    separator = _character(options.get("separatorChar" if is_open else "field.delim"), "," if is_open else "\x01")
    quote = _character(options.get("quoteChar"), '"') if is_open else ""
    escape = _character(options.get("escapeChar"), "\\") if is_open else _character(options.get("escape.delim"), "")
    skipped = int(options.get("skip.header.line.count", 0))
    names = [column["Name"].lower() for column in storage.get("Columns", [])]
    declared = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    located = ", filename = true" if is_located else ""
    null = str(options.get("serialization.null.format", "\\N"))
    nulls = "" if is_open else f", nullstr = {literal(null)}"
    if escape == quote:
        escape = ""
    reader = (
        f"read_csv({_paths(files)}, columns = {{{declared}}}, header = false, skip = {skipped}, auto_detect = false, "
        f"delim = {literal(separator)}, quote = {literal(quote)}, escape = {literal(escape or quote)}, "
        f"null_padding = true, strict_mode = false{nulls}{located})"
    )
    listed = [(column.name, _of_text(quoted(column.name), column.type, is_open=is_open)) for column in columns]
    return f"SELECT {_listed(listed, is_located=is_located)} FROM {reader}"


def _character(text: object, default: str) -> str:
    if text is None:
        return default
    return str(text).encode().decode("unicode_escape") if "\\" in str(text) and len(str(text)) > 1 else str(text)


def _of_text(sql: str, kind: SqlType, *, is_open: bool) -> str:
    """A column of text as its type. LazySimpleSerDe reads what is none of the type as null, OpenCSVSerde fails.

    https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html
    """
    if is_text(kind):
        return f"coalesce({sql}, '')" if is_open else sql
    if isinstance(kind, Array | Map | Row):
        raise not_supported(f"The type {kind} in files of CSV", "Declare the column as string, or use JSON or Parquet.")
    if not is_open:
        return f"TRY_CAST(nullif({sql}, '') AS {kind.duck})"
    if kind == DATE:
        # Days since 1970, or a date as it is written.
        days = f"DATE '1970-01-01' + CAST({sql} AS INTEGER)"
        return f"CASE WHEN regexp_full_match({sql}, '-?[0-9]+') THEN {days} ELSE CAST(nullif({sql}, '') AS DATE) END"
    if isinstance(kind, Timestamp):
        since = f"make_timestamp(CAST({sql} AS BIGINT) * 1000)"
        return (
            f"CASE WHEN regexp_full_match({sql}, '-?[0-9]+') THEN {since} ELSE CAST(nullif({sql}, '') AS TIMESTAMP) END"
        )
    if kind == BOOLEAN:
        return f"(lower({sql}) = 'true')"
    return f"CAST(nullif({sql}, '') AS {kind.duck})"


FORMATS: dict[str, Format] = {
    "parquet": Format(
        ("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",), _parquet, _of_one_schema, _parquet_bytes
    ),
    "json": Format(
        ("org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe"), _json, _together, _whole
    ),
    "csv": Format(
        ("org.apache.hadoop.hive.serde2.OpenCSVSerde", "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
        _csv,
        _together,
        _whole,
    ),
}
