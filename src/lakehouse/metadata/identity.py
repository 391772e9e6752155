"""Who a file is: the key of its record, and the name of the execution that converts it."""

from __future__ import annotations

import hashlib

from lakehouse.errors import InputFileError

RAW_PREFIX = "raw-data/"
RAW_SUFFIX = ".parquet"
_FILE_ID_LENGTH = 32
# What S3 calls the version of an object that was written while its bucket had no versioning.
_NO_VERSION = "null"


def version_or_none(version_id: str | None) -> str | None:
    """A version id that can be asked for, or None.

    Args:
        version_id: As S3, an event or a caller gave it; S3 says ``null`` where the bucket had no versioning.

    Returns:
        The version id, None where the object has none.
    """
    return None if version_id in {None, "", _NO_VERSION} else version_id


def version_text(version_id: str | None) -> str:
    """A version id where a text must stand, as in a job's arguments.

    Args:
        version_id: The version, None where there is none.

    Returns:
        The version id, or ``null`` as S3 says.
    """
    return version_id or _NO_VERSION


def file_id(bucket: str, key: str, *, version_id: str | None, etag: str | None = None) -> str:
    """The identity of one version of one object: the same however often, late or by whomever it is announced.

    Args:
        bucket: The object's bucket.
        key: Its key.
        version_id: Its version, None where the bucket has no versioning.
        etag: Its ETag, with or without quotes: stands in where there is no version.

    Returns:
        32 hex digits: the record's key in DynamoDB and the idempotency key of the conversion.
    """
    revision = version_or_none(version_id) or (etag or "").strip('"')
    return hashlib.sha256(f"{bucket}\n{key}\n{revision}".encode()).hexdigest()[:_FILE_ID_LENGTH]


def execution_name(file_id: str, attempt: int) -> str:
    """The name of the execution that converts a file: a second start of the same attempt is refused by AWS.

    Args:
        file_id: The file.
        attempt: From 1; higher only where a failed file is deliberately tried again.

    Returns:
        ``<file_id>-<attempt>``.
    """
    return f"{file_id}-{attempt}"


def execution_arn(state_machine_arn: str, name: str) -> str:
    """The ARN of an execution.

    Args:
        state_machine_arn: Its state machine.
        name: Its name, see ``execution_name``.

    Returns:
        The ARN, whether there is such an execution or not.
    """
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def dataset_of_key(key: str) -> str:
    """The dataset an object of the raw layer belongs to.

    Args:
        key: ``raw-data/<dataset>/<file>.parquet``.

    Returns:
        The first folder below ``raw-data/``.

    Raises:
        InputFileError: The key has another shape.
    """
    dataset, slash, name = key.removeprefix(RAW_PREFIX).partition("/")
    if not key.startswith(RAW_PREFIX) or not dataset or not slash or not name:
        raise InputFileError(
            f"{key}: not a key of the raw layer, which has {RAW_PREFIX}<dataset>/<file>{RAW_SUFFIX}. "
            "Move the object there (lakehouse ingest does)."
        )
    return dataset
