"""Reads a parquet file, from a folder or from S3, in Arrow batches of bounded size.

pyarrow is the reader under both runners: it verifies page checksums and refuses broken files that other readers take
for empty ones. Nothing here imports Polars, so that a function which only looks at a footer stays small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.convert.signature import require_parquet
from lakehouse.errors import (
    CorruptFileError,
    EncryptedFileError,
    FileVanishedError,
    InputFileError,
    LakehouseError,
)

# Rows of a batch: large enough to amortise a call, small enough that a batch and its JSON stay in tens of megabytes.
BATCH_ROWS = 65_536
# Decoded bytes that a batch aims to stay under, whatever the width of its rows.
_BATCH_BYTES = 32 * 2**20
# Compressed bytes of row groups that are fetched at once; larger row groups are streamed page by page.
_SPAN_BYTES = 32 * 2**20
_MOST_NANOSECONDS = 2**63 - 1
# A broken file is read again column by column to name the culprit, unless that would take too long.
_MOST_COLUMNS_TO_DIAGNOSE = 500


class ParquetSource(ABC):
    """Where a parquet file lies.

    Attributes:
        name: How messages call it: a path, or an ``s3://`` URI.
    """

    name: str

    @abstractmethod
    def open(self) -> Any:
        """Open the file for one reader: seekable and binary, as ``pyarrow`` takes it.

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
        self.path = Path(path)
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
        CorruptFileError: Its footer cannot be read.
        FileVanishedError: It is not there any more.
    """
    with _opened(source) as (file, size):
        return _facts(source, _reader(source, file), size)


def iter_batches(
    source: ParquetSource, row_groups: Sequence[int] | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[Batch]:
    """Read rows in file order.

    Memory is bounded by the batch and by what is read ahead (about 32 MiB compressed), not by the file.

    Args:
        source: Where the file lies.
        row_groups: The row groups wanted, rising; None for all.
        batch_rows: The most rows of a batch; wide rows make smaller batches.

    Yields:
        The batches.

    Raises:
        CorruptFileError: A page cannot be read, a checksum differs, or the rows are not as many as the footer states;
            the message names row group and column where they can be found out.
        InputFileError: As for ``inspect``, or a value that the reader cannot represent.
    """
    with _opened(source) as (file, size):
        facts = _facts(source, _reader(source, file), size)
        wanted = facts.row_groups if row_groups is None else tuple(facts.row_groups[index] for index in row_groups)
        largest = max((group.compressed_bytes for group in wanted), default=0)
        reader = _reader(source, file, columns=len(facts.schema), streams=largest > _SPAN_BYTES)
        for span in _spans(wanted):
            try:
                _require_int96_fits(source, reader, file, span)
            except LakehouseError:
                raise
            except Exception as error:
                raise _diagnosed(source, reader, span, error) from error
            yield from _read_span(source, reader, span, batch_rows)


# --- opening ------------------------------------------------------------------------------------------------------


class _opened:  # noqa: N801 - a context manager that reads as a verb
    """Opens a source, learns its size and refuses what is no parquet file."""

    def __init__(self, source: ParquetSource) -> None:
        self._source = source
        self._file: Any = None

    def __enter__(self) -> tuple[Any, int]:
        self._file = self._source.open()
        try:
            size = cast("int", self._file.seek(0, 2))
            require_parquet(self._source.name, self._file, size)
        except BaseException:
            self._file.close()
            raise
        return self._file, size

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _reader(source: ParquetSource, file: Any, *, columns: int = 1, streams: bool = False) -> pq.ParquetFile:
    """Open the footer; ``streams`` reads column chunks piece by piece instead of whole."""
    # Every column has a buffer of its own while streaming: ten thousand of them must not add up to gigabytes.
    buffer_bytes = min(4 * 2**20, max(64 * 2**10, 2 * _SPAN_BYTES // max(columns, 1))) if streams else 0
    try:
        return pq.ParquetFile(
            _unclosed(file), page_checksum_verification=True, pre_buffer=not streams, buffer_size=buffer_bytes
        )
    except Exception as error:
        raise _as_input_error(source, error, "its footer") from error


def _unclosed(file: Any) -> pa.PythonFile:
    """Wrap a file so that a reader which goes away leaves it open for the next one."""
    return pa.PythonFile(file, mode="r")


def _facts(source: ParquetSource, reader: pq.ParquetFile, size: int) -> ParquetFacts:
    groups: list[RowGroupFacts] = []
    first_row = 0
    try:
        metadata, schema, rows = reader.metadata, reader.schema_arrow, reader.metadata.num_rows
        stated = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        sizes = [(group.num_rows, max(0, group.total_byte_size)) for group in stated]
    except Exception as error:
        raise _as_input_error(source, error, "its footer") from error
    decoded_total = max(1, sum(decoded for _, decoded in sizes))
    for index, (group_rows, decoded) in enumerate(sizes):
        # The footer states compressed sizes by column only, and pyarrow aborts the process on a group that lacks some.
        groups.append(RowGroupFacts(index, first_row, group_rows, decoded, size * decoded // decoded_total))
        first_row += group_rows
    if first_row != rows or any(group.rows < 0 for group in groups):
        raise CorruptFileError(
            f"{source.name}: the footer states {rows} rows, its row groups {first_row}. Write the file again."
        )
    return ParquetFacts(size, rows, schema, tuple(groups))


# --- reading ------------------------------------------------------------------------------------------------------


def _spans(groups: Sequence[RowGroupFacts]) -> Iterator[list[RowGroupFacts]]:
    """Join neighbouring small row groups, so that a file of many tiny ones is not read ten rows at a time."""
    span: list[RowGroupFacts] = []
    for group in groups:
        size = sum(member.compressed_bytes for member in span)
        if span and (group.index != span[-1].index + 1 or size + group.compressed_bytes > _SPAN_BYTES):
            yield span
            span = []
        span.append(group)
    if span:
        yield span


def _read_span(
    source: ParquetSource,
    reader: pq.ParquetFile,
    span: Sequence[RowGroupFacts],
    batch_rows: int,
) -> Iterator[Batch]:
    rows = sum(group.rows for group in span)
    indexes = [group.index for group in span]
    row_bytes = max(1, sum(group.decoded_bytes for group in span) // max(rows, 1))
    batch_size = max(1, min(batch_rows, _BATCH_BYTES // row_bytes))
    first_row = span[0].first_row
    seen = 0
    batches = reader.iter_batches(batch_size=batch_size, row_groups=indexes)
    while True:
        try:
            data = next(batches, None)
            if data is not None:
                data.validate()
        except LakehouseError:
            raise
        except Exception as error:
            raise _diagnosed(source, reader, span, error) from error
        if data is None:
            break
        if not data.schema.equals(reader.schema_arrow):
            raise CorruptFileError(
                f"{source.name}: {_named(span)} gives other columns ({', '.join(data.schema.names)}) than the footer "
                f"states ({', '.join(reader.schema_arrow.names)}). Write the file again at its source."
            )
        yield Batch(first_row + seen, data)
        seen += data.num_rows
    if seen != rows:
        raise CorruptFileError(
            f"{source.name}: {_named(span)} should hold {rows} rows and gave {seen}. "
            "Write the file again at its source."
        )


def _named(span: Sequence[RowGroupFacts]) -> str:
    first, last = span[0].index, span[-1].index
    return f"row group {first}" if first == last else f"row groups {first} to {last}"


def _diagnosed(
    source: ParquetSource, reader: pq.ParquetFile, span: Sequence[RowGroupFacts], error: Exception
) -> LakehouseError:
    """Find the row group and the column that cannot be read, by reading them one at a time."""
    if (known := _known(source, error)) is not None:
        return known
    names = reader.schema_arrow.names
    if len(names) <= _MOST_COLUMNS_TO_DIAGNOSE and len(set(names)) == len(names):
        for group in span:
            for name in names:
                try:
                    for _ in reader.iter_batches(batch_size=1024, row_groups=[group.index], columns=[name]):
                        pass
                except Exception as culprit:  # noqa: BLE001 - the search is for whatever fails
                    return _as_input_error(source, culprit, f"row group {group.index}, column {name!r}")
    return _as_input_error(source, error, _named(span))


def _require_int96_fits(
    source: ParquetSource, reader: pq.ParquetFile, file: Any, span: Sequence[RowGroupFacts]
) -> None:
    """Refuse INT96 timestamps that nanoseconds cannot hold.

    The reader turns INT96 into nanoseconds and wraps around outside the years 1677 to 2262 without a word. Read as
    milliseconds no INT96 value can wrap, so a first pass over these columns (few files have them) shows it.
    """
    leaves = (reader.schema.column(index) for index in range(len(reader.schema)))
    names = list(dict.fromkeys(leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"))
    if not names:
        return
    coarse = pq.ParquetFile(_unclosed(file), coerce_int96_timestamp_unit="ms", pre_buffer=False)
    for batch in coarse.iter_batches(row_groups=[group.index for group in span], columns=names):
        for name, array in zip(batch.schema.names, batch.columns, strict=True):
            for leaf in _timestamp_leaves(array):
                extremes = pc.min_max(leaf.view(pa.int64())).as_py()
                if extremes["min"] is not None and max(-extremes["min"], extremes["max"]) >= _MOST_NANOSECONDS // 10**6:
                    raise InputFileError(
                        f"{source.name}: {_named(span)}, column {name!r}: INT96 timestamps outside the years 1677 to "
                        "2262, which nanoseconds cannot hold. Write the column as TIMESTAMP_MICROS at its source."
                    )


def _timestamp_leaves(array: Any) -> Iterator[Any]:
    kind = array.type
    if pa.types.is_timestamp(kind):
        yield array
    elif pa.types.is_struct(kind):
        for child in array.flatten():
            yield from _timestamp_leaves(child)
    elif pa.types.is_map(kind):
        yield from _timestamp_leaves(array.keys)
        yield from _timestamp_leaves(array.items)
    elif pa.types.is_nested(kind):
        yield from _timestamp_leaves(array.flatten())


# --- errors -------------------------------------------------------------------------------------------------------


def _known(source: ParquetSource, error: BaseException) -> LakehouseError | None:
    """Our own error under pyarrow's, where the file object raised it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LakehouseError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return cast("LakehouseError | None", getattr(source, "failure", None))


def _as_input_error(source: ParquetSource, error: BaseException, where: str) -> LakehouseError:
    """Say what pyarrow could not read, in our words."""
    if (known := _known(source, error)) is not None:
        return known
    said = " ".join(str(error).split())[:300]
    if "encrypt" in said.lower() or "decrypt" in said.lower():
        return EncryptedFileError(f"{source.name}: {where} is encrypted ({said}). Land a file without encryption.")
    if isinstance(error, pa.ArrowNotImplementedError):
        return InputFileError(
            f"{source.name}: {where} uses a part of the format that the reader does not know ({said}). "
            "Write the file again with plain types and encodings."
        )
    return CorruptFileError(
        f"{source.name}: {where} cannot be read ({said or type(error).__name__}). Write the file again at its source."
    )
