"""Random Arrow columns of every type, each with a judge of the JSON it should become.

A column is made from raw Python values (integers for times), so that no reader's opinion of them is needed: the judge
compares what was parsed from JSON with the raw value.
"""

from __future__ import annotations

import base64
import math
import re
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
DATE = re.compile(r"([+-]?)(\d{4,})-(\d\d)-(\d\d)")


@dataclass
class Kind:
    """A type, its values, and what they should be in JSON."""

    type: pa.DataType
    values: st.SearchStrategy[Any]
    build: Callable[[list[Any]], pa.Array]
    agrees: Callable[[Any, Any], bool]
    nonfinite: Callable[[Any], int] = field(default=lambda _raw: 0)

    def __repr__(self) -> str:
        return f"Kind({self.type})"

    def holds(self, raw: Any, parsed: Any) -> bool:
        return parsed is None if raw is None else self.agrees(raw, parsed)

    def count_nonfinite(self, raw: Any) -> int:
        return 0 if raw is None else self.nonfinite(raw)

    def columns(self, rows: int) -> st.SearchStrategy[list[Any]]:
        return st.lists(st.none() | self.values, min_size=rows, max_size=rows)


def flat(kind: Any, values: Any, agrees: Any) -> Kind:
    return Kind(kind, values, lambda raw: pa.array(raw, kind), agrees)


def integers(bits: int, *, is_signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else st.integers(0, 2**bits - 1)


def exactly(raw: Any, parsed: Any) -> bool:
    return type(raw) is type(parsed) and raw == parsed


def float_kind(width: int) -> Kind:
    kind, letter = {16: (pa.float16(), "e"), 32: (pa.float32(), "f"), 64: (pa.float64(), "d")}[width]

    def agrees(raw: float, parsed: Any) -> bool:
        if not math.isfinite(raw):
            return parsed is None
        return isinstance(parsed, float) and struct.pack(letter, parsed) == struct.pack(letter, raw)

    def build(raw: list[Any]) -> pa.Array:
        mask = np.array([value is None for value in raw], dtype=bool)
        numbers = np.array([0.0 if value is None else value for value in raw], dtype=f"f{width // 8}")
        return pa.array(numbers, kind, mask=mask, from_pandas=False)

    return Kind(kind, st.floats(width=width), build, agrees, lambda raw: 0 if math.isfinite(raw) else 1)


def decimal_kind(kind: Any) -> Kind:
    most = 10**kind.precision - 1
    values = st.integers(-most, most).map(lambda number: Decimal(f"{number}E-{kind.scale}"))

    def agrees(raw: Decimal, parsed: Any) -> bool:
        fraction = parsed.partition(".")[2]
        return "E" not in parsed.upper() and len(fraction) == kind.scale and Decimal(parsed) == raw

    return flat(kind, values, agrees)


def days_of(text: str) -> int:
    """The days since 1970 of an ISO date of any year, by Python's own calendar shifted by whole 400-year cycles."""
    found = DATE.fullmatch(text)
    assert found is not None, text
    sign, digits = found[1], found[2]
    year = int(digits) * (-1 if sign == "-" else 1)
    assert (len(digits) > 4 and sign == "+") or sign == "-" or not sign, text
    assert (sign == "") == (0 <= year <= 9999), text
    cycles, within = divmod(year, 400)
    return date(2000 + within, int(found[3]), int(found[4])).toordinal() - 719_163 + 146_097 * (cycles - 5)


def clock_of(text: str, unit: str) -> int:
    """What a clock reading counts, in a unit."""
    hours, minutes, seconds = text.split(":")
    whole, fraction = seconds.split(".")
    assert len(fraction) == (9 if unit == "ns" else 6), text
    count = (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * 10**9 + int(fraction.ljust(9, "0"))
    exact, rest = divmod(count, 10**9 // PER_SECOND[unit])
    assert rest == 0, text
    return exact


def timestamp_kind(unit: str, zone: str | None) -> Kind:
    kind = pa.timestamp(unit, zone)

    def agrees(raw: int, parsed: Any) -> bool:
        assert parsed.endswith("Z") == (zone is not None)
        day, clock = parsed.removesuffix("Z").split("T")
        return days_of(day) * 86_400 * PER_SECOND[unit] + clock_of(clock, unit) == raw

    usual = st.integers(-2_208_988_800 * PER_SECOND[unit], 4_102_444_800 * PER_SECOND[unit])
    return Kind(kind, usual | integers(64, is_signed=True), lambda raw: pa.array(raw, pa.int64()).view(kind), agrees)


def date_kind() -> Kind:
    values = st.integers(-100_000, 100_000) | integers(32, is_signed=True)
    return Kind(
        pa.date32(),
        values,
        lambda raw: pa.array(raw, pa.int32()).view(pa.date32()),
        lambda raw, parsed: days_of(parsed) == raw,
    )


def time_kind(unit: str) -> Kind:
    kind, storage = (pa.time32(unit), pa.int32()) if unit in ("s", "ms") else (pa.time64(unit), pa.int64())
    day = 86_400 * PER_SECOND[unit]

    def agrees(raw: int, parsed: Any) -> bool:
        sign = -1 if parsed.startswith("-") else 1
        return sign * clock_of(parsed.removeprefix("-"), unit) == raw

    beyond = integers(storage.bit_width, is_signed=True)
    if unit == "s":
        # Parquet has no seconds: pyarrow writes milliseconds, and wraps around in silence where 32 bits cannot hold
        # them. Such a file holds other values from the start, so nothing is to be learnt from reading it.
        beyond = st.integers(-(2**31) // 1000 + 1, (2**31 - 1) // 1000)
    return Kind(kind, st.integers(0, day - 1) | beyond, lambda raw: pa.array(raw, storage).view(kind), agrees)


def duration_kind(unit: str) -> Kind:
    kind = pa.duration(unit)

    def agrees(raw: int, parsed: Any) -> bool:
        assert re.fullmatch(r"-?PT\d+(\.\d+)?S", parsed), parsed
        sign = -1 if parsed.startswith("-") else 1
        seconds = Decimal(parsed.removeprefix("-").removeprefix("PT").removesuffix("S"))
        return sign * int(seconds * PER_SECOND[unit]) == raw

    return Kind(kind, integers(64, is_signed=True), lambda raw: pa.array(raw, pa.int64()).view(kind), agrees)


def dictionary_kind(inner: Kind) -> Kind:
    def build(raw: list[Any]) -> pa.Array:
        return inner.build(raw).dictionary_encode()

    return Kind(pa.dictionary(pa.int32(), inner.type), inner.values, build, inner.agrees, inner.nonfinite)


def uuid_kind() -> Kind:
    def build(raw: list[Any]) -> pa.Array:
        storage = pa.array([None if value is None else value.bytes for value in raw], pa.binary(16))
        return pa.ExtensionArray.from_storage(pa.uuid(), storage)

    return Kind(pa.uuid(), st.uuids(), build, lambda raw, parsed: uuid.UUID(parsed) == raw and parsed == str(raw))


def is_base64_of(raw: bytes, parsed: Any) -> bool:
    return base64.b64decode(parsed, validate=True) == raw


TEXT = st.text(max_size=8) | st.sampled_from(
    ["\u2028\u2029", "\x00", '"\\\n\r\t', "\x7f", "é", "😀", "longer than twelve bytes"]
)
TEXTS = [flat(kind, TEXT, exactly) for kind in (pa.string(), pa.large_string(), pa.string_view())]
INTEGERS = [
    flat(getattr(pa, f"{'' if is_signed else 'u'}int{bits}")(), integers(bits, is_signed=is_signed), exactly)
    for bits in (8, 16, 32, 64)
    for is_signed in (True, False)
]
FLAT: list[Kind] = [
    *INTEGERS,
    *TEXTS,
    *(float_kind(width) for width in (16, 32, 64)),
    *(
        decimal_kind(kind)
        for kind in (
            pa.decimal32(9, 2),
            pa.decimal64(18, 0),
            pa.decimal128(38, 38),
            pa.decimal128(38, 0),
            pa.decimal128(20, 10),
            pa.decimal256(10, 9),
            pa.decimal256(76, 20),
        )
    ),
    *(timestamp_kind(unit, zone) for unit in PER_SECOND for zone in (None, "UTC", "America/New_York", "+05:30")),
    *(time_kind(unit) for unit in PER_SECOND),
    *(duration_kind(unit) for unit in PER_SECOND),
    date_kind(),
    uuid_kind(),
    flat(pa.bool_(), st.booleans(), exactly),
    flat(pa.null(), st.none(), exactly),
    *(flat(kind, st.binary(max_size=40), is_base64_of) for kind in (pa.binary(), pa.large_binary(), pa.binary_view())),
    flat(pa.binary(3), st.binary(min_size=3, max_size=3), is_base64_of),
]
FLAT += [dictionary_kind(kind) for kind in (TEXTS[0], INTEGERS[6], timestamp_kind("us", None), float_kind(64))]


# --- nested -------------------------------------------------------------------------------------------------------


def list_kind(inner: Kind, form: str) -> Kind:
    size = 2
    kind = {
        "list": lambda: pa.list_(inner.type),
        "large_list": lambda: pa.large_list(inner.type),
        "fixed": lambda: pa.list_(inner.type, size),
        "view": lambda: pa.list_view(inner.type),
    }[form]()
    lengths = {"min_size": size, "max_size": size} if form == "fixed" else {"max_size": 3}

    def build(raw: list[Any]) -> pa.Array:
        if form == "fixed":
            filler = [None] * size
            members = inner.build([member for row in raw for member in (filler if row is None else row)])
            return pa.FixedSizeListArray.from_arrays(
                members, size, mask=pa.array([row is None for row in raw], pa.bool_())
            )
        members = inner.build([member for row in raw if row is not None for member in row])
        starts = np.cumsum([0, *(0 if row is None else len(row) for row in raw)])
        mask = pa.array([row is None for row in raw], pa.bool_())
        if form == "view":
            sizes = pa.array(np.diff(starts), pa.int32())
            return pa.ListViewArray.from_arrays(pa.array(starts[:-1], pa.int32()), sizes, members, mask=mask)
        is_large = form == "large_list"
        offsets = pa.array(starts, pa.int64() if is_large else pa.int32())
        return (pa.LargeListArray if is_large else pa.ListArray).from_arrays(offsets, members, mask=mask)

    def agrees(raw: list[Any], parsed: Any) -> bool:
        return len(raw) == len(parsed) and all(map(inner.holds, raw, parsed))

    values = st.lists(st.none() | inner.values, **lengths)
    return Kind(kind, values, build, agrees, lambda raw: sum(map(inner.count_nonfinite, raw)))


def struct_kind(members: dict[str, Kind]) -> Kind:
    def build(raw: list[Any]) -> pa.Array:
        # A null struct hides real values: they must neither show nor count.
        children = [kind.build([None if row is None else row[name] for row in raw]) for name, kind in members.items()]
        mask = pa.array([row is None for row in raw], pa.bool_())
        if not members:
            return pa.array([None if row is None else {} for row in raw], pa.struct([]))
        return pa.StructArray.from_arrays(children, names=list(members), mask=mask)

    def agrees(raw: dict[str, Any], parsed: Any) -> bool:
        return list(parsed) == list(members) and all(
            kind.holds(raw[name], parsed[name]) for name, kind in members.items()
        )

    return Kind(
        pa.struct([(name, kind.type) for name, kind in members.items()]),
        st.fixed_dictionaries({name: st.none() | kind.values for name, kind in members.items()}),
        build,
        agrees,
        lambda raw: sum(kind.count_nonfinite(raw[name]) for name, kind in members.items()),
    )


def map_kind(key: Kind, value: Kind) -> Kind:
    is_object = key in TEXTS

    def build(raw: list[Any]) -> pa.Array:
        entries = [entry for row in raw if row is not None for entry in row]
        keys, values = key.build([entry[0] for entry in entries]), value.build([entry[1] for entry in entries])
        starts = np.cumsum([0, *(0 if row is None else len(row) for row in raw)])
        mask = pa.array([row is None for row in raw], pa.bool_())
        return pa.MapArray.from_arrays(pa.array(starts, pa.int32()), keys, values, mask=mask)

    def agrees(raw: list[tuple[Any, Any]], parsed: Any) -> bool:
        # In the quarantine every map is a list of entries.
        if is_object and isinstance(parsed, dict):
            pairs = list(parsed.items())
        else:
            assert all(list(entry) == ["key", "value"] for entry in parsed)
            pairs = [(entry["key"], entry["value"]) for entry in parsed]
        return len(pairs) == len(raw) and all(
            key.holds(raw_key, pair[0]) and value.holds(raw_value, pair[1])
            for (raw_key, raw_value), pair in zip(raw, pairs, strict=True)
        )

    entries = st.lists(
        st.tuples(key.values, st.none() | value.values), max_size=3, unique_by=lambda entry: repr(entry[0])
    )
    return Kind(
        pa.map_(key.type, value.type),
        entries,
        build,
        agrees,
        lambda raw: sum(key.count_nonfinite(name) + value.count_nonfinite(held) for name, held in raw),
    )


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=6)
# A map's keys may be anything but null; NaN is one, since JSON has no key for it.
KEYS = [kind for kind in FLAT if kind.type != pa.null() and not isinstance(kind.type, pa.BaseExtensionType)
        and not pa.types.is_dictionary(kind.type)]  # fmt: skip


def nested(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    return st.one_of(
        st.builds(list_kind, inner, st.sampled_from(["list", "large_list", "fixed", "view"])),
        st.dictionaries(NAMES, inner, max_size=3).map(struct_kind),
        st.builds(map_kind, st.sampled_from(TEXTS) | st.sampled_from(KEYS), inner),
    )


KINDS: st.SearchStrategy[Kind] = st.recursive(st.sampled_from(FLAT), nested, max_leaves=4)
