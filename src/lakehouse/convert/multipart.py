"""One S3 multipart upload, seen from anywhere: start, put a part, list, complete, abort.

A ``MultipartUpload`` is a few strings, so that a Spark driver can send it to its tasks: tasks put parts, the driver
completes. Nothing is visible under the key before ``complete``, and nothing stays after ``abort``.

Part numbers are consecutive from 1, also when several tasks share an upload: with checksums on the parts, S3 refuses
gaps (InvalidPartOrder). Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompletedPart.html
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, NotRequired, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code
from lakehouse.convert import crc32
from lakehouse.convert.precondition import REFUSALS, headers_of, is_published
from lakehouse.errors import ConversionError, PublishedMeanwhileError, ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from lakehouse.convert.precondition import Precondition

_log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MIN_PART_BYTES = 5 * 1024**2
MAX_PART_BYTES = 5 * 1024**3
MAX_PARTS = 10_000

# No registered media type says "one JSON value a line"; this is the name in use (https://github.com/ndjson/ndjson-spec).
CONTENT_TYPE = "application/x-ndjson"

_FIRST_PART_BYTES = 8 * 1024**2
_PARTS_BETWEEN_DOUBLINGS = 1_000


class ContentHeaders(TypedDict):
    """Arguments of PutObject and CreateMultipartUpload."""

    ContentType: str
    ContentEncoding: NotRequired[str]


def part_bytes(number: int) -> int:
    """Size to which a part of a stream of unknown length grows.

    Small parts keep memory low and start the upload early; 10,000 small parts do not hold a large object. So the size
    doubles every 1,000 parts: 8 MiB up to 8 GiB of output, and 7.8 TiB in all. S3's largest object, 48.8 TiB, is 10,000
    parts of 5 GiB: only who knows its length from the first part on can make it.

    Args:
        number: Part number, from 1.

    Returns:
        Bytes.
    """
    return min(_FIRST_PART_BYTES << (number - 1) // _PARTS_BETWEEN_DOUBLINGS, MAX_PART_BYTES)


def content_headers(content_encoding: str | None) -> ContentHeaders:
    """What an output object says of its content, as arguments of PutObject and CreateMultipartUpload.

    Args:
        content_encoding: How it is compressed, None where it is not.

    Returns:
        ``ContentType``, and ``ContentEncoding`` where there is one.
    """
    headers: ContentHeaders = {"ContentType": CONTENT_TYPE}
    if content_encoding is not None:
        headers["ContentEncoding"] = content_encoding
    return headers


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """What the uploader of a part knows about it.

    Attributes:
        number: Part number, from 1.
        size_bytes: Length.
        crc32: CRC32 of the bytes sent.
    """

    number: int
    size_bytes: int
    crc32: int


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """An object (or a local file) that is whole and visible.

    Attributes:
        uri: ``s3://bucket/key``, or the path of a local file.
        size_bytes: Length.
        checksum: ``CRC32=`` and the CRC32 of all bytes in S3's own form, base64, as HeadObject shows it. None for a
            local file, which nobody would hold it against.
        objects: How many objects there are; when several, ``uri`` and ``checksum`` are their manifest's.
    """

    uri: str
    size_bytes: int
    checksum: str | None
    objects: int = 1


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """A multipart upload under way. Holds no connection, so that it can be sent to another process.

    Attributes:
        bucket: Bucket of the object to be.
        key: Key of the object to be.
        upload_id: S3's id of the upload.
        metadata: User metadata of the object to be, where the upload was started here rather than found.
    """

    bucket: str
    key: str
    upload_id: str
    metadata: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def start(
        cls,
        client: S3Client,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        content_encoding: str | None = None,
    ) -> MultipartUpload:
        """Open an upload whose parts carry CRC32 checksums and whose object will carry one over all its bytes.

        Args:
            client: S3 client.
            bucket: Bucket.
            key: Key.
            metadata: The object's user metadata: ASCII.
            content_encoding: How the object is compressed, None where it is not.

        Returns:
            The upload.
        """
        answer = client.create_multipart_upload(
            Bucket=bucket,
            Key=key,
            **content_headers(content_encoding),
            Metadata=dict(metadata),
            ChecksumAlgorithm="CRC32",
            ChecksumType="FULL_OBJECT",
        )
        return cls(bucket=bucket, key=key, upload_id=answer["UploadId"], metadata=dict(metadata))

    def put(self, client: S3Client, number: int, body: bytes | IO[bytes], size_bytes: int, crc: int) -> UploadedPart:
        """Upload a part. Doing it again under the same number replaces it.

        Args:
            client: S3 client.
            number: Part number, from 1.
            body: The bytes, or a seekable file that holds them.
            size_bytes: Their length.
            crc: Their CRC32: S3 refuses the part when it received something else.

        Returns:
            What was sent.
        """
        client.upload_part(
            Bucket=self.bucket,
            Key=self.key,
            UploadId=self.upload_id,
            PartNumber=number,
            Body=body,
            ContentLength=size_bytes,
            ChecksumCRC32=crc32.base64_text(crc),
        )
        return UploadedPart(number=number, size_bytes=size_bytes, crc32=crc)

    def complete(
        self, client: S3Client, parts: Sequence[UploadedPart], precondition: Precondition | None = None
    ) -> WrittenObject:
        """Make the object visible, if S3 holds exactly the parts that were reported.

        Args:
            client: S3 client.
            parts: Every part that was uploaded, in any order.
            precondition: What must still be under the key; None replaces whatever is there.

        Returns:
            The object.

        Raises:
            ConversionError: A part is missing, too small, of another size or content than reported, or unknown.
            PublishedMeanwhileError: The precondition does not hold; the upload is as it was.
            ServiceUnavailableError: S3 wants a new upload, since something else was done to the key at the same time.
        """
        reported = sorted(parts, key=lambda part: part.number)
        self._check_numbers_and_sizes(reported)
        etags = self._check_listing(client, reported)
        combined = 0
        for part in reported:
            combined = crc32.combine(combined, part.crc32, part.size_bytes)
        checksum = crc32.base64_text(combined)
        size_bytes = sum(part.size_bytes for part in reported)
        try:
            client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=self.upload_id,
                MultipartUpload={
                    "Parts": [{"PartNumber": part.number, "ETag": etags[part.number]} for part in reported]
                },
                ChecksumCRC32=checksum,
                ChecksumType="FULL_OBJECT",
                MpuObjectSize=size_bytes,
                **headers_of(precondition),
            )
        except ClientError as error:
            self._require_published(client, error, checksum)
        return WrittenObject(uri=f"s3://{self.bucket}/{self.key}", size_bytes=size_bytes, checksum=f"CRC32={checksum}")

    def _require_published(self, client: S3Client, error: ClientError, checksum: str) -> None:
        """Take a refusal for a success where the object is there: the upload is then gone because it succeeded."""
        code = error_code(error)
        if code not in REFUSALS | {"NoSuchUpload"}:
            raise error
        if is_published(client, self.bucket, self.key, checksum, self.metadata):
            return
        if code == "NoSuchUpload":
            raise error
        if code == "ConditionalRequestConflict":
            # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
            raise ServiceUnavailableError(
                f"{self}: something else was done to the key while it was being completed, and S3 wants all parts "
                "again. Nothing was published; try again."
            ) from error
        raise PublishedMeanwhileError(f"s3://{self.bucket}/{self.key}") from error

    def abort(self, client: S3Client) -> None:
        """Drop the upload and its parts. Call it once no part is being sent any more: such a part would stay.

        Never raises for an AWS reason: it runs while a failure is being reported, which must not be hidden. What it
        leaves behind is removed by the bucket's lifecycle rule for incomplete uploads.

        Args:
            client: S3 client.
        """
        try:
            client.abort_multipart_upload(Bucket=self.bucket, Key=self.key, UploadId=self.upload_id)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == "NoSuchUpload":
                return
            _log.warning(
                "Upload %s of s3://%s/%s could not be aborted (%s); the bucket's lifecycle removes it.",
                self.upload_id,
                self.bucket,
                self.key,
                error,
            )

    def _check_numbers_and_sizes(self, parts: Sequence[UploadedPart]) -> None:
        numbers = [part.number for part in parts]
        if numbers != list(range(1, len(parts) + 1)) or not 1 <= len(parts) <= MAX_PARTS:
            raise ConversionError(
                f"{self}: the parts reported are {_abridged(numbers)}, expected consecutive numbers from 1, at most "
                f"{MAX_PARTS:,}. Nothing was published; run the conversion again."
            )
        small = [part for part in parts[:-1] if part.size_bytes < MIN_PART_BYTES]
        if small:
            raise ConversionError(
                f"{self}: part {small[0].number} has {small[0].size_bytes:,} bytes; S3 wants at least "
                f"{MIN_PART_BYTES:,} of every part but the last. Nothing was published."
            )

    def _check_listing(self, client: S3Client, parts: Sequence[UploadedPart]) -> dict[int, str]:
        """Compare S3's list of the parts with what was reported; the ETags come from the list, never from memory."""
        etags: dict[int, str] = {}
        expected = {part.number: part for part in parts}
        pages = client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=self.key, UploadId=self.upload_id)
        for listed in (listed for page in pages for listed in page.get("Parts", [])):
            part = expected.get(listed["PartNumber"])
            if part is None or listed["Size"] != part.size_bytes:
                raise ConversionError(
                    f"{self}: S3 holds part {listed['PartNumber']} with {listed['Size']:,} bytes, reported were "
                    f"{'none' if part is None else f'{part.size_bytes:,}'}. Nothing was published; run it again."
                )
            # Not every implementation lists the parts' checksums; the object's is verified on completion anyhow.
            held = listed.get("ChecksumCRC32")
            if held and held != crc32.base64_text(part.crc32):
                raise ConversionError(
                    f"{self}: part {part.number} in S3 has the CRC32 {held}, sent was "
                    f"{crc32.base64_text(part.crc32)}. Nothing was published; run the conversion again."
                )
            etags[part.number] = listed["ETag"]
        missing = sorted(expected.keys() - etags.keys())
        if missing:
            raise ConversionError(
                f"{self}: S3 does not hold part(s) {_abridged(missing)} of {len(parts):,}. Nothing was published; "
                "run the conversion again."
            )
        return etags

    def __str__(self) -> str:
        """Name the object and the upload, for messages."""
        return f"s3://{self.bucket}/{self.key} (upload {self.upload_id[:16]})"


def uploads_in_progress(client: S3Client, bucket: str, key: str) -> Iterator[MultipartUpload]:
    """Multipart uploads of a key, or of a folder's keys, that were started and neither completed nor aborted.

    Args:
        client: S3 client.
        bucket: Bucket.
        key: Key; longer keys that start with it are left out, unless it ends in ``/``.

    Yields:
        The uploads.
    """
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=key)
    for page in pages:
        for upload in page.get("Uploads", []):
            if upload["Key"] == key or key.endswith("/"):
                yield MultipartUpload(bucket=bucket, key=upload["Key"], upload_id=upload["UploadId"])


def _abridged(numbers: Sequence[int]) -> str:
    listed = ", ".join(str(number) for number in numbers[:10])
    return f"{listed}, … ({len(numbers):,} in all)" if len(numbers) > 10 else listed or "none"
