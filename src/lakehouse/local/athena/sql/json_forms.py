"""JSON_VALUE, JSON_QUERY, JSON_EXISTS, JSON_OBJECT and JSON_ARRAY.

https://trino.io/docs/current/functions/json.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.casts import cast, cast_sql
from lakehouse.local.athena.sql.checks import failing
from lakehouse.local.athena.sql.functions.json_functions import parsed_path
from lakehouse.local.athena.sql.json_grammar import JsonCall
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    JSON,
    REAL,
    UNKNOWN,
    UUID,
    VARBINARY,
    VARCHAR,
    Char,
    Decimal,
    SqlType,
    Time,
    Timestamp,
    Varchar,
    ZonedTimestamp,
    is_integer,
    is_text,
    literal,
)
from lakehouse.local.athena.sql.text_forms import as_varchar, java_number
from lakehouse.local.athena.sql.type_text import parse_type
from lakehouse.local.athena.sql.typed import Typed, let

Compile = Callable[[exp.Expression], Typed]
# Functions whose results are JSON, though their type is varchar.
_MAKE_JSON = frozenset({"json_query", "json_object", "json_array"})


def compiled(node: exp.Anonymous, compile_one: Compile, type_text: Callable[[exp.DataType], str]) -> Typed:
    """Compile one of these calls.

    Args:
        node: The call.
        compile_one: Compiles an expression in it.
        type_text: Writes a type as Trino does.

    Returns:
        The expression.

    Raises:
        StatementFailedError: A clause or a type is wrong, or is not executed here.
    """
    call = node.meta.get("json")
    if not isinstance(call, JsonCall):
        raise not_supported(f"The expression {node.sql('trino')}")
    given = [compile_one(one) for one in node.expressions]
    wanted = VARCHAR if call.returning is None else parse_type(type_text(call.returning))
    match node.name:
        case "json_exists":
            return _exists(call, given)
        case "json_value":
            return _value(call, given, wanted)
        case "json_query":
            return _returned(_query(call, given), wanted)
    makes_json = {
        place for place, one in enumerate(node.expressions) if one.name in _MAKE_JSON and "json" in one.meta
    } | call.is_json
    parts = [(None if key is None else given[key], _item(given[one], one in makes_json)) for key, one in call.members]
    return _returned(_object(call, parts) if node.name == "json_object" else _array(call, parts), wanted)


# --- what is asked of a document --------------------------------------------------------------------------------------


def _document(one: Typed) -> str:
    if one.type == VARBINARY:
        return f"decode({one.sql})"
    if not is_text(one.type) and one.type != UNKNOWN:
        raise StatementFailedError(
            "TYPE_MISMATCH", f"Cannot read input of type {one.type} as JSON using formatting JSON"
        )
    return one.as_type(VARCHAR).sql


def _passed(one: Typed, *, is_json: bool) -> tuple[str, str]:
    """How a value is passed to a path: its kind and text."""
    kind = one.type
    if is_json:
        return "json", _document(one)
    if kind == UNKNOWN:
        return "varchar", "CAST(NULL AS VARCHAR)"
    if is_text(kind):
        return "varchar", cast(one, VARCHAR).sql
    if is_integer(kind) or kind in (BOOLEAN, DOUBLE, REAL) or isinstance(kind, Decimal):
        name = "boolean" if kind == BOOLEAN else "double" if kind in (DOUBLE, REAL) else "bigint"
        return "decimal" if isinstance(kind, Decimal) else name, f"CAST({one.sql} AS VARCHAR)"
    raise not_supported(f"A value of type {kind} that is passed to a JSON path")


def _arguments(call: JsonCall, given: list[Typed]) -> str:
    assert call.input is not None  # noqa: S101 - the grammar wants it
    passed = [(name, *_passed(given[place], is_json=place in call.is_json)) for name, place in call.passed]
    names, kinds, values = (
        f"CAST([{', '.join(one[index] if index == 2 else literal(one[index]) for one in passed)}] AS VARCHAR[])"
        for index in range(3)
    )
    return f"{_document(given[call.input])}, {parsed_path(call.path)}, {names}, {kinds}, {values}"


def _failure(answer: str, kind: SqlType) -> str:
    return f"CAST(CAST(CAST('[[' || {answer}.text || ']]' AS INTEGER) AS VARCHAR) AS {kind.duck})"


def _exists(call: JsonCall, given: list[Typed]) -> Typed:
    words = {"TRUE": "TRUE", "FALSE": "FALSE", "UNKNOWN": "CAST(NULL AS BOOLEAN)"}

    def body(a: str) -> str:
        on_error = words.get(str(call.on_error or "FALSE")) or _failure(a, BOOLEAN)
        return (
            f"CASE {a}.kind WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE WHEN 'error' THEN {on_error} "
            f"ELSE CAST(NULL AS BOOLEAN) END"
        )

    return Typed(let(f"athena_json_exists({_arguments(call, given)})", body), BOOLEAN)


def _value(call: JsonCall, given: list[Typed], wanted: SqlType) -> Typed:
    is_scalar = is_text(wanted) or is_integer(wanted) or wanted in (BOOLEAN, DOUBLE, REAL, DATE)
    if not is_scalar and not isinstance(wanted, Decimal | Time | Timestamp):
        if isinstance(wanted, ZonedTimestamp):
            raise not_supported(f"JSON_VALUE ... RETURNING {wanted}")
        raise StatementFailedError("TYPE_MISMATCH", f"Invalid return type of function JSON_VALUE: {wanted}")
    null = f"CAST(NULL AS {wanted.duck})"
    message = literal("cannot extract SQL scalar from JSON: JSON path found no items")
    empty = failing("JSON_VALUE_RESULT_ERROR", message, wanted)
    other = literal(f"cannot extract SQL scalar from JSON: value is no {wanted}")
    misfit = failing("JSON_VALUE_RESULT_ERROR", other, wanted)

    def otherwise(clause: str | int | None, failure: str) -> str:
        if isinstance(clause, int):
            return cast(given[clause], wanted).sql
        return failure if clause == "ERROR" else null

    def body(a: str) -> str:
        on_error, on_misfit = (otherwise(call.on_error, one) for one in (_failure(a, wanted), misfit))
        converted = " ".join(
            f"WHEN {literal(name)} THEN {_scalar(f'{a}.text', kind, wanted)}"
            for name, kind in (("varchar", VARCHAR), ("bigint", BIGINT), ("double", DOUBLE), ("boolean", BOOLEAN))
        )
        exact = _scalar(f"{a}.text", Decimal(38, 18), wanted)
        return (
            f"CASE {a}.kind WHEN 'null' THEN {null} WHEN 'empty' THEN {otherwise(call.on_empty, empty)} "
            f"WHEN 'error' THEN {on_error} ELSE CASE WHEN {a}.kind IS NULL THEN {null} "
            f"ELSE coalesce(TRY(CASE {a}.kind {converted} WHEN 'decimal' THEN {exact} END), {on_misfit}) END END"
        )

    return Typed(let(f"athena_json_value({_arguments(call, given)})", body), wanted)


def _scalar(text: str, kind: SqlType, wanted: SqlType) -> str:
    """A scalar's text in the type that is asked for; null where Trino has no such cast."""
    if isinstance(kind, Decimal) and is_text(wanted):
        return cast_sql(text, VARCHAR, wanted)
    held = text if kind == VARCHAR else f"CAST({text} AS {kind.duck})"
    try:
        return cast_sql(held, kind, wanted)
    except StatementFailedError:
        return f"CAST(NULL AS {wanted.duck})"


def _query(call: JsonCall, given: list[Typed]) -> str:
    words = {"EMPTY ARRAY": "'[]'", "EMPTY OBJECT": "'{}'", "NULL": "CAST(NULL AS VARCHAR)"}
    empty = failing("JSON_OUTPUT_CONVERSION_ERROR", literal("JSON path found no items"), VARCHAR)
    options = f"{literal(call.wrapper)}, {call.keeps_quotes}"

    def body(a: str) -> str:
        on_empty = words.get(str(call.on_empty or "NULL")) or empty
        on_error = words.get(str(call.on_error or "NULL")) or _failure(a, VARCHAR)
        return (
            f"CASE {a}.kind WHEN 'json' THEN {a}.text WHEN 'empty' THEN {on_empty} WHEN 'error' THEN {on_error} "
            f"ELSE CAST(NULL AS VARCHAR) END"
        )

    return let(f"athena_json_query({_arguments(call, given)}, {options})", body)


# --- what is made -----------------------------------------------------------------------------------------------------


def _item(one: Typed, is_json: bool) -> str:
    """DuckDB's text of a value's JSON text; null for null."""
    kind = one.type
    if is_json:
        return f"athena_json_item({_document(one)})"
    if kind == UNKNOWN:
        return "CAST(NULL AS VARCHAR)"
    if kind in (DOUBLE, REAL):
        return java_number(one.sql)
    if is_integer(kind) or isinstance(kind, Decimal) or kind == BOOLEAN:
        return f"CAST({one.sql} AS VARCHAR)"
    if isinstance(kind, Varchar | Char | Time | Timestamp | ZonedTimestamp) or kind in (DATE, UUID):
        return f"athena_json_string({as_varchar(one.sql, kind)})"
    if kind == JSON:
        raise not_supported("A value of type json in JSON_OBJECT or JSON_ARRAY", "Use json_format(...) FORMAT JSON.")
    raise StatementFailedError("NOT_SUPPORTED", f"Unsupported type for JSON: {kind}")


def _object(call: JsonCall, parts: list[tuple[Typed | None, str]]) -> str:
    keys = []
    for key, _ in parts:
        if key is None or not (is_text(key.type) or key.type == UNKNOWN):
            raise StatementFailedError(
                "INVALID_FUNCTION_ARGUMENT", "Keys of JSON_OBJECT must be of type varchar or char"
            )
        keys.append(cast(key, VARCHAR).sql)
    names, values = ", ".join(keys), ", ".join(value for _, value in parts)
    absent = "TRUE" if call.is_absent else "FALSE"
    return f"athena_json_object(CAST([{names}] AS VARCHAR[]), CAST([{values}] AS VARCHAR[]), {absent})"


def _array(call: JsonCall, parts: list[tuple[Any, str]]) -> str:
    is_absent = call.is_absent is not False
    values = ", ".join(value if is_absent else f"coalesce({value}, 'null')" for _, value in parts)
    # DuckDB leaves nulls out of its own accord.
    return f"('[' || array_to_string(CAST([{values}] AS VARCHAR[]), ',') || ']')"


def _returned(sql: str, wanted: SqlType) -> Typed:
    if wanted == VARBINARY:
        return Typed(f"encode({sql})", VARBINARY)
    if not is_text(wanted):
        raise StatementFailedError("TYPE_MISMATCH", f"Cannot output JSON value as {wanted} using formatting JSON")
    return Typed(cast_sql(sql, VARCHAR, wanted), wanted)
