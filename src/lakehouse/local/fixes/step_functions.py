"""Step Functions' definitions: what was given at creation is there when it is read."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from lakehouse.local.registry import fixes

Json = dict[str, Any]

_STATES = "ministack.services.stepfunctions"


def _keep_tracing(data: Json, answer: Any) -> None:
    if answer[0] == 200 and "tracingConfiguration" in data:
        arn = json.loads(answer[2]).get("stateMachineArn") or data["stateMachineArn"]
        stepfunctions._state_machines[arn]["tracingConfiguration"] = data["tracingConfiguration"]


@fixes(
    "states",
    "CreateStateMachine",
    replaces=f"{_STATES}:_create_state_machine",
    signature="(data)",
    symptom="terraform plan shows a state machine's tracing as drift",
)
def create_state_machine(original: Callable[..., Any]) -> Callable[..., Any]:
    """The tracing configuration is kept."""

    def replacement(data: Json) -> Any:
        answer = original(data)
        _keep_tracing(data, answer)
        return answer

    return replacement


@fixes(
    "states",
    "UpdateStateMachine",
    replaces=f"{_STATES}:_update_state_machine",
    signature="(data)",
    symptom="terraform plan shows a changed state machine's tracing as drift",
)
def update_state_machine(original: Callable[..., Any]) -> Callable[..., Any]:
    """The tracing configuration is kept."""

    def replacement(data: Json) -> Any:
        answer = original(data)
        _keep_tracing(data, answer)
        return answer

    return replacement


@fixes(
    "states",
    "DescribeStateMachine",
    replaces=f"{_STATES}:_describe_state_machine",
    signature="(data)",
    symptom="terraform plan shows a state machine's tracing as drift",
)
def describe_state_machine(original: Callable[..., Any]) -> Callable[..., Any]:
    """Tracing is always part of the description."""

    def replacement(data: Json) -> Any:
        status, headers, body = original(data)
        if status == 200:
            description = json.loads(body)
            description.setdefault("tracingConfiguration", {"enabled": False})
            body = json.dumps(description, ensure_ascii=False).encode()
        return status, headers, body

    return replacement
