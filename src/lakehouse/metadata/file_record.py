"""The record of one file, and the one place where it becomes a DynamoDB item and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from lakehouse.contracts.difference import Difference
from lakehouse.metadata.attribute_values import Item, read_time


class FileStatus(StrEnum):
    """Where a file stands.

    ``SUCCEEDED`` and ``SKIPPED`` are final, but for a ``SUCCEEDED`` file that somebody reopens; ``FAILED`` gives way to
    a higher attempt only.
    """

    REGISTERED = "REGISTERED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"

    @property
    def is_final(self) -> bool:
        """Whether nothing changes it any more by itself."""
        return self in {FileStatus.SUCCEEDED, FileStatus.SKIPPED}


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is seen for the first time.

    Attributes:
        file_id: Its identity (``identity.file_id``).
        bucket: Its bucket.
        key: Its key.
        dataset: The dataset it belongs to.
        version_id: Its version, None where the bucket has no versioning.
        etag: Its ETag without quotes, None where the object could not be read any more.
        checksum: ``<algorithm>=<base64>``, the best that S3 keeps of the whole object.
        size_bytes: Its size.
        attempt: The attempt that registers it.
        run_id: The pipeline run that found it.
        execution_arn: The execution that converts it.
    """

    file_id: str
    bucket: str
    key: str
    dataset: str
    version_id: str | None = None
    etag: str | None = None
    checksum: str | None = None
    size_bytes: int | None = None
    attempt: int = 1
    run_id: str | None = None
    execution_arn: str | None = None


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What is known of one version of one raw object.

    Attributes:
        file_id: Its identity.
        bucket: The raw object's bucket.
        key: The raw object's key.
        dataset: The dataset it belongs to.
        status: Where it stands.
        attempt: The attempt the status speaks of, from 1.
        created_at: When it was registered, UTC.
        updated_at: When the record last changed, UTC.
        reopened_at: When somebody last asked for the file to be converted anew, UTC.
        version_id: The raw object's version.
        etag: The raw object's ETag without quotes.
        checksum: The raw object's ``<algorithm>=<base64>``.
        size_bytes: The raw object's size.
        engine: ``spark`` or ``in_process``.
        run_id: The pipeline run.
        execution_arn: The file-conversion execution that owns the attempt.
        job_run_id: The Glue job run, where one worked on it.
        claim: Names the process that converts it: one that starts the same attempt anew takes over with a new claim.
        started_at: When the attempt's conversion began, UTC.
        finished_at: When the attempt ended, UTC.
        duration_seconds: How long the conversion took.
        rows_total: Rows according to the file's footer.
        rows_read: Rows read; grows while the conversion runs.
        rows_written: Rows in the output object.
        rows_quarantined: Rows in the quarantine object.
        bytes_written: Size of the output object.
        output_uri: ``s3://`` address of the output object.
        output_objects: How many objects the output is; when several, the address is their manifest's.
        output_checksum: Its checksum.
        quarantine_uri: ``s3://`` address of the quarantine object, None where no row was rejected.
        rule_results: Rejected rows by rule.
        nonfinite_values: NaN and infinite values that became null.
        drift: What differs from the contract, column by column, the refused differences first; of very many, the first.
        drift_count: How many differences there are.
        error_type: Class name of the error of a failed attempt.
        reason: Its message.
        next_attempt: The attempt that waits in the queue already, where the failure passes by itself.
        duplicate_of: ``file_id`` of the conversion that makes this one needless.
    """

    file_id: str
    bucket: str
    key: str
    dataset: str
    status: FileStatus
    attempt: int
    created_at: datetime
    updated_at: datetime
    reopened_at: datetime | None = None
    version_id: str | None = None
    etag: str | None = None
    checksum: str | None = None
    size_bytes: int | None = None
    engine: str | None = None
    run_id: str | None = None
    execution_arn: str | None = None
    job_run_id: str | None = None
    claim: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_seconds: float | None = None
    rows_total: int | None = None
    rows_read: int | None = None
    rows_written: int | None = None
    rows_quarantined: int | None = None
    bytes_written: int | None = None
    output_uri: str | None = None
    output_objects: int | None = None
    output_checksum: str | None = None
    quarantine_uri: str | None = None
    rule_results: Mapping[str, int] = field(default_factory=dict)
    nonfinite_values: int | None = None
    drift: tuple[Difference, ...] = ()
    drift_count: int = 0
    error_type: str | None = None
    reason: str | None = None
    next_attempt: int | None = None
    duplicate_of: str | None = None

    @classmethod
    def from_item(cls, item: Item) -> FileRecord:
        """Read a record.

        Args:
            item: The DynamoDB item, as Python values; attributes unknown here are left out.

        Returns:
            The record.
        """
        known = (one.name for one in fields(cls))
        values: dict[str, Any] = {name: item[name] for name in known if item.get(name) is not None}
        return cls(**{name: _READERS[name](value) if name in _READERS else value for name, value in values.items()})


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "created_at": read_time,
    "updated_at": read_time,
    "reopened_at": read_time,
    "started_at": read_time,
    "finished_at": read_time,
    "status": FileStatus,
    "duration_seconds": float,
    "drift": lambda items: tuple(map(Difference.from_item, items)),
}
