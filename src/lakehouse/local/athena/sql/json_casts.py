"""Casts from and to JSON.

https://trino.io/docs/current/functions/json.html#cast-to-json
"""

from __future__ import annotations

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.checks import failing
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    JSON,
    REAL,
    UNKNOWN,
    VARCHAR,
    Array,
    Decimal,
    Map,
    Row,
    SqlType,
    Timestamp,
    Varchar,
    is_integer,
    literal,
    quoted,
)
from lakehouse.local.athena.sql.text_forms import as_varchar, java_number
from lakehouse.local.athena.sql.typed import let


def _cannot(kind: SqlType | str, wanted: SqlType | str) -> StatementFailedError:
    return StatementFailedError("TYPE_MISMATCH", f"Cannot cast {kind} to {wanted}")


def _is_key(kind: SqlType) -> bool:
    """Whether a type can be that of an object's keys."""
    return isinstance(kind, Varchar | Decimal) or is_integer(kind) or kind in (BOOLEAN, DOUBLE, REAL)


def to_json(sql: str, kind: SqlType) -> str:
    """A value as JSON.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.

    Returns:
        DuckDB's text of the JSON text; null for null.

    Raises:
        StatementFailedError: Trino does not cast the type.
    """
    return let(sql, lambda x: f"CASE WHEN {x} IS NOT NULL THEN {_json(x, kind)} END")


def _json(sql: str, kind: SqlType) -> str:
    """DuckDB's text of the JSON text of what is not null; of a part, null for null."""
    name = f"j{sql.count('lambda ') + _depth(kind)}"
    match kind:
        case Array(element):
            inside = f"list_transform({sql}, lambda {name}: coalesce({_json(name, element)}, 'null'))"
            return f"('[' || array_to_string({inside}, ',') || ']')"
        case Map(key, value):
            if not (_is_key(key) or key == UNKNOWN):
                raise _cannot(kind, "json")
            return _object(sql, kind, name, _json(f"{name}.value", value))
        case Row():
            fields = (
                f"{literal(_string(own or '') + ':')} || coalesce("
                f"{_json(f'struct_extract({sql}, {literal(held)})', one)}, 'null')"
                for held, (own, one) in zip(kind.held_names, kind.fields, strict=True)
            )
            joined = " || ',' || ".join(fields)
            return f"CASE WHEN {sql} IS NOT NULL THEN '{{' || {joined} || '}}' END"
        case Timestamp():
            return f"'\"' || {as_varchar(sql, kind)} || '\"'"
        case Varchar():
            return f"CAST(to_json({sql}) AS VARCHAR)"
    if kind == DATE:
        return f"'\"' || {as_varchar(sql, kind)} || '\"'"
    if kind == JSON:
        return sql
    if kind in (DOUBLE, REAL):
        # What is no number in JSON is a text.
        return f"CASE WHEN isfinite({sql}) THEN {java_number(sql)} ELSE '\"' || {java_number(sql)} || '\"' END"
    if is_integer(kind) or isinstance(kind, Decimal) or kind in (BOOLEAN, UNKNOWN):
        return as_varchar(sql, kind)
    raise _cannot(kind, "json")


def _object(sql: str, kind: Map, name: str, value: str) -> str:
    key = kind.key
    text = java_number(f"{name}.key") if key in (DOUBLE, REAL) else as_varchar(f"{name}.key", key)
    entry = f"struct_pack(k := {text}, v := CAST(to_json({text}) AS VARCHAR) || ':' || coalesce({value}, 'null'))"
    # Trino writes a map's keys in order.
    ordered = f"list_sort(list_transform(map_entries({sql}), lambda {name}: {entry}))"
    return f"('{{' || array_to_string(list_transform({ordered}, lambda {name}: {name}.v), ',') || '}}')"


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _depth(kind: SqlType) -> int:
    return 1 + max(map(_depth, kind.parts), default=0)


def from_json(sql: str, wanted: SqlType) -> str:
    """JSON as a value.

    Args:
        sql: DuckDB's text of the JSON text.
        wanted: The type.

    Returns:
        DuckDB's text of the value; null for JSON's null.

    Raises:
        StatementFailedError: Trino does not cast to the type.
    """
    if wanted == JSON:
        return sql
    return let(sql, lambda x: f"CASE WHEN json_type({x}) <> 'NULL' THEN {_value(x, wanted)} END")


def _value(sql: str, wanted: SqlType) -> str:
    name = f"j{sql.count('lambda ') + _depth(wanted)}"
    match wanted:
        case Array(element):
            inner = from_json(f"CAST({name} AS VARCHAR)", element)
            elements = f"athena_json_elements({sql})" if _has_json(element) else f"CAST({sql} AS JSON[])"
            made = f"list_transform({elements}, lambda {name}: {inner})"
            return f"CASE json_type({sql}) WHEN 'ARRAY' THEN {made} ELSE {_unexpected(sql, wanted)} END"
        case Map():
            return _map(sql, wanted, name)
        case Row():
            return _row(sql, wanted, name)
    return _scalar(sql, wanted)


def _has_json(kind: SqlType) -> bool:
    """Whether JSON texts are parts of a value: they stay as they were written, which DuckDB's own casts change."""
    return kind == JSON or any(map(_has_json, kind.parts))


def _unexpected(sql: str, wanted: SqlType) -> str:
    message = f"'Cannot cast to {wanted}. Unexpected value: ' || {sql}"
    return failing("INVALID_CAST_ARGUMENT", message, wanted)


def _scalar(sql: str, wanted: SqlType) -> str:
    from lakehouse.local.athena.sql.casts import cast_sql

    if not (_is_key(wanted)):
        raise _cannot("json", wanted)
    text = cast_sql(f"json_extract_string({sql}, '$')", VARCHAR, wanted)
    truth = cast_sql(f"CAST({sql} AS BOOLEAN)", BOOLEAN, wanted)
    if isinstance(wanted, Varchar | Decimal) or wanted in (DOUBLE, REAL):
        whole = cast_sql(sql, VARCHAR, wanted)
    else:
        whole = cast_sql(cast_sql(sql, VARCHAR, BIGINT), BIGINT, wanted)
    floating = whole if isinstance(wanted, Decimal) else cast_sql(f"CAST({sql} AS DOUBLE)", DOUBLE, wanted)
    return (
        f"CASE json_type({sql}) WHEN 'VARCHAR' THEN {text} WHEN 'BOOLEAN' THEN {truth} "
        f"WHEN 'ARRAY' THEN {_unexpected(sql, wanted)} WHEN 'OBJECT' THEN {_unexpected(sql, wanted)} "
        f"ELSE CASE WHEN regexp_matches({sql}, '[.eE]') THEN {floating} ELSE {whole} END END"
    )


def _member(sql: str, key: str, wanted: SqlType) -> str:
    return f"{'athena_json_part' if _has_json(wanted) else 'athena_json_member'}({sql}, {key})"


def _map(sql: str, wanted: Map, name: str) -> str:
    from lakehouse.local.athena.sql.casts import cast_sql

    if not _is_key(wanted.key):
        raise _cannot("json", wanted)
    pairs = (
        f"list_transform(json_keys({sql}), lambda {name}: struct_pack(key := {cast_sql(name, VARCHAR, wanted.key)}, "
        f"value := {from_json(_member(sql, name, wanted.value), wanted.value)}))"
    )
    return f"CASE json_type({sql}) WHEN 'OBJECT' THEN map_from_entries({pairs}) ELSE {_unexpected(sql, wanted)} END"


def _row(sql: str, wanted: Row, name: str) -> str:
    """An array's elements by their places, an object's members by their names, in upper or lower case."""
    by_place, by_name = [], []
    for index, (held, (own, one)) in enumerate(zip(wanted.held_names, wanted.fields, strict=True)):
        by_place.append(f"{quoted(held)} := {from_json(_member(sql, literal(str(index)), one), one)}")
        key = f"list_filter(json_keys({sql}), lambda {name}: lower({name}) = {literal((own or '').lower())})[1]"
        by_name.append(f"{quoted(held)} := {from_json(_member(sql, key, one), one)}")
    unexpected = _unexpected(sql, wanted)
    of_object = f"struct_pack({', '.join(by_name)})" if all(wanted.names) else unexpected
    return (
        f"CASE WHEN json_type({sql}) = 'ARRAY' AND json_array_length({sql}) = {len(wanted.types)} "
        f"THEN struct_pack({', '.join(by_place)}) WHEN json_type({sql}) = 'OBJECT' THEN {of_object} "
        f"ELSE {unexpected} END"
    )
