"""Expressions: from the tree of a statement to DuckDB's text and Trino's types."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal as Exact
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql import intervals, json_forms
from lakehouse.local.athena.sql.calls import Argument, Call, Lambda, emitted, resolve
from lakehouse.local.athena.sql.casts import cast, zoned_literal
from lakehouse.local.athena.sql.functions.conversions import formatted
from lakehouse.local.athena.sql.operators import arithmetic, comparable, comparison, concatenation, negated
from lakehouse.local.athena.sql.scope import Scope, failure_at, field_of
from lakehouse.local.athena.sql.signatures import Pattern, filled
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_YEAR,
    LARGEST_PRECISION,
    UNKNOWN,
    VARBINARY,
    VARCHAR,
    Array,
    Char,
    Decimal,
    Map,
    Row,
    Time,
    Timestamp,
    Varchar,
    ZonedTime,
    ZonedTimestamp,
    is_text,
    literal,
    quoted,
)
from lakehouse.local.athena.sql.type_text import parse_type
from lakehouse.local.athena.sql.typed import Typed, unified

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.queries import Queries
    from lakehouse.local.athena.sql.statement import Statement

Expression = exp.Expr

_ARITHMETIC: dict[type[Expression], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_COMPARISONS: dict[type[Expression], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
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
        self._is_tried = False

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
        if kind in _COMPARISONS:
            return self._comparison(_COMPARISONS[kind], node)
        method = _METHODS.get(kind)
        if method is None:
            raise not_supported(f"The expression {node.sql('trino')}")
        return method(self, node)

    # --- names and literals -------------------------------------------------------------------------------------------

    def _column(self, node: exp.Column) -> Typed:
        parts = [part for part in node.parts if isinstance(part, exp.Identifier)]
        if len(parts) == 1 and not parts[0].quoted and parts[0].name.lower() in _BARE:
            return self._called(parts[0].name.lower(), [], node)
        return self.scope.resolve(parts)

    def _identifier(self, node: exp.Identifier) -> Typed:
        if not node.quoted and node.name.lower() in _BARE:
            return self._called(node.name.lower(), [], node)
        return self.scope.resolve([node])

    def _dot(self, node: exp.Dot) -> Typed:
        if isinstance(node.expression, exp.Anonymous):
            raise not_supported(f"The function {node.sql('trino')}")
        return field_of(self.compile(node.this), node.expression)

    def _literal(self, node: exp.Literal) -> Typed:
        text = str(node.this)
        if node.is_string:
            return Typed(literal(text), Varchar(len(text)), text, is_literal=True)
        return number(text)

    def _boolean(self, node: exp.Boolean) -> Typed:
        return Typed("TRUE" if node.this else "FALSE", BOOLEAN, bool(node.this), is_literal=True)

    def _null(self, _node: exp.Null) -> Typed:
        return Typed("NULL", UNKNOWN, None, is_literal=True)

    def _binary(self, node: exp.HexString) -> Typed:
        digits = str(node.this)
        if len(digits) % 2:
            raise failure_at(node, "INVALID_LITERAL", "Binary literal must contain an even number of digits")
        return Typed(f"unhex('{digits}')", VARBINARY, bytes.fromhex(digits), is_literal=True)

    def _interval(self, node: exp.Interval) -> Typed:
        return intervals.literal_interval(node)

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

    def _comparison(self, operator: str, node: Expression) -> Typed:
        right = node.expression
        if isinstance(right, exp.Anonymous) and right.name.lower() in {"any", "some", "all"}:
            kind = exp.All if right.name.lower() == "all" else exp.Any
            right = kind(this=right.expressions[0])
        if isinstance(right, exp.Any | exp.All):
            return self._quantified(operator, node.this, right)
        return comparison(operator, self.compile(node.this), self.compile(right))

    def _quantified(self, operator: str, left: Expression, right: exp.Any | exp.All) -> Typed:
        query = right.this.this if isinstance(right.this, exp.Subquery) else right.this
        if isinstance(query, exp.Paren):
            query = query.this
        if not isinstance(query, exp.Query | exp.Values):
            raise not_supported(f"The expression {right.sql('trino')}", "Compare with a subquery.")
        inner = self.queries.compile(query, self.scope)
        given = self.compile(left)
        compared = comparison(operator, given, Typed("x", inner.columns[0].type))
        kind = unified([given, Typed("x", inner.columns[0].type)])
        wanted = kind[0].type if kind else compared.type
        name = "ANY" if isinstance(right, exp.Any) else "ALL"
        return Typed(
            f"({comparable(given.as_type(wanted))} {operator} {name} ({inner.converted([wanted]).sql}))", BOOLEAN
        )

    def _logical(self, node: exp.And | exp.Or) -> Typed:
        name = "AND" if isinstance(node, exp.And) else "OR"
        sides = [self.compile(one) for one in (node.this, node.expression)]
        for side, one in zip(sides, (node.this, node.expression), strict=True):
            if side.type not in (BOOLEAN, UNKNOWN):
                raise failure_at(
                    one, "TYPE_MISMATCH", f"Logical expression term must evaluate to a boolean (actual: {side.type})"
                )
        return Typed(f"({sides[0].as_type(BOOLEAN).sql} {name} {sides[1].as_type(BOOLEAN).sql})", BOOLEAN)

    def _not(self, node: exp.Not) -> Typed:
        inside = self.compile(node.this)
        if inside.type not in (BOOLEAN, UNKNOWN):
            raise failure_at(
                node,
                "TYPE_MISMATCH",
                f"Value of logical NOT expression must evaluate to a boolean (actual: {inside.type})",
            )
        return Typed(f"(NOT {inside.as_type(BOOLEAN).sql})", BOOLEAN)

    def _is(self, node: exp.Is) -> Typed:
        inside = self.compile(node.this)
        if isinstance(node.expression, exp.Null):
            return Typed(f"({inside.sql} IS NULL)", BOOLEAN)
        raise not_supported(f"The expression {node.sql('trino')}")

    def _between(self, node: exp.Between) -> Typed:
        value, low, high = (self.compile(one) for one in (node.this, node.args["low"], node.args["high"]))
        above, below = comparison(">=", value, low), comparison("<=", value, high)
        return Typed(f"({above.sql} AND {below.sql})", BOOLEAN)

    def _in(self, node: exp.In) -> Typed:
        query = node.args.get("query")
        if query is None and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Query | exp.Values):
            query = node.expressions[0]
        if query is not None:
            return self._in_query(node.this, query)
        given = [self.compile(one) for one in (node.this, *node.expressions)]
        both = unified(given)
        if both is None:
            kinds = ", ".join(str(one.type) for one in given)
            raise failure_at(node, "TYPE_MISMATCH", f"IN value and list items must be the same type: {kinds}")
        first, *rest = (comparable(one) for one in both)
        return Typed(f"({first} IN ({', '.join(rest)}))", BOOLEAN)

    def _in_query(self, value: Expression, query: Expression) -> Typed:
        inner = self.queries.compile(query.this if isinstance(query, exp.Subquery) else query, self.scope)
        given = self.compile(value)
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

    def _exists(self, node: exp.Exists) -> Typed:
        query = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        return Typed(f"EXISTS ({self.queries.compile(query, self.scope).sql})", BOOLEAN)

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

    def _like(self, node: exp.Like | exp.Escape) -> Typed:
        like, escape = (node.this, node.expression) if isinstance(node, exp.Escape) else (node, None)
        value, pattern = self.compile(like.this), self.compile(like.expression)
        for one in (value, pattern):
            if not is_text(one.type) and one.type != UNKNOWN:
                raise failure_at(
                    node,
                    "TYPE_MISMATCH",
                    f"Left side of LIKE expression must evaluate to a varchar (actual: {one.type})",
                )
        tail = f" ESCAPE {self.compile(escape).sql}" if escape is not None else ""
        negation = "NOT " if like.args.get("negate") else ""
        return Typed(f"({negation}{value.sql} LIKE {pattern.sql}{tail})", BOOLEAN)

    # --- forms of their own -------------------------------------------------------------------------------------------

    def _case(self, node: exp.Case) -> Typed:
        subject = None if node.this is None else self.compile(node.this)
        conditions, values = [], []
        for branch in node.args["ifs"]:
            if subject is None:
                conditions.append(self.boolean(branch.this, "CASE WHEN clause"))
            else:
                conditions.append(comparison("=", subject, self.compile(branch.this)).sql)
            values.append(self.compile(branch.args["true"]))
        default = node.args.get("default")
        values.append(Typed("NULL", UNKNOWN) if default is None else self.compile(default))
        same = unified(values)
        if same is None:
            kinds = ", ".join(str(one.type) for one in values)
            raise failure_at(
                node,
                "TYPE_MISMATCH",
                "All CASE results must be the same type or coercible to a common type. Cannot find common type between "
                f"{kinds}",
            )
        branches = " ".join(f"WHEN {test} THEN {one.sql}" for test, one in zip(conditions, same, strict=False))
        return Typed(f"(CASE {branches} ELSE {same[-1].sql} END)", same[0].type)

    def _if(self, node: exp.If) -> Typed:
        condition = self.boolean(node.this, "IF condition")
        otherwise = node.args.get("false")
        values = [
            self.compile(node.args["true"]),
            Typed("NULL", UNKNOWN) if otherwise is None else self.compile(otherwise),
        ]
        same = unified(values)
        if same is None:
            raise failure_at(
                node, "TYPE_MISMATCH", f"Result types for IF must be the same: {values[0].type} vs {values[1].type}"
            )
        return Typed(f"(CASE WHEN {condition} THEN {same[0].sql} ELSE {same[1].sql} END)", same[0].type)

    def _cast(self, node: exp.Cast) -> Typed:
        if node.this.is_string and node.meta.get("typed_literal") is not None:
            return typed_literal(str(node.this.this), node)
        wanted = parse_type(type_sql(node.to))
        given = self.compile(node.this)
        try:
            found = cast(given, wanted)
        except StatementFailedError as error:
            # A literal that is no such value is found out before the query runs.
            if not isinstance(node, exp.TryCast) or error.code != "INVALID_CAST_ARGUMENT":
                raise
            found = cast(Typed("NULL", UNKNOWN), wanted)
        if isinstance(node, exp.TryCast):
            return Typed(f"TRY({found.sql})", found.type)
        return found

    def _extract(self, node: exp.Extract) -> Typed:
        return self._called(str(node.this.name).lower(), [node.expression], node)

    def _at_time_zone(self, node: exp.AtTimeZone) -> Typed:
        return self._called("at_timezone", [node.this, node.args["zone"]], node)

    def _trim(self, node: exp.Trim) -> Typed:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
        arguments = [node.this, *([node.expression] if node.expression is not None else [])]
        return self._called(name, arguments, node)

    def _position(self, node: exp.StrPosition) -> Typed:
        return self._called("strpos", [node.this, node.args["substr"]], node)

    def _normalize(self, node: exp.Normalize) -> Typed:
        form = node.args.get("form")
        name = [] if form is None else [exp.Literal.string(form.name.upper())]
        return self._called("normalize", [node.this, *name], node)

    def _substring(self, node: exp.Substring) -> Typed:
        arguments = [node.this, node.args.get("start"), node.args.get("length")]
        return self._called("substr", [one for one in arguments if one is not None], node)

    def _array(self, node: exp.Array) -> Typed:
        if not node.expressions:
            return Typed("[]", Array(UNKNOWN))
        elements = [self.compile(one) for one in node.expressions]
        same = unified(elements)
        if same is None:
            kinds = ", ".join(str(one.type) for one in elements)
            raise failure_at(node, "TYPE_MISMATCH", f"All ARRAY elements must be the same type: {kinds}")
        return Typed(f"[{', '.join(one.sql for one in same)}]", Array(same[0].type))

    def _row(self, elements: Sequence[Expression]) -> Typed:
        fields = [self.compile(one) for one in elements]
        kind = Row((None,) * len(fields), tuple(one.type for one in fields))
        packed = ", ".join(f"{held} := {one.sql}" for held, one in zip(kind.held_names, fields, strict=True))
        return Typed(f"struct_pack({packed})", kind)

    def _tuple(self, node: exp.Tuple) -> Typed:
        return self._row(node.expressions)

    def _bracket(self, node: exp.Bracket) -> Typed:
        base, index = self.compile(node.this), self.compile(node.expressions[0])
        return self._subscript(base, index)

    def _subscript(self, base: Typed, index: Typed) -> Typed:
        if isinstance(base.type, Row):
            if not index.is_literal or not isinstance(index.value, int) or not 0 < index.value <= len(base.type.types):
                raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"ROW index out of bounds: {index.value}")
            held = base.type.held_names[index.value - 1]
            return Typed(f"struct_extract({base.sql}, {literal(held)})", base.type.types[index.value - 1])
        if not isinstance(base.type, Array | Map):
            raise StatementFailedError("TYPE_MISMATCH", f"Cannot apply operator: {base.type}[{index.type}]")
        return self._call_typed("$subscript", [base, index])

    # --- calls --------------------------------------------------------------------------------------------------------

    def _anonymous(self, node: exp.Anonymous) -> Typed:
        name = str(node.this if isinstance(node.this, str) else node.name).lower()
        special = _SPECIAL.get(name)
        if special is not None:
            return special(self, node)
        return self._called(name, node.expressions, node)

    def _called(self, name: str, arguments: Sequence[Expression], node: Expression, **window: Any) -> Typed:
        """A call, with what an aggregate may have in its parentheses."""
        options = dict(window)
        given = list(arguments)
        if len(given) >= 1 and isinstance(given[0], exp.Distinct):
            options["is_distinct"] = True
            given = list(given[0].expressions)
        if given and isinstance(given[-1], exp.Order):
            options["order"] = f" {self.order(given[-1].expressions)}"
            given = [*given[:-1], given[-1].this]
            if given and isinstance(given[0], exp.Distinct):
                options["is_distinct"] = True
                given = list(given[0].expressions)
        if name == "count" and len(given) == 1 and isinstance(given[0], exp.Star):
            given = []
        if name in _WINDOW_ONLY and "OVER" not in options.get("tail", ""):
            raise failure_at(node, "MISSING_OVER", f"Window function {name} requires an OVER clause")
        return self._call_typed(name, [self._argument(one) for one in given], **options)

    def _call_typed(self, name: str, arguments: Sequence[Argument], **options: Any) -> Typed:
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

    def _filter(self, node: exp.Filter) -> Typed:
        condition = self.boolean(node.expression.this, "FILTER clause")
        return self._with_tail(node.this, f" FILTER (WHERE {condition})")

    def _window(self, node: exp.Window) -> Typed:
        call, tail, nulls = node.this, "", ""
        if isinstance(call, exp.IgnoreNulls | exp.RespectNulls):
            nulls = " IGNORE NULLS" if isinstance(call, exp.IgnoreNulls) else ""
            call = call.this
        if isinstance(call, exp.Filter):
            tail = f" FILTER (WHERE {self.boolean(call.expression.this, 'FILTER clause')})"
            call = call.this
        return self._with_tail(call, f"{tail} OVER {self.window_sql(node)}", nulls)

    def _with_tail(self, call: Expression, tail: str, nulls: str = "") -> Typed:
        if isinstance(call, exp.GroupConcat):
            return self._listagg(call, tail)
        if not isinstance(call, exp.Anonymous):
            raise not_supported(f"The expression {call.sql('trino')}")
        options = {"tail": tail} | ({"nulls": nulls} if nulls else {})
        return self._called(call.name.lower(), call.expressions, call, **options)

    def _listagg(self, node: exp.GroupConcat, tail: str = "") -> Typed:
        this, order, options = node.this, "", {}
        if isinstance(this, exp.Order):
            order = f" {self.order(this.expressions)}"
            this = this.this
        if isinstance(this, exp.Distinct):
            options["is_distinct"] = True
            this = this.expressions[0]
        separator = node.args.get("separator")
        parts: list[Argument] = [self.compile(this)]
        parts.append(self.compile(separator) if separator is not None else Typed("''", VARCHAR, "", is_literal=True))
        return self._call_typed("listagg", parts, order=order, tail=tail, **options)

    def order(self, items: Sequence[exp.Ordered]) -> str:
        """An ORDER BY of an aggregate or a window.

        Args:
            items: What it sorts by.

        Returns:
            DuckDB's text.
        """
        return "ORDER BY " + ", ".join(ordered(item, comparable(self.compile(item.this))) for item in items)

    def window_sql(self, node: exp.Window) -> str:
        """What follows OVER.

        Args:
            node: The window.

        Returns:
            DuckDB's text.
        """
        named = node.args.get("alias")
        parts = []
        if named is not None:
            base = self.windows.get(named.name.lower())
            if base is None:
                raise failure_at(node, "INVALID_WINDOW_REFERENCE", f"Cannot resolve WINDOW name {named.name}")
            parts.append(self.window_sql(base)[1:-1])
        if node.args.get("partition_by"):
            keys = ", ".join(comparable(self.compile(one)) for one in node.args["partition_by"])
            parts.append(f"PARTITION BY {keys}")
        if node.args.get("order") is not None:
            parts.append(self.order(node.args["order"].expressions))
        if node.args.get("spec") is not None:
            parts.append(self._frame(node.args["spec"]))
        return f"({' '.join(part for part in parts if part)})"

    @staticmethod
    def _frame_offset(offset: Typed) -> str:
        """How far a frame reaches: DuckDB adds intervals of its own to dates and times."""
        if offset.type == INTERVAL_DAY:
            return f"to_microseconds({offset.sql} * 1000)"
        return f"to_months({offset.sql})" if offset.type == INTERVAL_YEAR else offset.sql

    def _frame(self, spec: exp.WindowSpec) -> str:
        def bound(value: Any, side: Any) -> str:
            text = str(value) if isinstance(value, str) else self._frame_offset(self.compile(value))
            return f"{text} {side}" if side else text

        start = bound(spec.args["start"], spec.args.get("start_side"))
        end = spec.args.get("end")
        kind = str(spec.args["kind"]).upper()
        if end is None:
            return f"{kind} {start}"
        return f"{kind} BETWEEN {start} AND {bound(end, spec.args.get('end_side'))}"

    # --- functions with rules of their own ----------------------------------------------------------------------------

    def _try(self, node: exp.Anonymous) -> Typed:
        inside = self.compile(node.expressions[0])
        return Typed(f"TRY({inside.sql})", inside.type)

    def _coalesce(self, node: exp.Anonymous) -> Typed:
        values = [self.compile(one) for one in node.expressions]
        same = unified(values)
        if same is None:
            kinds = ", ".join(str(one.type) for one in values)
            raise failure_at(
                node,
                "TYPE_MISMATCH",
                "All COALESCE operands must be the same type or coercible to a common type. Cannot find common type "
                f"between {kinds}",
            )
        return Typed(f"coalesce({', '.join(one.sql for one in same)})", same[0].type)

    def _nullif(self, node: exp.Anonymous) -> Typed:
        first, second = (self.compile(one) for one in node.expressions)
        equal = comparison("=", first, second)
        return Typed(f"(CASE WHEN {equal.sql} THEN NULL ELSE {first.sql} END)", first.type)

    def _row_call(self, node: exp.Anonymous) -> Typed:
        return self._row(node.expressions)

    def _grouping(self, node: exp.Anonymous) -> Typed:
        columns = ", ".join(self.compile(one).sql for one in node.expressions)
        return Typed(f"CAST(grouping({columns}) AS INTEGER)", INTEGER)

    def _typeof(self, node: exp.Anonymous) -> Typed:
        name = str(self.compile(node.expressions[0]).type)
        return Typed(literal(name), VARCHAR, name, is_literal=True)

    def _format(self, node: exp.Anonymous) -> Typed:
        return formatted([self.compile(one) for one in node.expressions])

    def _json_form(self, node: exp.Anonymous) -> Typed:
        return json_forms.compiled(node, self.compile, type_sql)

    def _json_literal(self, node: exp.ParseJSON) -> Typed:
        return self._called("json_parse", [node.this], node)


def number(text: str) -> Typed:
    """A number as it is written.

    Args:
        text: As ``1``, ``-1.50`` or ``1e3``.

    Returns:
        An integer, a bigint or a double.

    Raises:
        StatementFailedError: It is too long for a bigint.
    """
    if re.fullmatch(r"-?\d+", text):
        value = int(text)
        if -(2**31) <= value < 2**31:
            return Typed(text if value >= 0 else f"({text})", INTEGER, value, is_literal=True)
        if not -(2**63) <= value < 2**63:
            raise StatementFailedError("INVALID_LITERAL", f"Invalid numeric literal: {text}")
        return Typed(f"CAST({text} AS BIGINT)", BIGINT, value, is_literal=True)
    # Athena takes a point for a double, unlike Trino: see https://docs.aws.amazon.com/athena/latest/ug/data-types.html,
    # which wants decimals to be written as DECIMAL '0.12'.
    return Typed(f"CAST('{text}' AS DOUBLE)", DOUBLE, float(text), is_literal=True)


def decimal_literal(text: str) -> Typed:
    """A number behind the word DECIMAL.

    Args:
        text: As ``1``, ``-1.50`` or ``.5``.

    Returns:
        A decimal with as many digits as are written.

    Raises:
        StatementFailedError: It is no number, or too long for a decimal.
    """
    form = re.fullmatch(r"([+-]?)(\d*)(?:\.(\d*))?", text.strip())
    digits = "" if form is None else form[2] + (form[3] or "")
    if form is None or not digits:
        raise StatementFailedError("INVALID_LITERAL", f"'{text}' is not a valid DECIMAL literal")
    fraction = form[3] or ""
    kind = Decimal(len(digits), len(fraction))
    if kind.precision > LARGEST_PRECISION:
        raise StatementFailedError("INVALID_LITERAL", f"'{text}' is not a valid DECIMAL literal")
    return Typed(f"CAST('{text.strip()}' AS {kind.duck})", kind, Exact(text.strip()), is_literal=True)


def typed_literal(text: str, node: exp.Cast) -> Typed:
    """A literal with its type before it, as ``DATE '2024-01-01'``.

    Args:
        text: What is in the quotes.
        node: The literal.

    Returns:
        The value.

    Raises:
        StatementFailedError: The text is none of the type.
    """
    name = str(node.meta["typed_literal"]).lower()
    if name.startswith("timestamp"):
        zoned = zoned_literal(text)
        has_zone = bool(
            re.search(r"(?:\d\s*[+-]\d{1,2}(?::?\d{2})?|\s[A-Za-z][\w/+-]*)$", text.strip().partition(" ")[2])
        )
        kind = zoned.type
        assert isinstance(kind, ZonedTimestamp)  # noqa: S101 - that is what it makes
        if has_zone:
            return Typed(zoned.sql, kind, text, is_literal=True)
        return Typed(zoned.sql, Timestamp(kind.precision), text, is_literal=True)
    if name == "date":
        if not re.fullmatch(r"\s*[+-]?\d{1,6}-\d{1,2}-\d{1,2}\s*", text):
            raise StatementFailedError("INVALID_LITERAL", f"'{text}' is not a valid DATE literal")
        return Typed(f"DATE {literal(text.strip())}", DATE, text.strip(), is_literal=True)
    if name == "time":
        zoned_time = re.fullmatch(
            r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*([+-])(\d{1,2})(?::(\d{2}))?", text
        )
        if zoned_time:
            hour, minute, second, fraction, sign, hours, minutes = (part or "" for part in zoned_time.groups())
            shown = f"{hour:0>2}:{minute}:{second:0>2}{fraction and '.'}{fraction}{sign}{hours:0>2}:{minutes:0>2}"
            return Typed(literal(shown), ZonedTime(len(fraction)), shown, is_literal=True)
        digits = len(text.partition(".")[2])
        full = text if text.count(":") == 2 else f"{text}:00"
        return Typed(f"TIME {literal(full)}", Time(digits), text, is_literal=True)
    if name == "decimal":
        return decimal_literal(text)
    if name in {"char", "character"}:
        return Typed(literal(text.rstrip(" ")), Char(len(text)), text, is_literal=True)
    return cast(Typed(literal(text), VARCHAR, text, is_literal=True), parse_type(name))


def type_sql(node: exp.DataType) -> str:
    """A type as it is written in a statement.

    Args:
        node: The type.

    Returns:
        Trino's text.
    """
    text = node.sql("trino")
    return re.sub(r"\bINT\b", "INTEGER", text)


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


_METHODS: dict[type[Expression], Callable[[Expressions, Any], Typed]] = {
    exp.Column: Expressions._column,
    exp.Identifier: Expressions._identifier,
    exp.Dot: Expressions._dot,
    exp.Literal: Expressions._literal,
    exp.Boolean: Expressions._boolean,
    exp.Null: Expressions._null,
    exp.HexString: Expressions._binary,
    exp.Interval: Expressions._interval,
    exp.Star: Expressions._star,
    exp.Paren: Expressions._paren,
    exp.Neg: Expressions._neg,
    exp.DPipe: Expressions._concatenation,
    exp.And: Expressions._logical,
    exp.Or: Expressions._logical,
    exp.Not: Expressions._not,
    exp.Is: Expressions._is,
    exp.Between: Expressions._between,
    exp.In: Expressions._in,
    exp.Exists: Expressions._exists,
    exp.Subquery: Expressions._subquery,
    exp.Like: Expressions._like,
    exp.Escape: Expressions._like,
    exp.Case: Expressions._case,
    exp.If: Expressions._if,
    exp.Cast: Expressions._cast,
    exp.TryCast: Expressions._cast,
    exp.Extract: Expressions._extract,
    exp.AtTimeZone: Expressions._at_time_zone,
    exp.Trim: Expressions._trim,
    exp.StrPosition: Expressions._position,
    exp.Substring: Expressions._substring,
    exp.Normalize: Expressions._normalize,
    exp.Array: Expressions._array,
    exp.Tuple: Expressions._tuple,
    exp.Bracket: Expressions._bracket,
    exp.Anonymous: Expressions._anonymous,
    exp.Filter: Expressions._filter,
    exp.Window: Expressions._window,
    exp.GroupConcat: Expressions._listagg,
    exp.ParseJSON: Expressions._json_literal,
}
_SPECIAL: dict[str, Callable[[Expressions, Any], Typed]] = {
    "try": Expressions._try,
    "coalesce": Expressions._coalesce,
    "nullif": Expressions._nullif,
    "row": Expressions._row_call,
    "grouping": Expressions._grouping,
    "typeof": Expressions._typeof,
    "format": Expressions._format,
    **dict.fromkeys(("json_value", "json_query", "json_exists", "json_object", "json_array"), Expressions._json_form),
}
