"""A parquet file on S3, read by ranges of one version of the object."""

from __future__ import annotations

import io
from collections import OrderedDict
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.convert.source import ParquetSource
from lakehouse.errors import (
    FileVanishedError,
    LakehouseError,
    ServiceUnavailableError,
)

# Small reads (page headers, the footer) are served from blocks of this size; larger ones are one request each.
_BLOCK_BYTES = 2**20
_MOST_BLOCKS = 16
# botocore retries a request, but not a body that breaks off while it is read.
_BODY_ATTEMPTS = 3

# A HEAD has no body to name its error; a delete marker answers 405.
_GONE = frozenset({"404", "405", "NotFound", "MethodNotAllowed", "NoSuchBucket"})
_CHANGED = frozenset({"412", "PreconditionFailed"})


class S3Source(ParquetSource):
    """One version of an object.

    Args:
        client: A boto3 S3 client.
        bucket: The bucket.
        key: The object's key.
        version_id: The version to read. Without one, the object must not change between two requests
            (``If-Match`` on its ETag).
    """

    def __init__(self, client: Any, bucket: str, key: str, version_id: str | None = None) -> None:
        self.client = client
        self.bucket = bucket
        self.key = key
        self.version_id = version_id
        self.name = f"s3://{bucket}/{key}" + (f"?versionId={version_id}" if version_id else "")
        # pyarrow may replace an exception that its file raised: the last one is kept here.
        self.failure: LakehouseError | None = None

    def open(self) -> S3Object:
        """Open the object.

        Raises:
            FileVanishedError: It is not there any more.
            AccessDeniedError: The role may not read it.
            TransientError: AWS throttled the request or did not answer.
        """
        return S3Object(self)

    def request(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make one request about the object, with AWS's errors in our words."""
        if self.version_id:
            parameters["VersionId"] = self.version_id
        try:
            call = getattr(self.client, operation)
            answer: dict[str, Any] = call(Bucket=self.bucket, Key=self.key, **parameters)
        except (ClientError, BotoCoreError) as error:
            self.failure = _translated(self.name, error)
            raise self.failure from error
        return answer


class S3Object(io.RawIOBase):
    """The bytes of an object, seekable, fetched as they are asked for.

    At most 16 blocks of 1 MiB are kept, besides what the reader itself asked for.

    Args:
        source: The object.
    """

    def __init__(self, source: S3Source) -> None:
        super().__init__()
        self._source = source
        head = source.request("head_object")
        self._size = int(head["ContentLength"])
        self._match: dict[str, str] = {} if source.version_id else {"IfMatch": head["ETag"]}
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position, as every file does."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer, as every raw file does."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        """Read to the end."""
        return self.read(self._size)

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes, fewer only at the end.

        Raises:
            LakehouseError: The object vanished, or AWS refused, throttled or did not answer.
        """
        left = max(0, self._size - self._position)
        size = left if size is None or size < 0 else min(size, left)
        if size == 0:
            return b""
        start = self._position
        data = self._fetch(start, start + size) if size >= _BLOCK_BYTES else self._from_blocks(start, start + size)
        self._position += size
        return data

    def _from_blocks(self, start: int, end: int) -> bytes:
        pieces = []
        for number in range(start // _BLOCK_BYTES, (end - 1) // _BLOCK_BYTES + 1):
            first = number * _BLOCK_BYTES
            if number not in self._blocks:
                self._blocks[number] = self._fetch(first, min(first + _BLOCK_BYTES, self._size))
                if len(self._blocks) > _MOST_BLOCKS:
                    self._blocks.popitem(last=False)
            self._blocks.move_to_end(number)
            pieces.append(self._blocks[number][max(0, start - first) : end - first])
        return b"".join(pieces)

    def _fetch(self, start: int, end: int) -> bytes:
        """One ranged GET of ``[start, end)``."""
        source = self._source
        for attempt in range(1, _BODY_ATTEMPTS + 1):
            answer = source.request("get_object", Range=f"bytes={start}-{end - 1}", **self._match)
            try:
                data: bytes = answer["Body"].read()
            except (BotoCoreError, OSError) as error:
                if attempt == _BODY_ATTEMPTS:
                    source.failure = ServiceUnavailableError(
                        f"{source.name}: bytes {start} to {end - 1} broke off {attempt} times ({error}). Try again."
                    )
                    raise source.failure from error
                continue
            if len(data) == end - start:
                return data
        source.failure = ServiceUnavailableError(
            f"{source.name}: asked for bytes {start} to {end - 1} and received {len(data)}. Try again."
        )
        raise source.failure


def _translated(name: str, error: ClientError | BotoCoreError) -> LakehouseError:
    """AWS's error in our words. Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""
    code = error_code(error)
    if code in _GONE:
        return FileVanishedError(
            f"{name}: the object is not there any more ({code}). It was deleted after it landed: land it again."
        )
    if code in _CHANGED:
        return FileVanishedError(
            f"{name}: the object was overwritten while it was read ({code}). The new one is converted on its own."
        )
    return translate(error, f"Reading {name}")
