"""The life of a statement: queued, running, and how it ended."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, new_uuid
from ministack.services import athena, eventbridge

from lakehouse.local import place
from lakehouse.local.athena.engine import Request
from lakehouse.local.athena.worker import Answer, Task
from lakehouse.local.athena.workers import Worker, WorkerEndedError, Workers, place_of

Json = dict[str, Any]

_log = logging.getLogger(__name__)
_workers: list[Workers] = []
_lock = threading.Lock()


class Running:
    """A statement that has not ended.

    Attributes:
        done: Set when it has.
    """

    def __init__(self) -> None:
        self.done = threading.Event()
        self._worker: Worker | None = None
        self._was_stopped = False
        self._lock = threading.Lock()

    def takes(self, worker: Worker) -> bool:
        """Note the process that executes it.

        Args:
            worker: The process.

        Returns:
            False where it was stopped before.
        """
        with self._lock:
            self._worker = worker
            return not self._was_stopped

    def lets_go(self) -> None:
        """Forget the process: what it executes from now on is another statement."""
        with self._lock:
            self._worker = None

    @property
    def was_stopped(self) -> bool:
        """Whether somebody stopped it."""
        return self._was_stopped

    def stop(self) -> None:
        """End it: its process is killed, so that nothing of it goes on."""
        with self._lock:
            self._was_stopped = True
            if self._worker is not None:
                self._worker.kill()


# By execution; what is in the emulator's state and not here ended with an earlier endpoint.
running: dict[str, Running] = {}


def workers() -> Workers:
    """The endpoint's processes.

    Returns:
        The processes; started when they are first asked for.
    """
    with _lock:
        if not _workers:
            here = place.current()
            environment = place.client_environment(here.url, here.region)
            credentials = {
                "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"],
            }
            _workers.append(
                Workers(place_of(here.url, here.region, credentials, here.home / "athena"), get_account_id())
            )
        return _workers[0]


def start(execution: Json, request: Request) -> Running:
    """Execute a statement in the background.

    Args:
        execution: Its record, which is kept up to date.
        request: The statement.

    Returns:
        It, while it runs.
    """
    this = running[execution["QueryExecutionId"]] = Running()
    # Threads have no account and region of their own.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_run, execution, request, this), daemon=True).start()
    return this


def _run(execution: Json, request: Request, this: Running) -> None:
    number = execution["QueryExecutionId"]
    queued = time.time()
    started = queued
    try:
        pool = workers()
        worker = pool.take(lambda: not this.was_stopped)
        started = time.time()
        if worker is None:
            answer = Answer()
        elif this.takes(worker):
            _set_state(execution, "RUNNING", "QUEUED")
            answer = pool.run(worker, Task(request, number), this.lets_go)
        else:
            worker.kill()
            answer = _ended(pool, worker, Task(request, number))
    except WorkerEndedError as error:
        text = f"GENERIC_INTERNAL_ERROR: {error}. If memory ran out, query less at a time."
        answer = Answer(error=("GENERIC_INTERNAL_ERROR", text, 1, 401))
    except Exception as error:  # noqa: BLE001 - a defect of ours fails the statement, and nothing else
        _log.exception("Statement %s was not executed", number)
        answer = Answer(
            error=("GENERIC_INTERNAL_ERROR", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}", 1, 401)
        )
    try:
        _finish(execution, answer, this, queued, started)
    finally:
        running.pop(number, None)
        this.done.set()


def _ended(pool: Workers, worker: Worker, task: Task) -> Answer:
    try:
        return pool.run(worker, task, lambda: None)
    except WorkerEndedError:
        return Answer()


def _finish(execution: Json, answer: Answer, this: Running, queued: float, started: float) -> None:
    ended = time.time()
    execution["StatementType"] = answer.statement_type if answer.error is None else execution["StatementType"]
    execution["Statistics"] = {
        "EngineExecutionTimeInMillis": int((ended - started) * 1000),
        "DataScannedInBytes": answer.scanned_bytes,
        "TotalExecutionTimeInMillis": int((ended - queued) * 1000),
        "QueryQueueTimeInMillis": int((started - queued) * 1000),
        "ServiceProcessingTimeInMillis": 0,
        "ResultReuseInformation": {"ReusedPreviousResult": False},
    }
    status = execution["Status"]
    if this.was_stopped:
        status["StateChangeReason"] = "Query cancelled!"
        state = "CANCELLED"
    elif answer.error is not None:
        _, message, category, kind = answer.error
        status["StateChangeReason"] = message
        state = "CANCELLED" if answer.is_cancelled else "FAILED"
        status["AthenaError"] = {
            "ErrorCategory": category,
            "ErrorType": kind,
            "Retryable": False,
            "ErrorMessage": message,
        }
    else:
        execution["SubstatementType"] = answer.substatement_type
        execution["ResultConfiguration"]["OutputLocation"] = answer.location
        if answer.manifest is not None:
            execution["Statistics"]["DataManifestLocation"] = answer.manifest
        execution["_columns"] = [list(one) for one in answer.columns]
        execution["_update_count"] = answer.update_count
        state = "SUCCEEDED"
    status["CompletionDateTime"] = ended
    _set_state(execution, state, status["State"])


def _set_state(execution: Json, state: str, before: str) -> None:
    """Change the state, and tell EventBridge: https://docs.aws.amazon.com/athena/latest/ug/athena-events.html."""
    execution["Status"]["State"] = state
    detail = {
        "versionId": "0",
        "currentState": state,
        "previousState": before,
        "statementType": execution["StatementType"],
        "queryExecutionId": execution["QueryExecutionId"],
        "workgroupName": execution["WorkGroup"],
        "sequenceNumber": {"QUEUED": "1", "RUNNING": "2"}.get(state, "3"),
    }
    if "AthenaError" in execution["Status"]:
        error = execution["Status"]["AthenaError"]
        detail["athenaError"] = json.dumps(error)
    entry = {"Source": "aws.athena", "DetailType": "Athena Query State Change", "Detail": json.dumps(detail)}
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def settled(execution: Json) -> Json:
    """A statement's record; one that an earlier endpoint left unfinished has failed.

    Args:
        execution: The record.

    Returns:
        The same.
    """
    status = execution["Status"]
    if status["State"] in {"QUEUED", "RUNNING"} and execution["QueryExecutionId"] not in running:
        message = "GENERIC_INTERNAL_ERROR: the endpoint ended before the statement did"
        status.update(
            State="FAILED",
            StateChangeReason=message,
            CompletionDateTime=time.time(),
            AthenaError={"ErrorCategory": 1, "ErrorType": 401, "Retryable": True, "ErrorMessage": message},
        )
    return execution


def record(data: Mapping[str, Any], location: str, encryption: Json | None, engine: Json) -> Json:
    """A new statement's record.

    Args:
        data: The request.
        location: Where its result goes.
        encryption: How its result is encrypted.
        engine: The engine's version.

    Returns:
        The record, kept by the emulator.
    """
    number = new_uuid()
    context = data.get("QueryExecutionContext") or {}
    execution: Json = {
        "QueryExecutionId": number,
        "Query": data["QueryString"],
        "StatementType": athena._detect_statement_type(data["QueryString"]),
        "ResultConfiguration": {
            "OutputLocation": f"{location.rstrip('/')}/{number}.csv",
            **({"EncryptionConfiguration": encryption} if encryption else {}),
        },
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
        "QueryExecutionContext": {key: context[key] for key in ("Database", "Catalog") if key in context},
        "Status": {"State": "QUEUED", "SubmissionDateTime": datetime.now(UTC).timestamp()},
        "Statistics": {},
        "WorkGroup": data.get("WorkGroup") or "primary",
        "EngineVersion": engine,
    }
    if data.get("ExecutionParameters"):
        execution["ExecutionParameters"] = list(data["ExecutionParameters"])
    athena._executions[number] = execution
    return execution
