"""Conditions: comparisons, what puts them together, IN, BETWEEN, LIKE, EXISTS.

https://trino.io/docs/current/functions/comparison.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakehouse.local.athena.failures import not_supported
from lakehouse.local.athena.sql.like_patterns import escaped_pattern
from lakehouse.local.athena.sql.operators import comparable, comparison
from lakehouse.local.athena.sql.scope import failure_at
from lakehouse.local.athena.sql.sql_types import BOOLEAN, UNKNOWN, is_text
from lakehouse.local.athena.sql.typed import Typed, unified

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.expressions import Expressions

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}


def _comparison(expressions: Expressions, node: exp.Expr) -> Typed:
    operator = _COMPARISONS[type(node)]
    right = node.expression
    if isinstance(right, exp.Anonymous) and right.name.lower() in {"any", "some", "all"}:
        kind = exp.All if right.name.lower() == "all" else exp.Any
        right = kind(this=right.expressions[0])
    if isinstance(right, exp.Any | exp.All):
        return _quantified(expressions, operator, node.this, right)
    return comparison(operator, expressions.compile(node.this), expressions.compile(right))


def _quantified(expressions: Expressions, operator: str, left: exp.Expr, right: exp.Any | exp.All) -> Typed:
    query = right.this.this if isinstance(right.this, exp.Subquery) else right.this
    if isinstance(query, exp.Paren):
        query = query.this
    if not isinstance(query, exp.Query | exp.Values):
        raise not_supported(f"The expression {right.sql('trino')}", "Compare with a subquery.")
    inner = expressions.queries.compile(query, expressions.scope)
    given = expressions.compile(left)
    compared = comparison(operator, given, Typed("x", inner.columns[0].type))
    kind = unified([given, Typed("x", inner.columns[0].type)])
    wanted = kind[0].type if kind else compared.type
    name = "ANY" if isinstance(right, exp.Any) else "ALL"
    return Typed(f"({comparable(given.as_type(wanted))} {operator} {name} ({inner.converted([wanted]).sql}))", BOOLEAN)


def _logical(expressions: Expressions, node: exp.And | exp.Or) -> Typed:
    name = "AND" if isinstance(node, exp.And) else "OR"
    sides = [expressions.compile(one) for one in (node.this, node.expression)]
    for side, one in zip(sides, (node.this, node.expression), strict=True):
        if side.type not in (BOOLEAN, UNKNOWN):
            raise failure_at(
                one, "TYPE_MISMATCH", f"Logical expression term must evaluate to a boolean (actual: {side.type})"
            )
    return Typed(f"({sides[0].as_type(BOOLEAN).sql} {name} {sides[1].as_type(BOOLEAN).sql})", BOOLEAN)


def _not(expressions: Expressions, node: exp.Not) -> Typed:
    inside = expressions.compile(node.this)
    if inside.type not in (BOOLEAN, UNKNOWN):
        raise failure_at(
            node,
            "TYPE_MISMATCH",
            f"Value of logical NOT expression must evaluate to a boolean (actual: {inside.type})",
        )
    return Typed(f"(NOT {inside.as_type(BOOLEAN).sql})", BOOLEAN)


def _is(expressions: Expressions, node: exp.Is) -> Typed:
    inside = expressions.compile(node.this)
    if isinstance(node.expression, exp.Null):
        return Typed(f"({inside.sql} IS NULL)", BOOLEAN)
    raise not_supported(f"The expression {node.sql('trino')}")


def _between(expressions: Expressions, node: exp.Between) -> Typed:
    value, low, high = (expressions.compile(one) for one in (node.this, node.args["low"], node.args["high"]))
    above, below = comparison(">=", value, low), comparison("<=", value, high)
    return Typed(f"({above.sql} AND {below.sql})", BOOLEAN)


def _in(expressions: Expressions, node: exp.In) -> Typed:
    query = node.args.get("query")
    if query is None and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Query | exp.Values):
        query = node.expressions[0]
    if query is not None:
        return _in_query(expressions, node.this, query)
    given = [expressions.compile(one) for one in (node.this, *node.expressions)]
    both = unified(given)
    if both is None:
        kinds = ", ".join(str(one.type) for one in given)
        raise failure_at(node, "TYPE_MISMATCH", f"IN value and list items must be the same type: {kinds}")
    first, *rest = (comparable(one) for one in both)
    return Typed(f"({first} IN ({', '.join(rest)}))", BOOLEAN)


def _in_query(expressions: Expressions, value: exp.Expr, query: exp.Expr) -> Typed:
    inner = expressions.queries.compile(query.this if isinstance(query, exp.Subquery) else query, expressions.scope)
    given = expressions.compile(value)
    if len(inner.columns) != 1:
        inner = inner.as_row()
    both = unified([given, Typed("x", inner.columns[0].type)])
    if both is None:
        raise failure_at(
            value,
            "TYPE_MISMATCH",
            f"value and result of subquery must be of the same type for IN expression: {given.type} vs "
            f"{inner.columns[0].type}",
        )
    wanted = both[0].type
    return Typed(f"({comparable(both[0])} IN ({inner.converted([wanted], as_compared=True).sql}))", BOOLEAN)


def _exists(expressions: Expressions, node: exp.Exists) -> Typed:
    query = node.this.this if isinstance(node.this, exp.Subquery) else node.this
    return Typed(f"EXISTS ({expressions.queries.compile(query, expressions.scope).sql})", BOOLEAN)


def _like(expressions: Expressions, node: exp.Like | exp.Escape) -> Typed:
    like, escape = (node.this, node.expression) if isinstance(node, exp.Escape) else (node, None)
    sides = {"Left side of": like.this, "Pattern for": like.expression, "Escape for": escape}
    given = {side: expressions.compile(one) for side, one in sides.items() if one is not None}
    for side, one in given.items():
        if not is_text(one.type) and one.type != UNKNOWN:
            told = f"{side} LIKE expression must evaluate to a varchar (actual: {one.type})"
            raise failure_at(node, "TYPE_MISMATCH", told)
    value, pattern, *escapes = given.values()
    text = escaped_pattern(pattern, escapes[0]) if escapes else pattern.sql
    negation = "NOT " if like.args.get("negate") else ""
    return Typed(f"({negation}{value.sql} LIKE {text})", BOOLEAN)


PREDICATES: dict[type[exp.Expr], Callable[[Expressions, Any], Typed]] = {
    **dict.fromkeys(_COMPARISONS, _comparison),
    exp.And: _logical,
    exp.Or: _logical,
    exp.Not: _not,
    exp.Is: _is,
    exp.Between: _between,
    exp.In: _in,
    exp.Exists: _exists,
    exp.Like: _like,
    exp.Escape: _like,
}
