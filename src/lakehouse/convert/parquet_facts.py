"""What a parquet file states about itself, and the batches read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class RowGroupFacts:
    """One row group as the footer states it.

    Attributes:
        index: Its position in the file, from 0.
        first_row: Rows of the file before it.
        rows: Its rows.
        decoded_bytes: Its size before compression.
        compressed_bytes: About its size in the file: its share, by ``decoded_bytes``, of the file's size.
    """

    index: int
    first_row: int
    rows: int
    decoded_bytes: int
    compressed_bytes: int


@dataclass(frozen=True, slots=True)
class ParquetFacts:
    """A file as its footer states it.

    Attributes:
        size_bytes: Size of the file.
        rows: Rows in all row groups.
        schema: Its columns as Arrow types.
        row_groups: In file order; there may be none.
    """

    size_bytes: int
    rows: int
    schema: pa.Schema
    row_groups: tuple[RowGroupFacts, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive rows of a file.

    Attributes:
        first_row: Rows of the file before this batch, whichever row groups were asked for.
        data: The rows.
    """

    first_row: int
    data: pa.RecordBatch


def row_groups_of(size_bytes: int, sizes: Sequence[tuple[int, int]]) -> tuple[RowGroupFacts, ...]:
    """Place row groups one after the other.

    Args:
        size_bytes: Size of the file.
        sizes: Rows and bytes before compression of each row group, in file order.

    Returns:
        The row groups.
    """
    decoded_total = max(1, sum(decoded for _, decoded in sizes))
    groups = []
    first_row = 0
    for index, (rows, decoded) in enumerate(sizes):
        # The footer states compressed sizes by column only: thousands of look-ups for an estimate.
        groups.append(RowGroupFacts(index, first_row, rows, decoded, size_bytes * decoded // decoded_total))
        first_row += rows
    return tuple(groups)
