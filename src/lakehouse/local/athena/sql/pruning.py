"""What WHERE and ON say about single columns, so that files in which it cannot hold are not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.coercion import common_type, is_number
from lakehouse.local.athena.sql.scans import Condition
from lakehouse.local.athena.sql.sql_types import SqlType
from lakehouse.local.athena.sql.typed import Typed

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.expressions import Expressions
    from lakehouse.local.athena.sql.scope import Column, Relation

_OPERATORS: dict[type[exp.Expr], str] = {exp.EQ: "=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def note_conditions(condition: exp.Expr, expressions: Expressions, relations: Sequence[Relation]) -> None:
    """Tell the scans of relations what holds for their columns.

    Args:
        condition: What holds for every row that comes of the relations: of a WHERE clause, or of a join's ON.
        expressions: Of the scope.
        relations: The relations. Where an outer join has nulls for a missing row, comparisons leave these out as well;
            IS NULL does not, so there it says nothing of the table.
    """
    by_text = {column.sql: column for relation in relations for column in relation.columns if column.scan}
    for term in conjuncts(condition):
        for column, operator, values in _terms(term, expressions, by_text):
            if column.scan is not None and not (column.is_optional and operator == "is null"):
                column.scan.conditions.append(Condition(column.own_name.lower(), operator, values))


def conjuncts(node: exp.Expr) -> Iterator[exp.Expr]:
    """The conditions that must all hold.

    Args:
        node: A condition.

    Yields:
        Its terms.
    """
    if isinstance(node, exp.Paren):
        yield from conjuncts(node.this)
    elif isinstance(node, exp.And):
        yield from conjuncts(node.this)
        yield from conjuncts(node.expression)
    else:
        yield node


Term = tuple["Column", str, tuple[Typed, ...]]


def _terms(node: exp.Expr, expressions: Expressions, columns: dict[str, Column]) -> Iterator[Term]:
    """What a term says, if it compares a column with literals."""

    def read(one: exp.Expr) -> Typed | None:
        try:
            return expressions.compile(one)
        except StatementFailedError:
            return None

    def column(one: exp.Expr) -> Column | None:
        if not isinstance(one, exp.Column):
            return None
        found = read(one)
        return columns.get(found.sql) if found is not None else None

    match node:
        case exp.Between():
            parts = [(">=", node.args["low"]), ("<=", node.args["high"])]
            pairs = [(node.this, operator, [value]) for operator, value in parts]
        case exp.In() if node.expressions:
            pairs = [(node.this, "in", node.expressions)]
        case exp.Is() if isinstance(node.expression, exp.Null):
            pairs = [(node.this, "is null", [])]
        case exp.Not() if isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
            pairs = [(node.this.this, "is not null", [])]
        case _ if type(node) in _OPERATORS:
            operator = _OPERATORS[type(node)]
            pairs = [(node.this, operator, [node.expression]), (node.expression, _MIRRORED[operator], [node.this])]
        case _:
            return
    for left, operator, right in pairs:
        found = column(left)
        if found is None:
            continue
        values = [read(one) for one in right]
        literals = tuple(one for one in values if one is not None and one.is_literal and one.value is not None)
        if len(literals) == len(values) and all(_is_like(one.type, found.type) for one in literals):
            yield found, operator, literals


def _is_like(literal: SqlType, column: SqlType) -> bool:
    """Whether a comparison of files' bounds with the literal says something of the comparison in the query."""
    return (is_number(literal) and is_number(column)) or common_type(literal, column) in (column, literal)
