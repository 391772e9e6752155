"""Casts a column to its contract's type, and finds the rows whose value that type cannot hold exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Whole numbers up to 2**mantissa bits are exact in a binary floating-point type.
_MANTISSA_BITS = {16: 11, 32: 24, 64: 53}


def cast_losslessly(array: Any, wanted: Any) -> tuple[Any, Any]:
    """Cast values, each checked.

    NaN and infinities have no JSON form in either type: they become null, as they would have in the output.

    Args:
        array: The file's values, not dictionary-encoded, of a type that ``may_cast_losslessly`` accepted.
        wanted: The contract's type.

    Returns:
        The values in that type (null where they do not fit), and a mask: true where they do not fit.
    """
    found = array.type
    if pa.types.is_floating(found):
        array = pc.if_else(pc.is_finite(array), array, pa.scalar(None, found))
    if pa.types.is_decimal(wanted):
        return _to_decimal(array, wanted)
    fits = _fits(array, found, wanted)
    if fits is None:
        return array.cast(wanted), _none(array)
    fits = pc.fill_null(fits, fill_value=True)
    kept = pc.if_else(fits, array, pa.scalar(None, found))
    return kept.cast(wanted, safe=False), pc.invert(fits)


def _none(array: Any) -> Any:
    return pa.array(np.zeros(len(array), dtype=bool))


def _fits(array: Any, found: Any, wanted: Any) -> Any | None:
    """Which values the wanted type holds exactly; None where it holds all."""
    types = pa.types
    if types.is_null(found):
        return None
    if types.is_integer(found) and types.is_integer(wanted):
        return _integers_in_range(array, found, wanted)
    if types.is_integer(found) and types.is_floating(wanted):
        limit = 2 ** _MANTISSA_BITS[wanted.bit_width]
        least, most = _range(found)
        return _between(array, max(least, -limit), min(most, limit), found)
    if types.is_floating(found) and types.is_integer(wanted):
        return _floats_in_range(array.cast(pa.float64()), wanted)
    # The rest (float widths, units of time) is what comes back unchanged.
    back = array.cast(wanted, safe=False).cast(found, safe=False)
    return pc.equal(array, back)


def _range(kind: Any) -> tuple[int, int]:
    bits = kind.bit_width
    return (0, 2**bits - 1) if pa.types.is_unsigned_integer(kind) else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _between(array: Any, least: int, most: int, kind: Any) -> Any:
    return pc.and_(pc.greater_equal(array, pa.scalar(least, kind)), pc.less_equal(array, pa.scalar(most, kind)))


def _integers_in_range(array: Any, found: Any, wanted: Any) -> Any | None:
    (least, most), (least_wanted, most_wanted) = _range(found), _range(wanted)
    if least_wanted <= least and most <= most_wanted:
        return None
    return _between(array, max(least, least_wanted), min(most, most_wanted), found)


def _floats_in_range(array: Any, wanted: Any) -> Any:
    least, most = _range(wanted)
    # most + 1 is a power of two, so it is exact as a double, where most itself may round up.
    in_range = pc.and_(pc.greater_equal(array, float(least)), pc.less(array, float(most + 1)))
    return pc.and_(in_range, pc.equal(pc.trunc(array), array))


def _to_decimal(array: Any, wanted: Any) -> tuple[Any, Any]:
    if pa.types.is_integer(array.type):
        # pyarrow casts integers only to decimals that hold all of their type.
        array = array.cast(pa.decimal256(20 + wanted.scale, wanted.scale))
    try:
        return array.cast(wanted), _none(array)
    except pa.ArrowInvalid:
        # Some value does not fit: find out which, one by one.
        values, broken = [], []
        for value in array:
            try:
                values.append(value.cast(wanted).as_py())
                broken.append(False)
            except pa.ArrowInvalid:
                values.append(None)
                broken.append(True)
        return pa.array(values, wanted), pa.array(broken)
