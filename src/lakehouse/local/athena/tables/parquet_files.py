"""Footers of parquet files: which columns there are, and how many bytes reading some of them takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.local.athena.failures import StatementFailedError


@dataclass(frozen=True, slots=True)
class Footer:
    """What a parquet file's footer says.

    Attributes:
        schema: Its columns.
        bytes_by_column: Compressed bytes by column, in lower case.
        rows: Its rows.
    """

    schema: pa.Schema
    bytes_by_column: dict[str, int]
    rows: int

    def bytes_of(self, columns: Collection[str]) -> int:
        """How many bytes of it are read for some columns.

        Args:
            columns: Names in lower case.

        Returns:
            Bytes.
        """
        return sum(size for name, size in self.bytes_by_column.items() if name in columns)


def footer(path: Path, uri: str) -> Footer:
    """Read a file's footer, or remember it.

    Args:
        path: The file.
        uri: The object, for the message.

    Returns:
        The footer.

    Raises:
        StatementFailedError: It is no parquet file.
    """
    facts = path.stat()
    try:
        return _footer(path, facts.st_size, facts.st_mtime_ns)
    except (pa.ArrowInvalid, OSError) as error:
        raise StatementFailedError("HIVE_BAD_DATA", f"Not valid Parquet file: {uri} ({error})") from error


@lru_cache(maxsize=4096)
def _footer(path: Path, _size: int, _changed: int) -> Footer:
    with pq.ParquetFile(path) as file:
        metadata = file.metadata
        sizes: dict[str, int] = {}
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            for index in range(row_group.num_columns):
                chunk = row_group.column(index)
                name = chunk.path_in_schema.partition(".")[0].lower()
                sizes[name] = sizes.get(name, 0) + chunk.total_compressed_size
        return Footer(file.schema_arrow, sizes, metadata.num_rows)
