"""Payload templates and reference paths of JSONPath states.

The error names are AWS's: a path that selects nothing is ``States.ParameterPathFailure`` in a payload template and
``States.Runtime`` elsewhere; a failing function is ``States.IntrinsicFailure``.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Mapping

from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.intrinsics import call_intrinsic
from lakehouse.local.step_functions.json_path import InvalidPathError, Json, PathNotFoundError
from lakehouse.local.step_functions.references import Context, select

_REFERENCE_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]|\[\"([^\"]+)\"\]")
_SHOWN_CHARACTERS = 1000


def select_for(field: str, path: str | None, data: Json, context: Context) -> Json:
    """Evaluate a path of a state's own field, such as ``InputPath``.

    Args:
        field: The field's name, for the message.
        path: The path; null selects an empty object, as in AWS.
        data: What ``$`` means.
        context: The execution's context.

    Returns:
        What it selects.

    Raises:
        StateError: ``States.Runtime``, where it selects nothing or is malformed.
    """
    if path is None:
        return {}
    if path.startswith("States."):
        return call_intrinsic(path, data, context)
    try:
        return select(path, data, context)
    except PathNotFoundError as error:
        raise StateError(
            "States.Runtime",
            f"Invalid path '{path}': the field '{field}' selects nothing in the input '{_shown(data)}'",
        ) from error
    except InvalidPathError as error:
        raise StateError("States.Runtime", str(error)) from error


def resolve(template: Json, data: Json, context: Context) -> Json:
    """Fill a payload template (``Parameters``, ``ItemSelector``, ``ResultSelector``, ``Assign``).

    Args:
        template: JSON; values of keys that end in ``.$`` are paths or intrinsic functions.
        data: What ``$`` means.
        context: The execution's context.

    Returns:
        The payload.

    Raises:
        StateError: ``States.ParameterPathFailure``, ``States.IntrinsicFailure`` or ``States.Runtime``.
    """
    if isinstance(template, list):
        return [resolve(item, data, context) for item in template]
    if not isinstance(template, Mapping):
        return template
    return dict(_entry(key, value, data, context) for key, value in template.items())


def _entry(key: str, value: Json, data: Json, context: Context) -> tuple[str, Json]:
    if not key.endswith(".$"):
        return key, resolve(value, data, context)
    if not isinstance(value, str):
        raise StateError("States.Runtime", f"The value of the field '{key}' must be a path or an intrinsic function")
    if value.startswith("States."):
        return key[:-2], call_intrinsic(value, data, context)
    try:
        return key[:-2], copy.deepcopy(select(value, data, context))
    except PathNotFoundError as error:
        searched = context if value.startswith("$$") else data
        raise StateError(
            "States.ParameterPathFailure",
            f"The JSONPath '{value}' specified for the field '{key}' could not be found in the input "
            f"'{_shown(searched)}'",
        ) from error
    except InvalidPathError as error:
        raise StateError("States.Runtime", f"{error} (field '{key}')") from error


def _shown(data: Json) -> str:
    text = json.dumps(data, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def place(result_path: str | None, original: Json, result: Json) -> Json:
    """Put a state's result into its input, as ``ResultPath`` says.

    Args:
        result_path: A reference path; null keeps the input, ``$`` replaces it.
        original: The state's input.
        result: The state's result.

    Returns:
        A new document.

    Raises:
        StateError: ``States.ResultPathMatchFailure``, where the input has no place for it.
    """
    if result_path is None:
        return copy.deepcopy(original)
    if result_path == "$":
        return result
    steps = _reference_steps(result_path)
    document = copy.deepcopy(original)
    holder = document
    for step, following in itertools.pairwise(steps):
        if isinstance(holder, dict) and isinstance(step, str):
            holder = holder.setdefault(step, [] if isinstance(following, int) else {})
        elif isinstance(holder, list) and isinstance(step, int) and step < len(holder):
            holder = holder[step]
        else:
            raise _no_place(result_path, original)
    last = steps[-1]
    has_field = isinstance(holder, dict) and isinstance(last, str)
    if not has_field and not (isinstance(holder, list) and isinstance(last, int) and last < len(holder)):
        raise _no_place(result_path, original)
    holder[last] = result
    return document


def _no_place(result_path: str, original: Json) -> StateError:
    return StateError(
        "States.ResultPathMatchFailure",
        f"Unable to apply ResultPath '{result_path}' to the input '{_shown(original)}'",
    )


def _reference_steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        found = _REFERENCE_STEP.match(path, position)
        if found is None:
            raise StateError("States.Runtime", f"Invalid reference path '{path}': only names and indexes are allowed")
        name, index, single, double = found.groups()
        steps.append(int(index) if index is not None else name or single or double)
        position = found.end()
    return steps


# --- what the emulator's own states use ---------------------------------------------------------------------------


def strict_template(_original: Callable[..., Json]) -> Callable[..., Json]:
    """Fill payload templates here, also where the emulator does the rest (a distributed Map).

    Args:
        _original: The emulator's function.

    Returns:
        The replacement.
    """

    def replacement(template: Json, data: Json, ctx: Context | None = None) -> Json:
        return resolve(template, data, ctx or {})

    return replacement


def strict_path(_original: Callable[..., Json]) -> Callable[..., Json]:
    """Evaluate paths here, also where the emulator does the rest.

    Args:
        _original: The emulator's function.

    Returns:
        The replacement.
    """

    def replacement(path: str, data: Json, ctx: Context | None) -> Json:
        return select_for("path", path, data, ctx or {})

    return replacement
