"""Puts rows together as JSON lines: each column becomes text as a whole, and one pass joins the columns to lines.

Lines are joined a stretch at a time, into a buffer that is ready to be written. Columns of few distinct values are
written once a value, key included, and neighbours among them are combined before rows are made of them.
docs/adr/0009 says why, docs/benchmarks.md what it gains.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.convert.distinct import Distinct
from lakehouse.convert.json_mapping import Findings, JsonMapping

# Neighbours are joined while their values have at most this many combinations, as a share of the rows.
_COMBINATIONS_SHARE = 1 / 8
# … and take no more than this: one text of a megabyte must not be there a thousand times.
_MOST_COMBINED_BYTES = 16 * 1024**2
# A stretch of lines is about a megabyte.
_STRETCH_ROWS = 4096
_TEXT = pa.large_string()
# How a value alone is wrapped to be encoded: {"0":…}
_WRAPPER = '{"0":'


@dataclass(frozen=True, slots=True)
class ColumnText:
    """A column as JSON.

    Attributes:
        texts: Large strings: the JSON of each row, or of each distinct value; null for null.
        codes: The position in ``texts`` of each row's value; None where ``texts`` has an element a row.
        is_bare: Whether the texts still lack their quotation marks (and need no escapes).
    """

    texts: Any
    codes: Any = None
    is_bare: bool = False

    def kept(self, positions: Any) -> ColumnText:
        """Only some rows.

        Args:
            positions: NumPy integers: the rows to keep, rising.

        Returns:
            The column of these rows.
        """
        if self.codes is not None:
            codes = self.codes[positions]
            if len(codes) < len(self.texts):
                return ColumnText(self.texts.take(pa.array(codes)), None, self.is_bare)
            return ColumnText(self.texts, codes, self.is_bare)
        return ColumnText(self.texts.take(pa.array(positions)), None, self.is_bare)


class JsonLines:
    """Writes batches of one schema.

    Args:
        schema: The columns. Names must differ.
        has_entry_maps: Write every map as a list of entries, see ``JsonMapping``.
        omits_nulls: Leave a null column out of its line, instead of writing ``null``. Nulls inside lists, structs and
            maps are written in any case.

    Raises:
        InputFileError: Two columns have one name, or a type has no JSON form.
    """

    def __init__(self, schema: pa.Schema, *, has_entry_maps: bool = False, omits_nulls: bool = False) -> None:
        self._mapping = JsonMapping(schema, has_entry_maps=has_entry_maps)
        self._keys = [json.dumps(name, ensure_ascii=False) + ":" for name in schema.names]
        self._omits_nulls = omits_nulls

    def texts(self, columns: Sequence[Any], distincts: Sequence[Distinct | None]) -> tuple[list[ColumnText], Findings]:
        """Write every column as JSON.

        Args:
            columns: The arrays of a batch, in the schema's order.
            distincts: Each one's distinct values, where they were looked for and found.

        Returns:
            The columns, and what was found in them.
        """
        findings = Findings()
        written = []
        for index, (array, few) in enumerate(zip(columns, distincts, strict=True)):
            if few is not None:
                of_values = Findings()
                mapped = self._mapping.apply(index, few.values, of_values)
                if not of_values:
                    written.append(_column_text(mapped, few.codes))
                    continue
            # What is found must be told by rows.
            written.append(_column_text(self._mapping.apply(index, array, findings), None))
        return written, findings

    def text(self, index: int, array: Any) -> ColumnText:
        """Write one column as JSON, whatever is found in it.

        Args:
            index: Its position in the schema.
            array: Its values.

        Returns:
            The column.
        """
        return _column_text(self._mapping.apply(index, array, Findings()), None)

    def lines(
        self, columns: Sequence[ColumnText], rows: int, end: str = "}\n", left_out: np.ndarray | None = None
    ) -> Lines:
        """Put columns side by side.

        Args:
            columns: What ``texts`` gave, with the same rows kept of each.
            rows: How many.
            end: What follows the last value of a row.
            left_out: Booleans, true for rows that give no line; None where all do.

        Returns:
            The lines, not yet joined.
        """
        builder = _Builder(rows, omits_nulls=self._omits_nulls)
        lead = "," if self._omits_nulls else "{"
        for key, column in zip(self._keys, columns, strict=True):
            builder.add(lead + key, column)
            lead = ","
        builder.add_text(end)
        return Lines(rows, builder.pieces(), len(end) if self._omits_nulls else None, left_out)


@dataclass(frozen=True, slots=True)
class _Few:
    """A piece of which there are few.

    Attributes:
        texts: Large strings, each once.
        codes: int32 a row: the position of its text.
    """

    texts: Any
    codes: Any


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of JSON, to be joined when they are needed.

    Attributes:
        rows: How many rows there are.
        pieces: What a line is joined from: constants, arrays with an element a row, and what is looked up.
        empty_length: Where nulls are omitted, the length of a line of nulls only, which lacks its opening brace.
        left_out: Booleans, true for rows that give no line; None where all do. Leaving rows out while lines are joined
            is cheaper than taking them out of every column before.
    """

    rows: int
    pieces: tuple[Any, ...]
    empty_length: int | None = None
    left_out: np.ndarray | None = None

    def stretches(self, rows: int = _STRETCH_ROWS) -> Iterator[memoryview]:
        """Join the lines a few at a time, so that they are written while the processor's cache still holds them.

        Args:
            rows: The most lines of a stretch.

        Yields:
            Whole lines. Each stretch has memory of its own.
        """
        for start in range(0, self.rows, rows):
            stretch = buffer_of(self.joined(start, min(rows, self.rows - start)))
            if stretch:
                yield stretch

    def joined(self, start: int = 0, length: int | None = None) -> Any:
        """Join lines.

        Args:
            start: The first one.
            length: How many; None for all that follow.

        Returns:
            Large strings, a line a row; an empty null for a row that is left out.
        """
        length = self.rows - start if length is None else length
        pieces = [_cut(piece, start, length) for piece in self.pieces]
        null: str | None = "null" if self.empty_length is None else ""
        left_out = None if self.left_out is None else self.left_out[start : start + length]
        if left_out is not None and left_out.any():
            # A null among the pieces makes the line null, so there must be no other.
            pieces = [pc.fill_null(piece, null) if _has_nulls(piece) else piece for piece in pieces]
            pieces.append(_nulls_among_empty(left_out))
            null = None
        if all(isinstance(piece, pa.Scalar) for piece in pieces):
            return pa.array(["".join(piece.as_py() for piece in pieces)] * length, _TEXT)
        return _joined(pieces, null) if self.empty_length is None else _with_braces(pieces, null, self.empty_length)


def buffer_of(texts: Any) -> memoryview:
    """The bytes of all texts, one after the other, without a copy.

    Args:
        texts: Large strings.

    Returns:
        Their bytes, with what nulls may hide; none where there are no texts.
    """
    _, offsets, data = texts.buffers()
    if len(texts) == 0 or data is None:
        return memoryview(b"")
    bounds = np.frombuffer(offsets, dtype=np.int64)
    return memoryview(data)[int(bounds[texts.offset]) : int(bounds[texts.offset + len(texts)])]


# --- columns ------------------------------------------------------------------------------------------------------


def _column_text(array: Any, codes: Any) -> ColumnText:
    """Write a mapped column (``JsonMapping``) as JSON."""
    kind = array.type
    types = pa.types
    if types.is_null(kind):
        return ColumnText(pa.nulls(len(array), _TEXT), codes)
    if types.is_boolean(kind) or types.is_integer(kind):
        return ColumnText(array.cast(_TEXT), codes)
    if types.is_floating(kind):
        return ColumnText(_float_texts(array), codes)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        array = array.cast(_TEXT)
        if not _needs_escapes(array):
            return ColumnText(array, codes, is_bare=True)
    return ColumnText(_encoded(array), codes)


def _float_texts(array: Any) -> Any:
    """The shortest digits that read back to the value, with a point or an exponent; null for what is not finite."""
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    finite = pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))
    return cast("pl.Series", pl.from_arrow(finite)).cast(pl.String).to_arrow().cast(_TEXT)


def _needs_escapes(texts: Any) -> bool:
    """Whether any byte of large strings is a quotation mark, a backslash or a control character."""
    held = np.frombuffer(buffer_of(texts), dtype=np.uint8)
    return bool((held < ord(" ")).any() or (held == ord('"')).any() or (held == ord("\\")).any())


def _encoded(array: Any) -> Any:
    """The JSON of values of any type, by Polars."""
    frame = cast("pl.DataFrame", pl.from_arrow(pa.table({"0": array})))
    wrapped = frame.select(pl.struct("0").struct.json_encode()).to_series().to_arrow().cast(pa.large_string())
    bare = pc.binary_slice(wrapped.view(pa.large_binary()), len(_WRAPPER), -1).view(_TEXT)
    return bare if array.null_count == 0 else pc.if_else(array.is_valid(), bare, pa.scalar(None, _TEXT))


# --- lines --------------------------------------------------------------------------------------------------------


class _Builder:
    """Collects what a line is joined from."""

    def __init__(self, rows: int, *, omits_nulls: bool) -> None:
        self._omits_nulls = omits_nulls
        self._most_combinations = int(rows * _COMBINATIONS_SHARE)
        self._pieces: list[Any] = []
        self._constant = ""
        # Neighbouring columns of few values, combined.
        self._few: _Few | None = None

    def add(self, key: str, column: ColumnText) -> None:
        """Append a column, each value after its key."""
        if column.codes is not None:
            self._add_few(_Few(self._keyed(key, column), column.codes))
        elif column.texts.null_count and (self._omits_nulls or column.is_bare):
            self._add_array(self._keyed(key, column))
        else:
            mark = '"' if column.is_bare else ""
            self.add_text(key + mark)
            self._add_array(column.texts)
            self.add_text(mark)

    def add_text(self, text: str) -> None:
        """Append a constant."""
        if self._few is not None:
            self._few = _Few(_joined([self._few.texts, _text(text)], None), self._few.codes)
        else:
            self._constant += text

    def pieces(self) -> tuple[Any, ...]:
        """What was collected."""
        self._end_few()
        self._end_constant()
        return tuple(self._pieces)

    def _keyed(self, key: str, column: ColumnText) -> Any:
        """The texts with their key; where nulls are omitted, nothing for null."""
        mark = '"' if column.is_bare else ""
        keyed = _joined([_text(key + mark), column.texts, _text(mark)], None)
        if keyed.null_count == 0:
            return keyed
        return pc.fill_null(keyed, "" if self._omits_nulls else key + "null")

    def _add_few(self, few: _Few) -> None:
        if self._constant:
            few = _Few(_joined([_text(self._constant), few.texts], None), few.codes)
            self._constant = ""
        left = self._few
        if left is not None and self._is_worth_combining(left.texts, few.texts):
            first = np.repeat(np.arange(len(left.texts)), len(few.texts))
            second = np.tile(np.arange(len(few.texts)), len(left.texts))
            combined = _joined([left.texts.take(first), few.texts.take(second)], None)
            self._few = _Few(combined, left.codes * len(few.texts) + few.codes)
        else:
            self._end_few()
            self._few = few

    def _is_worth_combining(self, left: Any, right: Any) -> bool:
        """Whether the combinations of two columns' texts are few, and no long text is among them many times."""
        size = len(left) * right.nbytes + len(right) * left.nbytes
        return len(left) * len(right) <= self._most_combinations and size <= _MOST_COMBINED_BYTES

    def _end_few(self) -> None:
        if self._few is not None:
            self._pieces.append(self._few)
            self._few = None

    def _add_array(self, array: Any) -> None:
        self._end_few()
        self._end_constant()
        self._pieces.append(array)

    def _end_constant(self) -> None:
        if self._constant:
            self._pieces.append(_text(self._constant))
            self._constant = ""


def _cut(piece: Any, start: int, length: int) -> Any:
    """Some rows of a piece."""
    if isinstance(piece, _Few):
        return piece.texts.take(pa.array(piece.codes[start : start + length]))
    return piece if isinstance(piece, pa.Scalar) else piece.slice(start, length)


def _has_nulls(piece: Any) -> bool:
    return not isinstance(piece, pa.Scalar) and piece.null_count > 0


def _nulls_among_empty(is_null: np.ndarray) -> Any:
    """Empty texts, null where it is said."""
    validity = pa.py_buffer(np.packbits(~is_null, bitorder="little"))
    offsets = pa.py_buffer(np.zeros(len(is_null) + 1, np.int64))
    return pa.Array.from_buffers(_TEXT, len(is_null), [validity, offsets, pa.py_buffer(b"")])


def _with_braces(pieces: Sequence[Any], null: str | None, empty_length: int) -> Any:
    """Join rows that begin with a comma (or are empty), and turn it into the opening brace."""
    lines = _joined(pieces, null)
    is_empty = pc.equal(pc.binary_length(lines), empty_length)
    if pc.any(is_empty).as_py():
        commas = pc.if_else(is_empty, _text(","), _text(""))
        lines = _joined([commas, *pieces], null)
    _, offsets, data = lines.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[: len(lines)]
    if lines.null_count:
        starts = starts[lines.is_valid().to_numpy(zero_copy_only=False)]
    if len(starts):
        np.frombuffer(data, dtype=np.uint8)[starts] = ord("{")
    return lines


def _text(text: str) -> Any:
    return pa.scalar(text, _TEXT)


def _joined(pieces: Sequence[Any], null: str | None) -> Any:
    handling = {"null_handling": "replace", "null_replacement": null} if null is not None else {}
    return pc.binary_join_element_wise(*pieces, _text(""), **handling)
