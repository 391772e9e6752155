"""What may stand in and behind a call: ORDER BY, FILTER, OVER.

https://trino.io/docs/current/functions/window.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakehouse.local.athena.failures import not_supported
from lakehouse.local.athena.sql.operators import comparable
from lakehouse.local.athena.sql.scope import failure_at
from lakehouse.local.athena.sql.sql_types import INTERVAL_DAY, INTERVAL_YEAR, VARCHAR
from lakehouse.local.athena.sql.typed import Typed

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Argument
    from lakehouse.local.athena.sql.expressions import Expressions


def _filter(expressions: Expressions, node: exp.Filter) -> Typed:
    condition = expressions.boolean(node.expression.this, "FILTER clause")
    return _with_tail(expressions, node.this, f" FILTER (WHERE {condition})")


def _window(expressions: Expressions, node: exp.Window) -> Typed:
    call, tail, nulls = node.this, "", ""
    if isinstance(call, exp.IgnoreNulls | exp.RespectNulls):
        nulls = " IGNORE NULLS" if isinstance(call, exp.IgnoreNulls) else ""
        call = call.this
    if isinstance(call, exp.Filter):
        tail = f" FILTER (WHERE {expressions.boolean(call.expression.this, 'FILTER clause')})"
        call = call.this
    return _with_tail(expressions, call, f"{tail} OVER {_over(expressions, node)}", nulls)


def _with_tail(expressions: Expressions, call: exp.Expr, tail: str, nulls: str = "") -> Typed:
    if isinstance(call, exp.GroupConcat):
        return _listagg(expressions, call, tail)
    if not isinstance(call, exp.Anonymous):
        raise not_supported(f"The expression {call.sql('trino')}")
    options = {"tail": tail} | ({"nulls": nulls} if nulls else {})
    return expressions.called(call.name.lower(), call.expressions, call, **options)


def _listagg(expressions: Expressions, node: exp.GroupConcat, tail: str = "") -> Typed:
    this, sorting, options = node.this, "", {}
    if isinstance(this, exp.Order):
        sorting = f" {order(expressions, this.expressions)}"
        this = this.this
    if isinstance(this, exp.Distinct):
        options["is_distinct"] = True
        this = this.expressions[0]
    separator = node.args.get("separator")
    parts: list[Argument] = [expressions.compile(this)]
    parts.append(expressions.compile(separator) if separator is not None else Typed("''", VARCHAR, "", is_literal=True))
    return expressions.call_typed("listagg", parts, order=sorting, tail=tail, **options)


def order(expressions: Expressions, items: Sequence[exp.Ordered]) -> str:
    """An ORDER BY of an aggregate or a window.

    Args:
        expressions: Of the scope.
        items: What it sorts by.

    Returns:
        DuckDB's text.
    """
    return "ORDER BY " + ", ".join(ordered(item, comparable(expressions.compile(item.this))) for item in items)


def _over(expressions: Expressions, node: exp.Window) -> str:
    """What follows OVER."""
    named = node.args.get("alias")
    parts = []
    if named is not None:
        base = expressions.windows.get(named.name.lower())
        if base is None:
            raise failure_at(node, "INVALID_WINDOW_REFERENCE", f"Cannot resolve WINDOW name {named.name}")
        parts.append(_over(expressions, base)[1:-1])
    if node.args.get("partition_by"):
        keys = ", ".join(comparable(expressions.compile(one)) for one in node.args["partition_by"])
        parts.append(f"PARTITION BY {keys}")
    if node.args.get("order") is not None:
        parts.append(order(expressions, node.args["order"].expressions))
    if node.args.get("spec") is not None:
        parts.append(_frame(expressions, node.args["spec"]))
    return f"({' '.join(part for part in parts if part)})"


def _frame_offset(offset: Typed) -> str:
    """How far a frame reaches: DuckDB adds intervals of its own to dates and times."""
    if offset.type == INTERVAL_DAY:
        return f"to_microseconds({offset.sql} * 1000)"
    return f"to_months({offset.sql})" if offset.type == INTERVAL_YEAR else offset.sql


def _frame(expressions: Expressions, spec: exp.WindowSpec) -> str:
    def bound(value: Any, side: Any) -> str:
        text = str(value) if isinstance(value, str) else _frame_offset(expressions.compile(value))
        return f"{text} {side}" if side else text

    start = bound(spec.args["start"], spec.args.get("start_side"))
    end = spec.args.get("end")
    kind = str(spec.args["kind"]).upper()
    if end is None:
        return f"{kind} {start}"
    return f"{kind} BETWEEN {start} AND {bound(end, spec.args.get('end_side'))}"


def ordered(item: exp.Ordered, sql: str) -> str:
    """One expression of an ORDER BY; nulls come last, unless said otherwise.

    Args:
        item: The expression with its direction.
        sql: DuckDB's text of the expression.

    Returns:
        DuckDB's text.
    """
    direction = "DESC" if item.args.get("desc") else "ASC"
    return f"{sql} {direction} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


WINDOWED: dict[type[exp.Expr], Callable[[Expressions, Any], Typed]] = {
    exp.Filter: _filter,
    exp.Window: _window,
    exp.GroupConcat: _listagg,
}
