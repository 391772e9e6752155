"""Makes sample files of the datasets that have a contract, with a stated share of rows that break it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import InputFileError
from lakehouse.sample.dataset import Columns, SampleDataset
from lakehouse.sample.trips import GREEN, YELLOW
from lakehouse.sample.users import EVENTS, USERS

DATASETS: Mapping[str, SampleDataset] = {
    "yellow_tripdata": YELLOW,
    "green_tripdata": GREEN,
    "events": EVENTS,
    "users": USERS,
}

# Small enough that a demo's file has several row groups, which Spark's tasks share.
_ROW_GROUP_ROWS = 25_000


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """What was made: what a conversion with the dataset's contract must find.

    Attributes:
        path: The file.
        rows: Its rows.
        clean_rows: Rows that keep every rule.
        dirty_rows: Rows that break one or more.
        rule_results: Rule to how many rows break it.
        nonfinite_values: NaN among the values.
        size_bytes: The file's size.
    """

    path: Path
    rows: int
    clean_rows: int
    dirty_rows: int
    rule_results: Mapping[str, int]
    nonfinite_values: int
    size_bytes: int


def generate(
    path: Path,
    rows: int = 100_000,
    dirty_share: float = 0.01,
    seed: int = 0,
    dataset: str = "yellow_tripdata",
) -> SampleFacts:
    """Write a file of a dataset. The same arguments give the same rows.

    Args:
        path: The file to write; the pipeline tells by its name which dataset it belongs to: ``<dataset>_*.parquet``.
        rows: How many rows.
        dirty_share: Share of the rows, 0 to 1, that break a rule.
        seed: Another seed, other rows.
        dataset: What to make: a key of ``DATASETS``.

    Returns:
        How many rows break which rule.

    Raises:
        InputFileError: The arguments make no file, or the folder is not there.
    """
    if rows < 0 or not 0 <= dirty_share <= 1:
        raise InputFileError(
            f"A sample of {rows} rows of which {dirty_share:.0%} are dirty cannot be made. "
            "Ask for 0 or more rows and a share from 0 to 1."
        )
    if dataset not in DATASETS:
        raise InputFileError(
            f"A sample of the dataset {dataset!r} cannot be made. Ask for one of {', '.join(DATASETS)}."
        )
    made = DATASETS[dataset]
    random = np.random.default_rng(seed)
    columns = made.clean(random, rows)
    dirty_rows = round(rows * dirty_share)
    chosen = np.sort(random.choice(rows, size=dirty_rows, replace=False))
    results: dict[str, int] = {}
    nonfinite_values = 0
    for number, fault in enumerate(made.faults):
        spoilt = chosen[number :: len(made.faults)]
        fault.spoil(columns, spoilt)
        nonfinite_values += fault.nonfinite_values * len(spoilt)
        for rule in fault.rules if len(spoilt) else ():
            results[rule] = results.get(rule, 0) + len(spoilt)
    _write(path, columns, made.schema)
    return SampleFacts(
        path=path,
        rows=rows,
        clean_rows=rows - dirty_rows,
        dirty_rows=dirty_rows,
        rule_results=results,
        nonfinite_values=nonfinite_values,
        size_bytes=path.stat().st_size,
    )


def _write(path: Path, columns: Columns, schema: pa.Schema) -> None:
    table = pa.table([_array(columns[column.name], column.type) for column in schema], schema=schema)
    try:
        pq.write_table(table, path, row_group_size=_ROW_GROUP_ROWS)
    except OSError as error:
        raise InputFileError(f"{path}: the sample cannot be written ({error}). Name a folder that exists.") from error


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    held = np.ma.getdata(values)
    if pa.types.is_decimal(kind):
        held = np.array([Decimal(int(value)).scaleb(-kind.scale) for value in held], dtype=object)
        return pa.array(held, type=kind, mask=mask)
    # from_pandas stays off: NaN is a value of its own here, not a missing one.
    return pa.array(held, mask=mask, from_pandas=False).cast(kind)
