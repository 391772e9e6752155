"""Conditions as PyIceberg compares them with what manifests say of files.

A comparison takes place in the type that column and literal have in common. Where that is not the column's own, as for
a decimal and a double, the literal becomes bounds of the column's type that are never too narrow.

What is not a number meets no comparison, and is no bound of a file (https://iceberg.apache.org/spec/#manifests).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Any

from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    IsNull,
    LessThan,
    LessThanOrEqual,
    NotNull,
    Reference,
)

from lakehouse.local.athena.sql.coercion import is_number
from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    LARGEST_PRECISION,
    REAL,
    SqlType,
    Timestamp,
    is_integer,
    is_text,
)
from lakehouse.local.athena.sql.sql_types import Decimal as DecimalType
from lakehouse.local.athena.tables.iceberg_types import trino_type

if TYPE_CHECKING:
    from pyiceberg.schema import Schema

    from lakehouse.local.athena.sql.scans import Condition

# Room for any decimal in the scale of any other.
_EXACT = Context(prec=2 * LARGEST_PRECISION)
# Integers that doubles hold exactly.
_EXACT_INTEGERS = 2**53
_LARGEST_INTEGER = 2**63 - 1
# How far, in units of the last place, a decimal may be from its double.
_SLACK = 4
_ONE_VALUE: dict[str, Any] = {
    "=": EqualTo,
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
}


def row_filter(conditions: Sequence[Condition], schema: Schema, current: Schema) -> BooleanExpression:
    """The conditions that PyIceberg compares with what manifests say of files.

    Args:
        conditions: The conditions.
        schema: The schema that the table is read with.
        current: The table's current schema, whose names and types PyIceberg goes by.

    Returns:
        The filter; conditions that it cannot express are left out.
    """
    whole: BooleanExpression = AlwaysTrue()
    by_name = {field.name.lower(): field for field in schema.fields}
    for condition in conditions:
        field = by_name.get(condition.column)
        if field is None:
            continue
        now = current._lazy_id_to_field.get(field.field_id)
        if now is None or now.field_type != field.field_type:
            continue
        for term in _terms(condition, str(current.find_column_name(field.field_id)), trino_type(field.field_type)):
            whole = And(whole, term)
    return whole


def _terms(condition: Condition, name: str, kind: SqlType) -> Iterator[BooleanExpression]:
    if condition.operator == "is null":
        yield IsNull(term=Reference(name))
        return
    if condition.operator == "is not null":
        yield NotNull(term=Reference(name))
        return
    values = [_value(one.value, one.type, kind) for one in condition.values]
    if None in values:
        yield from _bounds(condition, name, kind)
    elif condition.operator == "in":
        yield In(Reference(name), values)  # type: ignore[arg-type, call-arg]
    else:
        yield _ONE_VALUE[condition.operator](name, values[0])


def _value(value: Any, given: SqlType, kind: SqlType) -> Any:
    """A literal in a column's own type; None where they are not compared in that, or not exactly."""
    if kind == DATE and given == DATE:
        return str(value)
    if isinstance(kind, Timestamp) and (given == DATE or isinstance(given, Timestamp)):
        return datetime.fromisoformat(str(value)).isoformat()
    if is_integer(kind) and isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(kind, DecimalType) and isinstance(value, int | Decimal):
        whole = Decimal(value)
        # PyIceberg compares decimals of one scale only.
        fits = -int(whole.as_tuple().exponent) <= kind.scale
        return whole.quantize(Decimal(1).scaleb(-kind.scale), context=_EXACT) if fits else None
    if kind == DOUBLE and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        near = float(value)
        return near if math.isfinite(near) and near == value else None
    if kind == BOOLEAN and isinstance(value, bool):
        return value
    return str(value) if is_text(kind) and is_text(given) else None


def _bounds(condition: Condition, name: str, kind: SqlType) -> Iterator[BooleanExpression]:
    """What a comparison with other numbers leaves of a column of numbers, or more."""
    values = [one.value for one in condition.values]
    if not is_number(kind) or not all(isinstance(one, int | float | Decimal) and math.isfinite(one) for one in values):
        return
    is_exact = all(_is_exact(one.value, one.type, kind) for one in condition.values)
    for strict, loose, value, direction in ((">", ">=", min(values), -1), ("<", "<=", max(values), 1)):
        if condition.operator not in {strict, loose, "=", "in"}:
            continue
        bound = _rounded(Decimal(value), kind, -direction) if is_exact else _outward(float(value), kind, direction)
        if bound is not None:
            is_strict = is_exact and condition.operator == strict and bound == value
            yield _ONE_VALUE[strict if is_strict else loose](name, bound)


def _is_exact(value: Any, given: SqlType, kind: SqlType) -> bool:
    """Whether numbers are compared as they are, none of them as the nearest one of a floating point."""
    if given == DOUBLE:
        return is_integer(kind) and abs(value) < _EXACT_INTEGERS
    return given != REAL and kind not in (REAL, DOUBLE)


def _outward(value: float, kind: SqlType, direction: int) -> Any:
    """The nearest value of a type that is not above (direction -1) or not below (1) all that may equal a number."""
    if kind == REAL:
        return _single(value, direction)
    near = value + direction * _SLACK * math.ulp(value)
    if not math.isfinite(near):
        return None
    return near if kind == DOUBLE else _rounded(Decimal(near), kind, direction)


def _rounded(value: Decimal, kind: SqlType, direction: int) -> Any:
    """The nearest integer or decimal of a type in a direction."""
    if is_integer(kind):
        whole = math.floor(value) if direction < 0 else math.ceil(value)
        return whole if abs(whole) <= _LARGEST_INTEGER else None
    assert isinstance(kind, DecimalType)  # noqa: S101 - the other kind of exact numbers
    if abs(value) >= 10**LARGEST_PRECISION:
        return None
    rounding = ROUND_FLOOR if direction < 0 else ROUND_CEILING
    return value.quantize(Decimal(1).scaleb(-kind.scale), rounding, _EXACT)


def _single(value: float, direction: int) -> float | None:
    """The nearest number of single precision in a direction."""
    import numpy as np

    try:
        (near,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return None
    if (near - value) * direction < 0:
        near = float(np.nextafter(np.float32(near), np.float32(math.copysign(math.inf, direction))))
    return near if math.isfinite(near) else None
