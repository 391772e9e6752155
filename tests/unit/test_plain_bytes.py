"""How large a batch is taken to be before it is cut."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.convert.batch_size import TARGET_BYTES, slices
from lakehouse.convert.kernel import Kernel
from lakehouse.convert.plain_bytes import plain_bytes

ROWS = 1_000
NUMBERS = pa.array(range(5 * ROWS), pa.int64())
FIVE_A_ROW = pa.array(range(0, 5 * ROWS + 1, 5), pa.int32())


def category(text: str, rows: int = ROWS) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [text, "never used" * 1_000])


PACKED = {
    "a category": category("a long text that every row repeats"),
    "a category with nulls": pa.DictionaryArray.from_arrays(pa.array([0, None] * (ROWS // 2)), ["a long text" * 10]),
    "a category of numbers": pa.DictionaryArray.from_arrays(np.zeros(ROWS, np.int8), [1_234_567]),
    "lists of flags": pa.ListArray.from_arrays(FIVE_A_ROW, pa.array([True, False, None, True, True] * ROWS)),
    "lists of nothing": pa.ListArray.from_arrays(FIVE_A_ROW, pa.nulls(5 * ROWS)),
    "lists of fixed length": pa.FixedSizeListArray.from_arrays(NUMBERS, 5),
    "a struct with long names": pa.StructArray.from_arrays([NUMBERS[:ROWS], NUMBERS[:ROWS]], ["n" * 100, "m" * 100]),
    "a category in a struct": pa.StructArray.from_arrays([category("a long text" * 10)], ["t"]),
    "maps": pa.MapArray.from_arrays(FIVE_A_ROW, pa.array([*"abcde"] * ROWS), NUMBERS),
    "an extension": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}'] * ROWS)),
}


def batch_of(array: pa.Array) -> pa.RecordBatch:
    return pa.record_batch([array, NUMBERS[: len(array)]], names=["packed", "plain"])


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("rows", [ROWS, 300])
def test_what_arrow_packs_counts_as_the_json_that_it_becomes(name, rows) -> None:
    batch = batch_of(PACKED[name]).slice(200 if rows < ROWS else 0, rows)

    written = len(Kernel(batch.schema).convert(batch, 0).ndjson)

    assert written / 3 <= plain_bytes(batch) <= written * 2


def test_a_dictionary_that_is_larger_than_a_batch_does_not_make_a_batch_of_every_row() -> None:
    texts = [f"{number:08d}".ljust(100, "x") for number in range(400_000)]
    batch = batch_of(pa.DictionaryArray.from_arrays(np.arange(ROWS, dtype=np.int32), texts))
    assert batch.nbytes > TARGET_BYTES

    assert [piece.num_rows for piece in slices(batch)] == [ROWS]


def test_a_long_text_repeated_by_a_dictionary_is_cut_into_batches_that_fit() -> None:
    batch = batch_of(category("x" * 10**6, rows=100))

    pieces = list(slices(batch))

    assert max(piece.num_rows for piece in pieces) <= TARGET_BYTES // 10**6
    lines = [line for piece in pieces for line in Kernel(batch.schema).convert(piece, 0).ndjson.splitlines()]
    assert [json.loads(line)["plain"] for line in lines] == list(range(100))


def test_no_rows_and_no_columns_take_nothing() -> None:
    assert plain_bytes(batch_of(category("a")).slice(0, 0)) == 0
    assert plain_bytes(pa.RecordBatch.from_arrays([], names=[])) == 0
