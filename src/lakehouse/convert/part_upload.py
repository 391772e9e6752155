"""The parts of a multipart upload on their way: gathered in memory or on disk, sent by background threads."""

from __future__ import annotations

import tempfile
import threading
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lakehouse.convert.multipart import MultipartUpload, UploadedPart

# Beyond this, a part waits for its upload in a temporary file instead of in memory.
_MAX_BYTES_IN_MEMORY = 64 * 1024**2


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

    def __init__(self, client: S3Client, upload: MultipartUpload, threads: int) -> None:
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
