"""Parquet files at the limits of the format, made in seconds; and what reading or converting one of them takes.

    python tests/e2e/torture_files.py make rows_of_10_mb /tmp/file.parquet
    python tests/e2e/torture_files.py read /tmp/file.parquet
    python tests/e2e/torture_files.py convert /tmp/file.parquet /tmp/file.json --compression gzip
    python tests/e2e/torture_files.py compare /tmp/file.parquet /tmp/file.json

``read`` prints rows, the largest batch and the peak memory of both processes in MB, as JSON; ``convert`` is
``lakehouse convert`` and prints rows, bytes, seconds and the peak of each process; ``compare`` holds the JSON against
the rows that pyarrow alone reads. A number after the file that ``make`` makes divides its length.
"""

# ruff: noqa: T201 - a script that prints what it finds

from __future__ import annotations

import io
import json
import resource
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_MOST_COMPARED_BYTES = 50 * 10**6


def rows_of_10_mb(path: Path, share: int = 1) -> int:
    """Texts of 10 MB each."""
    groups = 3 // share
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=False) as writer:
        for group in range(groups):
            texts = [f"{group}-{row} ".ljust(1_000, "x") * 10_000 for row in range(20)]
            writer.write_table(pa.table([np.arange(20) + group * 20, texts], schema=schema))
    return 20 * groups


def columns_10_000(path: Path, share: int = 1) -> int:
    """Ten thousand columns of numbers, most of them in dictionaries, which hide how wide they are."""
    rows = 2_000 // share
    values = [pa.array(np.arange(rows) % 3 + column) for column in range(10_000)]
    pq.write_table(pa.table(values, names=[f"column_{n}" for n in range(10_000)]), path, row_group_size=1_000)
    return rows


def row_groups_100_000(path: Path, share: int = 1) -> int:
    """A hundred thousand row groups of two rows."""
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    groups = 100_000 // share
    # One writer call: it cuts the table into row groups itself.
    rows = np.arange(2 * groups)
    table = pa.table([rows, pa.array(rows).cast(pa.string())], schema=schema)
    pq.write_table(table, path, row_group_size=2, use_dictionary=False, write_statistics=False)
    return 2 * groups


def row_group_of_2_gb(path: Path, share: int = 1) -> int:
    """More than 2 GB of doubles and whole numbers in one row group; zstd finds them repetitive."""
    rows, batches, columns = 65_536, 260 // share, 16
    generator = np.random.default_rng(1)
    tile = generator.integers(0, 2**62, 1_024)
    values = [np.tile(tile + column, rows // len(tile)) for column in range(columns)]
    arrays = [pa.array(value if column % 2 else value.view("f8")) for column, value in enumerate(values)]
    batch = pa.record_batch(arrays, names=[f"c{column}" for column in range(columns)])
    options = {"compression": "zstd", "compression_level": 1, "use_dictionary": False, "write_statistics": False}
    pq.write_table(pa.Table.from_batches([batch] * batches), path, row_group_size=rows * batches, **options)
    assert pq.read_metadata(path).num_row_groups == 1
    return rows * batches


def text_of_1_mb_repeated(path: Path, share: int = 1) -> int:
    """One text of 1 MB in a dictionary, in each of 30,000 rows: 30 GB of values in a file of some kilobytes."""
    return _in_dictionary(path, ["x" * 10**6], np.zeros(30_000 // share, dtype=np.int32))


def text_of_1_mb_in_a_category(path: Path, share: int = 1) -> int:
    """The same text as a pandas category: the rows are decoded as a dictionary, which hides how long they are."""
    return _in_dictionary(path, ["x" * 10**6], np.zeros(30_000 // share, dtype=np.int32), store_schema=True)


def texts_that_grow_late(path: Path, share: int = 1) -> int:
    """Short texts first and then long ones, all in one dictionary: the first batches say nothing of the last."""
    rows = 30_000 // share
    return _in_dictionary(path, ["short", "y" * 10**6], (np.arange(rows) >= rows * 9 // 10).astype(np.int32))


def long_text_among_codes(path: Path, share: int = 1) -> int:
    """One text of 1 MB among short ones, beside a thousand codes: together they have many combinations."""
    rows = 196_608 // share
    texts = pa.array(["a", "b"] * (rows // 2 - 1) + ["a", "z" * 10**6])
    codes = pa.array([f"code-{row % 1_000}" for row in range(rows)])
    pq.write_table(pa.table({"text": texts, "code": codes}), path, dictionary_pagesize_limit=2**25)
    return rows


def lists_of_flags(path: Path, share: int = 1) -> int:
    """Two thousand booleans a row: a bit each in memory, five or six characters as JSON."""
    rows, flags = 98_304 // share, 2_000
    bits = pa.py_buffer(np.resize(np.array([0b0110_1001, 0b0000_0111, 0b1111_0000], np.uint8), rows * flags // 8))
    values = pa.Array.from_buffers(pa.bool_(), rows * flags, [None, bits])
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * flags)
    pq.write_table(pa.table({"flags": pa.ListArray.from_arrays(offsets, values)}), path, compression="zstd")
    return rows


def structs_of_1_000_fields(path: Path, share: int = 1) -> int:
    """A struct of a thousand small numbers: 1 kB a row in memory, 29 kB with the fields' names."""
    rows = 20_000 // share
    values = [pa.array((np.arange(rows) % 100 + field).astype(np.int16)) for field in range(1_000)]
    struct = pa.StructArray.from_arrays(values, names=[f"a_field_of_the_event_{field}" for field in range(1_000)])
    pq.write_table(pa.table({"event": struct}), path, compression="zstd")
    return rows


def value_of_1_gb(path: Path, share: int = 1) -> int:
    """One value of 1 GB that is compressed to nothing: more than the reader may take."""
    value = pa.py_buffer(bytes(10**9))
    array = pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, 10**9])), value])
    options = {"compression": "zstd", "use_dictionary": False, "write_statistics": False, "store_schema": False}
    pq.write_table(pa.table({"value": array}), path, **options)
    return 1


def _in_dictionary(path: Path, texts: list[str], indices: np.ndarray, *, store_schema: bool = False) -> int:
    array = pa.DictionaryArray.from_arrays(indices, texts)
    pq.write_table(pa.table({"text": array}), path, dictionary_pagesize_limit=2**25, store_schema=store_schema)
    return len(indices)


FILES: dict[str, Callable[[Path, int], int]] = {
    make.__name__: make
    for make in (
        rows_of_10_mb,
        columns_10_000,
        row_groups_100_000,
        row_group_of_2_gb,
        text_of_1_mb_repeated,
        text_of_1_mb_in_a_category,
        texts_that_grow_late,
        long_text_among_codes,
        lists_of_flags,
        structs_of_1_000_fields,
        value_of_1_gb,
    )
}


def read(path: Path) -> dict[str, int]:
    """Read all batches and tell what it took."""
    from lakehouse.convert.plan import batch_rows
    from lakehouse.convert.source import LocalSource, inspect, iter_batches

    source = LocalSource(path)
    facts = inspect(source)
    rows = largest = 0
    for batch in iter_batches(source, batch_rows=batch_rows(facts)):
        assert batch.first_row == rows
        rows += batch.data.num_rows
        largest = max(largest, batch.data.nbytes)
    peak_mb = _peak_mb() + _readers_peak_mb()
    return {"rows": rows, "row_groups": len(facts.row_groups), "largest_mb": largest >> 20, "peak_mb": peak_mb}


def convert(path: Path, out: str, options: list[str]) -> dict[str, Any]:
    """Call ``lakehouse convert`` in this process and tell what it took."""
    from lakehouse.cli.main import lakehouse

    with redirect_stdout(io.StringIO()) as said:
        lakehouse(["convert", str(path), "-o", out, *options, "--output", "json"], standalone_mode=False)
    done = json.loads(said.getvalue())
    return {
        "rows": done["rows_written"],
        "bytes": done["output"]["size_bytes"],
        "objects": done["output"]["objects"],
        "seconds": done["seconds"],
        "process_mb": _peak_mb(),
        "reader_mb": _readers_peak_mb(),
    }


def compare(path: Path, outs: list[Path]) -> dict[str, int]:
    """Hold the lines of some outputs (one after the other) against the rows that pyarrow reads: all, or evenly many."""
    file = pq.ParquetFile(path)
    rows = file.metadata.num_rows
    json_bytes = sum(len(piece) for out in outs for piece in _pieces(out))
    # As many rows at a time as come to some megabytes of JSON.
    at_once = max(1, min(8_192, 2**24 // (json_bytes // max(rows, 1) + 1)))
    step = max(1, json_bytes // _MOST_COMPARED_BYTES)
    lines = chain.from_iterable(_opened(out) for out in outs)
    number = 0
    for batch in file.iter_batches(batch_size=at_once):
        for position, line in enumerate(islice(lines, batch.num_rows)):
            if (number + position) % step == 0 or number + position == rows - 1:
                assert [json.loads(line)] == batch.slice(position, 1).to_pylist(), f"row {number + position} differs"
        number += batch.num_rows
    assert next(lines, None) is None, "more lines than rows"
    return {"rows": number, "json_bytes": json_bytes}


def _opened(out: Path) -> Any:
    """An output's JSON, whatever its compression."""
    compression = {".gz": "gzip", ".zst": "zstd"}.get(out.suffix)
    return io.BufferedReader(pa.input_stream(str(out), compression=compression), 2**20)


def _pieces(out: Path) -> Any:
    with _opened(out) as file:
        while piece := file.read(2**22):
            yield piece


def _readers_peak_mb() -> int:
    """End the reading processes, and give the most memory that one of them had."""
    from lakehouse.convert import isolated_reading

    isolated_reading._pool().close()
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> (20 if sys.platform == "darwin" else 10)


def _peak_mb() -> int:
    """The most memory that this process had. Linux's rusage counts that of whoever started it as well."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20


def main(what: str, *arguments: str) -> dict[str, Any]:
    """Do what the command line says."""
    if what == "make":
        name, path, *share = arguments
        return {"rows": FILES[name](Path(path), *map(int, share))}
    if what == "convert":
        path, out, *options = arguments
        return convert(Path(path), out, options)
    if what == "compare":
        path, *outs = arguments
        return compare(Path(path), [Path(out) for out in outs])
    return read(Path(arguments[0]))


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
