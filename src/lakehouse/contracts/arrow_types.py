"""Arrow types by the names that contracts use, and which of them are one type in different encodings."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

_PLAIN: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "boolean": pa.bool_(),
    "float": pa.float32(),
    "float32": pa.float32(),
    "double": pa.float64(),
    "float64": pa.float64(),
    "float16": pa.float16(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "date32": pa.date32(),
    **{f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"timestamp[{unit}]": pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")},
    **{f"timestamp[{unit}, UTC]": pa.timestamp(unit, "UTC") for unit in ("s", "ms", "us", "ns")},
    **{f"time[{unit}]": pa.time32(unit) for unit in ("s", "ms")},
    **{f"time[{unit}]": pa.time64(unit) for unit in ("us", "ns")},
}
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Whole numbers up to 2**mantissa are exact in a binary floating-point type of so many bits.
_MANTISSA_BITS = {16: 11, 32: 24, 64: 53}
_DECIMAL = re.compile(r"decimal\((\d+), *(\d+)\)")


def parse_type(name: str) -> pa.DataType | None:
    """The Arrow type of a name such as ``int64``, ``timestamp[us]`` or ``decimal(18, 2)``; None if unknown."""
    if (decimal := _DECIMAL.fullmatch(name)) is not None:
        precision, scale = int(decimal[1]), int(decimal[2])
        return pa.decimal128(precision, scale) if scale <= precision <= 38 and precision else None
    return _PLAIN.get(name)


def known_names() -> str:
    """The names that ``parse_type`` knows, for messages."""
    return ", ".join([*_PLAIN, "decimal(p, s)"])


def normalized(kind: Any) -> pa.DataType:
    """A type without its encoding: large, view, dictionary and run-end forms of one type are that type."""
    if isinstance(kind, pa.BaseExtensionType):
        return normalized(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return normalized(kind.value_type)
    return _normalized_nested(kind) if pa.types.is_nested(kind) else _normalized_flat(kind)


def _normalized_flat(kind: Any) -> pa.DataType:
    types = pa.types
    if types.is_large_string(kind) or types.is_string_view(kind):
        plain = pa.string()
    elif types.is_large_binary(kind) or types.is_binary_view(kind) or types.is_fixed_size_binary(kind):
        plain = pa.binary()
    elif types.is_date64(kind):
        plain = pa.date32()
    elif types.is_decimal(kind) and kind.precision <= 38:
        plain = pa.decimal128(kind.precision, kind.scale)
    elif types.is_timestamp(kind) and kind.tz is not None:
        # A time zone other than UTC says how to show an instant, not which one it is.
        plain = pa.timestamp(kind.unit, "UTC")
    else:
        plain = kind
    return plain


def _normalized_nested(kind: Any) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, normalized(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(normalized(kind.key_type), normalized(kind.item_type))
    if pa.types.is_union(kind):
        return kind
    return pa.list_(pa.field("item", normalized(kind.value_type)))


def is_number(kind: pa.DataType) -> bool:
    """Whether it is an integer or a binary floating-point type."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def whole_numbers(kind: Any) -> tuple[int, int]:
    """The range in which a type holds every whole number.

    Args:
        kind: An integer, binary floating-point or decimal type.

    Returns:
        Its least and its greatest number. A floating-point type holds some beyond, but not all.
    """
    if pa.types.is_floating(kind):
        most = 2 ** _MANTISSA_BITS[kind.bit_width]
        return -most, most
    if pa.types.is_decimal(kind):
        most = 10 ** (kind.precision - kind.scale) - 1
        return -most, most
    if pa.types.is_unsigned_integer(kind):
        return 0, 2**kind.bit_width - 1
    return -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1


def widens(found: Any, wanted: Any) -> bool:
    """Whether every value of one type, whatever it is, is a value of the other.

    Args:
        found: The file's type, normalized.
        wanted: The contract's type, normalized, and another one.

    Returns:
        False too where only values that nobody has stand against it: a date in 300,000 AD as milliseconds is none as
        microseconds. A date is never a timestamp: it does not say midnight.
    """
    types = pa.types
    if types.is_null(found):
        return True
    if types.is_integer(found) and (is_number(wanted) or types.is_decimal(wanted)):
        (least, most), (least_wanted, most_wanted) = whole_numbers(found), whole_numbers(wanted)
        return least_wanted <= least and most <= most_wanted
    if types.is_floating(found) and types.is_floating(wanted):
        return bool(found.bit_width <= wanted.bit_width)
    if types.is_decimal(found) and types.is_decimal(wanted):
        return bool(found.scale <= wanted.scale and whole_numbers(found)[1] <= whole_numbers(wanted)[1])
    if types.is_time(found) and types.is_time(wanted):
        factor, rest = divmod(PER_SECOND[wanted.unit], PER_SECOND[found.unit])
        return rest == 0 and factor * 2 ** (found.bit_width - 1) <= 2 ** (wanted.bit_width - 1)
    return False


def may_narrow(found: Any, wanted: Any) -> bool:
    """Whether some values of one type are values of the other, so that each has to be checked.

    Args:
        found: The file's type, normalized.
        wanted: The contract's type, normalized.

    Returns:
        False where the meaning would change (local time to an instant) or exactness could not be checked (decimal and
        binary floating point).
    """
    types = pa.types
    if is_number(found) and is_number(wanted):
        return True
    if types.is_decimal(wanted):
        return bool(types.is_decimal(found) or types.is_integer(found))
    if types.is_timestamp(found) and types.is_timestamp(wanted):
        return (found.tz is None) == (wanted.tz is None)
    return bool(types.is_time(found) and types.is_time(wanted))
