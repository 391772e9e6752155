"""Intrinsic functions such as ``States.ArrayLength($.files[?(@.status == 'FAILED')])``.

Calls are read here, because the emulator's reader ends an argument at the first comma or parenthesis, also inside a
filter; the functions themselves are the emulator's.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its functions
from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.json_path import InvalidPathError, Json, PathNotFoundError
from lakehouse.local.step_functions.references import Context, check, select

_FUNCTION = re.compile(r"(States\.\w+)\s*\(")
_NAMES = re.compile(
    r"States\.(Array(Contains|GetItem|Length|Partition|Range|Unique)?|Base64(De|En)code|Format|Hash|Json(Merge|ToString)"
    r"|Math(Add|Random)|String(Split|ToJson)|UUID)"
)


@dataclass(frozen=True, slots=True)
class Path:
    """An argument that is a path."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """An argument that is a value."""

    value: Json


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Call | Path | Literal, ...]


def call_intrinsic(expression: str, data: Json, context: Context) -> Json:
    """Evaluate a call.

    Args:
        expression: The call; its arguments may be calls.
        data: What ``$`` means.
        context: The execution's context.

    Returns:
        Its value.

    Raises:
        StateError: ``States.IntrinsicFailure``, with the function and the reason.
    """
    try:
        return _value(parse(expression), data, context)
    except PathNotFoundError as error:
        raise StateError("States.IntrinsicFailure", f"{expression}: the path {error} selects nothing") from error
    except InvalidPathError as error:
        raise StateError("States.IntrinsicFailure", str(error)) from error


def _value(node: Call | Path | Literal, data: Json, context: Context) -> Json:
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Path):
        return select(node.text, data, context)
    arguments = [_value(argument, data, context) for argument in node.arguments]
    if node.name == "States.Format":
        arguments = [value if isinstance(value, str) else json.dumps(value) for value in arguments]
    try:
        # The emulator's own literal nodes, so that its evaluator sees values only.
        return stepfunctions._exec_intrinsic(("call", node.name, [("str", value) for value in arguments]), None, None)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise StateError("States.IntrinsicFailure", f"{node.name}: {error}") from error


def parse(expression: str) -> Call:
    """Read a call.

    Args:
        expression: Its text.

    Returns:
        The call.

    Raises:
        InvalidPathError: The text is no call of a known function.
    """
    call, end = _call(expression, 0)
    if expression[end:].strip():
        raise InvalidPathError(f"{expression}: unexpected text at character {end + 1}")
    return call


def _call(text: str, start: int) -> tuple[Call, int]:
    found = _FUNCTION.match(text, start)
    if found is None:
        raise InvalidPathError(f"{text}: expected a function call at character {start + 1}")
    name = found.group(1)
    if not _NAMES.fullmatch(name):
        raise InvalidPathError(f"{text}: there is no function {name}")
    arguments: list[Call | Path | Literal] = []
    position = _skip_spaces(text, found.end())
    while text[position : position + 1] != ")":
        argument, position = _argument(text, position, name)
        arguments.append(argument)
        position = _skip_spaces(text, position)
        if text[position : position + 1] == ",":
            position = _skip_spaces(text, position + 1)
        elif text[position : position + 1] != ")":
            raise InvalidPathError(f"{text}: expected , or ) at character {position + 1}")
    return Call(name, tuple(arguments)), position + 1


def _argument(text: str, start: int, function: str) -> tuple[Call | Path | Literal, int]:
    if text.startswith("States.", start):
        return _call(text, start)
    end = _argument_end(text, start)
    literal = text[start:end].strip()
    if literal.startswith("$"):
        check(literal)
        return Path(literal), end
    if literal.startswith("'") and literal.endswith("'") and len(literal) > 1:
        body = literal[1:-1]
        # States.Format reads the escapes of its template itself: "\\{" is not a place to fill.
        return Literal(body if function == "States.Format" else re.sub(r"\\(.)", r"\1", body)), end
    try:
        return Literal(json.loads(literal)), end
    except ValueError as error:
        raise InvalidPathError(f"{text}: cannot read the argument {literal!r}") from error


def _argument_end(text: str, start: int) -> int:
    """Where an argument ends: at a comma or parenthesis outside its own brackets and quotes."""
    depth, quote, position = 0, "", start
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif character in "[(":
            depth += 1
        elif character in ")]" and depth:
            depth -= 1
        elif character in ",)":
            return position
        position += 1
    raise InvalidPathError(f"{text}: the call is not closed")


def _skip_spaces(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position
