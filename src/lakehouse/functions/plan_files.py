"""Lists what landed in the raw layer and is not converted yet.

Events bring low latency, this brings completeness: it compares what lies in the bucket with the files' records, so a
lost event costs time, never data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import translate
from lakehouse.functions import surroundings
from lakehouse.functions.surroundings import Answer, Event, handles
from lakehouse.metadata.attribute_values import utc_now
from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.identity import RAW_PREFIX, RAW_SUFFIX, file_id, version_or_none, version_text

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lakehouse.metadata.files import FileRecords

# Longer than a Glue job may run (60 minutes); a conversion that lives notes its progress far more often.
STALE_AFTER = timedelta(minutes=90)
# Step Functions carries 256 KiB from state to state, and the list is there together with the results of its files.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MOST_BYTES = 64 * 1024
_CHUNK = 100


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to convert: the input of a file-conversion execution.

    Attributes:
        file_id: Its identity.
        bucket: Its bucket.
        key: Its key.
        version_id: Its version; ``null`` for none, as S3 says.
        attempt: The attempt to make.
    """

    file_id: str
    bucket: str
    key: str
    version_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class _Landed:
    file_id: str
    key: str
    version_id: str | None


def plan(
    client: S3Client,
    records: FileRecords,
    bucket: str,
    *,
    datasets: Sequence[str] = (),
    retry_failed: bool = False,
    now: datetime | None = None,
) -> Iterator[PlannedFile]:
    """Find the files to convert, in the order of their keys, a hundred at a time.

    Args:
        client: S3 client.
        records: The file records.
        bucket: The raw bucket.
        datasets: Only these; all without any.
        retry_failed: Whether files that failed are tried again, with a higher attempt.
        now: The time, UTC; against it the age of unfinished work is measured.

    Yields:
        The latest version of each ``.parquet`` object below ``raw-data/`` that has no record, or one whose work died
        (``REGISTERED`` or ``RUNNING`` without a change for ``STALE_AFTER``), or with ``retry_failed`` one that failed.

    Raises:
        LakehouseError: S3 or DynamoDB refused.
    """
    stale_before = (now or utc_now()) - STALE_AFTER
    for chunk in _chunks(_landed(client, bucket, datasets)):
        known = records.get_many(landed.file_id for landed in chunk)
        for landed in chunk:
            attempt = _attempt(known.get(landed.file_id), stale_before, retry_failed=retry_failed)
            if attempt is not None:
                yield PlannedFile(landed.file_id, bucket, landed.key, version_text(landed.version_id), attempt)


def _attempt(record: FileRecord | None, stale_before: datetime, *, retry_failed: bool) -> int | None:
    """The attempt to make; None where there is nothing to do."""
    if record is None:
        return 1
    if record.status.is_final:
        return None
    is_due = retry_failed if record.status is FileStatus.FAILED else record.updated_at < stale_before
    return record.attempt + 1 if is_due else None


def _landed(client: S3Client, bucket: str, datasets: Sequence[str]) -> Iterator[_Landed]:
    prefixes = [f"{RAW_PREFIX}{dataset}/" for dataset in sorted(set(datasets))] or [RAW_PREFIX]
    paginator = client.get_paginator("list_object_versions")
    for prefix in prefixes:
        try:
            for page in paginator.paginate(Bucket=bucket, Prefix=prefix):
                for version in page.get("Versions", ()):
                    key = version["Key"]
                    # A key right below raw-data/ has no dataset: no file of the pipeline's.
                    if version["IsLatest"] and key.endswith(RAW_SUFFIX) and "/" in key.removeprefix(RAW_PREFIX):
                        version_id = version_or_none(version["VersionId"])
                        identity = file_id(bucket, key, version_id=version_id, etag=version["ETag"])
                        yield _Landed(identity, key, version_id)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, f"Listing s3://{bucket}/{prefix}") from error


def _chunks(landed: Iterable[_Landed]) -> Iterator[list[_Landed]]:
    remaining = iter(landed)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def within(files: Iterable[PlannedFile], *, limit: int | None = None, most_bytes: int = MOST_BYTES) -> Answer:
    """Take as many files as one run carries.

    Args:
        files: The files to convert.
        limit: The most files; None for as many as fit.
        most_bytes: The most bytes of the list as JSON.

    Returns:
        ``files``, their ``count``, and ``more``: whether files are left for the next run.
    """
    taken: list[dict[str, object]] = []
    size = 2
    for file in files:
        item = asdict(file)
        size += len(json.dumps(item).encode()) + 2
        if size > most_bytes or (limit is not None and len(taken) >= limit):
            return {"files": taken, "count": len(taken), "more": True}
        taken.append(item)
    return {"files": taken, "count": len(taken), "more": False}


@handles
def handler(event: Event) -> Answer:
    """Plan a run.

    Args:
        event: ``run_id`` and, if need be, ``datasets``, ``retry_failed``, ``limit``.

    Returns:
        See ``within``.

    Raises:
        LakehouseError: S3 or DynamoDB refused.
    """
    files = plan(
        surroundings.s3(),
        surroundings.records(),
        surroundings.settings().raw_bucket,
        datasets=event.get("datasets") or (),
        retry_failed=bool(event.get("retry_failed")),
    )
    return within(files, limit=event.get("limit"))
