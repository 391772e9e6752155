"""Task states: one call of a service, with a time limit, that can be stopped.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import contextlib
import contextvars
import json
import threading
from concurrent.futures import Future, InvalidStateError
from typing import Any

from ministack.core.responses import get_region, new_uuid
from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.attempts import with_retry_and_catch
from lakehouse.local.step_functions.history import Execution, add_event
from lakehouse.local.step_functions.json_path import Json
from lakehouse.local.step_functions.query_languages import State, language_of
from lakehouse.local.step_functions.references import Context
from lakehouse.local.step_functions.scope import Scope, ScopeCancelledError, current, entered


def run_task(state: State, raw: Json, execution: Execution, context: Context) -> tuple[Json, str | None]:
    """Run a Task state.

    Args:
        state: Its definition.
        raw: Its input.
        execution: The execution's record.
        context: The execution's context.

    Returns:
        Its output and the next state.
    """
    resource = str(state["Resource"])
    language = language_of(state, context)

    def attempt() -> Json:
        token = new_uuid() if resource.endswith(".waitForTaskToken") else None
        if token:
            context["Task"] = {"Token": token}
        arguments = language.arguments(state, raw, context)
        seconds = language.field(state, "TimeoutSeconds", raw, context)
        events = _Events(execution, resource, arguments, seconds)
        try:
            result = _call(resource, arguments, seconds, token)
        except StateError as error:
            events.failed(error)
            raise
        events.succeeded(result)
        return result

    return with_retry_and_catch(state, raw, context, attempt)


def _call(resource: str, arguments: Json, seconds: float | None, token: str | None) -> Json:
    """Call the service in a thread of its own, so that a time limit or a stop does not wait for its answer."""
    outcome: Future[Json] = Future()

    def settle(result: Json = None, error: BaseException | None = None) -> None:
        # The first of answer, time limit and stop decides.
        with contextlib.suppress(InvalidStateError):
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)

    def work() -> None:
        try:
            if token is None:
                settle(stepfunctions._invoke_resource(resource, arguments))
            else:
                # The token's own limit is the task's: the emulator would wait a day otherwise.
                settle(
                    stepfunctions._invoke_with_callback(
                        resource, arguments, token, {"TimeoutSeconds": seconds or 99999}
                    )
                )
        except (StateError, ScopeCancelledError) as error:
            settle(error=error)
        except Exception as error:  # noqa: BLE001 - whatever a service integration raises fails the task, not the thread
            settle(error=StateError("States.Runtime", f"{resource}: {type(error).__name__}: {error}"))

    with entered(Scope(current())) as scope:
        scope.on_cancel(lambda: settle(error=ScopeCancelledError()))
        threading.Thread(target=contextvars.copy_context().run, args=(work,), name="states-task", daemon=True).start()
        try:
            return outcome.result(timeout=seconds)
        except TimeoutError:
            # What the task started (a job run, a child execution) is stopped, as on AWS.
            scope.cancel()
            raise StateError("States.Timeout", f"The task did not end within {seconds} seconds") from None


class _Events:
    """The history events of one attempt; Lambda functions and activities called by ARN have types of their own."""

    def __init__(self, execution: Execution, resource: str, arguments: Json, seconds: float | None) -> None:
        self._execution = execution
        self._names: dict[str, Any] = {}
        parts = resource.split(":")
        parameters = json.dumps(arguments)
        limit = {"timeoutInSeconds": int(seconds)} if seconds else {}
        if parts[2] == "states" and parts[5] != "activity":
            self._prefix, self._key = "Task", "task"
            self._names = {"resourceType": ":".join(parts[5:-1]), "resource": parts[-1]}
            scheduled = {**self._names, "region": get_region(), "parameters": parameters, **limit}
        else:
            self._prefix, self._key = (
                ("Activity", "activity")
                if parts[2] == "states"
                else (
                    "LambdaFunction",
                    "lambdaFunction",
                )
            )
            scheduled = {"resource": resource, "input": parameters, **limit}
        self._add("Scheduled", scheduled)
        self._add("Started", dict(self._names))

    def succeeded(self, result: Json) -> None:
        self._add("Succeeded", {**self._names, "output": json.dumps(result), "outputDetails": {"truncated": False}})

    def failed(self, error: StateError) -> None:
        is_timeout = error.error == "States.Timeout"
        details = {**self._names, "error": error.error, "cause": error.cause}
        self._add("TimedOut" if is_timeout else "Failed", details)

    def _add(self, suffix: str, details: dict[str, Any]) -> None:
        add_event(self._execution, self._prefix + suffix, {f"{self._key}{suffix}EventDetails": details})
