"""The records of files: every change of status is a conditional write, so exactly one writer wins.

::

    REGISTERED ──► RUNNING ──► SUCCEEDED ──► REGISTERED with a higher attempt, where somebody reopens it
        │            ├───────► FAILED ─────► RUNNING with a higher attempt; or reopened like that
        └► SKIPPED   └► RUNNING again, taking over from a dead one; or SKIPPED

An attempt is a fencing token: once a higher one started, whatever the lower one still writes is refused. So is what a
process still writes after its own attempt was started anew: each start makes a claim, and only the last one counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from lakehouse.errors import MetadataError, RecordExistsError, RowConservationError, StatusConflictError
from lakehouse.metadata.attribute_values import present, timestamp, utc_now
from lakehouse.metadata.dynamodb import Write
from lakehouse.metadata.file_lookup import FileLookup, not_found
from lakehouse.metadata.file_record import FileRecord, FileStatus, NewFile

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from lakehouse.contracts.difference import Difference

RESULT_FIELDS = frozenset(
    {
        "bytes_written",
        "drift",
        "duration_seconds",
        "engine",
        "nonfinite_values",
        "output_checksum",
        "output_objects",
        "output_uri",
        "quarantine_uri",
        "rows_quarantined",
        "rows_read",
        "rows_total",
        "rows_written",
        "rule_results",
    }
)
# What tells of the output: it stays as long as that output does, whatever a later attempt comes to.
_OF_THE_OUTPUT = RESULT_FIELDS - {"drift", "engine", "rows_total", "rows_read"}
# What an attempt leaves behind, and the next one must not inherit.
_OF_AN_ATTEMPT = ("error_type", "finished_at", "next_attempt", "reason")
# What goes with the worker that is done or dead, when a file is reopened. Without an engine, the file is looked at
# anew: its contract may have changed.
_OF_A_WORKER = ("claim", "engine", "error_type", "execution_arn", "job_run_id", "next_attempt", "reason", "run_id")
# An item holds 400 KB at most, and every write of it costs by its size: long texts are cut, of many differences the
# first are kept.
_REASON_LENGTH = 4_000
_MOST_DIFFERENCES = 100
_NAME_LENGTH = 200


class FileRecords(FileLookup):
    """The table of file records, to read and to write.

    Args:
        client: A boto3 DynamoDB client, made with ``aws_errors.client_config()``.
        table_name: The table.
        clock: Tells the time, UTC.
    """

    def __init__(self, client: DynamoDBClient, table_name: str, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(client, table_name)
        self._clock = clock

    def register(self, new: NewFile) -> FileRecord:
        """Create the record of a file.

        Args:
            new: The file.

        Returns:
            Its record, ``REGISTERED``.

        Raises:
            RecordExistsError: It is registered already: ``get`` it.
        """
        now = self._clock()
        item = asdict(new) | {"status": FileStatus.REGISTERED.value, "created_at": now, "updated_at": now}
        write = self._table.put(item, Attr("file_id").not_exists())
        if write.item is None or not write.is_accepted:
            raise RecordExistsError(
                f"{new.key} (file_id {new.file_id}) is registered already. Go on with the record that exists."
            )
        return FileRecord.from_item(write.item)

    def describe(
        self,
        file_id: str,
        *,
        attempt: int,
        rows_total: int | None = None,
        drift: Sequence[Difference] = (),
        engine: str | None = None,
    ) -> FileRecord:
        """Note what was found in a file before its conversion.

        Args:
            file_id: The file.
            attempt: The attempt that looked.
            rows_total: Rows according to the footer.
            drift: What differs from the contract, whether it is allowed or not.
            engine: The runner that will convert it.

        Returns:
            The record.

        Raises:
            RecordNotFoundError: There is no such record.
            StatusConflictError: The file is done, or a higher attempt works on it.
        """
        changes = {"rows_total": rows_total, "engine": engine} | _drift([asdict(one) for one in drift])
        allowed = _is(FileStatus.REGISTERED, FileStatus.RUNNING, FileStatus.FAILED) & Attr("attempt").lte(attempt)
        return self._change(file_id, changes, allowed, f"describe attempt {attempt}")

    def start(
        self,
        file_id: str,
        *,
        attempt: int,
        engine: str,
        execution_arn: str | None,
        run_id: str | None = None,
        job_run_id: str | None = None,
    ) -> FileRecord:
        """Begin, or within the same execution begin again, the conversion of a file.

        Args:
            file_id: The file.
            attempt: The attempt: that of the registration, or a higher one.
            engine: ``spark`` or ``in_process``.
            execution_arn: The execution that owns the attempt. It may start the same attempt again (a retry).
            run_id: The pipeline run.
            job_run_id: The Glue job run.

        Returns:
            The record, ``RUNNING``, with the claim to go on with.

        Raises:
            RecordNotFoundError: There is no such record.
            StatusConflictError: The file is done, or another execution owns this or a higher attempt.
        """
        allowed: ConditionBase = (_is(FileStatus.REGISTERED) & Attr("attempt").lte(attempt)) | (
            _is(FileStatus.RUNNING, FileStatus.FAILED) & Attr("attempt").lt(attempt)
        )
        if execution_arn is not None:
            allowed |= _is(FileStatus.RUNNING) & Attr("attempt").eq(attempt) & Attr("execution_arn").eq(execution_arn)
        changes = {
            "status": FileStatus.RUNNING.value,
            "attempt": attempt,
            "engine": engine,
            "execution_arn": execution_arn,
            "run_id": run_id,
            "job_run_id": job_run_id,
            "claim": uuid.uuid4().hex,
            "rows_read": 0,
            "started_at": self._clock(),
        }
        return self._change(file_id, changes, allowed, f"start attempt {attempt}", forget=_OF_AN_ATTEMPT)

    def progress(self, file_id: str, *, attempt: int, rows_read: int | None = None, claim: str | None = None) -> None:
        """Note how far a conversion is; it also shows that the attempt lives.

        Args:
            file_id: The file.
            attempt: The running attempt.
            rows_read: Rows read so far; None to show only that it lives.
            claim: What ``start`` gave.

        Raises:
            RecordNotFoundError: There is no such record.
            StatusConflictError: Somebody else took over: stop working.
        """
        allowed = _is_running(attempt, claim)
        self._change(file_id, {"rows_read": rows_read}, allowed, f"note progress of attempt {attempt}")

    def succeed(self, file_id: str, *, attempt: int, result: Mapping[str, Any], claim: str | None = None) -> FileRecord:
        """Record a whole conversion.

        Args:
            file_id: The file.
            attempt: The running attempt.
            result: What the conversion made, by the names of ``RESULT_FIELDS``.
            claim: What ``start`` gave.

        Returns:
            The record, ``SUCCEEDED`` until somebody reopens it.

        Raises:
            MetadataError: The result has a name that no record knows, or lacks the counts.
            RowConservationError: Rows read are not rows written plus rows quarantined.
            RecordNotFoundError: There is no such record.
            StatusConflictError: Somebody else took over, or the file is done.
        """
        _require_conserved_rows(file_id, result)
        changes = dict(result) | {"status": FileStatus.SUCCEEDED.value, "finished_at": self._clock()}
        changes |= _drift(result.get("drift", ()))
        gone = sorted(name for name in _OF_THE_OUTPUT if result.get(name) is None)
        allowed = _is_running(attempt, claim)
        return self._change(file_id, changes, allowed, f"succeed with attempt {attempt}", forget=gone)

    def fail(
        self,
        file_id: str,
        *,
        attempt: int,
        error_type: str,
        reason: str,
        execution_arn: str | None = None,
        drift: Sequence[Difference] | None = None,
        next_attempt: int | None = None,
        claim: str | None = None,
    ) -> FileRecord:
        """Record a failed attempt, also one that never started.

        Args:
            file_id: The file.
            attempt: The failed attempt.
            error_type: Class name of the error.
            reason: Its message.
            execution_arn: The execution that failed, where known: it cannot fail an attempt that another one runs.
            drift: What differs from the contract, where that is why it failed.
            next_attempt: The attempt that waits in the queue already, where the failure passes by itself.
            claim: What ``start`` gave, where a conversion failed by itself.

        Returns:
            The record, ``FAILED``.

        Raises:
            RecordNotFoundError: There is no such record.
            StatusConflictError: The file is done, the attempt failed already, or somebody else runs it.
        """
        owned: ConditionBase = Attr("attempt").eq(attempt)
        if execution_arn is not None:
            owned &= Attr("execution_arn").eq(execution_arn)
        if claim is not None:
            owned &= Attr("claim").eq(claim)
        allowed = (
            (_is(FileStatus.REGISTERED) & Attr("attempt").lte(attempt))
            | (_is(FileStatus.RUNNING) & (Attr("attempt").lt(attempt) | owned))
            | (_is(FileStatus.FAILED) & Attr("attempt").lt(attempt))
        )
        changes = {
            "status": FileStatus.FAILED.value,
            "attempt": attempt,
            "error_type": error_type,
            "reason": _short(reason, _REASON_LENGTH),
            "next_attempt": next_attempt,
            "finished_at": self._clock(),
        } | ({} if drift is None else _drift([asdict(one) for one in drift]))
        return self._change(file_id, changes, allowed, f"fail attempt {attempt}")

    def skip(self, file_id: str, *, duplicate_of: str, claim: str | None = None) -> FileRecord:
        """Record that a file need not be converted: the same bytes of the same key were, or a newer version will be.

        Args:
            file_id: The file.
            duplicate_of: The ``file_id`` of that conversion.
            claim: What ``start`` gave to the conversion that found out before it published anything.

        Returns:
            The record, ``SKIPPED`` for good.

        Raises:
            RecordNotFoundError: There is no such record.
            StatusConflictError: Its conversion began, or somebody else took it over.
        """
        now = self._clock()
        changes = {"status": FileStatus.SKIPPED.value, "duplicate_of": duplicate_of, "finished_at": now}
        allowed = _is(FileStatus.REGISTERED)
        if claim is not None:
            allowed |= _is(FileStatus.RUNNING) & Attr("claim").eq(claim)
        return self._change(file_id, changes, allowed, "skip", forget=sorted(_OF_THE_OUTPUT))

    def reopen(self, file_id: str, *, attempt: int, dead_since: datetime | None = None) -> FileRecord:
        """Have a file converted anew. What it says of its output stays until there is a new one.

        Args:
            file_id: The file.
            attempt: The attempt to make: the one after the attempt that was seen to be over.
            dead_since: When a record was last changed whose work is known to be dead; None to leave all work alone.

        Returns:
            The record, ``REGISTERED``: send it to the queue of landed files.

        Raises:
            RecordNotFoundError: There is no such record.
            StatusConflictError: It is being converted, was skipped, or somebody else was faster.
        """
        allowed = _is(FileStatus.SUCCEEDED, FileStatus.FAILED)
        if dead_since is not None:
            is_dead = Attr("updated_at").lte(timestamp(dead_since))
            allowed |= _is(FileStatus.REGISTERED, FileStatus.RUNNING) & is_dead
        changes = {"status": FileStatus.REGISTERED.value, "attempt": attempt, "reopened_at": self._clock()}
        allowed &= Attr("attempt").eq(attempt - 1)
        return self._change(file_id, changes, allowed, f"reopen as attempt {attempt}", forget=_OF_A_WORKER)

    def _change(
        self,
        file_id: str,
        changes: Mapping[str, Any],
        allowed: ConditionBase,
        intent: str,
        *,
        forget: Iterable[str] = (),
    ) -> FileRecord:
        changes = {**changes, "updated_at": self._clock()}
        condition = Attr("file_id").exists() & allowed
        return _accepted(self._table.update({"file_id": file_id}, changes, condition, forget=forget), file_id, intent)


def _is(*statuses: FileStatus) -> ConditionBase:
    return Attr("status").is_in([status.value for status in statuses])


def _is_running(attempt: int, claim: str | None) -> ConditionBase:
    owned: ConditionBase = _is(FileStatus.RUNNING) & Attr("attempt").eq(attempt)
    return owned if claim is None else owned & Attr("claim").eq(claim)


def _accepted(write: Write, file_id: str, intent: str) -> FileRecord:
    if write.item is None:
        raise not_found(file_id)
    record = FileRecord.from_item(write.item)
    if not write.is_accepted:
        raise StatusConflictError(
            f"{record.key} (file_id {file_id}): cannot {intent}, since it is {record.status} at attempt "
            f"{record.attempt} of {record.execution_arn or 'no execution'}. "
            + (
                "It is done: upload a new version, or have it converted anew (lakehouse reprocess)."
                if record.status.is_final
                else f"Let that one end, or try again with attempt {record.attempt + 1}."
            )
        )
    return record


def _require_conserved_rows(file_id: str, result: Mapping[str, Any]) -> None:
    unknown = sorted(set(result) - RESULT_FIELDS)
    missing = sorted({"rows_read", "rows_written", "rows_quarantined", "output_uri"} - set(result))
    if unknown or missing:
        raise MetadataError(
            f"The result of {file_id} has unknown names {unknown} and lacks {missing}. Give those of RESULT_FIELDS."
        )
    read, written, quarantined = (result[name] for name in ("rows_read", "rows_written", "rows_quarantined"))
    if read != written + quarantined:
        raise RowConservationError(
            f"{file_id}: {read} rows were read, but {written} written and {quarantined} quarantined. "
            "The conversion is not recorded: run it again, and report the file if it happens again."
        )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _drift(differences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a record tells of the differences from the contract."""
    kept = [
        {name: _short(value, _NAME_LENGTH) if isinstance(value, str) else value for name, value in present(one).items()}
        for one in differences[:_MOST_DIFFERENCES]
    ]
    return {"drift": kept, "drift_count": len(differences)}
