"""Writes an S3 object that is whole or not there, from a stream of bytes of unknown length."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lakehouse.aws_errors import error_code
from lakehouse.convert import crc32
from lakehouse.convert.multipart import MAX_PARTS, MultipartUpload, WrittenObject, content_headers, part_bytes
from lakehouse.convert.output_writer import OutputWriter
from lakehouse.convert.part_upload import PartBuffer, PartUploader
from lakehouse.convert.precondition import REFUSALS, Precondition, headers_of, is_published
from lakehouse.errors import ConversionError, PublishedMeanwhileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from lakehouse.convert.multipart import UploadedPart

_UPLOAD_THREADS = 4


class ObjectWriter(OutputWriter):
    """Writes one S3 object from one stream.

    Output of less than one part goes up in a single PutObject, which is atomic by itself (an empty output is an empty
    object); a multipart upload is opened when the first part is full.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        content_encoding: str | None = None,
        precondition: Precondition | None = None,
        threads: int = _UPLOAD_THREADS,
    ) -> None:
        """Nothing is sent yet.

        Args:
            client: S3 client; used from several threads at a time, which boto3 allows.
            bucket: Bucket of the object.
            key: Key of the object.
            metadata: The object's user metadata: ASCII.
            content_encoding: How the bytes are compressed, None where they are not.
            precondition: What must still be under the key; None until ``expect_unchanged`` looks.
            threads: How many parts are uploaded at a time; as many parts are held in memory, and one more.
        """
        self._client = client
        self._bucket = bucket
        self._key = key
        self._metadata = dict(metadata or {})
        self._content_encoding = content_encoding
        self._precondition = precondition
        self._threads = threads
        self._upload: MultipartUpload | None = None
        self._uploader: PartUploader | None = None
        self._sent: list[UploadedPart] | None = None
        self._buffer = PartBuffer()
        self._number = 1

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; blocks while the upload is behind.

        Args:
            data: The bytes.

        Raises:
            ConversionError: The object would be larger than 10,000 parts can hold.
            botocore.exceptions.ClientError: S3 refused an earlier part.
        """
        rest = memoryview(data)
        while rest:
            room = part_bytes(self._number) - self._buffer.size_bytes
            self._buffer.append(rest[:room])
            rest = rest[room:]
            if self._buffer.size_bytes == part_bytes(self._number):
                self._submit_part()

    def seal(self) -> None:
        """Send what is left as the last part, and wait until all is sent.

        Raises:
            botocore.exceptions.ClientError: S3 refused a part.
        """
        if self._buffer.size_bytes:
            self._submit_part()
        if self._uploader is not None and self._sent is None:
            self._sent = self._uploader.finish()

    def expect_unchanged(self) -> None:
        """Look at the key, see ``Publication``.

        Raises:
            botocore.exceptions.ClientError: S3 did not say what is there.
        """
        if not self._is_settled:
            self._precondition = Precondition.of(self._client, self._bucket, self._key)

    def _publish(self) -> WrittenObject:
        """Send what is left and make the object visible.

        Raises:
            ConversionError: S3 does not hold what was sent.
            PublishedMeanwhileError: The precondition does not hold.
            botocore.exceptions.ClientError: S3 refused a part or the completion.
        """
        if self._upload is None:
            return self._put_whole()
        self.seal()
        return self._upload.complete(self._client, self._sent or [], self._precondition)

    def abort(self) -> None:
        """Wait for the parts under way, then drop them all. Does nothing after ``complete`` or ``abort``."""
        if self._is_settled:
            return
        self._is_settled = True
        self._buffer.discard()
        if self._upload is not None and self._uploader is not None:
            self._uploader.cancel()
            self._upload.abort(self._client)

    def _submit_part(self) -> None:
        if self._number > MAX_PARTS:
            raise ConversionError(
                f"s3://{self._bucket}/{self._key}: the output is larger than {MAX_PARTS:,} parts can hold. Split the "
                "input file."
            )
        if self._upload is None or self._uploader is None:
            self._upload = MultipartUpload.start(
                self._client, self._bucket, self._key, self._metadata, self._content_encoding
            )
            self._uploader = PartUploader(self._client, self._upload, self._threads)
        self._uploader.submit(self._number, self._buffer)
        self._buffer = PartBuffer()
        self._number += 1

    def _put_whole(self) -> WrittenObject:
        body = self._buffer.joined()
        checksum = crc32.base64_text(zlib.crc32(body))
        uri = f"s3://{self._bucket}/{self._key}"
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=body,
                **content_headers(self._content_encoding),
                Metadata=self._metadata,
                ChecksumAlgorithm="CRC32",
                ChecksumCRC32=checksum,
                **headers_of(self._precondition),
            )
        except ClientError as error:
            if error_code(error) not in REFUSALS:
                raise
            if not is_published(self._client, self._bucket, self._key, checksum, self._metadata):
                raise PublishedMeanwhileError(uri) from error
        self._buffer.discard()  # not before: a refused object is sent again
        return WrittenObject(uri=uri, size_bytes=len(body), checksum=f"CRC32={checksum}")
