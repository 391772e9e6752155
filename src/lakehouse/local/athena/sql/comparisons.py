"""``=``, ``<`` and the others: nulls inside of values, and what is not a number.

https://trino.io/docs/current/functions/comparison.html
"""

from __future__ import annotations

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DOUBLE,
    REAL,
    UNKNOWN,
    Array,
    Map,
    Row,
    SqlType,
    ZonedTimestamp,
    is_comparable,
    is_orderable,
    literal,
)
from lakehouse.local.athena.sql.typed import Typed, let, unified
from lakehouse.local.athena.sql.zones import instant


def mismatch(operator: str, left: SqlType, right: SqlType) -> StatementFailedError:
    """Refuse an operator between types that it is not for.

    Args:
        operator: As it is written.
        left: A type.
        right: Another one.

    Returns:
        The failure, to be raised.
    """
    return StatementFailedError("TYPE_MISMATCH", f"Cannot apply operator: {left} {operator} {right}")


def comparison(operator: str, left: Typed, right: Typed) -> Typed:
    """``=``, ``<`` and so on, and ``IS [NOT] DISTINCT FROM``.

    Args:
        operator: As it is written.
        left: A value.
        right: Another one.

    Returns:
        A boolean.

    Raises:
        StatementFailedError: Values of these types are not compared.
    """
    both = unified([left, right])
    is_equality = operator in {"=", "<>"} or operator.startswith("IS")
    if both is None or not (is_comparable if is_equality else is_orderable)(both[0].type):
        raise mismatch(operator, left.type, right.type)
    kind = both[0].type
    first, second = (comparable(one) for one in both)
    if kind in (DOUBLE, REAL):
        return Typed(_floats(operator, both[0], both[1]), BOOLEAN)
    if operator in {"=", "<>"} and isinstance(kind, Array | Map | Row):
        equal = let(first, lambda a: let(second, lambda b: _equal(a, b, kind)))
        return Typed(equal if operator == "=" else f"(NOT {equal})", BOOLEAN)
    return Typed(f"({first} {operator} {second})", BOOLEAN)


def comparable(one: Typed) -> str:
    """A value as DuckDB compares, groups and sorts it: an instant without its zone.

    Args:
        one: The value.

    Returns:
        DuckDB's text.
    """
    return instant(one.sql, one.type) if isinstance(one.type, ZonedTimestamp) else one.sql


def _floats(operator: str, left: Typed, right: Typed) -> str:
    """What is not a number is to DuckDB equal to itself and larger than all numbers; to Trino it is neither."""
    plain = f"{left.sql} {operator} {right.sql}"
    # A test that DuckDB can do where it reads a table stays a part of its own.
    larger = {">": left, ">=": left, "<": right, "<=": right}.get(operator)
    if larger is not None:
        return f"({plain})" if larger.is_literal else f"({plain} AND NOT isnan({larger.sql}))"
    if operator.startswith("IS") or left.is_literal or right.is_literal:
        return f"({plain})"
    if operator == "=":
        return f"({plain} AND NOT isnan({left.sql}))"
    return f"({plain} OR (isnan({left.sql}) AND {right.sql} IS NOT NULL))"


def _equal(a: str, b: str, kind: SqlType) -> str:
    """Whether two values are equal: unknown where that depends on a null inside of them."""
    match kind:
        case Row():
            fields = (
                _equal(f"struct_extract({a}, {literal(name)})", f"struct_extract({b}, {literal(name)})", one)
                for name, one in zip(kind.held_names, kind.types, strict=True)
            )
            return f"(CASE WHEN {a} IS NOT NULL AND {b} IS NOT NULL THEN {' AND '.join(fields)} END)"
        case Array(element):
            name = f"q{_depth(kind)}"
            tests = (
                f"list_transform(range(1, CAST(len({a}) AS BIGINT) + 1), lambda {name}: "
                f"{_equal(f'list_extract({a}, {name})', f'list_extract({b}, {name})', element)})"
            )
            return (
                f"(CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL WHEN len({a}) <> len({b}) THEN FALSE "
                f"ELSE athena_all({tests}) END)"
            )
        case Map(_, value):
            name = f"q{_depth(kind)}"
            tests = (
                f"list_transform(map_keys({a}), lambda {name}: CASE WHEN map_contains({b}, {name}) "
                f"THEN {_equal(f'{a}[{name}]', f'{b}[{name}]', value)} ELSE FALSE END)"
            )
            return (
                f"(CASE WHEN {a} IS NULL OR {b} IS NULL THEN NULL WHEN cardinality({a}) <> cardinality({b}) "
                f"THEN FALSE ELSE athena_all({tests}) END)"
            )
        case ZonedTimestamp():
            return f"({instant(a, kind)} = {instant(b, kind)})"
    if kind == UNKNOWN:
        return "CAST(NULL AS BOOLEAN)"
    if kind in (DOUBLE, REAL):
        return f"({a} = {b} AND NOT isnan({a}))"
    return f"({a} = {b})"


def _depth(kind: SqlType) -> int:
    return 1 + max(map(_depth, kind.parts), default=0)
