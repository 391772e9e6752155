"""Converting files anew, deliberately: after a failure was mended, or after a contract or the code has changed.

A file is reopened as its next attempt and sent to the queue of landed files; from there on it goes the way of every
file. Its output and quarantine are replaced when the new ones are whole, and stay as earlier versions of the objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.errors import StatusConflictError
from lakehouse.ingestion.messages import LandedFile
from lakehouse.ingestion.planning import STALE_AFTER
from lakehouse.metadata.attribute_values import utc_now
from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.identity import execution_arn, execution_name, file_id, version_or_none

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

    from lakehouse.metadata.files import FileRecords

# HEAD has no body to name the error in: 404 is no such object, 405 a version that is a delete marker.
_GONE = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion", "NotFound"})
_UNFINISHED = frozenset({FileStatus.REGISTERED, FileStatus.RUNNING})
_SHORT_ID = 12


@dataclass(frozen=True, slots=True)
class Reprocessing:
    """What is to become of one file.

    Attributes:
        record: Its record.
        attempt: The attempt to make.
        refusal: Why it is left alone; None where it is converted anew.
    """

    record: FileRecord
    attempt: int
    refusal: str | None = None


class Reprocessor:
    """Has files converted anew.

    Args:
        records: The file records.
        s3: S3 client.
        sqs: SQS client.
        queue_url: The queue of landed files.
        states: Step Functions client.
        state_machine_arn: The file-conversion state machine.
        clock: Tells the time, UTC.
    """

    def __init__(
        self,
        records: FileRecords,
        s3: S3Client,
        sqs: SQSClient,
        queue_url: str,
        states: SFNClient,
        state_machine_arn: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._records = records
        self._s3 = s3
        self._sqs = sqs
        self._queue_url = queue_url
        self._states = states
        self._machine = state_machine_arn
        self._clock = clock

    def plan(self, files: Iterable[FileRecord]) -> Iterator[Reprocessing]:
        """Decide about files, and change nothing.

        Args:
            files: The files; of several versions of one object the newest first.

        Yields:
            What is to become of each, in their order.

        Raises:
            LakehouseError: S3 or DynamoDB refused.
        """
        taken: dict[tuple[str, str], FileRecord] = {}
        for record in files:
            other = taken.get((record.bucket, record.key))
            if other is not None and other.file_id == record.file_id:
                continue
            refusal = self._refusal(record)
            if refusal is None and other is not None:
                refusal = f"Its newer version {_short(other)} is converted anew."
            if refusal is None:
                taken[record.bucket, record.key] = record
            yield Reprocessing(record, _next_attempt(record), refusal)

    def carry_out(self, planned: Reprocessing) -> Reprocessing:
        """Reopen a file and send it to the queue. After a crash in between, doing it again sends it.

        Args:
            planned: What ``plan`` decided.

        Returns:
            What became of it: refused where somebody else was faster.

        Raises:
            LakehouseError: AWS refused: do it again.
        """
        record = planned.record
        if planned.refusal is not None:
            return planned
        if not _waits_for_its_message(record):
            dead_since = record.updated_at if record.status in _UNFINISHED else None
            try:
                record = self._records.reopen(record.file_id, attempt=planned.attempt, dead_since=dead_since)
            except StatusConflictError as error:
                return Reprocessing(record, planned.attempt, str(error))
        landed = LandedFile(record.bucket, record.key, record.version_id, planned.attempt)
        try:
            self._sqs.send_message(QueueUrl=self._queue_url, MessageBody=landed.message)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, f"Sending {record.key} to {self._queue_url}") from error
        return Reprocessing(record, planned.attempt)

    def _refusal(self, record: FileRecord) -> str | None:
        """Why a file is left alone."""
        if record.status is FileStatus.SKIPPED:
            return (
                f"It was skipped, since file {(record.duplicate_of or 'unknown')[:_SHORT_ID]} has the same bytes or is "
                f"newer. Convert that one anew: lakehouse reprocess {(record.duplicate_of or 'unknown')[:_SHORT_ID]}"
            )
        if self._is_under_way(record):
            return (
                f"It is {record.status} as attempt {record.attempt} already, last heard of at "
                f"{record.updated_at:%Y-%m-%d %H:%M:%S} UTC. Let that attempt end."
            )
        return self._of_its_versions(record)

    def _is_under_way(self, record: FileRecord) -> bool:
        if record.status not in _UNFINISHED or _waits_for_its_message(record):
            return False
        return record.updated_at >= self._clock() - STALE_AFTER and not self._has_ended(record)

    def _has_ended(self, record: FileRecord) -> bool:
        """Whether the execution that owns an unfinished file is over: stopped, or timed out."""
        arn = record.execution_arn or execution_arn(self._machine, execution_name(record.file_id, record.attempt))
        try:
            return self._states.describe_execution(executionArn=arn)["status"] != "RUNNING"
        except ClientError as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return False  # not started yet
            raise translate(error, f"Looking at {arn}") from error
        except BotoCoreError as error:
            raise translate(error, f"Looking at {arn}") from error

    def _of_its_versions(self, record: FileRecord) -> str | None:
        """Why the version is not the one that the output of its object should come from."""
        try:
            version: Any = {"VersionId": record.version_id} if record.version_id else {}
            head = self._s3.head_object(Bucket=record.bucket, Key=record.key, **version)
            if record.version_id is None and head["ETag"].strip('"') != record.etag:
                return "It was replaced by another upload, and its bucket kept no version of it."
            newest = self._newest(record)
        except ClientError as error:
            if error_code(error) not in _GONE:
                raise translate(error, f"Looking at s3://{record.bucket}/{record.key}") from error
            return "The raw object, or this version of it, was deleted. Upload it again: lakehouse ingest"
        except BotoCoreError as error:
            raise translate(error, f"Looking at s3://{record.bucket}/{record.key}") from error
        if newest is not None and newest != record.file_id:
            known = self._records.find(newest)
            if known is None:
                return f"A newer version of it has landed and is taken in at present (file {newest[:_SHORT_ID]})."
            refusal = _of_newer(known, record)
            if refusal is not None:
                return refusal
        registered_later = self._records.iterate(key=record.key, since=record.created_at)
        others = (one for one in registered_later if one.bucket == record.bucket and one.file_id != record.file_id)
        return next(filter(None, (_of_newer(other, record) for other in others)), None)

    def _newest(self, record: FileRecord) -> str | None:
        """The newest version of the object; None where it is deleted, which leaves its earlier versions."""
        try:
            head = self._s3.head_object(Bucket=record.bucket, Key=record.key)
        except ClientError as error:
            if error_code(error) in _GONE:
                return None
            raise
        version_id = version_or_none(head.get("VersionId"))
        return file_id(record.bucket, record.key, version_id=version_id, etag=head["ETag"])


def _of_newer(newer: FileRecord, record: FileRecord) -> str | None:
    """What a newer version of the same object has against this one being converted anew."""
    if newer.duplicate_of == record.file_id or (newer.status is FileStatus.FAILED and newer.output_uri is None):
        return None
    # Also where it failed when it was converted anew: its earlier output is there.
    if newer.status in {FileStatus.SUCCEEDED, FileStatus.FAILED}:
        return (
            f"Its output was replaced by that of the newer version {_short(newer)}. Convert that one anew: "
            f"lakehouse reprocess {_short(newer)}"
        )
    return f"A newer version of it is there: {_short(newer)}, {newer.status}."


def _waits_for_its_message(record: FileRecord) -> bool:
    """Whether a file was reopened and not taken in since: its message may be lost, and a second one does no harm."""
    return record.status is FileStatus.REGISTERED and record.reopened_at is not None and record.execution_arn is None


def _next_attempt(record: FileRecord) -> int:
    return record.attempt if _waits_for_its_message(record) else record.attempt + 1


def _short(record: FileRecord) -> str:
    return record.file_id[:_SHORT_ID]
