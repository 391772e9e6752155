"""Casts a column to its contract's type, and finds the rows whose value that type cannot hold exactly."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.arrow_types import PER_SECOND, normalized, whole_numbers, widens

# A day that the calendar has: long months, short ones, February, and the 29th of the Gregorian leap years.
_DATE = (
    r"(?:\d{4}-(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|\d{4}-(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    r"|\d{4}-02-(?:0[1-9]|1\d|2[0-8])"
    r"|(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_MOMENT = rf"^(?P<whole>{_DATE}[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(?P<fraction>\d{{1,9}}))?"
_NANOSECONDS = 10**9


def cast_losslessly(array: Any, wanted: Any) -> tuple[Any, Any]:
    """Cast values, each checked unless the type says that all fit.

    NaN and infinities have no JSON form in either type: they become null, as they would have in the output.

    Args:
        array: The file's values, not dictionary-encoded, of a type that ``contracts.drift.compare`` casts.
        wanted: The contract's type, normalized.

    Returns:
        The values in that type (null where they do not fit), and a mask: true where they do not fit.
    """
    found = normalized(array.type)
    if pa.types.is_string(found):
        return _parsed(array, wanted)
    if pa.types.is_floating(found):
        array = pc.if_else(pc.is_finite(array), array, pa.scalar(None, found))
    if widens(found, wanted):
        return array.cast(wanted), _none(array)
    if pa.types.is_decimal(wanted):
        return _to_decimal(array, wanted)
    fits = pc.fill_null(_fits(array, found, wanted), fill_value=True)
    kept = pc.if_else(fits, array, pa.scalar(None, found))
    return kept.cast(wanted, safe=False), pc.invert(fits)


def _none(array: Any) -> Any:
    return pa.array(np.zeros(len(array), dtype=bool))


def _parsed(array: Any, wanted: Any) -> tuple[Any, Any]:
    """Parse ISO 8601 texts, ``2020-11-01 00:08:23.5`` or with ``T``; ``Z`` ends those of a type with a time zone.

    Anything else fits no better than a fraction that is finer than the type: an offset, a day that the calendar has
    not, a leap second, space around.
    """
    texts = array.cast(pa.string()) if pa.types.is_string_view(array.type) else array
    pattern = _MOMENT + ("Z$" if wanted.tz else "$")
    if pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py():
        # The usual case, several times as fast. Arrow refuses what the type cannot hold, without telling where it is.
        with suppress(pa.ArrowInvalid):
            return texts.cast(wanted), _none(array)
    parts = pc.extract_regex(texts, pattern)
    seconds = _numbers(pc.struct_field(parts, "whole").cast(pa.timestamp("s")))
    nanoseconds = _numbers(pc.utf8_rpad(pc.struct_field(parts, "fraction"), 9, "0"))
    per_second = PER_SECOND[wanted.unit]
    ticks, finer = np.divmod(nanoseconds, _NANOSECONDS // per_second)
    # Beyond its range int64 wraps around, and the way back does not lead to the same second.
    values = seconds * per_second + ticks
    fits = parts.is_valid().to_numpy(zero_copy_only=False) & (finer == 0) & (values // per_second == seconds)
    return pa.array(values, pa.int64(), mask=~fits).view(wanted), pc.and_(texts.is_valid(), pa.array(~fits))


def _numbers(array: Any) -> Any:
    return array.cast(pa.int64()).fill_null(0).to_numpy()


def _fits(array: Any, found: Any, wanted: Any) -> Any:
    """Which values the wanted type holds exactly."""
    types = pa.types
    if types.is_integer(found):
        (least, most), (least_wanted, most_wanted) = whole_numbers(found), whole_numbers(wanted)
        return _between(array, max(least, least_wanted), min(most, most_wanted), found)
    if types.is_floating(found) and types.is_integer(wanted):
        return _floats_in_range(array.cast(pa.float64()), wanted)
    # The rest (float widths, units of time) is what comes back unchanged.
    back = array.cast(wanted, safe=False).cast(found, safe=False)
    return pc.equal(array, back)


def _between(array: Any, least: int, most: int, kind: Any) -> Any:
    return pc.and_(pc.greater_equal(array, pa.scalar(least, kind)), pc.less_equal(array, pa.scalar(most, kind)))


def _floats_in_range(array: Any, wanted: Any) -> Any:
    least, most = whole_numbers(wanted)
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
