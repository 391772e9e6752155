"""CAST and TRY_CAST: which types Trino casts to which, and what becomes of the values.

https://trino.io/docs/current/functions/conversion.html
"""

from __future__ import annotations

from datetime import date

from lakehouse.local.athena.sql.checks import checked, failing
from lakehouse.local.athena.sql.coercion import can_become, converted
from lakehouse.local.athena.sql.json_casts import from_json, to_json
from lakehouse.local.athena.sql.moment_casts import to_date, to_time, to_timestamp, to_zoned, zoned_literal
from lakehouse.local.athena.sql.number_casts import cannot, to_boolean, to_decimal, to_floating, to_integer
from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    IPADDRESS,
    JSON,
    REAL,
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
    ZonedTimestamp,
    is_integer,
    is_text,
    literal,
    quoted,
)
from lakehouse.local.athena.sql.text_forms import as_varchar
from lakehouse.local.athena.sql.typed import Typed, let

__all__ = ["cast", "failing", "zoned_literal"]


def cast(given: Typed, wanted: SqlType, today: date | None = None) -> Typed:
    """CAST.

    Args:
        given: The value.
        wanted: The type.
        today: The date that a time gets as a timestamp, of the statement's start; without it, such a cast is refused.

    Returns:
        The value in the type.

    Raises:
        StatementFailedError: Trino does not cast one to the other.
    """
    kind = given.type
    if kind == wanted and kind.duck == wanted.duck:
        return given
    if isinstance(wanted, ZonedTimestamp):
        return to_zoned(given, wanted, today)
    if kind == UNKNOWN:
        return Typed(f"CAST(NULL AS {wanted.duck})", wanted)
    if isinstance(wanted, Array | Map | Row) and kind != JSON:
        return _to_nested(given.sql, kind, wanted, today)
    return Typed(cast_sql(given.sql, kind, wanted, today), wanted)


def cast_sql(sql: str, kind: SqlType, wanted: SqlType, today: date | None = None) -> str:
    """CAST to a type of which there is one form only.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.
        wanted: The type.
        today: See ``cast``.

    Returns:
        DuckDB's text.

    Raises:
        StatementFailedError: Trino does not cast one to the other.
    """
    if kind == wanted:
        return sql
    if kind == JSON:
        return from_json(sql, wanted)
    if wanted == JSON:
        return to_json(sql, kind)
    match wanted:
        case Varchar(length):
            return _to_text(sql, kind, length)
        case Char(length):
            return f"rtrim({_to_text(sql, kind, length)}, ' ')"
        case Decimal():
            return to_decimal(sql, kind, wanted)
        case Timestamp(precision):
            return to_timestamp(sql, kind, precision, today)
        case Time(precision):
            return to_time(sql, kind, precision)
    if is_integer(wanted):
        return to_integer(sql, kind, wanted)
    if wanted in (DOUBLE, REAL):
        return to_floating(sql, kind, wanted)
    if wanted == BOOLEAN:
        return to_boolean(sql, kind)
    if wanted == DATE:
        return to_date(sql, kind)
    if wanted == UUID and (is_text(kind) or kind == VARBINARY):
        return _to_uuid(sql, kind)
    if wanted == IPADDRESS and (is_text(kind) or kind == VARBINARY):
        return f"athena_ip_of_{'text' if is_text(kind) else 'bytes'}({sql})"
    if wanted == VARBINARY and kind == IPADDRESS:
        return sql
    if wanted == VARBINARY and kind == UUID:
        return f"unhex(replace(CAST({sql} AS VARCHAR), '-', ''))"
    if can_become(kind, wanted):
        return converted(sql, kind, wanted)
    raise cannot(kind, wanted)


def _to_text(sql: str, kind: SqlType, length: int | None) -> str:
    if isinstance(kind, Array | Map | Row) or kind == VARBINARY:
        raise cannot(kind, Varchar(length))
    if isinstance(kind, Varchar):
        fits = length is None or (kind.length is not None and kind.length <= length)
        return sql if fits else f"substr({sql}, 1, {length})"
    text = as_varchar(sql, kind)
    if length is None:
        return text
    if is_text(kind):
        return f"substr({text}, 1, {length})"
    message = f"'Value ' || {{x}} || ' cannot be represented as varchar({length})'"
    return let(
        text,
        lambda x: (
            f"CASE WHEN length({x}) > {length} "
            f"THEN {failing('INVALID_CAST_ARGUMENT', message.replace('{x}', x), Varchar(length))} ELSE {x} END"
        ),
    )


def _to_uuid(sql: str, kind: SqlType) -> str:
    if kind == VARBINARY:
        return f"CAST(lower(hex({sql})) AS UUID)"
    form = "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    return checked(sql, form, UUID, "TRY_CAST({x} AS UUID)")


def _to_nested(sql: str, kind: SqlType, wanted: SqlType, today: date | None) -> Typed:
    """Each part is cast; a part's zone may become known by that, so the type that comes of it is told."""
    depth = 1 + sql.count("lambda ")
    name = f"c{depth}"
    match kind, wanted:
        case (Array(a), Array(b)):
            inner = cast(Typed(name, a), b, today)
            same = inner.sql == name
            return Typed(sql if same else f"list_transform({sql}, lambda {name}: {inner.sql})", Array(inner.type))
        case (Map(), Map()):
            key, value = (
                cast(Typed(f"{name}.key", kind.key), wanted.key, today),
                cast(Typed(f"{name}.value", kind.value), wanted.value, today),
            )
            entry = f"struct_pack(key := {key.sql}, value := {value.sql})"
            made = f"map_from_entries(list_transform(map_entries({sql}), lambda {name}: {entry}))"
            return Typed(made, Map(key.type, value.type))
        case (Row(), Row()) if len(kind.types) == len(wanted.types):
            return _cast_row(sql, kind, wanted, today)
    raise cannot(kind, wanted)


def _cast_row(sql: str, kind: Row, wanted: Row, today: date | None) -> Typed:
    types: list[SqlType] = []

    def body(x: str) -> str:
        parts = [
            cast(Typed(f"struct_extract({x}, {literal(old)})", a), b, today)
            for old, a, b in zip(kind.held_names, kind.types, wanted.types, strict=True)
        ]
        types[:] = [one.type for one in parts]
        fields = (f"{quoted(new)} := {one.sql}" for new, one in zip(wanted.held_names, parts, strict=True))
        return f"CASE WHEN {x} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"

    return Typed(let(sql, body), Row(wanted.names, tuple(types)))
