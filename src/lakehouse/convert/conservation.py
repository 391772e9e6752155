"""Counts the rows that really leave, instead of believing the kernel about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.convert.chunks import Chunk, chunks, line_breaks
from lakehouse.errors import RowConservationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lakehouse.convert.kernel import Kernel
    from lakehouse.convert.source import Batch
    from lakehouse.quality.results import Counts

# Lines that are compressed together: small frames compress badly.
_COMPRESSED_ROWS = 32_768


@dataclass(frozen=True, slots=True)
class ConvertedBatch:
    """A batch that is converted, and accounted for as its lines are taken.

    Attributes:
        first_row: Rows of the file before it.
        rows: Its rows.
        rejected: The rejected rows as quarantine lines.
        counts: What became of the rows, by the kernel.
    """

    first_row: int
    rows: int
    rejected: bytes
    counts: Counts
    _chunks: Iterable[Chunk]

    def chunks(self) -> Iterator[Chunk]:
        """The accepted rows, ready to be stored; once. Their line breaks are counted on the way.

        A line break inside a value is escaped in JSON, so every line break is the end of a row.

        Yields:
            Whole lines.

        Raises:
            RowConservationError: After the last, if the lines were not as many as the rows that the batch had, or as
                the kernel counted.
        """
        written = 0
        for chunk in self._chunks:
            written += chunk.rows
            yield chunk
        rejected = line_breaks(self.rejected)
        counts = self.counts
        if (written, rejected, written + rejected) != (counts.rows_written, counts.rows_rejected, self.rows):
            raise RowConservationError(
                f"Rows {self.first_row + 1} to {self.first_row + self.rows}: {written} lines of output and "
                f"{rejected} of quarantine came out, counted were {counts.rows_written} and {counts.rows_rejected}. "
                "Nothing is published. It is a defect of the conversion: report it with the file's schema."
            )


def convert_counted(kernel: Kernel, batch: Batch) -> ConvertedBatch:
    """Convert a batch and hold its counts against its bytes.

    Plain lines are joined when they are taken, to be written while the cache holds them; compression is done here, so
    that several threads do it.

    Args:
        kernel: The kernel for the file's schema.
        batch: The batch.

    Returns:
        What became of it.
    """
    converted = kernel.convert(batch.data, batch.first_row)
    stored: Iterable[Chunk]
    if kernel.output.compression == "none":
        stored = chunks(converted.lines.stretches(), kernel.output)
    else:
        stored = tuple(chunks(converted.lines.stretches(_COMPRESSED_ROWS), kernel.output))
    return ConvertedBatch(batch.first_row, batch.data.num_rows, converted.rejected, converted.counts, stored)
