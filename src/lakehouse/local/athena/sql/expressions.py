"""Expressions: from the tree of a statement to DuckDB's text and Trino's types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.calls import Argument, Call, Lambda, emitted, resolve
from lakehouse.local.athena.sql.literals import LITERALS, number
from lakehouse.local.athena.sql.operators import arithmetic, concatenation, negated
from lakehouse.local.athena.sql.predicates import PREDICATES
from lakehouse.local.athena.sql.scope import Scope, failure_at, field_of
from lakehouse.local.athena.sql.signatures import Pattern, filled
from lakehouse.local.athena.sql.special_forms import FORMS, SPECIAL
from lakehouse.local.athena.sql.sql_types import BOOLEAN, UNKNOWN, Row, quoted
from lakehouse.local.athena.sql.typed import Typed
from lakehouse.local.athena.sql.window_clauses import WINDOWED, order

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.queries import Queries
    from lakehouse.local.athena.sql.statement import Statement

Expression = exp.Expr

_ARITHMETIC: dict[type[Expression], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
# Functions that are written without parentheses.
_BARE = frozenset({"current_timestamp", "current_date", "localtimestamp", "localtime", "current_time", "current_user"})
_WINDOW_ONLY = frozenset(
    {
        *("row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"),
        *("lag", "lead", "first_value", "last_value", "nth_value"),
    }
)


class Expressions:
    """Compiles the expressions of one scope."""

    def __init__(self, statement: Statement, scope: Scope, queries: Queries) -> None:
        """Take what expressions refer to.

        Args:
            statement: The statement.
            scope: What names stand for.
            queries: Compiles subqueries.
        """
        self.statement = statement
        self.scope = scope
        self.queries = queries
        self.windows: dict[str, exp.Window] = {}

    def compile(self, node: Expression) -> Typed:
        """Compile an expression.

        Args:
            node: The expression.

        Returns:
            DuckDB's text and the type.

        Raises:
            StatementFailedError: It is wrong, or is not executed here.
        """
        try:
            return self._compile(node)
        except StatementFailedError as error:
            if error.line is None:
                raise failure_at(node, error.code, error.text) from error
            raise

    def boolean(self, node: Expression, clause: str) -> str:
        """Compile a condition.

        Args:
            node: The expression.
            clause: Where it stands, as ``WHERE clause``.

        Returns:
            DuckDB's text.

        Raises:
            StatementFailedError: It is not boolean.
        """
        found = self.compile(node)
        if found.type not in (BOOLEAN, UNKNOWN):
            raise failure_at(node, "TYPE_MISMATCH", f"{clause} must evaluate to a boolean: actual type {found.type}")
        return found.as_type(BOOLEAN).sql

    def _compile(self, node: Expression) -> Typed:
        kind = type(node)
        if kind in _ARITHMETIC:
            return arithmetic(_ARITHMETIC[kind], self.compile(node.this), self.compile(node.expression))
        compiled = _METHODS.get(kind)
        if compiled is None:
            raise not_supported(f"The expression {node.sql('trino')}")
        return compiled(self, node)

    # --- names --------------------------------------------------------------------------------------------------------

    def _column(self, node: exp.Column) -> Typed:
        parts = [part for part in node.parts if isinstance(part, exp.Identifier)]
        if len(parts) == 1 and not parts[0].quoted and parts[0].name.lower() in _BARE:
            return self.called(parts[0].name.lower(), [], node)
        return self.scope.resolve(parts)

    def _identifier(self, node: exp.Identifier) -> Typed:
        if not node.quoted and node.name.lower() in _BARE:
            return self.called(node.name.lower(), [], node)
        return self.scope.resolve([node])

    def _dot(self, node: exp.Dot) -> Typed:
        if isinstance(node.expression, exp.Anonymous):
            raise not_supported(f"The function {node.sql('trino')}")
        return field_of(self.compile(node.this), node.expression)

    def _star(self, node: Expression) -> Typed:
        raise failure_at(node, "SYNTAX_ERROR", "mismatched input '*'")

    # --- operators ----------------------------------------------------------------------------------------------------

    def _paren(self, node: exp.Paren) -> Typed:
        return self.compile(node.this)

    def _neg(self, node: exp.Neg) -> Typed:
        if isinstance(node.this, exp.Literal) and not node.this.is_string:
            return number(f"-{node.this.this}")
        return negated(self.compile(node.this))

    def _concatenation(self, node: exp.DPipe) -> Typed:
        return concatenation(self.compile(node.this), self.compile(node.expression))

    def _subquery(self, node: exp.Subquery) -> Typed:
        inner = self.queries.compile(node, self.scope)
        if len(inner.columns) != 1:
            kind = Row(tuple(column.name for column in inner.columns), tuple(column.type for column in inner.columns))
            alias = self.statement.alias("subquery")
            fields = ", ".join(
                f"{quoted(held)} := {quoted(alias)}.{quoted(name)}"
                for held, name in zip(kind.held_names, inner.names, strict=True)
            )
            return Typed(f"(SELECT struct_pack({fields}) FROM ({inner.sql}) AS {quoted(alias)})", kind)
        return Typed(f"({inner.sql})", inner.columns[0].type)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _anonymous(self, node: exp.Anonymous) -> Typed:
        name = str(node.this if isinstance(node.this, str) else node.name).lower()
        special = SPECIAL.get(name)
        if special is not None:
            return special(self, node)
        return self.called(name, node.expressions, node)

    def called(self, name: str, arguments: Sequence[Expression], node: Expression, **window: Any) -> Typed:
        """Compile a call, with what an aggregate may have in its parentheses.

        Args:
            name: The function, in lower case.
            arguments: What is in the parentheses.
            node: The call, for its place.
            **window: What stands behind it: ``tail`` and ``nulls``.

        Returns:
            DuckDB's text and the type.

        Raises:
            StatementFailedError: There is no such function, or it is not for these arguments.
        """
        options = dict(window)
        given = list(arguments)
        if len(given) >= 1 and isinstance(given[0], exp.Distinct):
            options["is_distinct"] = True
            given = list(given[0].expressions)
        if given and isinstance(given[-1], exp.Order):
            options["order"] = f" {order(self, given[-1].expressions)}"
            given = [*given[:-1], given[-1].this]
            if given and isinstance(given[0], exp.Distinct):
                options["is_distinct"] = True
                given = list(given[0].expressions)
        if name == "count" and len(given) == 1 and isinstance(given[0], exp.Star):
            given = []
        if name in _WINDOW_ONLY and "OVER" not in options.get("tail", ""):
            raise failure_at(node, "MISSING_OVER", f"Window function {name} requires an OVER clause")
        return self.call_typed(name, [self._argument(one) for one in given], **options)

    def call_typed(self, name: str, arguments: Sequence[Argument], **options: Any) -> Typed:
        """Compile a call of compiled arguments.

        Args:
            name: The function, in lower case.
            arguments: Its arguments.
            **options: What an aggregate has besides: ``is_distinct``, ``order``, ``tail``, ``nulls``.

        Returns:
            DuckDB's text and the type.

        Raises:
            StatementFailedError: There is no such function, or it is not for these arguments.
        """
        overload, binding, kinds = resolve(name, arguments)
        if overload.kind == "scalar" and options:
            raise StatementFailedError("FUNCTION_NOT_AGGREGATE", f"'{name}' is not an aggregate or window function")
        values = [
            one.as_type(kind) if isinstance(one, Typed) else Typed("", kind)
            for one, kind in zip(arguments, kinds, strict=True)
        ]
        lambdas = {index: one for index, one in enumerate(arguments) if isinstance(one, Lambda)}
        call = Call(
            name,
            values,
            lambdas,
            binding,
            UNKNOWN,
            self.statement,
            len(self.scope.parameters),
            parameters=kinds,
            **options,
        )
        result = overload.result
        call.result = filled(result, binding) if isinstance(result, Pattern) else result(binding)
        return Typed(emitted(call, overload), call.result)

    def _argument(self, node: Expression) -> Argument:
        if not isinstance(node, exp.Lambda):
            return self.compile(node)
        names = [one.name.lower() for one in node.expressions]

        def apply(parameters: Sequence[Typed]) -> Typed:
            inside = Expressions(
                self.statement, self.scope.with_parameters(dict(zip(names, parameters, strict=True))), self.queries
            )
            return inside.compile(node.this)

        return Lambda(len(names), apply)


_METHODS: dict[type[Expression], Callable[[Expressions, Any], Typed]] = {
    **LITERALS,
    **PREDICATES,
    **FORMS,
    **WINDOWED,
    exp.Column: Expressions._column,
    exp.Identifier: Expressions._identifier,
    exp.Dot: Expressions._dot,
    exp.Star: Expressions._star,
    exp.Paren: Expressions._paren,
    exp.Neg: Expressions._neg,
    exp.DPipe: Expressions._concatenation,
    exp.Subquery: Expressions._subquery,
    exp.Anonymous: Expressions._anonymous,
}
