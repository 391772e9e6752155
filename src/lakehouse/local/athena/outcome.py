"""What a statement gives, and how it is described."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_YEAR,
    IPADDRESS,
    JSON,
    REAL,
    SMALLINT,
    TINYINT,
    UNKNOWN,
    UUID,
    VARBINARY,
    Array,
    Char,
    Decimal,
    Map,
    Row,
    SqlType,
    Time,
    Timestamp,
    Varchar,
    ZonedTime,
    ZonedTimestamp,
)

_LONGEST = 2147483647
_PLAIN: dict[SqlType, tuple[str, int, int]] = {
    BOOLEAN: ("boolean", 0, 0),
    TINYINT: ("tinyint", 3, 0),
    SMALLINT: ("smallint", 5, 0),
    INTEGER: ("integer", 10, 0),
    BIGINT: ("bigint", 19, 0),
    REAL: ("float", 17, 0),
    DOUBLE: ("double", 17, 0),
    DATE: ("date", 0, 0),
    VARBINARY: ("varbinary", 1073741824, 0),
    JSON: ("json", 0, 0),
    UUID: ("uuid", 0, 0),
    IPADDRESS: ("ipaddress", 0, 0),
    UNKNOWN: ("unknown", 0, 0),
    INTERVAL_DAY: ("interval day to second", 0, 0),
    INTERVAL_YEAR: ("interval year to month", 0, 0),
}


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column of a result, as GetQueryResults describes it.

    Attributes:
        name: Its name.
        type: Athena's name of the type.
        precision: Digits, or characters.
        scale: Digits after the point.
    """

    name: str
    type: str = "string"
    precision: int = 0
    scale: int = 0


def column_info(name: str, kind: SqlType) -> ColumnInfo:
    """Describe a column of a query.

    Args:
        name: Its name.
        kind: Its type.

    Returns:
        The description.
    """
    match kind:
        case Decimal(precision, scale):
            return ColumnInfo(name, "decimal", precision, scale)
        case Varchar(length):
            return ColumnInfo(name, "varchar", _LONGEST if length is None else length)
        case Char(length):
            return ColumnInfo(name, "char", length)
        case Timestamp(precision):
            return ColumnInfo(name, "timestamp", max(precision, 3))
        case ZonedTimestamp(precision):
            return ColumnInfo(name, "timestamp with time zone", max(precision, 3))
        case Time(precision):
            return ColumnInfo(name, "time", max(precision, 3))
        case ZonedTime(precision):
            return ColumnInfo(name, "time with time zone", max(precision, 3))
        case Array():
            return ColumnInfo(name, "array")
        case Map():
            return ColumnInfo(name, "map")
        case Row():
            return ColumnInfo(name, "row")
    text, precision, scale = _PLAIN[kind]
    return ColumnInfo(name, text, precision, scale)


@dataclass(slots=True)
class Outcome:
    """What a statement gives.

    Attributes:
        statement_type: ``DDL``, ``DML`` or ``UTILITY``.
        substatement_type: As ``SELECT`` or ``CREATE_TABLE_AS_SELECT``.
        columns: The result's columns.
        lines: The result of data definition, lines of text.
        csv: The result of a query, as a file.
        update_count: Rows that were written.
        manifest: The files that were written, where Athena lists them.
        scanned_bytes: Bytes that were read.
    """

    statement_type: str
    substatement_type: str
    columns: Sequence[ColumnInfo] = ()
    lines: Sequence[str] | None = None
    csv: Path | None = None
    update_count: int | None = None
    manifest: Sequence[str] | None = None
    scanned_bytes: int = 0
    extra: dict[str, str] = field(default_factory=dict)


def text_outcome(kind: str, substatement: str, lines: Sequence[str] = (), columns: Sequence[str] = ()) -> Outcome:
    """The outcome of a statement that answers with lines of text, or with none.

    Args:
        kind: ``DDL`` or ``UTILITY``.
        substatement: As ``SHOW_TABLES``.
        lines: The lines.
        columns: Names of its columns.

    Returns:
        The outcome.
    """
    return Outcome(kind, substatement, [ColumnInfo(name) for name in columns], lines=list(lines))
