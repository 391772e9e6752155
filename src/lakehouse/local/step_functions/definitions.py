"""What a state machine's definition must be before it is stored.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html (InvalidDefinition)
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions
from statelint.config import Config
from statelint.linter import Linter
from statelint.problem import ProblemType

from lakehouse.local.step_functions.distributed_map import problems_of as map_problems
from lakehouse.local.step_functions.intrinsics import parse as parse_call
from lakehouse.local.step_functions.json_path import InvalidPathError
from lakehouse.local.step_functions.references import check

Response = tuple[Any, ...]

# Fields that AWS takes and the linter does not know.
_ON_FIELDS = re.compile(
    r'Field "(Assign|Label|WriterConfig)" not allowed in '
    r'|Field "(InputType|ItemsPointer|CSVDelimiter|Transformation)" not allowed in .*\.ReaderConfig'
)
_ON_PATHS = "is not a JSONPath or intrinsic function expression"
_TEMPLATES = ("Parameters", "ItemSelector", "ResultSelector", "Assign")
# Fields that would be ignored without a word.
_NOT_EXECUTED = ("ItemBatcher", "HeartbeatSeconds", "HeartbeatSecondsPath")


def problems_of(definition: str) -> list[str]:
    """Judge a definition.

    Args:
        definition: The definition's text.

    Returns:
        One sentence a problem, the linter's first, then what this endpoint does not execute.
    """
    try:
        parsed = json.loads(definition)
    except ValueError as error:
        return [f"The definition is not JSON: {error}"]
    if not isinstance(parsed, dict):
        return [f"The definition is not a JSON object: found {type(parsed).__name__}"]
    # The linter knows no filters, slices and negative indexes: paths and functions are judged below. It wants 2.0
    # for a BackoffRate of 2, which AWS does not.
    found = Linter.validate(parsed, Config(ignored_problem_types={ProblemType.JSON_PATH, ProblemType.FLOAT}))
    problems = [problem for problem in found if not problem.endswith(_ON_PATHS) and not _ON_FIELDS.match(problem)]
    return [*problems, *_invalid_paths(parsed), *_not_executed(parsed)]


def _invalid_paths(definition: Mapping[str, Any]) -> Iterator[str]:
    for name, state in _states(definition):
        if (state.get("QueryLanguage") or definition.get("QueryLanguage", "JSONPath")) != "JSONPath":
            continue
        own = {f"{field}.$": state[field] for field in ("InputPath", "OutputPath", "ItemsPath") if state.get(field)}
        templates = {field: state.get(field, {}) for field in _TEMPLATES}
        for field, value in [*own.items(), *_computed(templates)]:
            try:
                if not isinstance(value, str):
                    yield f"State '{name}': the field '{field}' must be a path or an intrinsic function"
                elif value.startswith("States."):
                    parse_call(value)
                else:
                    check(value)
            except InvalidPathError as error:
                yield f"State '{name}': {error}"


def _computed(template: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a payload template whose values are paths or functions."""
    if isinstance(template, list):
        for item in template:
            yield from _computed(item)
    elif isinstance(template, dict):
        for key, value in template.items():
            if key.endswith(".$"):
                yield key, value
            else:
                yield from _computed(value)


def _not_executed(definition: Mapping[str, Any]) -> Iterator[str]:
    for name, state in _states(definition):
        for field in _NOT_EXECUTED:
            if field in state:
                yield f"State '{name}': {field} is not executed by the local endpoint; leave it out, or run on AWS"
        for problem in map_problems(state):
            yield f"State '{name}': {problem}"
        resource = str(state.get("Resource", ""))
        if state.get("Type") == "Task" and not _is_executed(resource):
            yield f"State '{name}': the resource {resource} is not executed by the local endpoint"


def _states(machine: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    states = machine.get("States")
    for name, state in states.items() if isinstance(states, dict) else ():
        if not isinstance(state, dict):
            continue
        yield name, state
        processor = state.get("ItemProcessor") or state.get("Iterator")
        inner = [*state.get("Branches", []), *([processor] if processor else [])]
        for each in inner:
            if isinstance(each, dict):
                yield from _states(each)


def _is_executed(resource: str) -> bool:
    parts = resource.split(":")
    if len(parts) < 6 or parts[2] != "states" or parts[5] == "activity":
        return True
    if parts[5] == "aws-sdk":
        return len(parts) > 7 and parts[6].lower() in stepfunctions._AWS_SDK_SERVICE_MAP
    bare = resource.removesuffix(".waitForTaskToken").removesuffix(":2").removesuffix(".sync")
    known = {
        *stepfunctions._SERVICE_DISPATCH,
        "arn:aws:states:::lambda:invoke",
        "arn:aws:states:::states:startExecution",
    }
    return bare in known


def refuse_invalid(original: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
    """Refuse an invalid definition, in place of storing it and failing when it runs.

    Args:
        original: Creates or updates a state machine.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        if "definition" in data:
            problems = problems_of(str(data["definition"]))
            if problems:
                found: Response = error_response_json(
                    "InvalidDefinition", f"Invalid State Machine Definition: {'; '.join(problems)}", 400
                )
                return found
        return original(data)

    return replacement


def validate(_original: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
    """Answer ValidateStateMachineDefinition by a real judgement.

    Args:
        _original: The emulator's answer, which is always OK.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        problems = problems_of(str(data.get("definition", "")))
        diagnostics = [
            {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": problem} for problem in problems
        ]
        found: Response = json_response({"result": "FAIL" if problems else "OK", "diagnostics": diagnostics})
        return found

    return replacement
