"""The exact text of values that JSON has no type for: times, dates, durations, bytes, wide decimals.

Whole arrays at a time; only values outside the usual range (years 0 to 9999, a day's hours) are written one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

# How many of a unit make a second.
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_SECONDS = 86_400
# 0000-01-01 and 9999-12-31 as days since 1970: the dates with four-digit years.
_FIRST_DAY, _LAST_DAY = -719_528, 2_932_896


def timestamps(array: Any) -> Any:
    """Timestamps as ISO 8601: six digits of the second, nine for nanoseconds, ``Z`` where the type has a time zone.

    Args:
        array: Timestamps of any unit; with a time zone they are instants, so UTC.

    Returns:
        The texts. Years outside 0 to 9999 have a sign and as many digits as they need.
    """
    unit = array.type.unit
    zone = "" if array.type.tz is None else "Z"
    local = array.view(pa.timestamp(unit))
    second = PER_SECOND[unit]
    if not _within(local.view(pa.int64()), _FIRST_DAY * _DAY_SECONDS * second, (_LAST_DAY + 1) * _DAY_SECONDS * second):
        return _one_by_one(local.view(pa.int64()), lambda value: _timestamp_text(value, unit) + zone)
    seconds, fraction = np.divmod(_numbers(local), second)
    days, clock = np.divmod(seconds, _DAY_SECONDS)
    return _fixed_width(array, [_date_digits(days), "T", _clock_digits()[clock], ".", *_fraction(fraction, unit), zone])


def dates(array: Any) -> Any:
    """Dates as ``YYYY-MM-DD``; years outside 0 to 9999 have a sign and as many digits as they need."""
    days = array.cast(pa.date32()).view(pa.int32())
    if not _within(days, _FIRST_DAY, _LAST_DAY + 1):
        return _one_by_one(days, _date_text)
    return days.view(pa.date32()).cast(pa.large_string())


def times(array: Any) -> Any:
    """Times of day as ``HH:MM:SS.ffffff``, nine digits for nanoseconds.

    A value outside the day counts its hours on (``24:00:00.000000``), or has a minus sign.
    """
    unit = array.type.unit
    integers = array.view(pa.int32() if unit in ("s", "ms") else pa.int64())
    if not _within(integers, 0, _DAY_SECONDS * PER_SECOND[unit]):
        return _one_by_one(integers, lambda value: _time_text(value, unit))
    clock, fraction = np.divmod(_numbers(integers), PER_SECOND[unit])
    return _fixed_width(array, [_clock_digits()[clock], ".", *_fraction(fraction, unit)])


def durations(array: Any) -> Any:
    """Durations as ISO 8601 in seconds only, with the digits of their unit: ``PT90061.500S``, ``-PT0.000001S``."""
    unit = array.type.unit
    integers = array.view(pa.int64())
    if pc.any(pc.equal(integers, -(2**63))).as_py():
        return _one_by_one(integers, lambda value: _duration_text(value, unit))
    value = pl.col("value")
    whole, rest = value.abs() // PER_SECOND[unit], value.abs() % PER_SECOND[unit]
    digits = _digits(unit)
    fraction = pl.lit("") if digits == 0 else pl.format(".{}", rest.cast(pl.String).str.zfill(digits))
    sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return _with_polars(integers, pl.format("{}PT{}{}S", sign, whole, fraction))


def base64(array: Any) -> Any:
    """Bytes as base64 (RFC 4648, with padding)."""
    return _with_polars(array.cast(pa.large_binary()), pl.col("value").bin.encode("base64"))


def uuids(array: Any) -> Any:
    """Sixteen bytes as a UUID's usual text."""
    digits = pl.col("value").bin.encode("hex")
    parts = [digits.str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return _with_polars(array.cast(pa.large_binary()), pl.concat_str(parts, separator="-"))


def decimals(array: Any) -> Any:
    """Decimals of up to 38 digits, in plain notation with their full scale."""
    return _with_polars(array, pl.col("value").cast(pl.String))


def wide_decimals(array: Any) -> Any:
    """Decimals that do not fit 38 digits, in plain notation with their full scale."""
    return _one_by_one(array, lambda value: format(value, "f"))


def _within(integers: Any, first: int, end: int) -> bool:
    """Whether all values are in ``[first, end)``; nulls do not count."""
    extremes = pc.min_max(integers).as_py()
    return extremes["min"] is None or (first <= extremes["min"] and extremes["max"] < end)


def _one_by_one(array: Any, text: Callable[[Any], str]) -> Any:
    return pa.array([None if value is None else text(value) for value in array.to_pylist()], pa.large_string())


def _with_polars(array: Any, expression: pl.Expr) -> Any:
    """Evaluate an expression over one array under the name ``value``."""
    frame = cast("pl.DataFrame", pl.from_arrow(pa.table({"value": array})))
    return frame.select(expression.alias("text")).to_series().to_arrow().cast(pa.large_string())


# --- digits of many values at once --------------------------------------------------------------------------------


def _numbers(array: Any) -> Any:
    """Integers as NumPy's 64-bit ones, nulls as 0."""
    integers = array.view(pa.int64()) if array.type.bit_width == 64 else array
    return pc.fill_null(integers, 0).to_numpy(zero_copy_only=False).astype(np.int64, copy=False)


@cache
def _clock_digits() -> Any:
    """``HH:MM:SS`` of every second of a day."""
    texts = [f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}" for second in range(_DAY_SECONDS)]
    return np.array(texts, dtype="S8")


@cache
def _three_digits() -> Any:
    """``000`` to ``999``."""
    return np.char.mod("%03d", np.arange(1000)).astype("S3")


def _date_digits(days: Any) -> Any:
    """``YYYY-MM-DD`` of days since 1970 in the years 0 to 9999: each date that occurs is written once."""
    first = int(days.min()) if len(days) else 0
    span = int(days.max()) - first + 1 if len(days) else 0
    if span <= len(days):
        written, codes = np.arange(first, first + span), days - first
    else:
        written, codes = np.unique(days, return_inverse=True)
    texts = pa.array(written.astype(np.int32)).view(pa.date32()).cast(pa.string())
    return np.array(texts.to_pylist(), dtype="S10")[codes]


def _fraction(fraction: Any, unit: str) -> list[Any]:
    """The digits of a second's fraction: six, nine for nanoseconds."""
    groups = 3 if unit == "ns" else 2
    if not fraction.any():
        return ["000" * groups]
    fraction = fraction * (10 ** (3 * groups) // PER_SECOND[unit])
    return [_three_digits()[fraction // 1000**place % 1000] for place in reversed(range(groups))]


def _fixed_width(array: Any, pieces: list[Any]) -> Any:
    """Texts of one length, put together from constants and NumPy byte strings; null where ``array`` is."""
    held = [piece for piece in pieces if not isinstance(piece, str) or piece]
    kinds = [f"S{len(piece)}" if isinstance(piece, str) else piece.dtype.str for piece in held]
    rows = np.empty(len(array), dtype=[(str(index), kind) for index, kind in enumerate(kinds)])
    for index, piece in enumerate(held):
        rows[str(index)] = piece.encode() if isinstance(piece, str) else piece
    offsets = np.arange(len(array) + 1, dtype=np.int64) * rows.dtype.itemsize
    validity = None if array.null_count == 0 else array.is_valid().buffers()[1]
    return pa.Array.from_buffers(pa.large_string(), len(array), [validity, pa.py_buffer(offsets), pa.py_buffer(rows)])


# --- single values ------------------------------------------------------------------------------------------------


def _digits(unit: str) -> int:
    return {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]


def _date_text(days: int) -> str:
    """A proleptic Gregorian date of any year.

    Howard Hinnant's civil_from_days: https://howardhinnant.github.io/date_algorithms.html
    """
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    # ISO 8601's expanded form, as java.time writes it: a sign where four digits do not do.
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{day:02d}"


def _clock_text(value: int, unit: str) -> str:
    seconds, rest = divmod(value, PER_SECOND[unit])
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    fraction = f"{rest:09d}" if unit == "ns" else f"{rest * (10**6 // PER_SECOND[unit]):06d}"
    return f"{hour:02d}:{minute:02d}:{second:02d}.{fraction}"


def _timestamp_text(value: int, unit: str) -> str:
    days, rest = divmod(value, _DAY_SECONDS * PER_SECOND[unit])
    return f"{_date_text(days)}T{_clock_text(rest, unit)}"


def _time_text(value: int, unit: str) -> str:
    return ("-" if value < 0 else "") + _clock_text(abs(value), unit)


def _duration_text(value: int, unit: str) -> str:
    whole, rest = divmod(abs(value), PER_SECOND[unit])
    digits = _digits(unit)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return f"{'-' if value < 0 else ''}PT{whole}{fraction}S"
