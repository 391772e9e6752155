"""Values of partitions: as Hive writes them, and which of them can meet a condition."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote

from lakehouse.local.athena.sql.coercion import is_number
from lakehouse.local.athena.sql.scans import Condition
from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    REAL,
    SqlType,
    Timestamp,
    is_text,
    literal,
)

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def may_hold(condition: Condition, text: str, kind: SqlType) -> bool:
    """Whether a partition can have rows that meet a condition.

    Args:
        condition: The condition, of the partition's column.
        text: The partition's value.
        kind: The column's type.

    Returns:
        False where it cannot.
    """
    if condition.operator in {"is null", "is not null"}:
        return (text == NULL_PARTITION) == (condition.operator == "is null")
    if text == NULL_PARTITION:
        return False
    kinds = {kind, *(one.type for one in condition.values)}
    value = _read(text, kind, kinds)
    others = [_read(one.value, one.type, kinds) for one in condition.values]
    if value is None or None in others:
        return True
    first = others[0] if others else value
    match condition.operator:
        case "=":
            return bool(value == first)
        case "in":
            return value in others
        case "<":
            return bool(value < first)
        case "<=":
            return bool(value <= first)
        case ">":
            return bool(value > first)
        case ">=":
            return bool(value >= first)
    return True


def _read(written: Any, kind: SqlType, kinds: Collection[SqlType]) -> Any:
    """A value as it is compared with values of some types; None where that is not known here."""
    try:
        if is_number(kind):
            return _number(str(written), kind, kinds)
        if kind == DATE:
            day = date.fromisoformat(str(written)[:10])
            is_moment = any(isinstance(one, Timestamp) for one in kinds)
            return datetime.combine(day, time()) if is_moment else day
        if isinstance(kind, Timestamp):
            return datetime.fromisoformat(str(written))
    except (ValueError, OverflowError, InvalidOperation):
        return None
    if kind == BOOLEAN:
        return str(written).lower() == "true"
    return str(written) if is_text(kind) else None


def _number(text: str, kind: SqlType, kinds: Collection[SqlType]) -> Decimal | float:
    """A number of a type, in the type in which numbers of some types are compared."""
    if kind == REAL or (REAL in kinds and DOUBLE not in kinds):
        single: float = struct.unpack("<f", struct.pack("<f", float(text)))[0]
        return single
    return float(text) if DOUBLE in kinds else Decimal(text)


def partition_literal(text: str, kind: SqlType) -> str:
    """A partition's value for DuckDB.

    Args:
        text: As Hive writes it.
        kind: The column's type.

    Returns:
        DuckDB's text.
    """
    if text == NULL_PARTITION:
        return f"CAST(NULL AS {kind.duck})"
    return f"CAST({literal(text)} AS {kind.duck})"


def values_in_path(path: str, keys: Sequence[str]) -> tuple[str, ...] | None:
    """The values that a path names, as ``dt=2024-01-01/zone=1``.

    Args:
        path: The part of an object's key below its table's location.
        keys: The partition columns, in lower case.

    Returns:
        A value a column; None where the path does not name them all, in their order.
    """
    pairs = [part.partition("=") for part in path.split("/")[: len(keys)]]
    if [name.lower() for name, equals, _ in pairs if equals] != list(keys):
        return None
    return tuple(unquote(value) for _, _, value in pairs)


def path_of_values(keys: Iterable[str], values: Iterable[str]) -> str:
    """The folder of a partition.

    Args:
        keys: The partition columns.
        values: Their values.

    Returns:
        As ``dt=2024-01-01/zone=1``.
    """
    return "/".join(f"{key}={_escaped(value)}" for key, value in zip(keys, values, strict=True))


# https://github.com/apache/hive/blob/master/common/src/java/org/apache/hadoop/hive/common/FileUtils.java
_ESCAPED = frozenset({*map(chr, range(1, 32)), *"\"#%'*/:=?\\\x7f{[]^"})


def _escaped(value: str) -> str:
    return "".join(f"%{ord(one):02X}" if one in _ESCAPED else one for one in value)
