"""The state machine interpreter behind the local endpoint's Step Functions.

The emulator keeps the API's state (machines, executions, tags, versions) and the single service integrations; walking
a definition, JSONPath, retries, time limits, history and logging are done here, because the emulator resolves a missing
path to null, ignores ``TimeoutSeconds`` of a machine, and cannot stop what a task started.

This file is the table of what is replaced; each replacement is written in the module of its subject.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lakehouse.local.registry import adds, executes, fixes, refuses
from lakehouse.local.step_functions import (
    definitions,
    distributed_map,
    executions,
    history,
    integrations,
    jsonata_limit,
    payload_template,
)

Factory = Callable[[Callable[..., Any]], Callable[..., Any]]

_EMULATOR = "ministack.services.stepfunctions"

# Operation, the emulator's function, its parameters, ours.
_EXECUTED: tuple[tuple[str, str, str, Factory], ...] = (
    ("StartExecution", "_start_execution", "(data)", executions.start),
    ("StartExecution: run", "_run_execution", "(exec_arn)", executions.run),
    (
        "StartExecution: distributed Map",
        "_run_distributed_map",
        "(state_def, raw_input, effective, iterator, execution, ctx)",
        distributed_map.replace,
    ),
    ("StopExecution", "_stop_execution", "(data)", executions.stop),
    ("CreateStateMachine", "_create_state_machine", "(data)", definitions.refuse_invalid),
    ("UpdateStateMachine", "_update_state_machine", "(data)", definitions.refuse_invalid),
    (
        "ValidateStateMachineDefinition",
        "_validate_state_machine_definition",
        "(data)",
        definitions.validate,
    ),
    (
        "states:startExecution",
        "_invoke_nested_start_execution",
        "(resource, input_data)",
        integrations.start_execution,
    ),
    (
        "states:startExecution.sync:2",
        "_invoke_nested_start_execution_sync",
        "(resource, input_data)",
        integrations.start_execution_and_wait,
    ),
)

# As above, and what a client saw before.
_FIXED: tuple[tuple[str, str, str, Factory, str], ...] = (
    (
        "StartExecution: JSONata",
        "jsonata.timebox:Timebox.check_runaway",
        "(self)",
        jsonata_limit.by_own_time,
        "States.QueryEvaluationError (D1012), where the machine was busy while an expression was evaluated.",
    ),
    (
        "StartExecution: payload templates",
        "_resolve_params_obj",
        "(template, data, ctx=None)",
        payload_template.strict_template,
        "A path that selects nothing became null, and filters and slices always did.",
    ),
    (
        "StartExecution: paths",
        "_resolve_path_or_ctx",
        "(path, data, ctx)",
        payload_template.strict_path,
        "A path that selects nothing became null.",
    ),
    (
        "GetExecutionHistory",
        "_add_event",
        "(execution, event_type, details=None)",
        history.replace_add_event,
        "Events had no previousEventId, and loggingConfiguration wrote nothing.",
    ),
    (
        "DescribeExecution",
        "_emit_execution_status_event",
        "(execution)",
        history.emit_status,
        "AWS/States had no metrics.",
    ),
    (
        "DescribeExecution: restart",
        "_restore_state",
        "(data)",
        executions.restore,
        "An execution that a restart had interrupted had a history without an end.",
    ),
)


def _declared_here(factory: Factory) -> Factory:
    """A declaration belongs to the module that the endpoint installs: this one."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        return factory(original)

    return make


for _operation, _symbol, _signature, _factory in _EXECUTED:
    executes("states", _operation, replaces=f"{_EMULATOR}:{_symbol}", signature=_signature)(_declared_here(_factory))

for _operation, _symbol, _signature, _factory, _symptom in _FIXED:
    _replaced = _symbol if ":" in _symbol else f"{_EMULATOR}:{_symbol}"
    fixes("states", _operation, replaces=_replaced, signature=_signature, symptom=_symptom)(_declared_here(_factory))


@adds("states", "glue:startJobRun.sync", to=f"{_EMULATOR}:_SERVICE_DISPATCH", key="arn:aws:states:::glue:startJobRun")
def _start_job_run(resource: str, arguments: dict[str, Any]) -> Any:
    return integrations.start_job_run(resource, arguments)


@adds(
    "states",
    "codebuild:startBuild.sync",
    to=f"{_EMULATOR}:_SERVICE_DISPATCH",
    key="arn:aws:states:::codebuild:startBuild",
)
def _start_build(resource: str, arguments: dict[str, Any]) -> Any:
    return integrations.start_build(resource, arguments)


@adds("states", "codebuild:stopBuild", to=f"{_EMULATOR}:_SERVICE_DISPATCH", key="arn:aws:states:::codebuild:stopBuild")
def _stop_build(resource: str, arguments: dict[str, Any]) -> Any:
    return integrations.stop_build(resource, arguments)


@adds(
    "states",
    "athena:startQueryExecution.sync",
    to=f"{_EMULATOR}:_SERVICE_DISPATCH",
    key="arn:aws:states:::athena:startQueryExecution",
)
def _start_query(resource: str, arguments: dict[str, Any]) -> Any:
    return integrations.start_query(resource, arguments)


refuses("states", "RedriveExecution", instead="Start a new execution with the same input.")
refuses("states", "TestState", instead="Create a state machine of the one state and start an execution.")
