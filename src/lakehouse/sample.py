"""Makes yellow taxi trips as TLC publishes them, with a stated share of rows that break the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.errors import InputFileError

# Small enough that a demo's file has several row groups, which Spark's tasks share.
_ROW_GROUP_ROWS = 25_000
_MONTH_START = np.datetime64("2024-01-01T00:00:00", "us")
_MONTH_SECONDS = 31 * 86_400
_RESET_CLOCK = np.datetime64("2008-12-31T23:03:01", "us")

_SCHEMA = pa.schema(
    [
        ("VendorID", pa.int64()),
        ("tpep_pickup_datetime", pa.timestamp("us")),
        ("tpep_dropoff_datetime", pa.timestamp("us")),
        ("passenger_count", pa.float64()),
        ("trip_distance", pa.float64()),
        ("RatecodeID", pa.float64()),
        ("store_and_fwd_flag", pa.string()),
        ("PULocationID", pa.int64()),
        ("DOLocationID", pa.int64()),
        ("payment_type", pa.int64()),
        ("fare_amount", pa.float64()),
        ("extra", pa.float64()),
        ("mta_tax", pa.float64()),
        ("tip_amount", pa.float64()),
        ("tolls_amount", pa.float64()),
        ("improvement_surcharge", pa.float64()),
        ("total_amount", pa.float64()),
        ("congestion_surcharge", pa.float64()),
        ("airport_fee", pa.float64()),
    ]
)

_Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """What was made: what a conversion with the yellow_tripdata contract must find.

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


@dataclass(frozen=True, slots=True)
class _Fault:
    """A way for a row to be dirty: what is done to the columns, and the rules that this breaks."""

    spoil: Callable[[_Columns, Any], None]
    rules: tuple[str, ...]
    nonfinite_values: int = 0


def generate(path: Path, rows: int = 100_000, dirty_share: float = 0.01, seed: int = 0) -> SampleFacts:
    """Write a file of yellow taxi trips. The same arguments give the same rows.

    Args:
        path: The file to write; the pipeline takes it for yellow taxi trips under ``yellow_tripdata_*.parquet``.
        rows: How many rows.
        dirty_share: Share of the rows, 0 to 1, that break a rule.
        seed: Another seed, other rows.

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
    random = np.random.default_rng(seed)
    columns = _clean(random, rows)
    dirty_rows = round(rows * dirty_share)
    chosen = np.sort(random.choice(rows, size=dirty_rows, replace=False))
    results: dict[str, int] = {}
    nonfinite_values = 0
    for number, fault in enumerate(_FAULTS):
        spoilt = chosen[number :: len(_FAULTS)]
        fault.spoil(columns, spoilt)
        nonfinite_values += fault.nonfinite_values * len(spoilt)
        for rule in fault.rules if len(spoilt) else ():
            results[rule] = results.get(rule, 0) + len(spoilt)
    _write(path, columns)
    return SampleFacts(
        path=path,
        rows=rows,
        clean_rows=rows - dirty_rows,
        dirty_rows=dirty_rows,
        rule_results=results,
        nonfinite_values=nonfinite_values,
        size_bytes=path.stat().st_size,
    )


def _write(path: Path, columns: _Columns) -> None:
    vendors, is_known = columns.pop("VendorID"), columns.pop("has_vendor")
    arrays = {"VendorID": pa.array(vendors, mask=~is_known), **{name: pa.array(columns[name]) for name in columns}}
    # from_pandas stays off: NaN is a value of its own here, not a missing one.
    table = pa.table([arrays[column.name].cast(column.type) for column in _SCHEMA], schema=_SCHEMA)
    try:
        pq.write_table(table, path, row_group_size=_ROW_GROUP_ROWS)
    except OSError as error:
        raise InputFileError(f"{path}: the sample cannot be written ({error}). Name a folder that exists.") from error


def _clean(random: np.random.Generator, rows: int) -> _Columns:
    """Rows that keep every rule, shaped like a month of trips."""
    pickup = np.sort(_MONTH_START + random.integers(0, _MONTH_SECONDS, rows).astype("timedelta64[s]"))
    miles = np.round(np.minimum(random.lognormal(mean=0.6, sigma=0.9, size=rows), 60.0) + 0.1, 2)
    seconds = np.round(miles * random.uniform(200, 420, rows)).astype(np.int64) + 60
    fare = np.round(3.0 + miles * 3.2 + seconds / 60 * 0.2, 1)
    is_card = random.random(rows) < 0.78
    is_airport = random.random(rows) < 0.08
    extra = random.choice([0.0, 1.0, 2.5], rows, p=[0.5, 0.3, 0.2])
    tip = np.where(is_card, np.round(fare * random.choice([0.0, 0.15, 0.2, 0.25], rows), 2), 0.0)
    tolls = np.where(is_airport & (random.random(rows) < 0.5), 6.94, 0.0)
    airport_fee = np.where(is_airport, 1.75, 0.0)
    return {
        "VendorID": random.choice([1, 2], rows, p=[0.3, 0.7]),
        "has_vendor": np.ones(rows, dtype=bool),
        "tpep_pickup_datetime": pickup,
        "tpep_dropoff_datetime": pickup + seconds.astype("timedelta64[s]"),
        # 0 passengers means that the driver typed nothing in: kept.
        "passenger_count": random.choice([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], rows, p=[0.02, 0.72, 0.15, 0.05, 0.03, 0.03]),
        "trip_distance": miles,
        "RatecodeID": np.where(is_airport, 2.0, 1.0),
        "store_and_fwd_flag": random.choice(["N", "Y"], rows, p=[0.98, 0.02]),
        "PULocationID": random.integers(1, 266, rows),
        "DOLocationID": random.integers(1, 266, rows),
        "payment_type": np.where(is_card, 1, 2),
        "fare_amount": fare,
        "extra": extra,
        "mta_tax": np.full(rows, 0.5),
        "tip_amount": tip,
        "tolls_amount": tolls,
        "improvement_surcharge": np.full(rows, 1.0),
        "total_amount": np.round(fare + extra + 0.5 + tip + tolls + 1.0 + 2.5 + airport_fee, 2),
        "congestion_surcharge": np.full(rows, 2.5),
        "airport_fee": airport_fee,
    }


# --- faults, each as real files have it ---------------------------------------------------------------------------


def _reverse_fare(columns: _Columns, rows: Any) -> None:
    for name in ("fare_amount", "total_amount"):
        columns[name][rows] = -np.abs(columns[name][rows])


def _swap_times(columns: _Columns, rows: Any) -> None:
    pickup, dropoff = columns["tpep_pickup_datetime"], columns["tpep_dropoff_datetime"]
    pickup[rows], dropoff[rows] = dropoff[rows].copy(), pickup[rows].copy()


def _reset_clock(columns: _Columns, rows: Any) -> None:
    columns["tpep_pickup_datetime"][rows] = _RESET_CLOCK
    columns["tpep_dropoff_datetime"][rows] = _RESET_CLOCK + np.timedelta64(235, "s")


def _jump_distance(columns: _Columns, rows: Any) -> None:
    columns["trip_distance"][rows] = 201_421.68


def _lose_distance(columns: _Columns, rows: Any) -> None:
    columns["trip_distance"][rows] = np.nan


def _lose_vendor(columns: _Columns, rows: Any) -> None:
    columns["has_vendor"][rows] = False


def _mistake_zone(columns: _Columns, rows: Any) -> None:
    columns["PULocationID"][rows] = 999


def _mistake_payment(columns: _Columns, rows: Any) -> None:
    columns["payment_type"][rows] = 42


_FAULTS = (
    _Fault(_reverse_fare, ("fare_amount_range", "total_amount_range")),
    _Fault(_swap_times, ("dropoff_not_before_pickup",)),
    _Fault(_reset_clock, ("tpep_pickup_datetime_range", "tpep_dropoff_datetime_range")),
    _Fault(_jump_distance, ("trip_distance_range",)),
    _Fault(_lose_distance, ("trip_distance_required",), nonfinite_values=1),
    _Fault(_lose_vendor, ("VendorID_required",)),
    _Fault(_mistake_zone, ("PULocationID_range",)),
    _Fault(_mistake_payment, ("payment_type_values",)),
)
