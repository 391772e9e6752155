"""Functions of JSON texts, and what JSON_VALUE and its kin call.

https://trino.io/docs/current/functions/json.html
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions.json_path import parse_path
from lakehouse.local.athena.sql.functions.json_path_values import PathError, follow
from lakehouse.local.athena.sql.functions.json_texts import located, quoted_text, read, tokens, written
from lakehouse.local.athena.sql.functions.library import python, scalar
from lakehouse.local.athena.sql.sql_types import literal
from lakehouse.local.athena.sql.typed import let

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

# A double in a text of DuckDB's; a number in a text within the JSON is one too many, which does no harm.
_FLOATING = literal("[0-9](\\.|[eE])[0-9+-]")


def _pointer(call: Call) -> str | None:
    """DuckDB's pointer to where a path leads, which like the path's steps is an index or a name."""
    path = call.arguments[1]
    if not path.is_literal or path.value is None:
        return None
    steps = tokens(str(path.value))
    if any(step.isdigit() and step != str(int(step)) for step in steps):
        return None
    return literal("".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)) if steps else "'$'"


def _extract(call: Call) -> str:
    pointer = _pointer(call)
    if pointer is None:
        return f"athena_json_extract({call[0]}, {call[1]})"

    def body(x: str) -> str:
        slow = f"athena_json_extract({x}, {call[1]})"
        found = let(
            f"CAST(json_extract({x}, {pointer}) AS VARCHAR)",
            lambda v: f"CASE WHEN regexp_matches({v}, {_FLOATING}) THEN {slow} ELSE {v} END",
        )
        return f"CASE WHEN json_valid({x}) THEN {found} ELSE {slow} END"

    return let(call[0], body)


def _extract_scalar(call: Call) -> str:
    pointer = _pointer(call)
    if pointer is None:
        return f"athena_json_extract_scalar({call[0]}, {call[1]})"

    def body(x: str) -> str:
        slow = f"athena_json_extract_scalar({x}, {call[1]})"
        return (
            f"CASE WHEN json_valid({x}) THEN CASE WHEN json_type({x}, {pointer}) IN "
            f"('VARCHAR', 'BOOLEAN', 'BIGINT', 'UBIGINT') THEN json_extract_string({x}, {pointer}) "
            f"WHEN json_type({x}, {pointer}) = 'DOUBLE' THEN {slow} END ELSE {slow} END"
        )

    return let(call[0], body)


for _kind in ("json", "varchar"):
    scalar(f"json_extract({_kind}, varchar) -> json", _extract)
    scalar(f"json_extract_scalar({_kind}, varchar) -> varchar", _extract_scalar)
    scalar(f"json_size({_kind}, varchar) -> bigint", "athena_json_size({0}, {1})")
    scalar(f"is_json_scalar({_kind}) -> boolean", "athena_is_json_scalar({0})")
    scalar(f"json_array_get({_kind}, bigint) -> json", "athena_json_array_get({0}, {1})")
    scalar(
        f"json_array_length({_kind}) -> bigint",
        "CASE WHEN json_valid({0}) AND json_type({0}) = 'ARRAY' THEN CAST(json_array_length({0}) AS BIGINT) END",
    )
    for _value in ("boolean", "bigint", "double", "varchar"):
        scalar(
            f"json_array_contains({_kind}, {_value}) -> boolean",
            f"athena_json_contains({{0}}, '{_value}', CAST({{1}} AS VARCHAR))",
        )
scalar("json_parse(varchar) -> json", "athena_json_parse({0})")
scalar("json_format(json) -> varchar", "{0}")


def _read_or_none(text: str) -> Any:
    """A JSON text's value, in a list; None where it is no JSON."""
    try:
        return [read(text)]
    except (ValueError, RecursionError):
        return None


@python("athena_json_size", "VARCHAR, VARCHAR", "BIGINT")
def _json_size(text: str, path: str) -> int | None:
    """How many members or elements a part has."""
    try:
        place = located(text, tokens(path))
        value = None if place is None else read(text[place[0] : place[1]])
    except (ValueError, RecursionError):
        return None
    if place is None:
        return None
    return len(value) if isinstance(value, dict | list) else 0


@python("athena_is_json_scalar", "VARCHAR", "BOOLEAN")
def _is_json_scalar(text: str) -> bool:
    """Whether a JSON text is neither an object nor an array."""
    found = _read_or_none(text)
    if found is None:
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON value: {text}")
    return not isinstance(found[0], dict | list)


@python("athena_json_array_get", "VARCHAR, BIGINT", "VARCHAR")
def _json_array_get(text: str, index: int) -> str | None:
    """An array's element; a text is without its quotes, as Trino gives it."""
    found = _read_or_none(text)
    if found is None or not isinstance(found[0], list) or not -len(found[0]) <= index < len(found[0]):
        return None
    element = found[0][index]
    if element is None:
        return None
    return element if isinstance(element, str) else written(element)


_SAME: dict[str, Callable[[Any, str], bool]] = {
    "boolean": lambda one, text: isinstance(one, bool) and one == (text == "true"),
    "bigint": lambda one, text: isinstance(one, int) and not isinstance(one, bool) and one == int(text),
    "double": lambda one, text: isinstance(one, float) and one == float(text),
    "varchar": lambda one, text: isinstance(one, str) and one == text,
}


@python("athena_json_contains", "VARCHAR, VARCHAR, VARCHAR", "BOOLEAN")
def _json_contains(text: str, kind: str, value: str) -> bool | None:
    """Whether an array has an element."""
    found = _read_or_none(text)
    if found is None or not isinstance(found[0], list):
        return None
    return any(_SAME[kind](one, value) for one in found[0])


# --- JSON_VALUE and its kin -------------------------------------------------------------------------------------------

_READERS: dict[str, Callable[[str], Any]] = {
    "bigint": int,
    "decimal": Decimal,
    "double": float,
    "boolean": lambda text: text == "true",
    "json": read,
}
_INPUT_ERROR, _PATH_ERROR = "JSON_INPUT_CONVERSION_ERROR", "PATH_EVALUATION_ERROR"
_LONGEST = 2**63


class _ConversionError(Exception):
    """A text is no JSON."""


def _followed(text: str, path: str, names: list[str], kinds: list[str], values: list[str | None]) -> list[Any]:
    try:
        document = read(text)
        passed = {
            name: None if value is None else _READERS.get(kind, str)(value)
            for name, kind, value in zip(names, kinds, values, strict=True)
        }
    except (ValueError, RecursionError) as error:
        raise _ConversionError(str(error)) from error
    return follow(parse_path(path), document, passed)


def _answer(kind: str, text: str = "") -> dict[str, str]:
    return {"kind": kind, "text": text}


def _failed(error: Exception) -> dict[str, str]:
    code = _PATH_ERROR if isinstance(error, PathError) else _INPUT_ERROR
    told = "path evaluation failed" if isinstance(error, PathError) else "conversion to JSON failed"
    return _answer("error", f"{code}: {told}: {error}")


_PASSED = "VARCHAR, VARCHAR, VARCHAR[], VARCHAR[], VARCHAR[]"


@python("athena_json_exists", _PASSED, "STRUCT(kind VARCHAR, text VARCHAR)")
def _json_exists(text: str, path: str, names: list[str], kinds: list[str], values: list[str | None]) -> dict[str, str]:
    """Whether a path gives anything."""
    try:
        return _answer("true" if _followed(text, path, names, kinds, values) else "false")
    except (PathError, _ConversionError) as error:
        return _failed(error)


@python("athena_json_value", _PASSED, "STRUCT(kind VARCHAR, text VARCHAR)")
def _json_value(text: str, path: str, names: list[str], kinds: list[str], values: list[str | None]) -> dict[str, str]:
    """The one scalar that a path gives, and its type."""
    try:
        found = _followed(text, path, names, kinds, values)
    except (PathError, _ConversionError) as error:
        return _failed(error)
    if not found:
        return _answer("empty")
    if len(found) > 1 or isinstance(found[0], dict | list):
        return _answer("error", "JSON_VALUE_RESULT_ERROR: cannot extract SQL scalar from JSON: JSON path found more")
    match found[0]:
        case None:
            return _answer("null")
        case bool():
            return _answer("boolean", str(found[0]).lower())
        case str():
            return _answer("varchar", found[0])
        case int() if -_LONGEST <= found[0] < _LONGEST:
            return _answer("bigint", str(found[0]))
        case float():
            return _answer("double", repr(found[0]))
        case Decimal():
            return _answer("decimal", str(found[0]))
    return _answer("error", "JSON_VALUE_RESULT_ERROR: JSON path found an item that cannot be converted to an SQL value")


@python("athena_json_query", f"{_PASSED}, VARCHAR, BOOLEAN", "STRUCT(kind VARCHAR, text VARCHAR)")
def _json_query(
    text: str,
    path: str,
    names: list[str],
    kinds: list[str],
    values: list[str | None],
    wrapper: str,
    keeps_quotes: bool,
) -> dict[str, str]:
    """The JSON that a path gives."""
    try:
        found = _followed(text, path, names, kinds, values)
    except (PathError, _ConversionError) as error:
        return _failed(error)
    if not found:
        return _answer("empty")
    is_single = len(found) == 1 and isinstance(found[0], dict | list)
    if wrapper == "unconditional" or (wrapper == "conditional" and not is_single):
        return _answer("json", written(found))
    if len(found) > 1:
        return _answer("error", "JSON_OUTPUT_CONVERSION_ERROR: JSON path found multiple items")
    if isinstance(found[0], str) and not keeps_quotes:
        return _answer("json", found[0])
    return _answer("json", written(found[0]))


@python("athena_json_item", "VARCHAR", "VARCHAR")
def _json_item(text: str) -> str:
    """A JSON text without spaces."""
    found = _read_or_none(text)
    if found is None:
        raise StatementFailedError(_INPUT_ERROR, "conversion to JSON failed: invalid JSON")
    return written(found[0])


@python("athena_json_object", "VARCHAR[], VARCHAR[], BOOLEAN", "VARCHAR")
def _json_object(keys: list[str | None], values: list[str | None], is_absent: bool) -> str:
    """An object out of keys and JSON texts."""
    members: dict[str, str] = {}
    for key, value in zip(keys, values, strict=True):
        if key is None:
            raise StatementFailedError(
                "JSON_OUTPUT_CONVERSION_ERROR", "null value passed for JSON object key to JSON_OBJECT function"
            )
        if value is None and is_absent:
            continue
        if key in members:
            raise StatementFailedError("JSON_OUTPUT_CONVERSION_ERROR", "duplicate key passed to JSON_OBJECT function")
        members[key] = value or "null"
    return "{" + ",".join(f"{quoted_text(key)}:{value}" for key, value in members.items()) + "}"


@python("athena_json_string", "VARCHAR", "VARCHAR")
def _json_string(text: str) -> str:
    """A text as JSON."""
    return quoted_text(text)


def parsed_path(text: str) -> str:
    """Make sure that a path is one.

    Args:
        text: The path.

    Returns:
        DuckDB's literal of it.

    Raises:
        StatementFailedError: It is none.
    """
    parse_path(text)
    return literal(text)
