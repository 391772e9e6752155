"""Walks the states of a definition.

Source: https://states-language.net/spec.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from ministack.core.responses import now_iso
from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions import branches, tasks
from lakehouse.local.step_functions.history import Execution, add_event
from lakehouse.local.step_functions.json_path import Json
from lakehouse.local.step_functions.query_languages import State, language_of
from lakehouse.local.step_functions.references import Context
from lakehouse.local.step_functions.scope import current

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_LARGEST_PAYLOAD_BYTES = 256 * 1024
# Errors of the definition's own data flow: AWS says in which state they arose.
_DATA_ERRORS = frozenset(
    {
        "States.IntrinsicFailure",
        "States.NoChoiceMatched",
        "States.ParameterPathFailure",
        "States.QueryEvaluationError",
        "States.ResultPathMatchFailure",
        "States.Runtime",
    }
)

Step = tuple[Json, str | None]


def walk(states: Mapping[str, State], start_at: str, data: Json, execution: Execution, context: Context) -> Json:
    """Run states from one to the end of its machine.

    Args:
        states: The states by name.
        start_at: The first.
        data: Its input.
        execution: The execution's record, which gets the history.
        context: The execution's context; ``State`` and the variables change as the states run.

    Returns:
        The output of the last state.

    Raises:
        StateError: A state failed and nothing caught it.
        ScopeCancelledError: The execution was stopped.
    """
    name: str | None = start_at
    while name is not None:
        current().check()
        if name not in states:
            raise StateError("States.Runtime", f"The state '{name}' is not in the definition")
        data, name = _run_state(name, states[name], data, execution, context)
    return data


def _run_state(name: str, state: State, data: Json, execution: Execution, context: Context) -> Step:
    kind = str(state.get("Type"))
    context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
    entered = add_event(
        execution,
        f"{kind}StateEntered",
        {"stateEnteredEventDetails": {"name": name, "input": json.dumps(data), "inputDetails": {"truncated": False}}},
    )
    if kind not in _KINDS:
        raise StateError("States.Runtime", f"The state '{name}' has the unknown type '{kind}'")
    try:
        output, following = _KINDS[kind](state, data, execution, context)
        text = _encoded(name, output)
    except StateError as error:
        if kind == "Fail" or error.error not in _DATA_ERRORS or str(error.cause).startswith("An error occurred"):
            raise
        raise StateError(
            error.error,
            f"An error occurred while executing the state '{name}' (entered at the event id #{entered['id']}). "
            f"{error.cause}",
        ) from error
    add_event(
        execution,
        f"{kind}StateExited",
        {"stateExitedEventDetails": {"name": name, "output": text, "outputDetails": {"truncated": False}}},
    )
    return output, following


def _encoded(name: str, output: Json) -> str:
    text = json.dumps(output)
    if len(text.encode()) > _LARGEST_PAYLOAD_BYTES:
        raise StateError(
            "States.DataLimitExceeded",
            f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes "
            "service limit.",
        )
    return text


def _pass(state: State, data: Json, _execution: Execution, context: Context) -> Step:
    language = language_of(state, context)
    # In JSONata, Output alone makes the result; in JSONPath, Result does, else Parameters.
    result = state["Result"] if "Result" in state else language.arguments(state, data, context)
    return language.output(state, data, result, context), state.get("Next")


def _succeed(state: State, data: Json, _execution: Execution, context: Context) -> Step:
    language = language_of(state, context)
    return language.output(state, data, language.arguments(state, data, context), context), None


def _fail(state: State, data: Json, _execution: Execution, context: Context) -> Step:
    language = language_of(state, context)
    error = language.field(state, "Error", data, context)
    cause = language.field(state, "Cause", data, context)
    for field, value in (("Error", error), ("Cause", cause)):
        if value is not None and not isinstance(value, str):
            raise StateError("States.Runtime", f"{field} must be a string, but was: {json.dumps(value)}")
    raise StateError(error or "", cause or "")


def _choice(state: State, data: Json, _execution: Execution, context: Context) -> Step:
    return language_of(state, context).choose(state, data, context)


def _wait(state: State, data: Json, _execution: Execution, context: Context) -> Step:
    language = language_of(state, context)
    seconds = language.field(state, "Seconds", data, context)
    timestamp = language.field(state, "Timestamp", data, context)
    if timestamp is not None:
        try:
            moment = datetime.fromisoformat(str(timestamp))
        except ValueError as error:
            raise StateError("States.Runtime", f"'{timestamp}' is no RFC 3339 timestamp") from error
        seconds = (moment - datetime.now(UTC)).total_seconds()
    elif not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise StateError("States.Runtime", f"Seconds must be a number of at least 0, but was: {json.dumps(seconds)}")
    current().wait(seconds * stepfunctions._SFN_WAIT_SCALE)
    return language.output(state, data, language.arguments(state, data, context), context), state.get("Next")


_KINDS: dict[str, Callable[[State, Json, Execution, Context], Step]] = {
    "Choice": _choice,
    "Fail": _fail,
    "Map": branches.run_map,
    "Parallel": branches.run_parallel,
    "Pass": _pass,
    "Succeed": _succeed,
    "Task": tasks.run_task,
    "Wait": _wait,
}
