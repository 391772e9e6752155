"""Counts the rows that really leave, instead of believing the kernel about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.convert.chunks import Chunk, chunks, line_breaks
from lakehouse.errors import RowConservationError

if TYPE_CHECKING:
    from lakehouse.convert.kernel import Kernel
    from lakehouse.convert.source import Batch
    from lakehouse.quality.results import Counts


@dataclass(frozen=True, slots=True)
class ConvertedBatch:
    """A batch whose rows are accounted for.

    Attributes:
        chunks: The accepted rows, ready to be stored.
        rejected: The rejected rows as quarantine lines.
        counts: What became of the rows.
    """

    chunks: tuple[Chunk, ...]
    rejected: bytes
    counts: Counts


def convert_counted(kernel: Kernel, batch: Batch) -> ConvertedBatch:
    """Convert a batch and hold its counts against its bytes.

    A line break inside a value is escaped in JSON, so every line break is the end of a row.

    Args:
        kernel: The kernel for the file's schema.
        batch: The batch.

    Returns:
        What became of it.

    Raises:
        RowConservationError: The lines are not as many as the rows that the batch had, or as the kernel counted.
    """
    converted = kernel.convert(batch.data, batch.first_row)
    stored = chunks(converted.ndjson, kernel.output)
    written, rejected = sum(chunk.rows for chunk in stored), line_breaks(converted.rejected)
    counts = converted.counts
    if (written, rejected, written + rejected) != (counts.rows_written, counts.rows_rejected, batch.data.num_rows):
        raise RowConservationError(
            f"Rows {batch.first_row + 1} to {batch.first_row + batch.data.num_rows}: {written} lines of output and "
            f"{rejected} of quarantine came out, counted were {counts.rows_written} and {counts.rows_rejected}. "
            "Nothing is published. It is a defect of the conversion: report it with the file's schema."
        )
    return ConvertedBatch(stored, converted.rejected, counts)
