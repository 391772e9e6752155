"""How many rows a batch may have so that its decoded bytes stay bounded, whatever a file's footer claims.

A footer states sizes as they are encoded. A dictionary, or prefixes left out (DELTA_BYTE_ARRAY), make a column of equal
1 MB texts look as small as one of numbers; so widths are measured on the way, and columns that may explode are read a
few rows at first. What explodes all the same runs into the reader's memory limit and is read again in smaller batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from lakehouse.convert.parquet_facts import RowGroupFacts
from lakehouse.convert.plain_bytes import plain_bytes

# Bytes that a batch's values come to at most, written out, unless one row alone has more.
TARGET_BYTES = 32 * 2**20
# What a batch may come to while it is decoded, where the footer's sizes are believed for a moment.
_MOST_BYTES = 8 * TARGET_BYTES
# Rows grow by this much from batch to batch while widths are not trusted.
_CAUTIOUS_GROWTH = 4
# Columns up to this much larger than those of earlier row groups are taken to be like them.
_SIMILAR = 4
_EXPANDING = frozenset({"PLAIN_DICTIONARY", "RLE_DICTIONARY", "DELTA_BYTE_ARRAY"})
# While they are decoded, elements of lists have two levels of 16 bits each.
_LEVEL_BYTES = 4
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}


class BatchSize:
    """Rows of the next batch.

    Args:
        metadata: The file's footer, as pyarrow gives it.
        most_rows: The most rows of a batch.
    """

    def __init__(self, metadata: Any, most_rows: int) -> None:
        self._metadata = metadata
        self._most_rows = most_rows
        leaves = [metadata.schema.column(index) for index in range(len(metadata.schema))]
        # What the values alone take, without texts; elements of lists are not counted.
        self._least_row_bytes = sum(
            _WIDTHS.get(leaf.physical_type, max(1, leaf.length)) for leaf in leaves if leaf.max_repetition_level == 0
        )
        # Columns whose rows may be wider, and what each of their values takes besides itself.
        self._unsure = {
            index: _LEVEL_BYTES if leaf.max_repetition_level else 0
            for index, leaf in enumerate(leaves)
            if leaf.physical_type == "BYTE_ARRAY" or leaf.max_repetition_level
        }
        self._rows = most_rows
        # The widest row that the present row groups might have, and the widest for which all went well.
        self._widest = self._proven = 0

    def first(self, span: Sequence[RowGroupFacts]) -> int:
        """Rows of the first batch of some row groups.

        Args:
            span: Row groups that are read together.

        Returns:
            Rows, at least 1.
        """
        rows = max(1, sum(group.rows for group in span))
        stated = sum(group.decoded_bytes for group in span) // rows
        row_bytes = max(1, self._least_row_bytes, stated)
        fitting = max(1, min(self._most_rows, TARGET_BYTES // row_bytes))
        batch_rows = min(fitting, rows)
        self._widest = 0
        largest = max(group.decoded_bytes for group in span)
        # The look-ups by column are dear in a file of many row groups: only where a group could explode at all.
        if self._unsure and batch_rows * largest > _MOST_BYTES:
            self._widest = max(self._widest_row(group) for group in span)
        self._rows = fitting
        if self._is_cautious and batch_rows * self._widest > _MOST_BYTES:
            self._rows = max(1, min(fitting, TARGET_BYTES // self._widest))
        return self._rows

    def after(self, data: pa.RecordBatch) -> int:
        """Rows of the next batch, by the last one's true width.

        Args:
            data: The last batch.

        Returns:
            Rows, at least 1.
        """
        if data.num_rows:
            row_bytes = max(1, self._least_row_bytes, plain_bytes(data) // data.num_rows)
            fitting = max(1, min(self._most_rows, TARGET_BYTES // row_bytes))
            if self._is_cautious and fitting > self._rows * _CAUTIOUS_GROWTH:
                fitting = self._rows * _CAUTIOUS_GROWTH
            else:
                self._proven = max(self._proven, _SIMILAR * self._widest)
            self._rows = fitting
        return self._rows

    @property
    def _is_cautious(self) -> bool:
        return self._widest > self._proven

    def _widest_row(self, group: RowGroupFacts) -> int:
        """Bytes that a row may have if all of a column's bytes are one value that every row repeats."""
        stated = self._metadata.row_group(group.index)
        widest: int = self._least_row_bytes
        for index, level_bytes in self._unsure.items():
            chunk = stated.column(index)
            values_a_row = max(1, chunk.num_values // max(1, group.rows))
            value_bytes: int = _WIDTHS.get(chunk.physical_type, 8)
            if chunk.physical_type == "BYTE_ARRAY" and not _EXPANDING.isdisjoint(chunk.encodings):
                value_bytes = max(0, chunk.total_uncompressed_size)
            widest += values_a_row * (value_bytes + level_bytes)
        return widest


def slices(data: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch that is larger than the target.

    Args:
        data: The batch.

    Yields:
        Consecutive parts of it, none larger than the target unless it is one row.
    """
    if data.num_rows <= 1 or plain_bytes(data) <= TARGET_BYTES:
        yield data
        return
    half = data.num_rows // 2
    yield from slices(data.slice(0, half))
    yield from slices(data.slice(half))
