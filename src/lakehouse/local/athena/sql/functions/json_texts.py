"""JSON as texts: where a path leads in one, and how Trino writes it.

Jackson reads and writes JSON for Trino: numbers with a point are doubles in Java's form, and a text that is no JSON is
read as far as it goes. DuckDB does neither, so these functions do where it matters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions.library import macro, python

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_WORD = re.compile(r"true|false|null")
_QUOTED_TOKEN = re.compile(r'\["((?:[^"\\]|\\["\\])*)"\]')
_BARE_TOKEN = re.compile(r"\.([\w:]+)|\[(\w+)\]")
_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN_FROM, _PLAIN_TO = 1e-3, 1e7


def java_double(number: float) -> str:
    """A double as Java writes it.

    Args:
        number: Any number.

    Returns:
        As ``1.5`` or ``1.0E10``.
    """
    if number != number:  # noqa: PLR0124 - that is what is not a number
        return "NaN"
    if number in {float("inf"), float("-inf")}:
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or _PLAIN_FROM <= abs(number) < _PLAIN_TO:
        text = repr(number)
        return format(number, "f").rstrip("0") if "e" in text else text
    mantissa, _, exponent = f"{number!r}e0".partition("e")
    sign, digits = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    significant = (whole + fraction).lstrip("0")
    power = int(exponent.partition("e")[0] or 0) + len(whole) - 1
    power -= len(whole + fraction) - len(significant)
    rest = significant[1:].rstrip("0") or "0"
    return f"{sign}{significant[0]}.{rest}E{power}"


def quoted_text(text: str) -> str:
    """A text as JSON.

    Args:
        text: Any text.

    Returns:
        It in double quotes, as Jackson writes it.
    """
    return '"' + _ESCAPED.sub(lambda found: _ESCAPES.get(found[0]) or f"\\u{ord(found[0]):04X}", text) + '"'


def written(value: Any, *, is_sorted: bool = False) -> str:
    """A JSON value as Trino writes it.

    Args:
        value: As ``read`` gives it.
        is_sorted: Whether an object's members are put in order.

    Returns:
        The text.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted_text(value)
        case int():
            return str(value)
        case float():
            return java_double(value)
        case dict():
            members = sorted(value.items()) if is_sorted else value.items()
            return "{" + ",".join(f"{quoted_text(k)}:{written(v, is_sorted=is_sorted)}" for k, v in members) + "}"
        case list():
            return "[" + ",".join(written(one, is_sorted=is_sorted) for one in value) + "]"
    return str(value)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def read(text: str) -> Any:
    """A JSON text's value.

    Args:
        text: One value, and nothing after it.

    Returns:
        The value.

    Raises:
        ValueError: It is no JSON.
    """
    return json.loads(text, parse_constant=_no_constant)


# --- paths of json_extract --------------------------------------------------------------------------------------------


@lru_cache(maxsize=1000)
def tokens(path: str) -> tuple[str, ...]:
    """The steps of a path.

    Args:
        path: As ``$.store.book[0]["a title"]``.

    Returns:
        Names and indexes.

    Raises:
        StatementFailedError: It is no such path.
    """
    found, position = [], 1
    while path.startswith("$") and position < len(path):
        bare, quoted = _BARE_TOKEN.match(path, position), _QUOTED_TOKEN.match(path, position)
        if bare is not None and (bare[1] or bare[2]):
            found.append(bare[1] or bare[2])
            position = bare.end()
        elif quoted is not None:
            found.append(re.sub(r"\\(.)", r"\1", quoted[1]))
            position = quoted.end()
        else:
            break
    if position != len(path) or not path.startswith("$"):
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"Invalid JSON path: '{path}'")
    return tuple(found)


def located(text: str, steps: Sequence[str]) -> tuple[int, int] | None:
    """Where a value is in a text, which need be JSON only up to there.

    Args:
        text: The text.
        steps: Names and indexes that lead to the value.

    Returns:
        Its start and end; None where there is none.

    Raises:
        ValueError: The text is no JSON before the value.
    """
    start = _after_space(text, 0)
    for step in steps:
        found = _step(text, start, step)
        if found is None:
            return None
        start = found
    return start, _DECODER.raw_decode(text, start)[1]


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return position if found is None else found.end()


def _step(text: str, start: int, step: str) -> int | None:
    """Where a member or an element starts."""
    first = text[start : start + 1]
    if first not in ("{", "["):
        return None
    close = "}" if first == "{" else "]"
    wanted = int(step) if step.isascii() and step.isdigit() else -1
    position, index = _after_space(text, start + 1), 0
    if text[position : position + 1] == close:
        return None
    while True:
        if first == "{":
            if text[position : position + 1] != '"':
                raise ValueError(position)
            name, position = scanstring(text, position + 1, True)
            position = _after_space(text, position)
            if text[position : position + 1] != ":":
                raise ValueError(position)
            position = _after_space(text, position + 1)
        if (name == step) if first == "{" else (index == wanted):
            return position
        position = _after_space(text, _DECODER.raw_decode(text, position)[1])
        if text[position : position + 1] == close:
            return None
        if text[position : position + 1] != ",":
            raise ValueError(position)
        position, index = _after_space(text, position + 1), index + 1


def _extracted(text: str, path: str, form: Callable[[str], str | None]) -> str | None:
    try:
        found = located(text, tokens(path))
        return None if found is None else form(text[found[0] : found[1]])
    except (ValueError, RecursionError):
        return None


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


def _first_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


# Reads a whole text, and keeps numbers as they are written and the first of members with one name.
_RAW = json.JSONDecoder(
    object_pairs_hook=_first_members, parse_float=_Number, parse_int=_Number, parse_constant=_no_constant
)


def _part(text: str, steps: Sequence[str]) -> Any:
    """A part of a text that is JSON; an empty list where there is none."""
    found = _RAW.decode(text)
    for step in steps:
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isascii() and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            return []
    return found


@python("athena_json_extract", "VARCHAR, VARCHAR", "VARCHAR")
def _json_extract(text: str, path: str) -> str | None:
    """A part of a JSON text, as JSON."""
    return _extracted(text, path, lambda part: written(read(part)))


@python("athena_json_extract_scalar", "VARCHAR, VARCHAR", "VARCHAR")
def _json_extract_scalar(text: str, path: str) -> str | None:
    """A part of a JSON text that is a scalar, as text: a number as it is written."""
    try:
        found = _part(text, tokens(path))
    except (ValueError, RecursionError):
        return _extracted(text, path, _scalar_text)
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, str) else None


def _scalar_text(part: str) -> str | None:
    if part.startswith('"'):
        return str(read(part))
    return None if part[0] in "{[" or part == "null" else part


class _UnusualNumberError(Exception):
    """A number that Java writes with an exponent."""


def _plain_float(text: str) -> float:
    number = float(text)
    if number and not _PLAIN_FROM <= abs(number) < _PLAIN_TO:
        raise _UnusualNumberError
    return number


_PLAIN = json.JSONDecoder(parse_float=_plain_float, parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _canonical(text: str) -> str:
    try:
        plain = _ENCODER.encode(_PLAIN.decode(text))
    except _UnusualNumberError:
        return written(read(text), is_sorted=True)
    # Control characters, which Python writes in another way than Java, are rare.
    return plain if "\\u00" not in plain else written(read(text), is_sorted=True)


@python("athena_json_parse", "VARCHAR", "VARCHAR")
def _json_parse(text: str) -> str:
    """A JSON text as Trino's own: without spaces, and with members in order."""
    try:
        return _canonical(text)
    except (ValueError, RecursionError) as error:
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"Cannot convert value to JSON: '{text}'") from error


@python("athena_json_elements", "VARCHAR", "VARCHAR[]")
def _json_elements(text: str) -> list[str]:
    """An array's elements, as JSON."""
    return [written(one) for one in read(text)]


@python("athena_json_part", "VARCHAR, VARCHAR", "VARCHAR")
def _json_part(text: str, key: str) -> str | None:
    """A member or element, as JSON."""
    whole = read(text)
    if isinstance(whole, dict):
        return written(whole[key]) if key in whole else None
    return written(whole[int(key)])


# A member or element of JSON that Trino wrote. What follows a slash is a name, an index or both.
macro(
    "athena_json_member(j, k)",
    "CAST(json_extract(j, '/' || replace(replace(k, '~', '~0'), '/', '~1')) AS VARCHAR)",
)
