"""Reads a parquet file, from a folder or from S3, in Arrow batches of bounded size.

The file is decoded in a process of its own (``isolated_reading``), so that a broken one is refused and harms nobody.
Nothing here imports Polars, so that a function which only looks at a footer stays small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lakehouse.convert.isolated_reading import read_batches, read_facts
from lakehouse.convert.parquet_facts import Batch, ParquetFacts, RowGroupFacts
from lakehouse.convert.signature import require_parquet
from lakehouse.errors import FileVanishedError, InputFileError

__all__ = [
    "BATCH_ROWS",
    "Batch",
    "LocalSource",
    "ParquetFacts",
    "ParquetSource",
    "RowGroupFacts",
    "inspect",
    "iter_batches",
]

# Rows of a batch: large enough to amortise a call, small enough that a batch and its JSON stay in tens of megabytes.
BATCH_ROWS = 65_536


class ParquetSource(ABC):
    """Where a parquet file lies.

    Attributes:
        name: How messages call it: a path, or an ``s3://`` URI.
        local_path: Where any process of this machine can open it; None where only this one knows how.
    """

    name: str
    local_path: Path | None = None

    @abstractmethod
    def open(self) -> Any:
        """Open the file for one reader: seekable and binary.

        Raises:
            FileVanishedError: It is not there any more.
            LakehouseError: AWS refused, throttled or did not answer.
        """


class LocalSource(ParquetSource):
    """A file of this machine.

    Args:
        path: The file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = self.local_path = Path(path)
        self.name = str(path)

    def open(self) -> BinaryIO:
        """Open the file.

        Raises:
            FileVanishedError: It is not there.
            InputFileError: It cannot be opened.
        """
        try:
            return self.path.open("rb")
        except FileNotFoundError as error:
            raise FileVanishedError(f"{self.name}: no such file. Was it moved? Give the path of a file.") from error
        except OSError as error:
            raise InputFileError(f"{self.name}: cannot be opened ({error.strerror}). Give a readable file.") from error


def inspect(source: ParquetSource) -> ParquetFacts:
    """Read a file's footer.

    Args:
        source: Where the file lies.

    Returns:
        What the footer states. A file with no rows, no row groups or no columns is a legal one.

    Raises:
        EmptyFileError: It has no bytes.
        NotParquetError: It is something else; the message says what it looks like.
        TruncatedFileError: It begins as parquet and ends too early.
        EncryptedFileError: Its footer is encrypted.
        CorruptFileError: Its footer cannot be read; ``ReaderCrashedError`` if the reader crashed on it or hung.
        ReaderMemoryError: Its footer takes more memory than the reader may use.
        FileVanishedError: It is not there any more.
    """
    with _opened(source) as (file, size):
        return read_facts(source, file, size)


def iter_batches(
    source: ParquetSource, row_groups: Sequence[int] | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[Batch]:
    """Read rows in file order.

    Memory is bounded by the batch (32 MiB decoded, unless one row has more) and by what is read ahead (about 32 MiB
    compressed), not by the file.

    Args:
        source: Where the file lies.
        row_groups: The row groups wanted, rising; None for all.
        batch_rows: The most rows of a batch; wide rows make smaller batches.

    Yields:
        The batches.

    Raises:
        CorruptFileError: A page cannot be read, a checksum differs, or the rows are not as many as the footer states;
            the message names row group and column where they can be found out. ``ReaderCrashedError`` if the reader
            crashed or hung.
        ReaderMemoryError: A row takes more memory than the reader may use.
        InputFileError: As for ``inspect``, or a value that the reader cannot represent.
    """
    with _opened(source) as (file, size):
        yield from read_batches(source, file, size, row_groups, batch_rows)


@contextmanager
def _opened(source: ParquetSource) -> Iterator[tuple[Any, int]]:
    """Open a source, learn its size and refuse what is no parquet file."""
    with source.open() as file:
        size: int = file.seek(0, 2)
        require_parquet(source.name, file, size)
        yield file, size
