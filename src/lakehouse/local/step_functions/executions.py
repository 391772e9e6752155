"""Executions: their start, their run to an end, their stop, and what a restart makes of them.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.responses import error_response_json, json_response, now_iso
from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.history import Execution, add_event, continue_from, log_event
from lakehouse.local.step_functions.interpreter import walk
from lakehouse.local.step_functions.references import Context
from lakehouse.local.step_functions.scope import Scope, ScopeCancelledError, entered

Response = tuple[Any, ...]

_log = logging.getLogger(__name__)
_LARGEST_INPUT_BYTES = 256 * 1024
# By execution ARN, from the start of the run to its end.
_running: dict[str, Scope] = {}
_ending = threading.Lock()


def start(original: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
    """StartExecution: a repeated start of a running execution answers with it; a bad input is refused.

    Args:
        original: Creates the record and starts its thread.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        text = data.get("input", "{}")
        try:
            given = json.loads(text)
        except ValueError as error:
            return _refusal("InvalidExecutionInput", f"Invalid execution input: it is not JSON: {error}")
        if len(text.encode()) > _LARGEST_INPUT_BYTES:
            return _refusal("InvalidExecutionInput", f"Invalid execution input: above {_LARGEST_INPUT_BYTES} bytes")
        existing = _execution_named(data)
        if existing and existing["status"] == "RUNNING" and json.loads(existing["input"]) == given:
            repeated: Response = json_response(
                {"executionArn": existing["executionArn"], "startDate": existing["startDate"]}
            )
            return repeated
        return original(data)

    return replacement


def _refusal(code: str, message: str) -> Response:
    refusal: Response = error_response_json(code, message, 400)
    return refusal


def _execution_named(data: dict[str, Any]) -> Execution | None:
    machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
    if machine is None or not data.get("name"):
        return None
    prefix = machine.replace(":stateMachine:", ":execution:", 1)
    found: Execution | None = stepfunctions._executions.get(f"{prefix}:{data['name']}")
    return found


def stop(original: Callable[[dict[str, Any]], Response]) -> Callable[[dict[str, Any]], Response]:
    """StopExecution: also stops what the execution is waiting for.

    Args:
        original: Marks the record ABORTED.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> Response:
        with _ending:
            answer = original(data)
        scope = _running.get(data.get("executionArn", ""))
        execution = stepfunctions._executions.get(data.get("executionArn", ""))
        if scope and execution and execution["status"] == "ABORTED":
            scope.cancel()
        return answer

    return replacement


def run(_original: Callable[[str], None]) -> Callable[[str], None]:
    """Run an execution to its end, in its own thread.

    Args:
        _original: The emulator's interpreter.

    Returns:
        The replacement.
    """

    def replacement(exec_arn: str) -> None:
        execution = stepfunctions._executions[exec_arn]
        continue_from(len(execution["events"]))
        execution["events"][0].setdefault("previousEventId", 0)
        log_event(execution, execution["events"][0])
        with entered(Scope()) as scope:
            _running[exec_arn] = scope
            try:
                _run(execution, scope)
            finally:
                del _running[exec_arn]

    return replacement


def _run(execution: Execution, scope: Scope) -> None:
    try:
        machine = stepfunctions._state_machines[execution["stateMachineArn"]]
        definition = json.loads(machine["definition"])
        context = _context(execution, machine, definition)
        with _time_limit(execution, definition.get("TimeoutSeconds"), scope):
            output = walk(
                definition["States"], definition["StartAt"], context["Execution"]["Input"], execution, context
            )
    except ScopeCancelledError:
        # Stopped or timed out: whoever cancelled the scope has recorded the end.
        return
    except StateError as error:
        _end(execution, "FAILED", error.error, error.cause)
    except Exception as error:  # noqa: BLE001 - an execution never stays RUNNING because of a defect of ours
        _log.exception("The execution %s failed in the interpreter itself", execution["executionArn"])
        _end(execution, "FAILED", "States.Runtime", f"{type(error).__name__}: {error}")
    else:
        _succeed(execution, json.dumps(output))


def _context(execution: Execution, machine: dict[str, Any], definition: dict[str, Any]) -> Context:
    """https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html."""
    return {
        "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
        "Execution": {
            "Id": execution["executionArn"],
            "Input": json.loads(execution["input"]),
            "Name": execution["name"],
            "RedriveCount": 0,
            "RoleArn": machine["roleArn"],
            "StartTime": execution["startDate"],
        },
        "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine["name"]},
        "variables": {},
    }


@contextlib.contextmanager
def _time_limit(execution: Execution, seconds: float | None, scope: Scope) -> Iterator[None]:
    """The machine's own TimeoutSeconds: it ends the execution TIMED_OUT, whatever it waits for."""
    if not seconds:
        yield
        return

    def expire() -> None:
        if _end(execution, "TIMED_OUT", "States.Timeout", f"The execution did not end within {seconds} seconds"):
            scope.cancel()

    # A timer's thread has no account and region of its own.
    timer = threading.Timer(seconds, contextvars.copy_context().run, (expire,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _succeed(execution: Execution, output: str) -> None:
    with _ending:
        if execution["status"] != "RUNNING":
            return
        execution.update(output=output, stopDate=now_iso(), status="SUCCEEDED")
    details = {"output": output, "outputDetails": {"truncated": False}}
    add_event(execution, "ExecutionSucceeded", {"executionSucceededEventDetails": details})
    stepfunctions._emit_execution_status_event(execution)


_END_EVENTS = {"FAILED": "ExecutionFailed", "TIMED_OUT": "ExecutionTimedOut"}


def _end(execution: Execution, status: str, error: str, cause: str) -> bool:
    """Record an end other than success, unless another came first."""
    with _ending:
        if execution["status"] != "RUNNING":
            return False
        execution.update(error=error, cause=cause, stopDate=now_iso(), status=status)
    event = _END_EVENTS[status]
    key = f"{event[0].lower()}{event[1:]}EventDetails"
    add_event(execution, event, {key: {"error": error, "cause": cause}})
    stepfunctions._emit_execution_status_event(execution)
    return True


def restore(original: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """After a restart: executions that ran when the endpoint ended are FAILED, with that as their cause.

    Args:
        original: Loads the records; it marks such executions with ``States.ServiceRestart``.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> None:
        original(data)
        for execution in stepfunctions._executions.all_values():
            is_interrupted = execution.get("error") == "States.ServiceRestart"
            if is_interrupted and execution["events"] and execution["events"][-1]["type"] != "ExecutionFailed":
                execution["cause"] = "The endpoint stopped during this execution. Start a new execution."
                details = {"error": execution["error"], "cause": execution["cause"]}
                last = len(execution["events"])
                execution["events"].append(
                    {
                        "id": last + 1,
                        "previousEventId": last,
                        "type": "ExecutionFailed",
                        "timestamp": execution["stopDate"],
                        "executionFailedEventDetails": details,
                    }
                )

    return replacement
