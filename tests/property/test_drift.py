"""Schema drift on random types, values and schemas: no value changes, and exactly what was changed is reported."""

from __future__ import annotations

import math
import re
import struct
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from arrow_tables import PER_SECOND
from effort import examples
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from lakehouse.contracts.difference import ALLOWABLE_DRIFT, DriftKind
from lakehouse.contracts.drift import compare
from lakehouse.contracts.model import Column, Contract
from lakehouse.convert.lossless_cast import cast_losslessly

# --- casts --------------------------------------------------------------------------------------------------------

INTEGERS = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS = [pa.float16(), pa.float32(), pa.float64()]
DECIMALS = [pa.decimal128(precision, scale) for precision, scale in ((3, 0), (5, 2), (9, 9), (21, 2), (38, 10))]
TIMESTAMPS = [pa.timestamp(unit, zone) for unit in PER_SECOND for zone in (None, "UTC")]
TIMES = [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
NUMBERS = [*INTEGERS, *FLOATS, *DECIMALS, pa.null()]
PAIRS = [
    (found, wanted)
    for group in (NUMBERS, TIMESTAMPS, TIMES)
    for found in group
    for wanted in group
    if found != wanted and wanted != pa.null()
]
MANTISSA_BITS = {16: 11, 32: 24, 64: 53}
# Numbers at which some type ends, their neighbours, and round ones.
EDGES = st.builds(lambda power, offset, sign: sign * (2**power + offset), st.integers(0, 64), st.integers(-1, 1),
                  st.sampled_from([-1, 1])) | st.integers(-100, 100).map(lambda number: number * 10_000)  # fmt: skip


def bounds(kind: Any) -> tuple[int, int]:
    """The least and the greatest integer that a type stores."""
    if pa.types.is_decimal(kind):
        return 1 - 10**kind.precision, 10**kind.precision - 1
    if pa.types.is_unsigned_integer(kind):
        return 0, 2**kind.bit_width - 1
    return -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1


def as_float(kind: Any, number: float) -> float:
    code = {16: "e", 32: "f", 64: "d"}[kind.bit_width]
    try:
        (nearest,) = struct.unpack(code, struct.pack(code, number))
    except OverflowError:
        return math.inf
    return float(nearest)


def stored(kind: Any) -> st.SearchStrategy[Any]:
    """Random values as a type stores them: floats, or integers that count its unit."""
    if pa.types.is_null(kind):
        return st.none()
    if pa.types.is_floating(kind):
        return st.floats(width=kind.bit_width) | EDGES.map(lambda number: as_float(kind, float(number)))
    least, most = bounds(kind)
    return st.integers(least, most) | EDGES.filter(lambda number: least <= number <= most)


def array_of(kind: Any, values: list[Any]) -> Any:
    if pa.types.is_decimal(kind):
        return pa.array([None if value is None else Decimal(f"{value}E-{kind.scale}") for value in values], kind)
    if pa.types.is_temporal(kind):
        return pa.array(values, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)
    if pa.types.is_floating(kind):
        mask = np.array([value is None for value in values], dtype=bool)
        numbers = np.array([0.0 if value is None else value for value in values], dtype=f"f{kind.bit_width // 8}")
        return pa.array(numbers, kind, mask=mask, from_pandas=False)
    return pa.array(values, kind)


def exact(array: Any) -> list[Fraction | None]:
    """An array's values as numbers; times in seconds. NaN and infinities are none."""
    kind = array.type
    divisor = 1
    if pa.types.is_temporal(kind):
        divisor = PER_SECOND[kind.unit]
        array = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    return [
        None if value is None or (isinstance(value, float) and not math.isfinite(value)) else Fraction(value) / divisor
        for value in array.to_pylist()
    ]


def is_held(found: Any, wanted: Any, number: Fraction) -> bool:
    """Whether a type has a number. Of an integer's, a floating-point type has those up to which it has all."""
    if pa.types.is_floating(wanted) and pa.types.is_integer(found):
        return abs(number) <= 2 ** MANTISSA_BITS[wanted.bit_width]
    if pa.types.is_floating(wanted):
        return as_float(wanted, float(number)) == number
    factor = 10**wanted.scale if pa.types.is_decimal(wanted) else 1
    factor = PER_SECOND[wanted.unit] if pa.types.is_temporal(wanted) else factor
    least, most = bounds(wanted)
    return (number * factor).denominator == 1 and least <= number * factor <= most


def with_values(pair: tuple[Any, Any]) -> st.SearchStrategy[tuple[Any, Any, list[Any]]]:
    found, wanted = pair
    return st.tuples(st.just(found), st.just(wanted), st.lists(st.none() | stored(found), max_size=8))


def kind_of(found: Any, wanted: Any) -> DriftKind:
    held = Contract("d", "1", (Column("v", wanted),))
    (difference,) = compare(held, pa.schema([("v", found)])).differences
    return difference.kind


@settings(max_examples=examples(1_000), deadline=None)
@given(st.sampled_from(PAIRS).flatmap(with_values))
@example((pa.int64(), pa.float64(), [2**53, 2**53 + 1, -(2**53), -(2**53) - 1]))
@example((pa.uint64(), pa.float32(), [2**24, 2**24 + 1, 2**64 - 1]))
@example((pa.float64(), pa.int64(), [2.0**63, -(2.0**63), 2.0**53, 0.5, math.nan, math.inf, -0.0]))
@example((pa.float64(), pa.float16(), [65504.0, 65520.0, 1e-8]))
@example((pa.decimal128(21, 2), pa.decimal128(5, 2), [99_999, 100_000]))
def test_a_cast_keeps_every_value_or_reports_its_row_and_a_widening_reports_none(drawn) -> None:
    found, wanted, values = drawn
    kind = kind_of(found, wanted)
    assume(kind is not DriftKind.INCOMPATIBLE_TYPE)
    event(kind)
    array = array_of(found, values)

    cast, misfits = cast_losslessly(array, wanted)

    before, after = exact(array), exact(cast)
    expected = [number is not None and not is_held(found, wanted, number) for number in before]
    assert misfits.to_pylist() == expected
    assert cast.type == wanted
    assert after == [None if misfit else number for number, misfit in zip(before, expected, strict=True)]
    assert kind is not DriftKind.WIDENING_CAST or not any(expected)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [pair for pair in PAIRS if not pa.types.is_floating(pair[0]) and pair[0] != pa.null()],
    ids=str,
)
def test_a_cast_is_widening_exactly_where_the_ends_of_the_type_fit(found, wanted) -> None:
    kind = kind_of(found, wanted)
    ends = exact(array_of(found, [*bounds(found), 1, bounds(found)[1] - 1]))

    is_sure = all(is_held(found, wanted, end) for end in ends)
    assert kind in (DriftKind.INCOMPATIBLE_TYPE, DriftKind.WIDENING_CAST if is_sure else DriftKind.NARROWING_CAST)


# --- texts that hold timestamps -----------------------------------------------------------------------------------

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - texts without a time zone
MOMENT = re.compile(r"(\d{4})(-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z?)", re.ASCII)
CYCLE = 400  # years until the Gregorian calendar repeats, after so many seconds
CYCLE_SECONDS = 146_097 * 86_400


def seconds_in(text: str, zone: str | None) -> Fraction | None:
    """What a text says, by Python's calendar; None where it is no timestamp with, or without, a time zone."""
    found = MOMENT.fullmatch(text)
    if found is None or bool(found[5]) != (zone is not None):
        return None
    year = int(found[1])
    try:
        # Python has no year 0.
        moment = datetime.fromisoformat(f"{year % CYCLE + CYCLE:04d}{found[2]} {found[3]}")
    except ValueError:
        return None
    whole = (moment - EPOCH).days * 86_400 + (moment - EPOCH).seconds
    return whole + (year // CYCLE - 1) * CYCLE_SECONDS + Fraction(int((found[4] or "").ljust(9, "0")), 10**9)


MOMENTS = st.builds(
    lambda moment, separator, fraction, end: (
        f"{moment:%Y-%m-%d}".rjust(10, "0") + f"{separator}{moment:%H:%M:%S}{fraction}{end}"
    ),
    st.datetimes(),
    st.sampled_from(["T", " ", "T", " ", "t"]),
    st.just("") | st.text("0123456789", min_size=1, max_size=10).map(lambda digits: f".{digits}"),
    st.sampled_from(["", "Z", "", "Z", "z", "+00:00", "-05", " ", "\n"]),
)
NEARLY = st.from_regex(
    r"[0-9]{3}[0-9](-[01][0-9]-[0-3][0-9])[ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,9})?Z?", fullmatch=True
)
LEAP_DAYS = st.integers(0, 9999).map(lambda year: f"{year:04d}-02-29T12:00:00")


@settings(max_examples=examples(1_000), deadline=None)
@given(
    st.lists(st.none() | MOMENTS | NEARLY | LEAP_DAYS | st.text(max_size=30), max_size=6),
    st.sampled_from(TIMESTAMPS),
    st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]),
)
@example(["1677-09-21T00:12:43.145224192", "1677-09-21T00:12:43.145224191"], pa.timestamp("ns"), pa.string())
@example(["2262-04-11T23:47:16.854775807", "2262-04-11T23:47:16.854775808"], pa.timestamp("ns"), pa.string())
@example(
    [f"2021-{month:02d}-{day} 12:00:00" for month in range(1, 13) for day in (28, 29, 30, 31)],
    pa.timestamp("s"),
    pa.string(),
)
@example([f"{year}-02-29 12:00:00" for year in (1900, 2000, 2004, 2019, 2020, 2100)], pa.timestamp("s"), pa.string())
@example(["0000-02-29 00:00:00", "9999-12-31 23:59:59.999999"], pa.timestamp("us"), pa.string())
@example(
    ["2020-11-01 00:08:60", "2020-11-01 24:00:00", "2020-11-01", "2020-11-01 00:08"], pa.timestamp("s"), pa.string()
)
@example(["2020-11-01T00:08:23.120Z", "2020-11-01T00:08:23.1201Z"], pa.timestamp("ms", "UTC"), pa.string())
@example(["٢٠٢٠-11-01T00:08:23", "2020-11-01T00:08:23\0"], pa.timestamp("us"), pa.large_string())
def test_a_text_is_parsed_to_the_moment_that_it_says_or_its_row_is_reported(texts, wanted, kind) -> None:
    assert kind_of(kind, wanted) is DriftKind.TEXT_TIMESTAMP

    cast, misfits = cast_losslessly(pa.array(texts, kind), wanted)

    said = [None if text is None else seconds_in(text, wanted.tz) for text in texts]
    expected = [moment if moment is not None and is_held(kind, wanted, moment) else None for moment in said]
    assert cast.type == wanted
    assert exact(cast) == expected
    assert misfits.to_pylist() == [
        text is not None and moment is None for text, moment in zip(texts, expected, strict=True)
    ]


# --- schemas ------------------------------------------------------------------------------------------------------

TYPE_DRIFTS = {
    "": [("widening_cast", pa.null())],
    "int64": [
        ("widening_cast", pa.int32()),
        ("widening_cast", pa.uint32()),
        ("narrowing_cast", pa.float64()),
        ("narrowing_cast", pa.uint64()),
        ("incompatible_type", pa.string()),
        ("incompatible_type", pa.bool_()),
    ],
    "double": [
        ("widening_cast", pa.float32()),
        ("widening_cast", pa.int32()),
        ("narrowing_cast", pa.int64()),
        ("incompatible_type", pa.decimal128(9, 2)),
    ],
    "timestamp[us]": [
        ("narrowing_cast", pa.timestamp("ms")),
        ("narrowing_cast", pa.timestamp("ns")),
        ("text_timestamp", pa.string()),
        ("text_timestamp", pa.dictionary(pa.int8(), pa.large_string())),
        ("incompatible_type", pa.timestamp("us", "UTC")),
        ("incompatible_type", pa.date32()),
    ],
    "string": [("incompatible_type", pa.binary()), ("incompatible_type", pa.int64())],
}
COLUMNS = st.lists(
    st.tuples(st.sampled_from([pa.int64(), pa.float64(), pa.timestamp("us"), pa.string()]), st.booleans()),
    min_size=1,
    max_size=8,
).map(
    lambda columns: tuple(
        Column(f"column_{index}", kind, is_required=is_required, former_names=(f"{index} once", f"{index} at first"))
        for index, (kind, is_required) in enumerate(columns)
    )
)


@settings(max_examples=examples(500), deadline=None)
@given(st.data(), COLUMNS, st.sets(st.sampled_from(sorted(ALLOWABLE_DRIFT))))
def test_a_schema_that_drifted_is_reported_with_exactly_its_drifts(data, columns, allowed) -> None:
    drifted: list[tuple[str, pa.DataType]] = []
    expected: set[tuple[str, str]] = set()
    for index, column in enumerate(columns):
        name, kind = column.name, column.type
        change = data.draw(st.sampled_from(["keep", "drop", "rename", "case", "foreign"]), label=f"name {index}")
        if change in ("drop", "foreign"):
            expected.add(("missing_column" if column.is_required else "missing_optional_column", column.name))
            if change == "foreign":
                expected.add(("added_column", f"unheard of {index}"))
                drifted.append((f"unheard of {index}", kind))
            continue
        if change == "rename":
            name = data.draw(st.sampled_from(column.former_names))
            expected.add(("renamed_column", column.name))
        elif change == "case":
            name = name.upper()
            expected.add(("column_case", column.name))
        if data.draw(st.booleans(), label=f"retype {index}"):
            drift, kind = data.draw(st.sampled_from([*TYPE_DRIFTS[""], *TYPE_DRIFTS[str(column.type)]]))
            expected.add((drift, column.name))
        drifted.append((name, kind))
    kept = [
        column.name
        for column in columns
        if not {("missing_column", column.name), ("missing_optional_column", column.name)} & expected
    ]
    places = [place for place, (name, _) in enumerate(drifted) if not name.startswith("unheard")]
    if len(kept) > 2 and data.draw(st.booleans(), label="move"):
        # Over at least two others: with one, it could as well be the other one that moved.
        start, end = data.draw(
            st.sampled_from([(a, b) for a in range(len(kept)) for b in range(len(kept)) if abs(a - b) > 1])
        )
        expected.add(("column_order", kept[start]))
        drifted.insert(places[end], drifted.pop(places[start]))

    held = Contract("d", "1", columns, allowed_drift=frozenset(allowed))
    drift = compare(held, pa.schema(drifted))

    found = [(difference.kind, difference.column) for difference in drift.differences]
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert all(difference.is_allowed is (difference.kind in allowed) for difference in drift.differences)
    assert drift.is_allowed is ({kind for kind, _ in expected} <= allowed)
