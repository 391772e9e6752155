"""Parts of a query's clauses: positions, limits, names, and what may not stand in them."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.functions import FUNCTIONS
from lakehouse.local.athena.sql.scope import failure_at


def limit_sql(node: exp.Expr) -> str:
    """OFFSET and LIMIT of a query.

    Args:
        node: The query.

    Returns:
        DuckDB's text, with a space before it.

    Raises:
        StatementFailedError: A form is not executed here.
    """
    text = ""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if limit is not None:
        count = limit.args.get("count") if isinstance(limit, exp.Fetch) else limit.expression
        if (
            isinstance(limit, exp.Fetch)
            and (options := limit.args.get("limit_options"))
            and options.args.get("with_ties")
        ):
            raise not_supported("FETCH FIRST WITH TIES")
        if not (isinstance(count, exp.Column | exp.Var) and count.name.lower() == "all"):
            text += f" LIMIT {_count(count)}"
    if offset is not None:
        text += f" OFFSET {_count(offset.expression)}"
    return text


def _count(node: exp.Expr | None) -> int:
    if node is None:
        return 1
    if not isinstance(node, exp.Literal) or node.is_string or not str(node.this).isdigit():
        raise StatementFailedError(
            "SYNTAX_ERROR", f"mismatched input '{node.sql('trino')}'. Expecting: 'ALL', <integer>"
        )
    return int(node.this)


def position_of(node: exp.Expr, count: int, clause: str) -> int | None:
    """The output that a whole number in ORDER BY or GROUP BY means.

    Args:
        node: The expression.
        count: How many outputs there are.
        clause: ``ORDER BY`` or ``GROUP BY``.

    Returns:
        The output's index; None for other expressions.

    Raises:
        StatementFailedError: There is no such output.
    """
    if not isinstance(node, exp.Literal) or node.is_string or not str(node.this).isdigit():
        return None
    position = int(node.this)
    if not 0 < position <= count:
        raise failure_at(node, "INVALID_COLUMN_REFERENCE", f"{clause} position {position} is not in select list")
    return position - 1


def own_name(node: exp.Expr) -> str | None:
    """The name that an expression has by itself: a column's, or a field's.

    Args:
        node: The expression.

    Returns:
        The name; None where it has none.
    """
    match node:
        case exp.Column():
            return node.name
        case exp.Dot() if isinstance(node.expression, exp.Identifier):
            return node.expression.name
        case exp.Paren():
            return own_name(node.this)
    return None


def _calls(node: exp.Expr) -> Iterator[exp.Expr]:
    """An expression's parts, but those of its subqueries."""
    yield node
    if not isinstance(node, exp.Query):
        for part in node.iter_expressions():
            yield from _calls(part)


def without_aggregates(node: exp.Expr, clause: str) -> exp.Expr:
    """Make sure that a clause has no aggregates and windows of its own.

    Args:
        node: The clause's expression.
        clause: What it is called, as ``WHERE clause``.

    Returns:
        The expression.

    Raises:
        StatementFailedError: It has.
    """
    for part in _calls(node):
        name = part.name.lower() if isinstance(part, exp.Anonymous) else ""
        is_aggregate = any(one.kind == "aggregate" for one in FUNCTIONS.get(name, ())) or name == "grouping"
        if is_aggregate or isinstance(part, exp.Window | exp.GroupConcat):
            raise failure_at(
                part,
                "EXPRESSION_NOT_SCALAR",
                f"{clause} cannot contain aggregations, window functions or grouping operations: {[part.sql('trino')]}",
            )
    return node
