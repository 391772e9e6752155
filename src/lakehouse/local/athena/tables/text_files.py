"""Files of text: OpenCSVSerde's, with quotes, and LazySimpleSerDe's, which only splits lines.

https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html
https://docs.aws.amazon.com/athena/latest/ug/lazy-simple-serde.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehouse.local.athena.failures import not_supported
from lakehouse.local.athena.sql.checks import failing
from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DATE,
    VARBINARY,
    Array,
    Map,
    Row,
    SqlType,
    Timestamp,
    is_integer,
    is_text,
    literal,
)
from lakehouse.local.athena.tables.catalog import GlueTable
from lakehouse.local.athena.tables.converted import Lines

OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

_INTEGER = r"'[+-]?[0-9]+'"
_DATE = r"'[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}'"
_TIMESTAMP = r"'[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?'"


def _options(table: GlueTable) -> dict[str, Any]:
    storage = table["StorageDescriptor"]
    serde = (storage.get("SerdeInfo") or {}).get("Parameters") or {}
    return {**(storage.get("Parameters") or {}), **(table.get("Parameters") or {}), **serde}


def _character(text: object, default: str) -> str:
    if text is None:
        return default
    return str(text).encode().decode("unicode_escape") if "\\" in str(text) and len(str(text)) > 1 else str(text)


def _skipped(options: Mapping[str, Any]) -> int:
    return int(options.get("skip.header.line.count", 0))


def _refuse_nested(kind: SqlType) -> None:
    if isinstance(kind, Array | Map | Row) or kind == VARBINARY:
        raise not_supported(f"The type {kind} in files of CSV", "Declare the column as string, or use JSON or Parquet.")


# --- with quotes ------------------------------------------------------------------------------------------------------


def of_open_csv(index: int, name: str, kind: SqlType) -> str:
    """A column of OpenCSVSerde's: what is none of its type is an error, what is empty is null.

    Args:
        index: The column's place, from 0.
        name: Its name.
        kind: Its type.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: The files do not hold such a type.
    """
    sql = f"fields[{index + 1}]"
    if is_text(kind):
        return sql
    _refuse_nested(kind)
    if kind == BOOLEAN:
        return f"(lower({sql}) = 'true')"
    number = f"regexp_full_match({sql}, {_INTEGER})"
    if kind == DATE:
        # Days since 1970, or a date as it is written.
        value = (
            f"CASE WHEN {number} THEN DATE '1970-01-01' + TRY_CAST({sql} AS INTEGER) ELSE TRY_CAST({sql} AS DATE) END"
        )
    elif isinstance(kind, Timestamp):
        since = f"make_timestamp(TRY_CAST({sql} AS BIGINT) * 1000)"
        value = f"CASE WHEN {number} THEN {since} ELSE TRY_CAST({sql} AS TIMESTAMP) END"
    elif is_integer(kind):
        value = f"CASE WHEN {number} THEN TRY_CAST({sql} AS {kind.duck}) END"
    else:
        value = f"TRY_CAST({sql} AS {kind.duck})"
    told = f"'Error parsing field value ''' || {sql} || ''' for field {name.replace(chr(39), '')}'"
    wrong = f"nullif({sql}, '') IS NOT NULL AND {value} IS NULL"
    return f"CASE WHEN {wrong} THEN {failing('HIVE_BAD_DATA', told, kind)} ELSE {value} END"


# --- plain lines ------------------------------------------------------------------------------------------------------


def records_of(table: GlueTable) -> Lines:
    """How OpenCSVSerde splits a table's lines.

    Args:
        table: Its definition.

    Returns:
        The separator, and so on.
    """
    options = _options(table)
    separator, quote = _character(options.get("separatorChar"), ","), _character(options.get("quoteChar"), '"')
    return Lines(separator[:1], _character(options.get("escapeChar"), "\\")[:1], _skipped(options), quote[:1])


def lines_of(table: GlueTable) -> Lines:
    """How LazySimpleSerDe splits a table's lines.

    Args:
        table: Its definition.

    Returns:
        The delimiter, and so on.
    """
    options = _options(table)
    delimiter = _character(options.get("field.delim") or options.get("serialization.format"), "\x01")
    # ``serialization.format`` = 1 is the number of the character.
    delimiter = "\x01" if delimiter == "1" and "field.delim" not in options else delimiter
    return Lines(delimiter, _character(options.get("escape.delim"), ""), _skipped(options))


def of_lines(index: int, kind: SqlType, table: GlueTable) -> str:
    """A column of LazySimpleSerDe's: what is none of its type is null.

    Args:
        index: The column's place, from 0.
        kind: Its type.
        table: The table's definition.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: The files do not hold such a type.
    """
    _refuse_nested(kind)
    null = str(_options(table).get("serialization.null.format", "\\N"))
    sql = f"nullif(fields[{index + 1}], {literal(null)})"
    if is_text(kind):
        return sql
    if kind == BOOLEAN:
        return f"CASE lower({sql}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"
    patterns = {True: _INTEGER} if is_integer(kind) else {kind == DATE: _DATE, isinstance(kind, Timestamp): _TIMESTAMP}
    if True in patterns:
        return f"CASE WHEN regexp_full_match({sql}, {patterns[True]}) THEN TRY_CAST({sql} AS {kind.duck}) END"
    return f"TRY_CAST({sql} AS {kind.duck})"
