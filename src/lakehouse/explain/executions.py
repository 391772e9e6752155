"""What Step Functions and Glue tell of a file's attempts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.explain.entry import Entry
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.identity import execution_arn, execution_name

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_stepfunctions import SFNClient

    from lakehouse.metadata.file_record import FileRecord

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_KEPT = timedelta(days=90)
_LONGEST_TEXT = 600
_JOB_RUN = re.compile(r'"(?:Id|JobRunId)"\s*:\s*"(jr_[0-9a-f]+)"')


@dataclass(frozen=True, slots=True)
class Attempts:
    """What is known of a file's attempts.

    Attributes:
        entries: What happened.
        job_run_ids: The Glue job runs that worked on the file.
    """

    entries: tuple[Entry, ...]
    job_run_ids: tuple[str, ...]


def attempts_of(states: SFNClient, state_machine_arn: str, record: FileRecord, now: datetime) -> Attempts:
    """Read the executions of all of a file's attempts.

    Args:
        states: Step Functions client.
        state_machine_arn: The file-conversion state machine.
        record: The file.
        now: The time, UTC.

    Returns:
        What they did, and which job runs they started.

    Raises:
        LakehouseError: Step Functions refused.
    """
    entries: list[Entry] = []
    runs = [record.job_run_id] if record.job_run_id else []
    for attempt in range(1, record.attempt + 1):
        arn = execution_arn(state_machine_arn, execution_name(record.file_id, attempt))
        if attempt == record.attempt and record.execution_arn:
            arn = record.execution_arn
        try:
            described = states.describe_execution(executionArn=arn)
            history = list(_history(states, arn))
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise translate(error, f"Reading {arn}") from error
            entries.append(_missing(record, attempt, now))
            continue
        except BotoCoreError as error:
            raise translate(error, f"Reading {arn}") from error
        entries += _of_execution(attempt, described, history)
        runs += [found for event in history for found in _JOB_RUN.findall(json.dumps(event, default=str))]
        runs += [found for event in history for found in _JOB_RUN.findall(_output(event))]
    return Attempts(tuple(entries), tuple(dict.fromkeys(runs)))


def _history(states: SFNClient, arn: str) -> Iterator[Mapping[str, Any]]:
    for page in states.get_paginator("get_execution_history").paginate(executionArn=arn):
        yield from page["events"]


def _missing(record: FileRecord, attempt: int, now: datetime) -> Entry:
    told = f"attempt {attempt}: there is no execution {execution_name(record.file_id, attempt)}"
    if record.created_at < now - _KEPT:
        return Entry(None, "execution", f"{told} any more: AWS keeps executions for 90 days")
    if attempt == record.attempt and record.status is FileStatus.REGISTERED:
        return Entry(None, "execution", f"{told} yet: the file waits in the queue, or for a circuit to close")
    ended = record.finished_at if attempt == record.attempt else None
    return Entry(ended, "execution", f"{told}: what became of it was decided when it was taken in")


def _of_execution(attempt: int, described: Mapping[str, Any], history: list[Mapping[str, Any]]) -> Iterator[Entry]:
    name = described["executionArn"].partition(":execution:")[2]
    yield Entry(_utc(described["startDate"]), "execution", f"attempt {attempt} started: {name}")
    state = "its start"
    for event in history:
        entered = event.get("stateEnteredEventDetails")
        if entered:
            state = entered["name"]
        failed = _failure(event)
        if failed:
            yield Entry(
                _utc(event["timestamp"]), "execution", f"attempt {attempt}, state {state}: {failed}", is_bad=True
            )
    stopped = described.get("stopDate")
    if stopped is None:
        yield Entry(None, "execution", f"attempt {attempt} is {described['status']}, in state {state}")
    else:
        is_bad = described["status"] != "SUCCEEDED"
        error = f" with {described['error']}" if described.get("error") else ""
        yield Entry(_utc(stopped), "execution", f"attempt {attempt} ended as {described['status']}{error}", is_bad)


def _failure(event: Mapping[str, Any]) -> str | None:
    """What a failed or timed-out step of a state says; the execution's own end is told once."""
    if event["type"].startswith("Execution"):
        return None
    for name, details in event.items():
        if name.endswith(("FailedEventDetails", "TimedOutEventDetails")) and isinstance(details, Mapping):
            return (
                f"{details.get('error') or event['type']}: {_cause(str(details.get('cause') or 'no cause was given'))}"
            )
    return None


def _cause(text: str) -> str:
    """The message within a cause, which Lambda and Glue give as JSON."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        text = str(found.get("errorMessage") or found.get("ErrorMessage") or text)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _output(event: Mapping[str, Any]) -> str:
    """The JSON within an event: what a task said when it was submitted, or had ended."""
    parts = (value for name, value in event.items() if name.startswith("task") and isinstance(value, Mapping))
    return " ".join(str(part.get("output") or part.get("cause") or "") for part in parts)


def job_runs(glue: GlueClient, job_name: str, run_ids: tuple[str, ...]) -> Iterator[Entry]:
    """Read Glue job runs.

    Args:
        glue: Glue client.
        job_name: The job.
        run_ids: Its runs.

    Yields:
        How each started and ended.

    Raises:
        LakehouseError: Glue refused.
    """
    for run_id in run_ids:
        try:
            run = glue.get_job_run(JobName=job_name, RunId=run_id)["JobRun"]
        except ClientError as error:
            if error_code(error) == "EntityNotFoundException":
                yield Entry(None, "job run", f"{run_id} of {job_name} is not kept any more")
                continue
            raise translate(error, f"Reading job run {run_id} of {job_name}") from error
        except BotoCoreError as error:
            raise translate(error, f"Reading job run {run_id} of {job_name}") from error
        state = run["JobRunState"]
        yield Entry(_utc(run["StartedOn"]), "job run", f"{run_id} of Glue job {job_name} started")
        ended = run.get("CompletedOn")
        said = f": {_cause(run['ErrorMessage'])}" if run.get("ErrorMessage") else ""
        is_bad = state not in {"SUCCEEDED", "RUNNING", "STARTING", "WAITING"}
        yield Entry(_utc(ended) if ended else None, "job run", f"{run_id} is {state}{said}", is_bad)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
