"""Landing files in the raw layer, where the pipeline finds them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import translate
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.errors import InputFileError, ServiceUnavailableError
from lakehouse.metadata.identity import RAW_PREFIX, RAW_SUFFIX, file_id

_DIGEST = "sha256"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Landed:
    """A file in the raw layer.

    Attributes:
        dataset: The dataset it belongs to.
        key: Its object key.
        file_id: The identity of this version of it.
        size_bytes: Its size.
        is_new: False when the same bytes already were there: nothing was uploaded.
    """

    dataset: str
    key: str
    file_id: str
    size_bytes: int
    is_new: bool

    @property
    def name(self) -> str:
        """The file's name."""
        return self.key.rpartition("/")[2]


def dataset_of(file: Path, contracts: ContractCatalog) -> str:
    """The dataset a file's name tells.

    Args:
        file: The file, of which only the name counts.
        contracts: The known contracts with their file patterns.

    Returns:
        The dataset of the contract whose pattern fits; without one, the name without dates, in snake_case.

    Raises:
        InputFileError: The name holds nothing to call a dataset by.
    """
    contract = contracts.for_file_name(file.name)
    if contract is not None:
        return contract.dataset
    words = re.sub(r"[\d\W_]+", "_", file.name.removesuffix(RAW_SUFFIX).lower()).strip("_")
    if not words:
        raise InputFileError(f"{file.name}: the name tells no dataset. Give it: lakehouse ingest --dataset NAME {file}")
    return words


def land(client: Any, bucket: str, file: Path, dataset: str) -> Landed:
    """Upload a file to the raw layer, unless the same bytes are there already.

    Args:
        client: A boto3 S3 client.
        bucket: The raw bucket.
        file: A local file whose name ends in ``.parquet``. What is in it is the pipeline's to judge.
        dataset: Its dataset.

    Returns:
        Where it landed.

    Raises:
        InputFileError: There is no such file, or it is not called ``.parquet``.
        LakehouseError: S3 refused, as one of the errors of ``aws_errors``.
    """
    if not file.is_file():
        raise InputFileError(f"{file}: no such file. Name an existing {RAW_SUFFIX} file.")
    if file.suffix != RAW_SUFFIX:
        raise InputFileError(f"{file}: the raw layer takes {RAW_SUFFIX} files only. Convert or rename it.")
    key = f"{RAW_PREFIX}{dataset}/{file.name}"
    digest = _sha256(file)
    size = file.stat().st_size
    try:
        known = _head(client, bucket, key)
        is_new = known is None or known["Metadata"].get(_DIGEST) != digest
        if is_new:
            client.upload_file(str(file), bucket, key, ExtraArgs={"Metadata": {_DIGEST: digest}})
        head = client.head_object(Bucket=bucket, Key=key) if is_new or known is None else known
    except S3UploadFailedError as error:
        # boto3's transfer manager hides the real error in its own: https://github.com/boto/boto3/issues/1128
        cause = error.__context__
        if not isinstance(cause, (BotoCoreError, ClientError)):
            raise ServiceUnavailableError(f"{file}: the upload to s3://{bucket}/{key} failed: {error}") from error
        raise translate(cause, f"Uploading {file.name} to s3://{bucket}/{key}") from error
    except (BotoCoreError, ClientError) as error:
        raise translate(error, f"Uploading {file.name} to s3://{bucket}/{key}") from error
    identity = file_id(bucket, key, version_id=head.get("VersionId"), etag=head["ETag"])
    return Landed(dataset, key, identity, size, is_new)


def _head(client: Any, bucket: str, key: str) -> dict[str, Any] | None:
    try:
        head: dict[str, Any] = client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    return head


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
