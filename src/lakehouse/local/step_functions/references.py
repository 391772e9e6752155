"""What a path refers to: a state's data (``$``), the context object (``$$``), or a variable (``$name``)."""

from __future__ import annotations

import re
from typing import Any

from lakehouse.local.step_functions.json_path import Json, PathNotFoundError, find, parse

Context = dict[str, Any]

# What a state sees as "$$"; the other entries of the context are the interpreter's own.
_CONTEXT_OBJECT = ("Execution", "Map", "State", "StateMachine", "Task")
_VARIABLE = re.compile(r"\$([A-Za-z_]\w*)(.*)", re.DOTALL)


def select(path: str, data: Json, context: Context) -> Json:
    """Evaluate a path against a state's data, its context object (``$$``) or a variable (``$name``).

    Args:
        path: The path.
        data: What ``$`` means.
        context: The execution's context.

    Returns:
        What it selects.

    Raises:
        InvalidPathError: The path is malformed.
        PathNotFoundError: It is definite and selects nothing.
    """
    if path.startswith("$$"):
        return find(path[1:], {key: context[key] for key in _CONTEXT_OBJECT if key in context})
    variable = _VARIABLE.match(path)
    if variable is None:
        return find(path, data)
    name, rest = variable.groups()
    variables = context.get("variables", {})
    if name not in variables:
        raise PathNotFoundError(path)
    return find("$" + rest, variables[name])


def check(path: str) -> None:
    """Judge a path without evaluating it.

    Args:
        path: The path.

    Raises:
        InvalidPathError: It is malformed.
    """
    variable = _VARIABLE.match(path)
    if variable is not None:
        path = "$" + variable.group(2)
    parse(path[1:] if path.startswith("$$") else path)
