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


def may_cast_losslessly(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type can be values of the other without loss, each value to be checked.

    Args:
        found: The file's type, normalized.
        wanted: The contract's type, normalized.

    Returns:
        False where the meaning would change (text to timestamp, local time to an instant) or exactness
        could not be checked (decimal and binary floating point).
    """
    if pa.types.is_null(found):
        return True
    if is_number(found) and is_number(wanted):
        return True
    if pa.types.is_decimal(wanted):
        return bool(pa.types.is_decimal(found) or pa.types.is_integer(found))
    if pa.types.is_timestamp(found) and pa.types.is_timestamp(wanted):
        return (found.tz is None) == (wanted.tz is None)
    return bool(pa.types.is_time(found) and pa.types.is_time(wanted))
