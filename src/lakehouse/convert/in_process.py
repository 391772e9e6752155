"""The runner of one process: reading, converting and uploading overlap, memory stays bounded.

A Lambda function for small files, and any laptop. One process decodes, the kernel's threads convert, this thread joins
lines and hands them on in file order, and parts are uploaded behind it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from lakehouse.convert.ahead import WorkAhead
from lakehouse.convert.conservation import convert_counted
from lakehouse.convert.kernel import Counts, Kernel
from lakehouse.convert.object_writer import ObjectWriter
from lakehouse.convert.plan import batch_rows
from lakehouse.convert.runner import Draft
from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.source import iter_batches
from lakehouse.convert.split_output import open_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_s3 import S3Client

    from lakehouse.convert.output_writer import ChunkOutput, OutputWriter
    from lakehouse.convert.runner import Assignment
    from lakehouse.convert.source import ParquetFacts, ParquetSource

# More threads than this hold more batches in memory than they save time.
_MOST_KERNEL_THREADS = 4
# Parts of a large object that are sent at a time.
_UPLOAD_THREADS = 4


class InProcessRunner:
    """Converts a file in this process."""

    engine = "in_process"

    def __init__(self, s3: S3Client) -> None:
        """Hold the client.

        Args:
            s3: S3 client; used from several threads.
        """
        self._s3 = s3

    @contextmanager
    def draft(self, assignment: Assignment, note_progress: Callable[[int], None]) -> Iterator[Draft]:
        """Convert and upload everything, see ``job.Runner``.

        Args:
            assignment: What to convert.
            note_progress: Called with the rows read so far.

        Yields:
            The draft.
        """
        source = S3Source(self._s3, assignment.bucket, assignment.key, assignment.version_id)
        kernel = Kernel(assignment.facts.schema, assignment.contract, name=source.name)
        open_writer = partial(self._writer, assignment)
        with (
            open_output(open_writer, assignment.output_key, kernel.output) as output,
            open_writer(assignment.quarantine_key) as quarantine,
        ):
            counts = convert_stream(source, assignment.facts, kernel, output, quarantine, note_progress)
            yield Draft(counts=counts, output=output, quarantine=quarantine)

    def _writer(self, assignment: Assignment, key: str, encoding: str | None = None) -> ObjectWriter:
        return ObjectWriter(
            self._s3,
            assignment.output_bucket,
            key,
            metadata=assignment.object_metadata,
            content_encoding=encoding,
            threads=_UPLOAD_THREADS if key == assignment.output_key else 1,
        )


def convert_stream(
    source: ParquetSource,
    facts: ParquetFacts,
    kernel: Kernel,
    output: ChunkOutput,
    quarantine: OutputWriter,
    note_progress: Callable[[int], None],
) -> Counts:
    """Stream a file through the kernel, in row order.

    Args:
        source: The file.
        facts: What its footer states.
        kernel: The kernel for its schema.
        output: Takes the accepted rows.
        quarantine: Takes the rejected rows.
        note_progress: Called with the rows read so far after every batch.

    Returns:
        What became of the rows.
    """
    counts = Counts()
    batches = iter_batches(source, batch_rows=batch_rows(facts))
    # Half of the cores: the others read, join lines and write. The kernel's short calls gain nothing from more threads.
    threads = max(1, min((os.cpu_count() or 1) // 2, _MOST_KERNEL_THREADS))
    for converted in WorkAhead(batches, partial(convert_counted, kernel), threads).results():
        for chunk in converted.chunks():
            output.take(chunk)
        quarantine.write(converted.rejected)
        counts += converted.counts
        note_progress(counts.rows_read)
        del converted  # its memory, while the next one is awaited
    return counts
