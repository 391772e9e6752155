"""Writers whose output is whole or not there: to an S3 object, or to a local file.

Both take a stream of bytes of unknown length, hold little of it, and make it visible only on ``complete``. Used as a
context manager, leaving the block in order completes, leaving it by any exception (``KeyboardInterrupt`` too) aborts.
"""

from __future__ import annotations

import os
import tempfile
import threading
import zlib
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from lakehouse.convert import crc32
from lakehouse.convert.multipart import (
    MAX_PARTS,
    MultipartUpload,
    UploadedPart,
    WrittenObject,
    content_headers,
    part_bytes,
)
from lakehouse.convert.temporary_file import open_beside
from lakehouse.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from mypy_boto3_s3 import S3Client

    from lakehouse.convert.chunks import Chunk

# Beyond this, a part waits for its upload in a temporary file instead of in memory.
_MAX_BYTES_IN_MEMORY = 64 * 1024**2
_UPLOAD_THREADS = 4


class Publication(ABC):
    """Output that nobody sees before ``complete``."""

    _is_settled = False

    @abstractmethod
    def complete(self) -> WrittenObject:
        """Make everything visible, at once.

        Returns:
            What is now there.
        """

    @abstractmethod
    def abort(self) -> None:
        """Leave nothing behind. Does nothing after ``complete`` or ``abort``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and not self._is_settled:
            self.complete()
        else:
            self.abort()


class ChunkOutput(Publication):
    """Lines on their way to one object or to several."""

    @abstractmethod
    def take(self, chunk: Chunk) -> None:
        """Append lines.

        Args:
            chunk: The lines, as they are stored.
        """


class OutputWriter(ChunkOutput):
    """A stream of bytes on its way to an S3 object or a local file."""

    @abstractmethod
    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Args:
            data: The bytes; they must not change afterwards.
        """

    @abstractmethod
    def seal(self) -> None:
        """Say that nothing more will be written. What memory still holds goes where it belongs, invisibly."""

    def take(self, chunk: Chunk) -> None:
        """Append lines, see ``ChunkOutput``."""
        self.write(chunk.data)


class PartBuffer:
    """The bytes of one part until they are uploaded: in memory, or in a temporary file once they are many."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._chunks: list[bytes | memoryview] = []
        self._file: IO[bytes] | None = None
        self._crc = 0

    def append(self, data: bytes | memoryview) -> None:
        """Add bytes at the end.

        Args:
            data: The bytes; they must not change afterwards.
        """
        self.size_bytes += len(data)
        if self._file is None and self.size_bytes <= _MAX_BYTES_IN_MEMORY:
            self._chunks.append(data)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives until put() or discard()
            for chunk in self._chunks:
                self._append_to_file(self._file, chunk)
            self._chunks.clear()
        self._append_to_file(self._file, data)

    def put(self, client: S3Client, upload: MultipartUpload, number: int) -> UploadedPart:
        """Upload the bytes as one part, and let go of them.

        Args:
            client: S3 client.
            upload: The upload.
            number: The part's number.

        Returns:
            The part.
        """
        try:
            if self._file is not None:
                self._file.seek(0)
                return upload.put(client, number, self._file, self.size_bytes, self._crc)
            body = self.joined()
            self._chunks.clear()  # not held twice while they are being sent
            return upload.put(client, number, body, len(body), zlib.crc32(body))
        finally:
            self.discard()

    def joined(self) -> bytes:
        """All bytes as one string; for parts that are small enough for memory.

        Returns:
            The bytes.
        """
        if self._file is not None:
            self._file.seek(0)
            return self._file.read()
        return b"".join(self._chunks)

    def discard(self) -> None:
        """Let go of the bytes."""
        self._chunks.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append_to_file(self, file: IO[bytes], data: bytes | memoryview) -> None:
        self._crc = zlib.crc32(data, self._crc)
        file.write(data)


class PartUploader:
    """Uploads parts in background threads, holding at most as many as there are threads."""

    def __init__(self, client: S3Client, upload: MultipartUpload, threads: int = _UPLOAD_THREADS) -> None:
        self._client = client
        self._upload = upload
        self._free = threading.Semaphore(threads)
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="upload-part")
        self._pending: deque[Future[UploadedPart]] = deque()
        self._done: list[UploadedPart] = []

    def submit(self, number: int, buffer: PartBuffer) -> None:
        """Hand over a part. Blocks while all threads are busy: the upload sets the pace, memory stays bounded.

        Args:
            number: The part's number.
            buffer: Its bytes; the uploader owns them from here.

        Raises:
            Exception: What made an earlier part fail.
        """
        self._free.acquire()
        while self._pending and self._pending[0].done():
            self._done.append(self._pending.popleft().result())
        self._pending.append(self._pool.submit(self._put, number, buffer))

    def finish(self) -> list[UploadedPart]:
        """Wait for every part.

        Returns:
            The parts, in the order in which they were handed over.

        Raises:
            Exception: What made a part fail.
        """
        try:
            self._done.extend(part.result() for part in self._pending)
            return self._done
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Start no further part and wait for those being sent: S3 may keep one that arrives after an abort."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _put(self, number: int, buffer: PartBuffer) -> UploadedPart:
        try:
            return buffer.put(self._client, self._upload, number)
        finally:
            self._free.release()


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
        threads: int = _UPLOAD_THREADS,
    ) -> None:
        """Nothing is sent yet.

        Args:
            client: S3 client; used from several threads at a time, which boto3 allows.
            bucket: Bucket of the object.
            key: Key of the object.
            metadata: The object's user metadata: ASCII.
            content_encoding: How the bytes are compressed, None where they are not.
            threads: How many parts are uploaded at a time; as many parts are held in memory, and one more.
        """
        self._client = client
        self._bucket = bucket
        self._key = key
        self._metadata = dict(metadata or {})
        self._content_encoding = content_encoding
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

    def complete(self) -> WrittenObject:
        """Send what is left and make the object visible.

        Returns:
            The object.

        Raises:
            ConversionError: S3 does not hold what was sent.
            botocore.exceptions.ClientError: S3 refused a part or the completion.
        """
        if self._upload is None:
            written = self._put_whole()
        else:
            self.seal()
            written = self._upload.complete(self._client, self._sent or [])
        self._is_settled = True
        return written

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
        self._buffer.discard()
        checksum = crc32.base64_text(zlib.crc32(body))
        self._client.put_object(
            Bucket=self._bucket,
            Key=self._key,
            Body=body,
            **content_headers(self._content_encoding),
            Metadata=self._metadata,
            ChecksumAlgorithm="CRC32",
            ChecksumCRC32=checksum,
        )
        return WrittenObject(uri=f"s3://{self._bucket}/{self._key}", size_bytes=len(body), checksum=f"CRC32={checksum}")


class LocalFileWriter(OutputWriter):
    """Writes one local file: to a temporary file beside it, renamed over it when it is whole."""

    def __init__(self, path: Path) -> None:
        """Create the temporary file.

        Args:
            path: The file to be; its folder must exist.

        Raises:
            OSError: The folder is missing or cannot be written.
        """
        self._path = path
        self._file, self._temporary = open_beside(path)
        self._size_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Args:
            data: The bytes.
        """
        self._size_bytes += len(data)
        self._file.write(data)

    def seal(self) -> None:
        """Hand over to the disk what memory holds."""
        self._file.flush()

    def complete(self) -> WrittenObject:
        """Put the file in its place, replacing an older one at once.

        Returns:
            The file.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        # mkstemp makes the file private; a finished output has the rights that open() would have given it.
        mask = os.umask(0)
        os.umask(mask)
        self._temporary.chmod(0o666 & ~mask)
        self._temporary.replace(self._path)
        self._file.close()  # not before: an unlocked temporary file may be deleted by the next writer
        self._is_settled = True
        return WrittenObject(uri=str(self._path), size_bytes=self._size_bytes, checksum=None)

    def abort(self) -> None:
        """Remove the temporary file. Does nothing after ``complete`` or ``abort``."""
        if self._is_settled:
            return
        self._is_settled = True
        self._file.close()
        self._temporary.unlink(missing_ok=True)
