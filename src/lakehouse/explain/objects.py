"""What S3 tells of a file: when it landed, and the versions of its output."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.explain.entry import Entry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lakehouse.metadata.file_record import FileRecord

_GONE = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey", "NoSuchVersion", "NotFound"})
_MOST_VERSIONS = 10


def landed_at(s3: S3Client, record: FileRecord) -> datetime | None:
    """When the raw object landed.

    Args:
        s3: S3 client.
        record: The file.

    Returns:
        The time, UTC; None where this version of the object is not there any more.

    Raises:
        LakehouseError: S3 refused.
    """
    version: Any = {"VersionId": record.version_id} if record.version_id else {}
    try:
        head = s3.head_object(Bucket=record.bucket, Key=record.key, **version)
    except ClientError as error:
        if error_code(error) in _GONE:
            return None
        raise translate(error, f"Looking at s3://{record.bucket}/{record.key}") from error
    except BotoCoreError as error:
        raise translate(error, f"Looking at s3://{record.bucket}/{record.key}") from error
    return head["LastModified"].astimezone(UTC)


def output_versions(s3: S3Client, bucket: str, key: str, what: str) -> Iterator[Entry]:
    """The versions of an object of the processed layer.

    Args:
        s3: S3 client.
        bucket: Its bucket.
        key: Its key.
        what: What it is: ``output``, ``quarantine``.

    Yields:
        An entry a version, the newest first, the last ten of them.

    Raises:
        LakehouseError: S3 refused.
    """
    try:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
        found = (version for page in pages for version in page.get("Versions", ()) if version["Key"] == key)
        for version in islice(found, _MOST_VERSIONS):
            source = _source_of(s3, bucket, key, version["VersionId"])
            state = "the current one" if version["IsLatest"] else "replaced since, kept as a version"
            yield Entry(
                version["LastModified"].astimezone(UTC),
                "S3",
                f"{what} written, {version['Size']:,} bytes, from file {source}: s3://{bucket}/{key} "
                f"(version {version['VersionId']}, {state})",
            )
    except (ClientError, BotoCoreError) as error:
        raise translate(error, f"Listing the versions of s3://{bucket}/{key}") from error


def _source_of(s3: S3Client, bucket: str, key: str, version_id: str) -> str:
    """The file that an object was made from, which its metadata names."""
    version: Any = {} if version_id == "null" else {"VersionId": version_id}
    return s3.head_object(Bucket=bucket, Key=key, **version)["Metadata"].get("file-id", "unknown")[:12]
