"""Parquet files at the limits of the format, made in seconds; and what reading one of them takes.

    python tests/e2e/torture_files.py make rows_of_10_mb /tmp/file.parquet
    python tests/e2e/torture_files.py read /tmp/file.parquet

``read`` prints rows, the largest batch and the peak memory of both processes in MB, as JSON.
"""

# ruff: noqa: T201 - a script that prints what it finds

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def rows_of_10_mb(path: Path) -> int:
    """Texts of 10 MB each."""
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, use_dictionary=False) as writer:
        for group in range(3):
            texts = [f"{group}-{row} ".ljust(1_000, "x") * 10_000 for row in range(20)]
            writer.write_table(pa.table([np.arange(20) + group * 20, texts], schema=schema))
    return 60


def columns_10_000(path: Path) -> int:
    """Ten thousand columns of numbers, most of them in dictionaries, which hide how wide they are."""
    rows = 2_000
    values = [pa.array(np.arange(rows) % 3 + column) for column in range(10_000)]
    pq.write_table(pa.table(values, names=[f"column_{n}" for n in range(10_000)]), path, row_group_size=1_000)
    return rows


def row_groups_100_000(path: Path) -> int:
    """A hundred thousand row groups of two rows."""
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    groups = 100_000
    # One writer call: it cuts the table into row groups itself.
    rows = np.arange(2 * groups)
    table = pa.table([rows, pa.array(rows).cast(pa.string())], schema=schema)
    pq.write_table(table, path, row_group_size=2, use_dictionary=False, write_statistics=False)
    return 2 * groups


def row_group_of_2_gb(path: Path) -> int:
    """More than 2 GB of doubles and whole numbers in one row group; zstd finds them repetitive."""
    rows, batches, columns = 65_536, 260, 16
    generator = np.random.default_rng(1)
    tile = generator.integers(0, 2**62, 1_024)
    values = [np.tile(tile + column, rows // len(tile)) for column in range(columns)]
    arrays = [pa.array(value if column % 2 else value.view("f8")) for column, value in enumerate(values)]
    batch = pa.record_batch(arrays, names=[f"c{column}" for column in range(columns)])
    options = {"compression": "zstd", "compression_level": 1, "use_dictionary": False, "write_statistics": False}
    pq.write_table(pa.Table.from_batches([batch] * batches), path, row_group_size=rows * batches, **options)
    assert pq.read_metadata(path).num_row_groups == 1
    return rows * batches


def text_of_1_mb_repeated(path: Path) -> int:
    """One text of 1 MB in a dictionary, in each of 30,000 rows: 30 GB of values in a file of some kilobytes."""
    return _in_dictionary(path, ["x" * 10**6], np.zeros(30_000, dtype=np.int32))


def texts_that_grow_late(path: Path) -> int:
    """Short texts first and then long ones, all in one dictionary: the first batches say nothing of the last."""
    return _in_dictionary(path, ["short", "y" * 10**6], (np.arange(30_000) >= 27_000).astype(np.int32))


def value_of_1_gb(path: Path) -> int:
    """One value of 1 GB that is compressed to nothing: more than the reader may take."""
    value = pa.py_buffer(bytes(10**9))
    array = pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, 10**9])), value])
    options = {"compression": "zstd", "use_dictionary": False, "write_statistics": False, "store_schema": False}
    pq.write_table(pa.table({"value": array}), path, **options)
    return 1


def _in_dictionary(path: Path, texts: list[str], indices: np.ndarray) -> int:
    array = pa.DictionaryArray.from_arrays(indices, texts)
    pq.write_table(pa.table({"text": array}), path, dictionary_pagesize_limit=2**25, store_schema=False)
    return len(indices)


FILES: dict[str, Callable[[Path], int]] = {
    make.__name__: make
    for make in (
        rows_of_10_mb,
        columns_10_000,
        row_groups_100_000,
        row_group_of_2_gb,
        text_of_1_mb_repeated,
        texts_that_grow_late,
        value_of_1_gb,
    )
}


def read(path: Path) -> dict[str, int]:
    """Read all batches and tell what it took."""
    from lakehouse.convert import isolated_reading
    from lakehouse.convert.plan import batch_rows
    from lakehouse.convert.source import LocalSource, inspect, iter_batches

    source = LocalSource(path)
    facts = inspect(source)
    rows = largest = 0
    for batch in iter_batches(source, batch_rows=batch_rows(facts)):
        assert batch.first_row == rows
        rows += batch.data.num_rows
        largest = max(largest, batch.data.nbytes)
    isolated_reading._pool().close()
    readers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> (20 if sys.platform == "darwin" else 10)
    peak_mb = _peak_mb() + readers
    return {"rows": rows, "row_groups": len(facts.row_groups), "largest_mb": largest >> 20, "peak_mb": peak_mb}


def _peak_mb() -> int:
    """The most memory that this process had. Linux's rusage counts that of whoever started it as well."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20


if __name__ == "__main__":
    if sys.argv[1] == "make":
        print(json.dumps({"rows": FILES[sys.argv[2]](Path(sys.argv[3]))}))
    else:
        print(json.dumps(read(Path(sys.argv[2]))))
