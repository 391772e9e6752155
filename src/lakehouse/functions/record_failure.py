"""Records why a file could not be converted, whatever state of the file-conversion state machine failed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.errors import InputFileError, RecordExistsError, StatusConflictError
from lakehouse.functions import surroundings
from lakehouse.functions.surroundings import Answer, Event, handles, require
from lakehouse.ingestion.messages import LandedFile
from lakehouse.metadata.file_record import FileRecord, FileStatus, NewFile
from lakehouse.metadata.identity import dataset_of_key, file_id, version_or_none

if TYPE_CHECKING:
    from lakehouse.ingestion.retries import Retries
    from lakehouse.metadata.files import FileRecords

# Names of errors that only say that something failed: what the cause names is better.
_VAGUE = frozenset({"States.TaskFailed", "States.ALL", "States.Runtime", ""})
# "CorruptFileError: the footer cannot be read", as Glue shows what left a job's script.
_NAMED = re.compile(r"^(?:[\w.]+\.)?(?P<error_type>[A-Za-z_]\w*(?:Error|Exception)): (?P<reason>.+)", re.DOTALL)
_LONGEST_REASON = 4_000
_NO_DATASET = "unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    Attributes:
        error_type: Class name of the error, or AWS's name for it.
        reason: What it says.
    """

    error_type: str
    reason: str

    @classmethod
    def from_error(cls, error: Any) -> Failure:
        """Understand what a state machine caught.

        Args:
            error: ``{"Error": …, "Cause": …}``. The cause is the JSON of a failed Lambda call (``errorType``,
                ``errorMessage``), of a Glue job run (``JobRunState``, ``ErrorMessage``), or plain text.

        Returns:
            The error that a person should see.
        """
        name = str((error or {}).get("Error") or "")
        cause = str((error or {}).get("Cause") or "")
        found = _parsed(cause)
        if "errorMessage" in found or "errorType" in found:
            message = str(found.get("errorMessage") or "no message")
            return cls(str(found.get("errorType") or name or "UnknownError"), message)
        if "JobRunState" in found:
            return _of_job_run(name, found)
        named = _NAMED.match(cause)
        if named and name in _VAGUE:
            return cls(named["error_type"], named["reason"])
        return cls(
            name or "UnknownError", cause or "The state machine caught an error without a cause: see its history."
        )


def _parsed(cause: str) -> dict[str, Any]:
    try:
        found = json.loads(cause)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_job_run(name: str, run: dict[str, Any]) -> Failure:
    state, run_id = str(run["JobRunState"]), str(run.get("Id") or "unknown")
    message = str(run.get("ErrorMessage") or "")
    named = _NAMED.match(message)
    if named:
        return Failure(named["error_type"], named["reason"])
    where = f"Glue job run {run_id} of {run.get('JobName') or 'unknown'} ended as {state}"
    if state == "TIMEOUT":
        return Failure("JobRunTimedOut", f"{where}: {message or 'it ran longer than the job allows'}.")
    if state == "STOPPED":
        return Failure("JobRunStopped", f"{where}: {message or 'somebody stopped it'}.")
    return Failure(name if name not in _VAGUE else "JobRunFailed", f"{where}: {message or 'see its error log'}.")


def record(event: Event, records: FileRecords, retries: Retries) -> Answer:
    """Record a failed attempt, and have the file tried again where that may help.

    A reason that is recorded already stays: it is nearer to the cause. Nothing is recorded where another execution
    owns the file: its work goes on.

    Args:
        event: ``bucket``, ``key``, ``error`` and, if known, ``file_id``, ``version_id``, ``attempt``, ``run_id``,
            ``execution_arn``.
        records: The file records.
        retries: Tries files again.

    Returns:
        ``file_id``, ``error_type`` and ``reason``.

    Raises:
        PermanentError: The event lacks bucket or key.
        LakehouseError: DynamoDB refused.
    """
    failure = Failure.from_error(event.get("error"))
    attempt = int(event.get("attempt") or 1)
    identity = _identity(event, records)
    if failure.error_type in {StatusConflictError.__name__, RecordExistsError.__name__}:
        found = records.find(identity)
        return _answer(identity, _recorded(found, attempt) or failure)
    _register_if_unknown(event, identity, attempt, records)
    next_attempt = _next_attempt(event, attempt, failure, records.get(identity), retries)
    if next_attempt is not None:
        failure = Failure(failure.error_type, f"{failure.reason} The file is tried again as attempt {next_attempt}.")
    try:
        records.fail(
            identity,
            attempt=attempt,
            error_type=failure.error_type,
            reason=failure.reason,
            execution_arn=event.get("execution_arn"),
            next_attempt=next_attempt,
        )
    except StatusConflictError:
        return _answer(identity, _recorded(records.get(identity), attempt) or failure)
    return _answer(identity, failure)


def _next_attempt(event: Event, attempt: int, failure: Failure, found: FileRecord, retries: Retries) -> int | None:
    """Send the file back to the queue before the failure is recorded: a crash in between loses nothing."""
    is_under_way = found.status in {FileStatus.REGISTERED, FileStatus.RUNNING}
    is_ours = is_under_way and found.attempt == attempt and found.execution_arn in {None, event.get("execution_arn")}
    # One that died before it was registered: the record still tells of the attempt before.
    is_unknown = found.attempt < attempt and not found.status.is_final
    if not is_ours and not is_unknown:
        return None
    landed = LandedFile(found.bucket, found.key, found.version_id, attempt)
    return attempt + 1 if retries.note(landed, failure.error_type, failure.reason) else None


def _identity(event: Event, records: FileRecords) -> str:
    """The file's id: given, or by its version, or that of the unfinished record of this key."""
    given = event.get("file_id")
    if given:
        return str(given)
    bucket, key = require(event, "bucket"), require(event, "key")
    version_id = version_or_none(event.get("version_id"))
    if version_id is None:
        # Registered under the latest version or the ETag, which only S3 could tell.
        for found in records.iterate(key=key):
            if found.bucket == bucket and not found.status.is_final:
                return found.file_id
    return file_id(bucket, key, version_id=version_id)


def _register_if_unknown(event: Event, identity: str, attempt: int, records: FileRecords) -> None:
    """A file that vanished before it was registered fails too, and is listed."""
    if records.find(identity) is not None:
        return
    key = require(event, "key")
    try:
        dataset = dataset_of_key(key)
    except InputFileError:
        dataset = _NO_DATASET
    new = NewFile(
        file_id=identity,
        bucket=require(event, "bucket"),
        key=key,
        dataset=dataset,
        version_id=version_or_none(event.get("version_id")),
        attempt=attempt,
        run_id=event.get("run_id"),
        execution_arn=event.get("execution_arn"),
    )
    try:
        records.register(new)
    except RecordExistsError:
        return  # somebody registered it this moment: that record is failed next


def _recorded(found: FileRecord | None, attempt: int) -> Failure | None:
    """The failure that this attempt's record tells already."""
    if found is None or found.status is not FileStatus.FAILED or found.attempt != attempt:
        return None
    return Failure(found.error_type or "UnknownError", found.reason or "no reason was recorded")


def _answer(identity: str, failure: Failure) -> Answer:
    return {
        "file_id": identity,
        "error_type": failure.error_type,
        "reason": failure.reason[:_LONGEST_REASON],
    }


@handles
def handler(event: Event) -> Answer:
    """Record the failure that the event tells, see ``record``."""
    return record(event, surroundings.records(), surroundings.retries())
