"""Yellow and green taxi trips as TLC publishes them, with a stated share of rows that break the contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse.sample.dataset import Columns, Fault, SampleDataset, maskable

_MONTH_START = np.datetime64("2024-01-01T00:00:00", "us")
_MONTH_SECONDS = 31 * 86_400
_RESET_CLOCK = np.datetime64("2008-12-31T23:03:01", "us")


def _yellow(random: np.random.Generator, rows: int) -> Columns:
    """A month of yellow taxi trips."""
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
        "VendorID": maskable(random.choice([1, 2], rows, p=[0.3, 0.7])),
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


def _green(random: np.random.Generator, rows: int) -> Columns:
    """A month of green taxi trips: those of yellow taxis under other names and types, and no airport fee."""
    columns = _yellow(random, rows)
    airport_fee = columns.pop("airport_fee")
    for name in ("pickup_datetime", "dropoff_datetime"):
        columns[f"lpep_{name}"] = columns.pop(f"tpep_{name}")
    columns["total_amount"] = np.round(columns["total_amount"] - airport_fee, 2)
    # TLC has never filled it in.
    columns["ehail_fee"] = np.ma.array(np.zeros(rows), mask=np.ones(rows, dtype=bool))
    columns["trip_type"] = random.choice([1, 2], rows, p=[0.9, 0.1])
    return columns


# --- faults, each as real files have it ---------------------------------------------------------------------------


def _reverse_fare(columns: Columns, rows: Any) -> None:
    for name in ("fare_amount", "total_amount"):
        columns[name][rows] = -np.abs(columns[name][rows])


def _swap_times(prefix: str) -> Callable[[Columns, Any], None]:
    def spoil(columns: Columns, rows: Any) -> None:
        pickup, dropoff = columns[f"{prefix}_pickup_datetime"], columns[f"{prefix}_dropoff_datetime"]
        pickup[rows], dropoff[rows] = dropoff[rows].copy(), pickup[rows].copy()

    return spoil


def _reset_clock(prefix: str) -> Callable[[Columns, Any], None]:
    def spoil(columns: Columns, rows: Any) -> None:
        columns[f"{prefix}_pickup_datetime"][rows] = _RESET_CLOCK
        columns[f"{prefix}_dropoff_datetime"][rows] = _RESET_CLOCK + np.timedelta64(235, "s")

    return spoil


def _jump_distance(columns: Columns, rows: Any) -> None:
    columns["trip_distance"][rows] = 201_421.68


def _lose_distance(columns: Columns, rows: Any) -> None:
    columns["trip_distance"][rows] = np.nan


def _lose_vendor(columns: Columns, rows: Any) -> None:
    columns["VendorID"].mask[rows] = True


def _mistake_zone(columns: Columns, rows: Any) -> None:
    columns["PULocationID"][rows] = 999


def _mistake_payment(columns: Columns, rows: Any) -> None:
    columns["payment_type"][rows] = 42


def _faults(prefix: str) -> tuple[Fault, ...]:
    times = (f"{prefix}_pickup_datetime_range", f"{prefix}_dropoff_datetime_range")
    return (
        Fault(_reverse_fare, ("fare_amount_range", "total_amount_range")),
        Fault(_swap_times(prefix), ("dropoff_not_before_pickup",)),
        Fault(_reset_clock(prefix), times),
        Fault(_jump_distance, ("trip_distance_range",)),
        Fault(_lose_distance, ("trip_distance_required",), nonfinite_values=1),
        Fault(_lose_vendor, ("VendorID_required",)),
        Fault(_mistake_zone, ("PULocationID_range",)),
        Fault(_mistake_payment, ("payment_type_values",)),
    )


YELLOW = SampleDataset(
    schema=pa.schema(
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
    ),
    clean=_yellow,
    faults=_faults("tpep"),
)

GREEN = SampleDataset(
    schema=pa.schema(
        [
            ("VendorID", pa.int32()),
            ("lpep_pickup_datetime", pa.timestamp("us")),
            ("lpep_dropoff_datetime", pa.timestamp("us")),
            ("store_and_fwd_flag", pa.string()),
            ("RatecodeID", pa.int64()),
            ("PULocationID", pa.int32()),
            ("DOLocationID", pa.int32()),
            ("passenger_count", pa.int64()),
            ("trip_distance", pa.float64()),
            ("fare_amount", pa.float64()),
            ("extra", pa.float64()),
            ("mta_tax", pa.float64()),
            ("tip_amount", pa.float64()),
            ("tolls_amount", pa.float64()),
            ("ehail_fee", pa.float64()),
            ("improvement_surcharge", pa.float64()),
            ("total_amount", pa.float64()),
            ("payment_type", pa.int64()),
            ("trip_type", pa.int64()),
            ("congestion_surcharge", pa.float64()),
        ]
    ),
    clean=_green,
    faults=_faults("lpep"),
)
