"""Whether a conversion still has to be published once it is done.

All versions of a raw object that landed on one day have the same output key. The newest one must be what is there in
the end, in whatever order and however late they are converted; and the same bytes are converted once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lakehouse.aws_errors import error_code
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.identity import file_id, version_or_none

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lakehouse.metadata.file_record import FileRecord
    from lakehouse.metadata.files import FileRecords

# HEAD of a key whose newest version is a delete marker, or that has no version any more.
_DELETED = frozenset({"404", "405", "MethodNotAllowed", "NoSuchKey"})


def made_needless_by(s3: S3Client, records: FileRecords, record: FileRecord) -> str | None:
    """Look for the file that makes a conversion needless.

    Args:
        s3: S3 client.
        records: The file records.
        record: The file that is being converted.

    Returns:
        The ``file_id`` of the newest version of its key, unless that one failed and has no output, or relies on this
        one, having the same bytes; else of one with the same bytes that was converted meanwhile; None where the
        conversion is needed.

    Raises:
        botocore.exceptions.ClientError: S3 refused.
        LakehouseError: DynamoDB refused.
    """
    if record.version_id is None:
        return None
    newer = _newer(s3, record)
    if newer is not None:
        known = records.find(newer)
        if known is None or not _leaves_the_output_to(record, known):
            return newer
    duplicate = records.find_duplicate(record)
    return duplicate.file_id if duplicate else None


def _leaves_the_output_to(record: FileRecord, newer: FileRecord) -> bool:
    has_nothing = newer.status is FileStatus.FAILED and newer.output_uri is None
    return has_nothing or newer.duplicate_of == record.file_id


def _newer(s3: S3Client, record: FileRecord) -> str | None:
    """The newest version, unless it is this one."""
    try:
        head = s3.head_object(Bucket=record.bucket, Key=record.key)
    except ClientError as error:
        if error_code(error) in _DELETED:
            return None
        raise
    version_id = version_or_none(head.get("VersionId"))
    if version_id == record.version_id:
        return None
    return file_id(record.bucket, record.key, version_id=version_id, etag=head["ETag"])
