"""Map Runs: what a distributed Map tells of its child executions.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeMapRun.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import json
import threading
from typing import Any

from ministack.core.responses import new_uuid, now_iso
from ministack.services import stepfunctions

from lakehouse.local.step_functions.history import Execution
from lakehouse.local.step_functions.json_path import Json

_COUNTS = (
    *("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten"),
    *("failuresNotRedrivable", "pendingRedrive"),
)
_COUNTED_AS = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "timedOut", "ABORTED": "aborted"}


class MapRun:
    """One Map Run.

    Attributes:
        arn: Its ARN.
        failed: Children that did not succeed.
    """

    def __init__(self, parent: Execution, label: str | None, total: int, limits: dict[str, float]) -> None:
        """Make its record.

        Args:
            parent: The execution whose Map it is.
            label: The Map's ``Label``.
            total: How many items it has.
            limits: ``maxConcurrency``, ``toleratedFailurePercentage`` and ``toleratedFailureCount``.
        """
        prefix, _, machine = str(parent["stateMachineArn"]).rpartition(":stateMachine:")
        # The name of a version or an alias is no part of it.
        family = f"{machine.partition(':')[0]}/{label or new_uuid()}"
        self.arn = f"{prefix}:mapRun:{family}:{new_uuid()}"
        self.machine_arn = f"{prefix}:stateMachine:{family}"
        self._children = f"{prefix}:execution:{family}"
        self._lock = threading.Lock()
        counts = dict.fromkeys(_COUNTS, 0) | {"total": total, "pending": total}
        self._record: dict[str, Any] = {
            "mapRunArn": self.arn,
            "executionArn": parent["executionArn"],
            "status": "RUNNING",
            "startDate": now_iso(),
            **limits,
            "itemCounts": dict(counts),
            "executionCounts": dict(counts),
            "redriveCount": 0,
            "_stateMachineArn": self.machine_arn,
        }
        stepfunctions._map_runs[self.arn] = self._record

    @property
    def failed(self) -> int:
        """Children that did not succeed, so far."""
        counts = self._record["itemCounts"]
        return int(counts["failed"] + counts["timedOut"] + counts["aborted"])

    def start_child(self, given: Json) -> Execution:
        """Make the record of a child execution.

        Args:
            given: Its input.

        Returns:
            The record, ``RUNNING``.
        """
        name = new_uuid()
        child: Execution = {
            "executionArn": f"{self._children}:{name}",
            "stateMachineArn": self.machine_arn,
            "name": name,
            "status": "RUNNING",
            "startDate": now_iso(),
            "stopDate": None,
            "input": json.dumps(given),
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": {"included": True},
            "mapRunArn": self.arn,
            "events": [],
        }
        stepfunctions._executions[child["executionArn"]] = child
        self._move("pending", "running")
        return child

    def end_child(self, child: Execution) -> None:
        """Count a child that ended.

        Args:
            child: Its record.
        """
        self._move("running", _COUNTED_AS[child["status"]])

    def end(self, status: str, *, results_written: int = 0) -> None:
        """Record the Map Run's end: what did not end or begin by now never will.

        Args:
            status: ``SUCCEEDED``, ``FAILED`` or ``ABORTED``.
            results_written: How many children's results were written.
        """
        with self._lock:
            end_record(self._record, status)
            for counts in self._counts():
                counts["resultsWritten"] = results_written

    def _move(self, source: str, target: str) -> None:
        with self._lock:
            for counts in self._counts():
                counts[source] -= 1
                counts[target] += 1

    def _counts(self) -> tuple[dict[str, int], dict[str, int]]:
        return self._record["itemCounts"], self._record["executionCounts"]


def end_record(record: dict[str, Any], status: str) -> None:
    """Record the end of a Map Run.

    Args:
        record: Its record.
        status: How it ended.
    """
    record.update(status=status, stopDate=now_iso())
    for counts in (record["itemCounts"], record["executionCounts"]):
        counts["aborted"] += counts["pending"] + counts["running"]
        counts.update(pending=0, running=0)


def end_interrupted() -> None:
    """After a restart: Map Runs that ran when the endpoint ended are FAILED, as the executions are."""
    for record in stepfunctions._map_runs.all_values():
        if record["status"] == "RUNNING":
            end_record(record, "FAILED")
