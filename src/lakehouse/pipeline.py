"""Starting a pipeline run and seeing how far it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PIPELINE_NAME = "lakehouse-pipeline"

# States that only decide or reshape: nothing to wait for, so nothing to show.
_UNSEEN_TYPES = frozenset({"Choice", "Pass", "Succeed", "Fail"})
ENDED = frozenset({"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"})


@dataclass(frozen=True, slots=True)
class StateProgress:
    """One state of the state machine, all its visits together.

    Attributes:
        name: The state's name.
        entered_at: When it was first entered.
        left_at: When it was last left, None while it is being executed.
    """

    name: str
    entered_at: datetime
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExecutionProgress:
    """How far an execution is.

    Attributes:
        status: ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``.
        states: The states that take time, in the order of their first visit.
        file_ids: The files that the run converts, once they are planned.
        error: The error's name, where it failed.
        cause: Its cause.
    """

    status: str
    states: Sequence[StateProgress]
    file_ids: Sequence[str] = ()
    error: str = ""
    cause: str = ""


@dataclass(slots=True)
class _Visits:
    """The visits of states read so far from a history."""

    seen: dict[str, StateProgress] = field(default_factory=dict)
    file_ids: tuple[str, ...] = ()


def execution_date(moment: datetime) -> str:
    """The key of a run made at this moment: ISO-8601, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def start(client: Any, state_machine_arn: str, date: str, *, retry_failed: bool = False, transform: bool = True) -> str:
    """Start a pipeline run.

    Args:
        client: A boto3 Step Functions client.
        state_machine_arn: The lakehouse-pipeline state machine.
        date: The run's execution date, ISO-8601: with the pipeline's name it is the run's key.
        retry_failed: Whether files that failed before are tried again.
        transform: Whether the curated tables are built as well.

    Returns:
        The execution's ARN.
    """
    stamp = "".join(character for character in date if character.isalnum())
    wanted = {
        "pipeline_name": PIPELINE_NAME,
        "execution_date": date,
        "retry_failed": retry_failed,
        "transform": transform,
    }
    started = client.start_execution(
        stateMachineArn=state_machine_arn,
        name=f"{PIPELINE_NAME}-{stamp}-{datetime.now(UTC):%H%M%S%f}",
        input=json.dumps(wanted),
    )
    return str(started["executionArn"])


def progress(client: Any, execution_arn: str) -> ExecutionProgress:
    """Read how far an execution is.

    Args:
        client: A boto3 Step Functions client.
        execution_arn: The execution.

    Returns:
        Its status and states, as of now.
    """
    described = client.describe_execution(executionArn=execution_arn)
    definition = json.loads(client.describe_state_machine_for_execution(executionArn=execution_arn)["definition"])
    shown = {name for name, state in definition["States"].items() if state["Type"] not in _UNSEEN_TYPES}
    visits = _Visits()
    for event in _history(client, execution_arn):
        _visit(visits, event, shown)
    return ExecutionProgress(
        status=described["status"],
        states=tuple(visits.seen.values()),
        file_ids=visits.file_ids,
        error=described.get("error", ""),
        cause=described.get("cause", ""),
    )


def _history(client: Any, execution_arn: str) -> Iterator[Mapping[str, Any]]:
    pages = client.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    for page in pages:
        yield from page["events"]


def _visit(visits: _Visits, event: Mapping[str, Any], shown: set[str]) -> None:
    entered = event.get("stateEnteredEventDetails")
    if entered and entered["name"] in shown:
        known = visits.seen.get(entered["name"])
        first = known.entered_at if known else event["timestamp"]
        visits.seen[entered["name"]] = StateProgress(entered["name"], first)
    left = event.get("stateExitedEventDetails")
    if left and left["name"] in visits.seen:
        known = visits.seen[left["name"]]
        visits.seen[left["name"]] = StateProgress(known.name, known.entered_at, event["timestamp"])
        if left["name"] == "PlanFiles":
            visits.file_ids = _planned_file_ids(left.get("output", "{}"))


def _planned_file_ids(output: str) -> tuple[str, ...]:
    """The files in PlanFiles' output, wherever its ResultPath puts the plan."""
    document = json.loads(output)
    plan = document.get("plan", document)
    return tuple(item["file_id"] for item in plan.get("files", ()))
