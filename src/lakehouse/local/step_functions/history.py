"""The history of an execution, its log in CloudWatch Logs, and the metrics of its end.

Sources: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html,
https://docs.aws.amazon.com/step-functions/latest/dg/cloudwatch-log-level.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import cloudwatch, cloudwatch_logs, stepfunctions

from lakehouse.local.log_groups import write_log

Execution = dict[str, Any]
Event = dict[str, Any]

_METRICS = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}
_FAILURES = ("Failed", "TimedOut", "Aborted")

# Branches write to one history: each keeps the event that it follows.
_previous: ContextVar[int] = ContextVar("lakehouse_step_functions_previous_event", default=0)
_lock = threading.Lock()


def continue_from(event_id: int) -> None:
    """Make the next event of this thread follow a given one.

    Args:
        event_id: The event's id.
    """
    _previous.set(event_id)


def last_event() -> int:
    """The event that this thread's next event follows.

    Returns:
        The event's id; 0 before the first.
    """
    return _previous.get()


def add_event(execution: Execution, event_type: str, details: dict[str, Any] | None = None) -> Event:
    """Append an event to an execution's history, and to its log where the state machine has one.

    Args:
        execution: The execution's record.
        event_type: For example ``TaskScheduled``.
        details: The entry that belongs to the type, such as ``{"taskScheduledEventDetails": {...}}``.

    Returns:
        The event.
    """
    with _lock:
        events = execution["events"]
        event: Event = {
            "id": len(events) + 1,
            "previousEventId": min(_previous.get(), len(events)),
            "type": event_type,
            "timestamp": now_iso(),
            **(details or {}),
        }
        events.append(event)
    _previous.set(event["id"])
    log_event(execution, event)
    return event


def log_event(execution: Execution, event: Event) -> None:
    """Write an event to the log group that the state machine names, as its level says.

    Args:
        execution: The execution's record.
        event: An event of its history.
    """
    # A child of a distributed Map is of "<machine>/<label>", and logged where the machine is.
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"].partition("/")[0]) or {}
    logging = machine.get("loggingConfiguration") or {}
    if not _is_logged(logging.get("level", "OFF"), event["type"]):
        return
    record = {
        "id": str(event["id"]),
        "type": event["type"],
        "details": _details(event, includes_data=bool(logging.get("includeExecutionData"))),
        "previous_event_id": str(event.get("previousEventId", 0)),
        "event_timestamp": str(int(time.time() * 1000)),
        "execution_arn": execution["executionArn"],
        "redrive_count": "0",
    }
    stream = f"states/{machine.get('name', '')}/{execution['name']}"
    for destination in logging.get("destinations", []):
        arn = destination.get("cloudWatchLogsLogGroup", {}).get("logGroupArn", "")
        group = arn.partition(":log-group:")[2].removesuffix(":*")
        # As on AWS, no group is made for an execution's log.
        if group in cloudwatch_logs._log_groups:
            write_log(group, stream, [json.dumps(record)])


def _is_logged(level: str, event_type: str) -> bool:
    if level == "ALL":
        return True
    is_failure = event_type.endswith(_FAILURES)
    return is_failure and (level == "ERROR" or (level == "FATAL" and event_type.startswith("Execution")))


def _details(event: Event, *, includes_data: bool) -> dict[str, Any]:
    found: dict[str, Any] = next((value for key, value in event.items() if key.endswith("EventDetails")), {})
    if includes_data:
        return dict(found)
    return {key: value for key, value in found.items() if key not in ("input", "output", "parameters")}


def emit_status(original: Callable[[Execution], None]) -> Callable[[Execution], None]:
    """Count every change of an execution's status in the AWS/States metrics, besides the event.

    Args:
        original: Publishes the "Step Functions Execution Status Change" event.

    Returns:
        The replacement.
    """

    def replacement(execution: Execution) -> None:
        original(execution)
        dimensions = [{"Name": "StateMachineArn", "Value": execution["stateMachineArn"]}]
        data = [{"MetricName": _METRICS[execution["status"]], "Value": 1.0, "Unit": "Count", "Dimensions": dimensions}]
        if execution.get("stopDate"):
            elapsed = _seconds(execution["stopDate"]) - _seconds(execution["startDate"])
            data.append(
                {
                    "MetricName": "ExecutionTime",
                    "Value": elapsed * 1000,
                    "Unit": "Milliseconds",
                    "Dimensions": dimensions,
                }
            )
        cloudwatch._put_metric_data({}, {"Namespace": "AWS/States", "MetricData": data}, False, True)

    return replacement


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def replace_add_event(_original: Callable[..., Event]) -> Callable[..., Event]:
    """Have the emulator's own events (a stop, an activity) written here too.

    Args:
        _original: The emulator's function.

    Returns:
        The replacement.
    """
    return add_event
