"""Moves dead letters back to the queues that they came from: SQS's message move tasks.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import base64
import contextvars
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.services import sqs

from lakehouse.local.registry import adds

Json = dict[str, Any]

_SQS = "ministack.services.sqs"
# AWS remembers the ten most recent tasks of a queue.
_REMEMBERED = 10
_MOST_A_SECOND = 500


@dataclass(slots=True)
class _Task:
    """One move task; its status as AWS names it."""

    source: str
    destination: str | None
    most_a_second: int
    total: int
    handle: str = field(default_factory=lambda: base64.b64encode(uuid.uuid4().bytes).decode())
    started_at: float = field(default_factory=time.time)
    status: str = "RUNNING"
    moved: int = 0
    reason: str = ""

    def described(self) -> Json:
        shown: Json = {
            "Status": self.status,
            "SourceArn": self.source,
            "MaxNumberOfMessagesPerSecond": self.most_a_second,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.total,
            "StartedTimestamp": int(self.started_at * 1000),
        }
        # Only a running task can be cancelled, so only it shows its handle.
        if self.status == "RUNNING":
            shown["TaskHandle"] = self.handle
        if self.destination:
            shown["DestinationArn"] = self.destination
        if self.reason:
            shown["FailureReason"] = self.reason
        return shown


_tasks: dict[str, _Task] = {}


def _queue(arn: str, what: str) -> Json:
    found: Json | None = sqs._queue_by_arn(arn) if arn else None
    if found is None:
        raise sqs._Err("ResourceNotFoundException", f"The {what} queue {arn or '(none)'} doesn't exist.")
    return found


def _sources_of(dead_letters: str) -> list[str]:
    """ARNs of the queues whose dead-letter queue this is."""
    found = []
    for queue in sqs._queues.values():
        policy = json.loads(queue["attributes"].get("RedrivePolicy") or "{}")
        if policy.get("deadLetterTargetArn") == dead_letters:
            found.append(str(queue["attributes"]["QueueArn"]))
    return found


@adds("sqs", "StartMessageMoveTask", to=f"{_SQS}:_HANDLERS", key="StartMessageMoveTask")
def start(data: Json, _queue_url: str) -> Json:
    """Move all that is in a dead-letter queue now."""
    source = str(data.get("SourceArn") or "")
    dead_letters = _queue(source, "source")
    destination = data.get("DestinationArn")
    if destination:
        _queue(str(destination), "destination")
    elif not _sources_of(source):
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    if any(task.source == source and task.status == "RUNNING" for task in _tasks.values()):
        raise sqs._Err("UnsupportedOperation", "There is already a task running. Only one active task is allowed.")
    most = int(data.get("MaxNumberOfMessagesPerSecond") or _MOST_A_SECOND)
    task = _Task(source, destination, most, len(dead_letters["messages"]))
    _tasks[task.handle] = task
    for old in [one for one in _tasks.values() if one.source == source][:-_REMEMBERED]:
        del _tasks[old.handle]
    # The account and region of the request are in its context.
    threading.Thread(target=contextvars.copy_context().run, args=(_move, task), daemon=True).start()
    return {"TaskHandle": task.handle}


def _move(task: _Task) -> None:
    try:
        while task.status == "RUNNING" and task.moved < task.total:
            started = time.monotonic()
            if not _move_some(task):
                break
            time.sleep(max(0.0, 1.0 - (time.monotonic() - started)) if task.moved < task.total else 0)
    except Exception as error:  # noqa: BLE001 - the task fails, by name; the endpoint goes on
        task.status, task.reason = "FAILED", f"{type(error).__name__}: {error}"
    else:
        task.status = "COMPLETED" if task.status == "RUNNING" else "CANCELLED"


def _move_some(task: _Task) -> int:
    """Move as many messages as a second may move; how many there were."""
    dead_letters = _queue(task.source, "source")
    now = time.time()
    ready = [message for message in dead_letters["messages"] if message["visible_at"] <= now]
    taken = ready[: min(task.most_a_second, task.total - task.moved)]
    for message in taken:
        origin = str(message.get("sys", {}).get("DeadLetterQueueSourceArn") or "")
        target = _queue(task.destination or origin or _sources_of(task.source)[0], "destination")
        system = {name: value for name, value in message["sys"].items() if name != "DeadLetterQueueSourceArn"}
        again = {
            "sent_at": now, "visible_at": now, "receive_count": 0, "first_receive_at": None, "receipt_handle": None,
            "id": str(uuid.uuid4()), "sys": {**system, "SentTimestamp": str(int(now * 1000))},
        }  # fmt: skip
        # A moved message is a new one: other id, no receives.
        target["messages"].append({**message, **again})
        dead_letters["messages"].remove(message)
        task.moved += 1
    if taken:
        esm_wake.set()
    return len(taken)


@adds("sqs", "ListMessageMoveTasks", to=f"{_SQS}:_HANDLERS", key="ListMessageMoveTasks")
def list_tasks(data: Json, _queue_url: str) -> Json:
    """The newest tasks of a queue."""
    source = str(data.get("SourceArn") or "")
    _queue(source, "source")
    found = [task.described() for task in _tasks.values() if task.source == source]
    return {"Results": found[::-1][: int(data.get("MaxResults") or 1)]}


@adds("sqs", "CancelMessageMoveTask", to=f"{_SQS}:_HANDLERS", key="CancelMessageMoveTask")
def cancel(data: Json, _queue_url: str) -> Json:
    """Stop a task; what it has moved stays moved."""
    task = _tasks.get(str(data.get("TaskHandle") or ""))
    if task is None or task.status != "RUNNING":
        raise sqs._Err("ResourceNotFoundException", "No running task has this handle.")
    task.status = "CANCELLING"
    return {"ApproximateNumberOfMessagesMoved": task.moved}
