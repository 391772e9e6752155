"""Decodes a parquet file with pyarrow: footer in, facts out; row groups in, batches of bounded size out.

It runs in a process of its own (``reader_process``), because a broken file can abort pyarrow. pyarrow verifies page
checksums and refuses broken files that other readers take for empty ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.convert.batch_size import BatchSize, slices
from lakehouse.convert.parquet_facts import Batch, ParquetFacts, RowGroupFacts, row_groups_of
from lakehouse.errors import CorruptFileError, EncryptedFileError, InputFileError, LakehouseError

# Compressed bytes of row groups that are fetched at once; larger row groups are streamed page by page.
_SPAN_BYTES = 32 * 2**20
# Decoded bytes of such row groups: each of them may have a page of all its rows.
_SPAN_DECODED_BYTES = 64 * 2**20
# Each row group that is read at once has readers of its own, for every column.
_SPAN_CHUNKS = 10_000
_MOST_NANOSECONDS = 2**63 - 1
# A broken file is read again column by column to name the culprit, unless that would take too long.
_MOST_COLUMNS_TO_DIAGNOSE = 500


class ParquetReader:
    """Reads one file.

    Args:
        name: How messages call the file.
        file: Opens the file for a pyarrow reader: each reader gets one of its own.
        size: The file's size in bytes.
        note_place: Called with what is read next, before it is read.

    Attributes:
        facts: What the footer states.
        rows_at_once: The most rows that a batch has at present.

    Raises:
        EncryptedFileError: The footer is encrypted.
        CorruptFileError: The footer cannot be read.
    """

    def __init__(self, name: str, file: Callable[[], Any], size: int, note_place: Callable[[str], None]) -> None:
        self._name = name
        self._file = file
        self._note_place = note_place
        self.rows_at_once = 1
        note_place("its footer")
        try:
            self._metadata = pq.read_metadata(file())
            reader = pq.ParquetFile(file(), metadata=self._metadata)
            self._schema = reader.schema_arrow
            stated = [self._metadata.row_group(index) for index in range(self._metadata.num_row_groups)]
            sizes = [(group.num_rows, max(0, group.total_byte_size)) for group in stated]
            rows = self._metadata.num_rows
        except Exception as error:
            raise self._as_input_error(error, "its footer") from error
        in_groups = sum(rows for rows, _ in sizes)
        if in_groups != rows or any(rows < 0 for rows, _ in sizes):
            raise CorruptFileError(
                f"{name}: the footer states {rows} rows, its row groups {in_groups}. Write the file again."
            )
        self.facts = ParquetFacts(size, rows, self._schema, row_groups_of(size, sizes))

    def batches(self, row_groups: Sequence[int] | None, batch_rows: int, skipped_rows: int) -> Iterator[Batch]:
        """Read rows in file order.

        Args:
            row_groups: The row groups wanted, rising; None for all.
            batch_rows: The most rows of a batch; wide rows make smaller batches.
            skipped_rows: Rows at the beginning of what is wanted that the caller has already.

        Yields:
            The batches.

        Raises:
            CorruptFileError: As ``source.iter_batches`` says.
            InputFileError: A value that the reader cannot represent.
            MemoryError: There is not enough for a batch of ``batch_rows``.
        """
        groups = self.facts.row_groups
        wanted = list(groups if row_groups is None else (groups[index] for index in row_groups))
        while wanted and skipped_rows >= wanted[0].rows:
            skipped_rows -= wanted.pop(0).rows
        if not wanted:
            return
        columns = len(self._metadata.schema)
        largest = max(group.compressed_bytes for group in wanted)
        reader = self._open(streams=largest > _SPAN_BYTES)
        batch_size = BatchSize(self._metadata, batch_rows)
        most_groups = max(1, _SPAN_CHUNKS // max(columns, 1))
        if any(_holds_dictionary(column.type) for column in self._schema if pa.types.is_nested(column.type)):
            most_groups = 1  # pyarrow cannot put dictionaries inside lists and structs together across row groups
        for span in _spans(wanted, most_groups):
            self._note_place(_named(span))
            try:
                self._require_int96_fits(span)
            except (LakehouseError, MemoryError):
                raise
            except Exception as error:
                raise self._diagnosed(reader, span, error) from error
            for batch in self._read_span(reader, span, batch_size):
                skipped = min(skipped_rows, batch.data.num_rows)
                skipped_rows -= skipped
                if skipped < batch.data.num_rows:
                    yield Batch(batch.first_row + skipped, batch.data.slice(skipped))

    def _open(self, *, streams: bool, **options: Any) -> pq.ParquetFile:
        """Make a reader; ``streams`` reads column chunks piece by piece instead of whole."""
        # Every column has a buffer of its own while streaming: ten thousand of them must not add up to gigabytes.
        columns = max(len(self._metadata.schema), 1)
        buffer_bytes = min(4 * 2**20, max(64 * 2**10, 2 * _SPAN_BYTES // columns)) if streams else 0
        return pq.ParquetFile(
            self._file(),
            metadata=self._metadata,
            page_checksum_verification=True,
            pre_buffer=not streams,
            buffer_size=buffer_bytes,
            **options,
        )

    def _read_span(self, reader: pq.ParquetFile, span: Sequence[RowGroupFacts], size: BatchSize) -> Iterator[Batch]:
        rows = sum(group.rows for group in span)
        seen = 0
        self.rows_at_once = min(rows, size.first(span))
        batches = reader.iter_batches(batch_size=self.rows_at_once, row_groups=[group.index for group in span])
        while True:
            try:
                data = next(batches, None)
                if data is not None:
                    data.validate()
            except MemoryError:
                raise
            except Exception as error:
                raise self._diagnosed(reader, span, error) from error
            if data is None:
                break
            if not data.schema.equals(self._schema):
                raise CorruptFileError(
                    f"{self._name}: {_named(span)} gives other columns ({', '.join(data.schema.names)}) than the "
                    f"footer states ({', '.join(self._schema.names)}). Write the file again at its source."
                )
            # pyarrow looks the size up before every batch.
            self.rows_at_once = size.after(data)
            reader.reader.set_batch_size(self.rows_at_once)
            for piece in slices(data):
                yield Batch(span[0].first_row + seen, piece)
                seen += piece.num_rows
        if seen != rows:
            raise CorruptFileError(
                f"{self._name}: {_named(span)} should hold {rows} rows and gave {seen}. "
                "Write the file again at its source."
            )

    # --- what is wrong --------------------------------------------------------------------------------------------

    def _diagnosed(self, reader: pq.ParquetFile, span: Sequence[RowGroupFacts], error: Exception) -> LakehouseError:
        """Find the row group and the column that cannot be read, by reading them one at a time."""
        names = self._schema.names
        if len(names) <= _MOST_COLUMNS_TO_DIAGNOSE and len(set(names)) == len(names):
            for group in span:
                for name in names:
                    place = f"row group {group.index}, column {name!r}"
                    self._note_place(place)
                    try:
                        for _ in reader.iter_batches(batch_size=64, row_groups=[group.index], columns=[name]):
                            pass
                    except Exception as culprit:  # noqa: BLE001 - the search is for whatever fails
                        return self._as_input_error(culprit, place)
        return self._as_input_error(error, _named(span))

    def _as_input_error(self, error: BaseException, where: str) -> LakehouseError:
        """Say what pyarrow could not read, in our words."""
        if isinstance(error, MemoryError):
            raise error
        said = " ".join(str(error).split())[:300]
        if "encrypt" in said.lower() or "decrypt" in said.lower():
            return EncryptedFileError(f"{self._name}: {where} is encrypted ({said}). Land a file without encryption.")
        if isinstance(error, pa.ArrowNotImplementedError):
            return InputFileError(
                f"{self._name}: {where} uses a part of the format that the reader does not know ({said}). "
                "Write the file again with plain types and encodings."
            )
        return CorruptFileError(
            f"{self._name}: {where} cannot be read ({said or type(error).__name__}). "
            "Write the file again at its source."
        )

    def _require_int96_fits(self, span: Sequence[RowGroupFacts]) -> None:
        """Refuse INT96 timestamps that nanoseconds cannot hold.

        The reader turns INT96 into nanoseconds and wraps around outside the years 1677 to 2262 without a word. Read as
        milliseconds no INT96 value can wrap, so a first pass over these columns (few files have them) shows it.
        """
        schema = self._metadata.schema
        leaves = (schema.column(index) for index in range(len(schema)))
        names = list(dict.fromkeys(leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"))
        if not names:
            return
        coarse = self._open(streams=True, coerce_int96_timestamp_unit="ms")
        for batch in coarse.iter_batches(row_groups=[group.index for group in span], columns=names, batch_size=4096):
            for name, array in zip(batch.schema.names, batch.columns, strict=True):
                for leaf in _timestamp_leaves(array):
                    extremes = pc.min_max(leaf.view(pa.int64())).as_py()
                    least, most = extremes["min"], extremes["max"]
                    if least is not None and max(-least, most) >= _MOST_NANOSECONDS // 10**6:
                        raise InputFileError(
                            f"{self._name}: {_named(span)}, column {name!r}: INT96 timestamps outside the years 1677 "
                            "to 2262, which nanoseconds cannot hold. Write the column as TIMESTAMP_MICROS at its "
                            "source."
                        )


def _spans(groups: Sequence[RowGroupFacts], most_groups: int) -> Iterator[list[RowGroupFacts]]:
    """Join neighbouring small row groups, so that a file of many tiny ones is not read ten rows at a time."""
    span: list[RowGroupFacts] = []
    size = decoded = 0
    for group in groups:
        size += group.compressed_bytes
        decoded += group.decoded_bytes
        is_full = size > _SPAN_BYTES or decoded > _SPAN_DECODED_BYTES or len(span) == most_groups
        if span and (is_full or group.index != span[-1].index + 1):
            yield span
            span, size, decoded = [], group.compressed_bytes, group.decoded_bytes
        span.append(group)
    if span:
        yield span


def _named(span: Sequence[RowGroupFacts]) -> str:
    first, last = span[0].index, span[-1].index
    return f"row group {first}" if first == last else f"row groups {first} to {last}"


def _holds_dictionary(kind: Any) -> bool:
    """Whether a type is a dictionary, or has one in it."""
    if pa.types.is_dictionary(kind):
        return True
    return any(_holds_dictionary(kind.field(index).type) for index in range(kind.num_fields))


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
