"""Registers a file of the raw layer and decides what is to be done with it.

Whatever cannot be converted is refused here, before any engine starts: a vanished, empty, truncated, encrypted or
foreign file, and drift that the dataset's contract does not allow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.drift import Drift, compare
from lakehouse.contracts.model import choose_engine
from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.source import inspect
from lakehouse.errors import FileVanishedError, RecordExistsError, StatusConflictError
from lakehouse.functions import surroundings
from lakehouse.functions.surroundings import Answer, Event, handles, require
from lakehouse.metadata.file_record import FileRecord, FileStatus, NewFile
from lakehouse.metadata.identity import dataset_of_key, file_id, version_or_none, version_text

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lakehouse.metadata.files import FileRecords

# Strongest first. S3 keeps CRC64NVME of every object that was uploaded without another one.
_CHECKSUMS = ("SHA256", "CRC64NVME", "CRC32C", "CRC32", "SHA1")
# HEAD has no body to name the error in: 404 is no such object, 405 a version that is a delete marker.
_GONE = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion", "NotFound"})


@dataclass(frozen=True, slots=True)
class Registration:
    """What a file-conversion execution asks for.

    Attributes:
        bucket: The raw object's bucket.
        key: The raw object's key.
        version_id: Its version; None for the latest one.
        attempt: The attempt, from 1.
        run_id: The pipeline run.
        execution_arn: The execution.
    """

    bucket: str
    key: str
    version_id: str | None = None
    attempt: int = 1
    run_id: str | None = None
    execution_arn: str | None = None

    @classmethod
    def from_event(cls, event: Event) -> Registration:
        """Read an event.

        Args:
            event: ``bucket``, ``key``, and if need be ``version_id``, ``attempt``, ``run_id``, ``execution_arn``.

        Returns:
            The registration.

        Raises:
            PermanentError: Bucket or key are missing.
        """
        return cls(
            bucket=require(event, "bucket"),
            key=require(event, "key"),
            version_id=version_or_none(event.get("version_id")),
            attempt=int(event.get("attempt") or 1),
            run_id=event.get("run_id"),
            execution_arn=event.get("execution_arn"),
        )


def register(wanted: Registration, client: S3Client, records: FileRecords, contracts: ContractCatalog) -> Answer:
    """Register a file, or go on with the record it has.

    Args:
        wanted: The file and the attempt.
        client: S3 client.
        records: The file records.
        contracts: The known contracts.

    Returns:
        ``file_id``, ``bucket``, ``key``, ``version_id`` (``null`` for none, as S3 says), ``attempt``, ``dataset``,
        ``engine``, ``rows_total`` and ``status``: ``REGISTERED`` (convert it), ``SKIPPED`` (the same bytes of the same
        key were converted) or ``SUCCEEDED`` (it is converted).

    Raises:
        FileVanishedError: The object or this version of it is not there any more.
        InputFileError: It is no parquet file, or a broken one.
        SchemaDriftError: Its columns differ from the contract more than the contract allows.
        StatusConflictError: The attempt failed already, or another execution works on the file.
    """
    new = _look_up(wanted, client)
    try:
        record = records.register(new)
    except RecordExistsError:
        record = records.get(new.file_id)
    if record.status.is_final:
        return _answer(record, record.attempt, record.status)
    _require_turn(record, wanted)
    if record.status is FileStatus.REGISTERED:
        duplicate = records.find_duplicate(record)
        if duplicate is not None:
            skipped = records.skip(record.file_id, duplicate_of=duplicate.file_id)
            return _answer(skipped, wanted.attempt, skipped.status)
    if _is_described(record, wanted):
        return _answer(record, wanted.attempt, FileStatus.REGISTERED)
    contract = contracts.find(record.dataset)
    facts = inspect(S3Source(client, new.bucket, new.key, new.version_id))
    drift = Drift(record.dataset) if contract is None else compare(contract, facts.schema)
    # Noted before it is judged: a refused file's record tells what differs, too.
    described = records.describe(
        record.file_id,
        attempt=wanted.attempt,
        rows_total=facts.rows,
        drift=drift.differences,
        engine=choose_engine(contract, facts.size_bytes),
    )
    drift.require_allowed()
    return _answer(described, wanted.attempt, FileStatus.REGISTERED)


def _is_described(record: FileRecord, wanted: Registration) -> bool:
    """Whether this attempt has looked at the file: the intake did, before it started the execution that asks again."""
    return (
        record.status is FileStatus.REGISTERED
        and record.attempt == wanted.attempt
        and record.engine is not None
        and record.rows_total is not None
        and all(difference.is_allowed for difference in record.drift)
    )


def _look_up(wanted: Registration, client: S3Client) -> NewFile:
    """Ask S3 for the object's version, size and checksum."""
    uri = f"s3://{wanted.bucket}/{wanted.key}"
    version: Any = {"VersionId": wanted.version_id} if wanted.version_id else {}
    try:
        head = client.head_object(Bucket=wanted.bucket, Key=wanted.key, ChecksumMode="ENABLED", **version)
    except ClientError as error:
        if error_code(error) in _GONE:
            raise FileVanishedError(
                f"{uri} (version {wanted.version_id or 'latest'}) is not there any more: it was deleted between "
                "landing and conversion. Upload it again if it is still wanted."
            ) from error
        raise translate(error, f"Looking at {uri}") from error
    except BotoCoreError as error:
        raise translate(error, f"Looking at {uri}") from error
    version_id = version_or_none(head.get("VersionId"))
    etag = head["ETag"].strip('"')
    return NewFile(
        file_id=file_id(wanted.bucket, wanted.key, version_id=version_id, etag=etag),
        bucket=wanted.bucket,
        key=wanted.key,
        dataset=dataset_of_key(wanted.key),
        version_id=version_id,
        etag=etag,
        checksum=_checksum(head, etag),
        size_bytes=head["ContentLength"],
        attempt=wanted.attempt,
        run_id=wanted.run_id,
        execution_arn=wanted.execution_arn,
    )


def _checksum(head: Any, etag: str) -> str:
    """The best that S3 keeps. A checksum of parts is one too: equal ones of equal kind mean equal bytes."""
    for algorithm in _CHECKSUMS:
        value = head.get(f"Checksum{algorithm}")
        if value:
            return f"{algorithm}={value}"
    return f"ETag={etag}"


def _require_turn(record: FileRecord, wanted: Registration) -> None:
    """Refuse an attempt that failed already or that another execution owns, before work is done for nothing."""
    is_owner = record.execution_arn is None or record.execution_arn == wanted.execution_arn
    is_free = record.status is FileStatus.REGISTERED or (record.status is FileStatus.RUNNING and is_owner)
    if record.attempt < wanted.attempt or (record.attempt == wanted.attempt and is_free):
        return
    raise StatusConflictError(
        f"{record.key} (file_id {record.file_id}): attempt {wanted.attempt} cannot begin, since the file is "
        f"{record.status} at attempt {record.attempt} of {record.execution_arn or 'no execution'}. "
        f"Try again with attempt {record.attempt + 1} (lakehouse run --retry-failed)."
    )


def _answer(record: FileRecord, attempt: int, status: FileStatus) -> Answer:
    return {
        "file_id": record.file_id,
        "bucket": record.bucket,
        "key": record.key,
        "version_id": version_text(record.version_id),
        "attempt": attempt,
        "dataset": record.dataset,
        "engine": record.engine,
        "rows_total": record.rows_total,
        "status": status.value,
    }


@handles
def handler(event: Event) -> Answer:
    """Register the file that the event names, see ``register``."""
    return register(
        Registration.from_event(event), surroundings.s3(), surroundings.records(), ContractCatalog.packaged()
    )
