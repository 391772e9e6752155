"""Uploads one task's share of an object: a fixed block of part numbers, or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from lakehouse.convert.multipart import MAX_PART_BYTES, MIN_PART_BYTES, part_bytes
from lakehouse.convert.part_upload import PartBuffer, PartUploader

if TYPE_CHECKING:
    from types import TracebackType

    from mypy_boto3_s3 import S3Client

    from lakehouse.convert.conservation import ConvertedBatch
    from lakehouse.convert.multipart import MultipartUpload, UploadedPart
    from lakehouse.convert.plan import PlannedTask

_THREADS_A_TASK = 2  # several tasks run on a worker, each with its own threads


class TaskWriter:
    """Cuts the NDJSON of a task into its parts and uploads them.

    With a fixed number of parts, each takes an equal share of the task's rows, as far as rejected rows leave it S3's
    least size; the last part takes the tail. Parts end anywhere, in the middle of a row too: S3 joins bytes.

    Used as a context manager, leaving the block by an exception waits for the parts under way; the driver aborts.
    """

    def __init__(self, client: S3Client, upload: MultipartUpload, task: PlannedTask) -> None:
        """Nothing is sent yet.

        Args:
            client: S3 client of this process.
            upload: The upload that the driver opened.
            task: The task, with its part numbers.
        """
        self._task = task
        self._uploader = PartUploader(client, upload, _THREADS_A_TASK)
        self._buffer = PartBuffer()
        self._number = task.first_part
        self._rows = 0
        self._is_part_too_large = False

    def take(self, converted: ConvertedBatch) -> None:
        """Append a batch as its lines are joined.

        Args:
            converted: The batch.

        Raises:
            RowConservationError: Its lines are not as many as counted.
            botocore.exceptions.ClientError: S3 refused an earlier part.
        """
        lines = rows = 0
        for chunk in converted.chunks():
            lines += chunk.rows
            # Where the rejected rows were is not known here: they are spread over the lines.
            rows_so_far = converted.rows * lines // max(1, converted.counts.rows_written)
            self.write(chunk.data, rows_so_far - rows)
            rows = rows_so_far
        if rows < converted.rows:
            self.write(b"", converted.rows - rows)

    def write(self, ndjson: bytes | memoryview, rows: int) -> None:
        """Append lines.

        Args:
            ndjson: Accepted rows.
            rows: The rows they were made of, rejected ones included.

        Raises:
            botocore.exceptions.ClientError: S3 refused an earlier part.
        """
        rows_before = self._rows
        self._rows += rows
        if self._task.parts is None:
            self._buffer.append(ndjson)
            if self._buffer.size_bytes >= part_bytes(self._number):
                self._submit_part()
            return
        rest = memoryview(ndjson)
        due = min(self._rows * self._task.parts // self._task.rows, self._task.parts - 1) - self._parts_done
        if due > 0 and rows:
            # The bytes up to the last row that belongs to a part which is due.
            last_row = (self._parts_done + due) * self._task.rows / self._task.parts
            share = int(len(rest) * min(max((last_row - rows_before) / rows, 0), 1))
            self._end_parts(due, rest[:share])
            rest = rest[share:]
        self._buffer.append(rest)

    def finish(self) -> list[UploadedPart] | None:
        """Send what is left and wait for every part.

        Returns:
            The parts; None where the task's bytes do not fill its parts (or overflow them), so that the plan must be
            given up.

        Raises:
            botocore.exceptions.ClientError: S3 refused a part.
        """
        is_planned = self._task.parts is not None
        if self._buffer.size_bytes >= (MIN_PART_BYTES if is_planned else 1):
            self._submit_part()
        self._buffer.discard()
        parts = self._uploader.finish()
        has_the_planned_parts = not is_planned or len(parts) == self._task.parts
        return parts if has_the_planned_parts and not self._is_part_too_large else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._buffer.discard()
        self._uploader.cancel()

    def _end_parts(self, due: int, data: memoryview) -> None:
        """End so many parts with what is buffered and ``data``; fewer, if that does not fill so many."""
        count = min(due, (self._buffer.size_bytes + len(data)) // MIN_PART_BYTES)
        while count:
            size = max((self._buffer.size_bytes + len(data)) // count - self._buffer.size_bytes, 0)
            if count > 1 and len(data) - size < MIN_PART_BYTES:
                size = len(data)  # a full buffer before a small batch: one part of both
            self._buffer.append(data[:size])
            data = data[size:]
            self._submit_part()
            count = min(count - 1, len(data) // MIN_PART_BYTES)
        self._buffer.append(data)

    @property
    def _parts_done(self) -> int:
        return self._number - self._task.first_part

    def _submit_part(self) -> None:
        if self._buffer.size_bytes > MAX_PART_BYTES:
            self._is_part_too_large = True
            self._buffer.discard()
        else:
            self._uploader.submit(self._number, self._buffer)
        self._buffer = PartBuffer()
        self._number += 1
