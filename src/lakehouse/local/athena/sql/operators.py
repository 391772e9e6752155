"""Operators: which types Trino lets meet, and what comes of it.

https://trino.io/docs/current/functions/math.html
https://trino.io/docs/current/functions/decimal.html
https://trino.io/docs/current/functions/datetime.html
"""

from __future__ import annotations

from collections.abc import Callable

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.checks import failing
from lakehouse.local.athena.sql.coercion import as_decimal, common_type
from lakehouse.local.athena.sql.comparisons import comparable, comparison, mismatch
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_YEAR,
    LARGEST_PRECISION,
    REAL,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Array,
    Char,
    Decimal,
    SqlType,
    Time,
    Timestamp,
    ZonedTimestamp,
    is_integer,
    is_text,
)
from lakehouse.local.athena.sql.text_forms import as_varchar
from lakehouse.local.athena.sql.typed import Typed, let, unified
from lakehouse.local.athena.sql.zones import instant_at, instant_of, wall_time

__all__ = ["arithmetic", "comparable", "comparison", "concatenation", "in_zone", "negated", "scaled", "shifted"]

_DAY = 86_400_000


def arithmetic(operator: str, left: Typed, right: Typed) -> Typed:
    """``+``, ``-``, ``*``, ``/`` and ``%``.

    Args:
        operator: As it is written.
        left: A value.
        right: Another one.

    Returns:
        The result.

    Raises:
        StatementFailedError: The operator is not for these types.
    """
    kinds = left.type, right.type
    if UNKNOWN in kinds:
        known = kinds[1] if kinds[0] == UNKNOWN else kinds[0]
        kind = INTEGER if known == UNKNOWN else known
        if isinstance(kind, Time | Timestamp | ZonedTimestamp) or kind == DATE:
            kind = INTERVAL_DAY if operator == "-" else kind
        return Typed(f"CAST(NULL AS {kind.duck})", kind)
    if all(is_integer(kind) or isinstance(kind, Decimal) or kind in (REAL, DOUBLE) for kind in kinds):
        return _numbers(operator, left, right)
    moved = _moments(operator, left, right)
    if moved is None:
        raise mismatch(operator, *kinds)
    return moved


def _numbers(operator: str, left: Typed, right: Typed) -> Typed:
    if left.type in (REAL, DOUBLE) or right.type in (REAL, DOUBLE):
        kind = common_type(left.type, right.type) or DOUBLE
        first, second = left.as_type(kind), right.as_type(kind)
        # DuckDB computes FLOAT % FLOAT and FLOAT / FLOAT as DOUBLE.
        return Typed(f"CAST(({first.sql} {operator} {second.sql}) AS {kind.duck})", kind)
    if isinstance(left.type, Decimal) or isinstance(right.type, Decimal):
        return _decimals(operator, left, right)
    kind = common_type(left.type, right.type) or BIGINT
    first, second = left.as_type(kind), right.as_type(kind)
    return Typed(f"({first.sql} {'//' if operator == '/' else operator} {second.sql})", kind)


def _decimals(operator: str, left: Typed, right: Typed) -> Typed:
    a, b = as_decimal(left.type), as_decimal(right.type)
    if a is None or b is None:
        raise mismatch(operator, left.type, right.type)
    kind = _decimal_result(operator, a, b)
    first, second = left.as_type(a).sql, right.as_type(b).sql
    if operator == "/":
        return Typed(_quotient(first, second, a, b, kind), kind)
    if operator == "%" and max(a.precision - a.scale, b.precision - b.scale) + kind.scale > LARGEST_PRECISION:
        # DuckDB goes on with doubles where both do not fit into one type.
        return Typed(f"CAST(athena_remainder({_as_text(first)}, {_as_text(second)}) AS {kind.duck})", kind)
    return Typed(f"CAST(({first} {operator} {second}) AS {kind.duck})", kind)


def _decimal_result(operator: str, a: Decimal, b: Decimal) -> Decimal:
    scale = max(a.scale, b.scale)
    whole = max(a.precision - a.scale, b.precision - b.scale)
    match operator:
        case "*":
            scale, precision = a.scale + b.scale, a.precision + b.precision
        case "/":
            precision = a.precision + b.scale + max(0, b.scale - a.scale)
        case "%":
            precision = min(b.precision - b.scale, a.precision - a.scale) + scale
        case _:
            precision = whole + scale + 1
    if scale > LARGEST_PRECISION:
        raise StatementFailedError("NUMERIC_VALUE_OUT_OF_RANGE", f"DECIMAL scale {scale} exceeds {LARGEST_PRECISION}")
    return Decimal(min(LARGEST_PRECISION, precision), scale)


def _quotient(first: str, second: str, a: Decimal, b: Decimal, kind: Decimal) -> str:
    """Exact division, half up: DuckDB divides decimals as doubles.

    Whole numbers are divided: the dividend's, with as many more digits as the quotient wants.
    """
    more = kind.scale - a.scale + b.scale
    if a.precision + more >= LARGEST_PRECISION or b.precision >= LARGEST_PRECISION:
        arguments = f"{_as_text(first)}, {_as_text(second)}, {kind.precision}, {kind.scale}"
        return f"CAST(athena_divided({arguments}) AS {kind.duck})"
    divisor = f"CAST({second} * {10**b.scale} AS HUGEINT)" if b.scale else f"CAST({second} AS HUGEINT)"
    dividend = _unscaled(first, a, more)
    halves = let(
        f"struct_pack(n := {dividend}, d := {divisor})",
        lambda x: (
            f"(({x}.n // {x}.d) + CASE WHEN 2 * abs({x}.n % {x}.d) >= abs({x}.d) "
            f"THEN CASE WHEN ({x}.n < 0) = ({x}.d < 0) THEN 1 ELSE -1 END ELSE 0 END)"
        ),
    )
    return scaled(halves, kind)


def _as_text(sql: str) -> str:
    return f"CAST({sql} AS VARCHAR)"


def _unscaled(sql: str, kind: Decimal, more: int) -> str:
    """A decimal as a whole number, without its point, and with more zeros."""
    whole = f"CAST(CAST({sql} AS DECIMAL({LARGEST_PRECISION},{kind.scale})) AS VARCHAR)"
    digits = f"CAST(replace({whole}, '.', '') AS HUGEINT)" if kind.scale else f"CAST({sql} AS HUGEINT)"
    return f"({digits} * {10**more}::HUGEINT)" if more else digits


def scaled(sql: str, kind: Decimal) -> str:
    """A whole number with a point put into it.

    Args:
        sql: DuckDB's text of a HUGEINT.
        kind: The decimal's type.

    Returns:
        DuckDB's text of the decimal.
    """
    if not kind.scale:
        return f"CAST({sql} AS {kind.duck})"
    power = 10**kind.scale
    return let(
        sql,
        lambda x: (
            f"CAST(CASE WHEN {x} < 0 THEN '-' ELSE '' END || CAST(abs({x}) // {power}::HUGEINT AS VARCHAR) || '.' || "
            f"lpad(CAST(abs({x}) % {power}::HUGEINT AS VARCHAR), {kind.scale}, '0') AS {kind.duck})"
        ),
    )


def negated(one: Typed) -> Typed:
    """A value with the other sign.

    Args:
        one: A number or an interval.

    Returns:
        The result.

    Raises:
        StatementFailedError: It has no sign.
    """
    kind = one.type
    has_sign = is_integer(kind) or isinstance(kind, Decimal) or kind in (REAL, DOUBLE, INTERVAL_DAY, INTERVAL_YEAR)
    if kind != UNKNOWN and not has_sign:
        raise StatementFailedError("TYPE_MISMATCH", f"Cannot negate {kind}")
    value = -one.value if one.is_literal and one.value is not None else None
    # DuckDB makes the smallest number's opposite one of a larger type.
    text = f"CAST(-{one.sql} AS {kind.duck})" if is_integer(kind) else f"(-{one.sql})"
    return Typed(text, kind, value, one.is_literal)


def _moments(operator: str, left: Typed, right: Typed) -> Typed | None:
    """Dates, times and intervals; None where the operator is not for them."""
    intervals = (INTERVAL_DAY, INTERVAL_YEAR)
    if operator in "+-" and left.type in intervals and left.type == right.type:
        return Typed(f"({left.sql} {operator} {right.sql})", left.type)
    if operator == "+" and left.type in intervals:
        return _moments("+", right, left) if right.type not in intervals else None
    if operator in "+-" and right.type in intervals:
        return shifted(left, f"(-{right.sql})" if operator == "-" else right.sql, right.type)
    if operator == "-":
        return _difference(left, right)
    if operator == "*" and right.type in intervals and left.type not in intervals:
        return _moments("*", right, left)
    if operator in "*/" and left.type in intervals:
        return _multiple(operator, left, right)
    return None


def _multiple(operator: str, interval: Typed, factor: Typed) -> Typed | None:
    kind = interval.type
    if is_integer(factor.type):
        return Typed(f"CAST({interval.sql} {'//' if operator == '/' else '*'} {factor.sql} AS {kind.duck})", kind)
    if factor.type in (DOUBLE, REAL) or isinstance(factor.type, Decimal):
        return Typed(f"CAST(trunc({interval.sql} {operator} {factor.as_type(DOUBLE).sql}) AS {kind.duck})", kind)
    return None


def shifted(moment: Typed, amount: str, interval: SqlType) -> Typed | None:
    """A date or time, moved by an interval.

    Args:
        moment: The date or time.
        amount: DuckDB's text of the interval.
        interval: Its type.

    Returns:
        The result; None where the interval does not move such a value.
    """
    kind = moment.type
    step = f"to_months({amount})" if interval == INTERVAL_YEAR else f"to_microseconds({amount} * 1000)"
    match kind:
        case Timestamp(precision):
            finer = precision if interval == INTERVAL_YEAR else max(precision, 3)
            return Typed(f"({moment.sql} + {step})", Timestamp(finer))
        case ZonedTimestamp():
            return _shifted_instant(moment, step, interval)
        case Time(precision) if interval == INTERVAL_DAY:
            return Typed(f"CAST(DATE '1970-01-01' + {moment.sql} + {step} AS TIME)", Time(max(precision, 3)))
    if kind != DATE:
        return None
    if interval == INTERVAL_YEAR:
        return Typed(f"CAST({moment.sql} + {step} AS DATE)", DATE)
    message = "'Cannot add hour, minutes or seconds to a date'"
    days = let(
        amount,
        lambda x: (
            f"CASE WHEN {x} % {_DAY} = 0 THEN CAST({x} // {_DAY} AS INTEGER) "
            f"ELSE {failing('INVALID_FUNCTION_ARGUMENT', message, INTEGER)} END"
        ),
    )
    return Typed(f"({moment.sql} + {days})", DATE)


def _shifted_instant(moment: Typed, step: str, interval: SqlType) -> Typed:
    kind = moment.type
    assert isinstance(kind, ZonedTimestamp)  # noqa: S101 - the caller matched it
    precision = kind.precision if interval == INTERVAL_YEAR else max(kind.precision, 3)
    result = ZonedTimestamp(precision, kind.zone)
    if interval == INTERVAL_DAY and kind.zone is not None:
        return Typed(f"({moment.sql} + {step})", result)
    if kind.zone is not None:
        wall = f"({wall_time(moment.sql, kind)} + {step})"
        return Typed(let(moment.sql, lambda x: instant_at(wall.replace(moment.sql, x), kind.zone or "UTC", x)), result)
    return Typed(
        in_zone(moment.sql, kind, lambda wall: f"({wall} + {step})", is_wall=interval == INTERVAL_YEAR), result
    )


def in_zone(sql: str, kind: ZonedTimestamp, change: Callable[[str], str], *, is_wall: bool) -> str:
    """A changed instant of a zone that is known only when the query runs.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.
        change: Makes DuckDB's text of the changed time.
        is_wall: Whether the wall time is changed, not the instant.

    Returns:
        DuckDB's text of the value.
    """

    def body(x: str) -> str:
        zone = f"struct_extract({x}, 'zone')"
        there = f"struct_extract({x}, 'instant')"
        changed = instant_of(change(wall_time(x, kind)), zone, there) if is_wall else change(there)
        return f"CASE WHEN {x} IS NOT NULL THEN struct_pack(instant := {changed}, zone := {zone}) END"

    return let(sql, body)


def _difference(left: Typed, right: Typed) -> Typed | None:
    both = unified([left, right])
    if both is None:
        return None
    first, second = (comparable(one) for one in both)
    kind = both[0].type
    if kind == DATE:
        return Typed(f"(CAST({first} - {second} AS BIGINT) * {_DAY})", INTERVAL_DAY)
    if isinstance(kind, Timestamp | ZonedTimestamp | Time):
        return Typed(f"athena_milliseconds(epoch_us({first}) - epoch_us({second}))", INTERVAL_DAY)
    return None


def concatenation(left: Typed, right: Typed) -> Typed:
    """``||``: texts, bytes, arrays, and an array with an element.

    Args:
        left: A value.
        right: Another one.

    Returns:
        The result.

    Raises:
        StatementFailedError: These are not put together.
    """
    kinds = left.type, right.type
    if any(isinstance(kind, Array) for kind in kinds):
        return _arrays(left, right)
    if all(is_text(kind) or kind == UNKNOWN for kind in kinds):
        # A char's spaces are part of the text, though it is held without them.
        first, second = (
            as_varchar(one.sql, one.type) if isinstance(one.type, Char) else one.sql for one in (left, right)
        )
        return Typed(f"(CAST({first} AS VARCHAR) || CAST({second} AS VARCHAR))", VARCHAR)
    if all(kind in (VARBINARY, UNKNOWN) for kind in kinds):
        return Typed(f"({left.as_type(VARBINARY).sql} || {right.as_type(VARBINARY).sql})", VARBINARY)
    raise StatementFailedError(
        "TYPE_MISMATCH",
        f"Unexpected parameters ({kinds[0]}, {kinds[1]}) for function concat. Expected: concat(char(x), char(y)), "
        "concat(array(E), E) E, concat(E, array(E)) E, concat(array(E)) E, concat(varchar), concat(varbinary)",
    )


def _arrays(left: Typed, right: Typed) -> Typed:
    both = unified([left, right]) if isinstance(left.type, Array) and isinstance(right.type, Array) else None
    if both is not None:
        # DuckDB takes null for an empty list here.
        first, second = (one.sql for one in both)
        text = f"CASE WHEN {first} IS NOT NULL AND {second} IS NOT NULL THEN list_concat({first}, {second}) END"
        return Typed(text, both[0].type)
    array, single = (left, right) if isinstance(left.type, Array) else (right, left)
    wrapped = Typed(f"[{single.sql}]", Array(single.type))
    pair = unified([array, wrapped])
    if pair is None:
        raise mismatch("||", left.type, right.type)
    before, after = pair if array is left else pair[::-1]
    text = f"CASE WHEN {pair[0].sql} IS NOT NULL THEN list_concat({before.sql}, {after.sql}) END"
    return Typed(text, pair[0].type)
