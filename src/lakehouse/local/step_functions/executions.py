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
from lakehouse.local.step_functions.map_runs import end_interrupted
from lakehouse.local.step_functions.query_languages import State
from lakehouse.local.step_functions.references import Context
from lakehouse.local.step_functions.scope import Scope, ScopeCancelledError, current, entered

Response = tuple[Any, ...]

_log = logging.getLogger(__name__)
_LARGEST_INPUT_BYTES = 256 * 1024
# Of one state machine; the others are RUNNING, too, and have entered no state yet.
_MOST_AT_WORK = 16
# A stopped execution that waits for its turn notices after so long.
_SECONDS_TO_LOOK = 1.0
_turns: dict[str, threading.Semaphore] = {}
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
                with _turn(execution["stateMachineArn"], scope):
                    _run(execution, scope)
            except ScopeCancelledError:
                pass  # stopped before its turn came; whoever did it has recorded the end
            finally:
                del _running[exec_arn]

    return replacement


@contextlib.contextmanager
def _turn(machine_arn: str, scope: Scope) -> Iterator[None]:
    """Wait while many executions of a state machine are at work.

    Thousands that start at once would only be in each other's way, and their tasks' time limits would pass while they
    wait for a processor.
    """
    turns = _turns.setdefault(machine_arn, threading.Semaphore(_MOST_AT_WORK))
    while not turns.acquire(timeout=_SECONDS_TO_LOOK):
        scope.check()
    try:
        scope.check()
        yield
    finally:
        turns.release()


def _run(execution: Execution, scope: Scope) -> None:
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
    if machine is None:
        _end(execution, "FAILED", "States.Runtime", f"{execution['stateMachineArn']} was deleted meanwhile")
        return
    definition = json.loads(machine["definition"])
    with _time_limit(execution, definition.get("TimeoutSeconds"), scope):
        _walk_to_its_end(execution, definition, _context(execution, machine, definition))


def _walk_to_its_end(execution: Execution, definition: State, context: Context) -> None:
    try:
        output = walk(definition["States"], definition["StartAt"], context["Execution"]["Input"], execution, context)
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


def run_child(child: Execution, processor: State, parent: Context) -> None:
    """Run a child execution of a distributed Map to its end, in the calling thread; it stops with the caller's scope.

    Args:
        child: Its record.
        processor: The Map's ``ItemProcessor``.
        parent: The context of the execution whose Map it is; of its variables the child sees none.

    Source:
        https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
    """
    arn = child["executionArn"]
    role = parent["Execution"]["RoleArn"]
    machine = {"roleArn": role, "name": child["stateMachineArn"].rpartition(":")[2]}
    language = {"QueryLanguage": processor.get("QueryLanguage") or parent["QueryLanguage"]}
    continue_from(0)
    details = {"input": child["input"], "inputDetails": {"truncated": False}, "roleArn": role}
    add_event(child, "ExecutionStarted", {"executionStartedEventDetails": details})
    with entered(Scope(current())) as scope:
        _running[arn] = scope
        try:
            _walk_to_its_end(child, processor, _context(child, machine, language))
        finally:
            del _running[arn]
    if child["status"] == "RUNNING":
        # The execution whose Map it is ended first.
        _end(child, "ABORTED", "", "")


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
    _tell_of_end(execution)


_END_EVENTS = {"ABORTED": "ExecutionAborted", "FAILED": "ExecutionFailed", "TIMED_OUT": "ExecutionTimedOut"}


def _end(execution: Execution, status: str, error: str, cause: str) -> bool:
    """Record an end other than success, unless another came first."""
    with _ending:
        if execution["status"] != "RUNNING":
            return False
        execution.update(error=error, cause=cause, stopDate=now_iso(), status=status)
    event = _END_EVENTS[status]
    key = f"{event[0].lower()}{event[1:]}EventDetails"
    add_event(execution, event, {key: {"error": error, "cause": cause}})
    _tell_of_end(execution)
    return True


def _tell_of_end(execution: Execution) -> None:
    """A child of a distributed Map is told of by its Map Run."""
    if "mapRunArn" not in execution:
        stepfunctions._emit_execution_status_event(execution)


def restore(original: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """After a restart: executions and Map Runs that ran when the endpoint ended are FAILED, with that as the cause.

    Args:
        original: Loads the records; it marks such executions with ``States.ServiceRestart``.

    Returns:
        The replacement.
    """

    def replacement(data: dict[str, Any]) -> None:
        original(data)
        end_interrupted()
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
