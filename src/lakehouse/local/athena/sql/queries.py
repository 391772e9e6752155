"""Queries: SELECT, VALUES, set operations, WITH."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.clauses import limit_sql, own_name, position_of, without_aggregates
from lakehouse.local.athena.sql.coercion import common_type, converted
from lakehouse.local.athena.sql.expressions import Expressions
from lakehouse.local.athena.sql.operators import comparable
from lakehouse.local.athena.sql.pruning import note_conditions
from lakehouse.local.athena.sql.relations import From, Relations
from lakehouse.local.athena.sql.scope import Column, Relation, Scope, failure_at, physical_names
from lakehouse.local.athena.sql.sql_types import Row, SqlType, literal, quoted
from lakehouse.local.athena.sql.statement import Statement
from lakehouse.local.athena.sql.typed import Typed, unified
from lakehouse.local.athena.sql.window_clauses import ordered


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled query.

    Attributes:
        sql: DuckDB's text.
        columns: Its result's columns.
        names: The columns' names in DuckDB.
    """

    sql: str
    columns: tuple[Column, ...]
    names: tuple[str, ...]

    def converted(self, wanted: Sequence[SqlType], *, as_compared: bool = False) -> Query:
        """The query with columns of other types.

        Args:
            wanted: The types.
            as_compared: Whether the values are only compared.

        Returns:
            The query.
        """
        pairs = list(zip(self.columns, wanted, strict=True))
        if not as_compared and all(one.type == kind and one.type.duck == kind.duck for one, kind in pairs):
            return self

        def text(name: str, column: Column, kind: SqlType) -> str:
            value = Typed(converted(f"q.{quoted(name)}", column.type, kind), kind)
            return f"{comparable(value) if as_compared else value.sql} AS {quoted(name)}"

        listed = ", ".join(text(name, column, kind) for name, (column, kind) in zip(self.names, pairs, strict=True))
        columns = tuple(replace(column, type=kind) for column, kind in pairs)
        return Query(f"SELECT {listed} FROM ({self.sql}) AS q", columns, self.names)

    def as_row(self) -> Query:
        """The query with all its columns as one row.

        Returns:
            A query of one column.
        """
        kind = Row((None,) * len(self.columns), tuple(column.type for column in self.columns))
        fields = ", ".join(
            f"{held} := q.{quoted(name)}" for held, name in zip(kind.held_names, self.names, strict=True)
        )
        sql = f"SELECT struct_pack({fields}) AS r FROM ({self.sql}) AS q"
        return Query(sql, (Column("r", kind, ""),), ("r",))


Ctes = Mapping[str, tuple[str, Query]]


class Queries:
    """Compiles queries; knows the queries of the WITH clauses around."""

    def __init__(self, statement: Statement, ctes: Ctes | None = None) -> None:
        """Take what queries refer to.

        Args:
            statement: The statement.
            ctes: Queries of WITH clauses, by name in lower case.
        """
        self._statement = statement
        self._ctes: dict[str, tuple[str, Query]] = dict(ctes or {})

    def compile(self, node: exp.Expr, outer: Scope | None = None) -> Query:
        """Compile a query.

        Args:
            node: The query.
            outer: The scope of the query around, which it may refer to.

        Returns:
            The query.

        Raises:
            StatementFailedError: It is wrong, or is not executed here.
        """
        clause = node.args.get("with_")
        if clause is not None:
            return self._with(node, clause, outer)
        match node:
            case exp.Select():
                return _Select(self._statement, self, self._ctes, node, outer).compile()
            case exp.SetOperation():
                return self._set_operation(node, outer)
            case exp.Values():
                return self._values(node, outer)
            case exp.Subquery():
                inner = self.compile(node.this, outer)
                return self._limited(node, inner, outer)
            case exp.Paren():
                return self.compile(node.this, outer)
            case exp.Table():
                return self.compile(exp.select("*").from_(node), outer)
        raise not_supported(f"The query {node.sql('trino')}")

    def _with(self, node: exp.Expr, clause: exp.With, outer: Scope | None) -> Query:
        inner = Queries(self._statement, self._ctes)
        texts = []
        for cte in clause.expressions:
            name = cte.alias
            held = self._statement.alias(name)
            renamed = [one.name for one in cte.args["alias"].columns]
            if clause.args.get("recursive") and isinstance(cte.this, exp.Union) and _refers_to(cte.this, name):
                query = inner._recursive(cte, name, held, renamed, outer)
            else:
                query = _renamed(inner.compile(cte.this, outer), renamed, cte)
            inner._ctes[name.lower()] = (held, query)
            texts.append(f"{quoted(held)}({', '.join(map(quoted, query.names))}) AS ({query.sql})")
        rest = node.copy()
        rest.set("with_", None)
        body = inner.compile(rest, outer)
        word = "WITH RECURSIVE" if clause.args.get("recursive") else "WITH"
        return replace(body, sql=f"{word} {', '.join(texts)} {body.sql}")

    def _recursive(self, cte: exp.CTE, name: str, held: str, renamed: list[str], outer: Scope | None) -> Query:
        union = cte.this
        anchor = _renamed(self.compile(union.this, outer), renamed, cte)
        self._ctes[name.lower()] = (held, anchor)
        step = self.compile(union.expression, outer).converted([one.type for one in anchor.columns])
        word = "UNION" if union.args.get("distinct") else "UNION ALL"
        return replace(anchor, sql=f"{anchor.sql} {word} {step.sql}")

    def _set_operation(self, node: exp.SetOperation, outer: Scope | None) -> Query:
        left, right = self.compile(node.this, outer), self.compile(node.expression, outer)
        name = type(node).__name__.upper()
        if len(left.columns) != len(right.columns):
            raise failure_at(
                node,
                "TYPE_MISMATCH",
                f"{name} query has different number of fields: {len(left.columns)}, {len(right.columns)}",
            )
        kinds = []
        for index, (a, b) in enumerate(zip(left.columns, right.columns, strict=True), start=1):
            kind = common_type(a.type, b.type)
            if kind is None:
                raise failure_at(
                    node, "TYPE_MISMATCH", f"column {index} in {name} query has incompatible types: {a.type}, {b.type}"
                )
            kinds.append(kind)
        first, second = left.converted(kinds), right.converted(kinds)
        word = name if node.args.get("distinct") else f"{name} ALL"
        whole = Query(f"({first.sql}) {word} ({second.sql})", first.columns, first.names)
        return self._limited(node, whole, outer)

    def _limited(self, node: exp.Expr, query: Query, outer: Scope | None) -> Query:
        """A set operation or a query in parentheses, with ORDER BY, OFFSET and LIMIT behind it."""
        order = node.args.get("order")
        tail = limit_sql(node)
        if order is None and not tail:
            return query
        held = self._statement.alias("q")
        found = tuple(
            Column(one.name, one.type, f"{quoted(held)}.{quoted(name)}")
            for one, name in zip(query.columns, query.names, strict=True)
        )
        expressions = Expressions(self._statement, Scope([Relation(found)], outer), self)
        items = []
        for item in order.expressions if order is not None else ():
            position = position_of(item.this, len(found), "ORDER BY")
            value = (
                Typed(found[position].sql, found[position].type)
                if position is not None
                else expressions.compile(item.this)
            )
            items.append(ordered(item, comparable(value)))
        text = f" ORDER BY {', '.join(items)}" if items else ""
        return replace(query, sql=f"SELECT * FROM ({query.sql}) AS {quoted(held)}{text}{tail}")

    def _values(self, node: exp.Values, outer: Scope | None) -> Query:
        expressions = Expressions(self._statement, Scope(parent=outer), self)
        rows = [
            [expressions.compile(one) for one in (row.expressions if isinstance(row, exp.Tuple) else [row])]
            for row in node.expressions
        ]
        if len({len(row) for row in rows}) != 1:
            raise failure_at(node, "TYPE_MISMATCH", "Values rows have mismatched sizes")
        columns = []
        for column in zip(*rows, strict=True):
            same = unified(column)
            if same is None:
                raise failure_at(
                    node,
                    "TYPE_MISMATCH",
                    f"Values rows have mismatched types: {', '.join(str(one.type) for one in column)}",
                )
            columns.append(same)
        names = physical_names([None] * len(columns))
        listed = ", ".join(f"({', '.join(one.sql for one in row)})" for row in zip(*columns, strict=True))
        heads = ", ".join(map(quoted, names))
        held = self._statement.alias("v")
        found = tuple(Column(None, column[0].type, "") for column in columns)
        whole = Query(f"SELECT * FROM (VALUES {listed}) AS {quoted(held)}({heads})", found, tuple(names))
        return self._limited(node, whole, outer)


def _refers_to(node: exp.Expr, name: str) -> bool:
    return any(table.name.lower() == name.lower() and not table.db for table in node.find_all(exp.Table))


def _renamed(query: Query, names: Sequence[str], node: exp.Expr) -> Query:
    if not names:
        return query
    if len(names) != len(query.columns):
        raise failure_at(
            node,
            "MISMATCHED_COLUMN_ALIASES",
            f"WITH column list has {len(names)} entries but WITH query has {len(query.columns)} columns",
        )
    columns = tuple(replace(column, name=name) for column, name in zip(query.columns, names, strict=True))
    return Query(query.sql, columns, tuple(physical_names(names)))


@dataclass(slots=True)
class _Item:
    """One output of a SELECT."""

    name: str | None
    value: Typed


def _fields(row: Typed, node: exp.Expr) -> list[_Item]:
    if not isinstance(row.type, Row):
        raise failure_at(node, "TYPE_MISMATCH", f"Cannot select all fields of type {row.type}")
    return [
        _Item(name, Typed(f"struct_extract({row.sql}, {literal(held)})", kind))
        for held, (name, kind) in zip(row.type.held_names, row.type.fields, strict=True)
    ]


class _Select:
    """Compiles one SELECT."""

    def __init__(
        self, statement: Statement, queries: Queries, ctes: Ctes, node: exp.Select, outer: Scope | None
    ) -> None:
        self._statement = statement
        self._queries = queries
        self._relations = Relations(statement, queries, ctes)
        self._node = node
        self._outer = outer

    def compile(self) -> Query:
        node = self._node
        for clause in ("qualify", "distribute", "sort", "cluster", "laterals", "pivots", "connect", "match", "into"):
            if node.args.get(clause):
                raise StatementFailedError("SYNTAX_ERROR", f"mismatched input '{clause}'")
        source = self._from()
        scope = Scope(source.relations if source else [], self._outer, merged=source.merged if source else {})
        expressions = Expressions(self._statement, scope, self._queries)
        for window in node.args.get("windows") or ():
            expressions.windows[window.name.lower()] = window
        parts = []
        if source is not None:
            parts.append(f"FROM {source.sql}")
        where = node.args.get("where")
        if where is not None:
            parts.append(f"WHERE {expressions.boolean(without_aggregates(where.this, 'WHERE clause'), 'WHERE clause')}")
            note_conditions(where.this, expressions, scope.relations)
        items = self._items(expressions)
        group = node.args.get("group")
        if group is not None:
            parts.append(f"GROUP BY {self._group(group, expressions, items)}")
        having = node.args.get("having")
        if having is not None:
            parts.append(f"HAVING {expressions.boolean(having.this, 'HAVING clause')}")
        return self._query(items, parts, scope)

    def _from(self) -> From | None:
        clause = self._node.args.get("from_")
        if clause is None:
            return None
        sample = self._node.args.get("sample")
        if sample is not None:
            # The parser takes the sample of VALUES for the whole query's.
            clause.this.set("sample", sample)
        return self._relations.compile(clause.this, self._node.args.get("joins") or (), self._outer)

    def _items(self, expressions: Expressions) -> list[_Item]:
        items: list[_Item] = []
        for node in self._node.expressions:
            if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Star):
                items += _fields(expressions.compile(node.this), node)
            elif isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
                items += self._star(node, expressions)
            else:
                name = node.alias if isinstance(node, exp.Alias) else own_name(node)
                items.append(
                    _Item(name or None, expressions.compile(node.this if isinstance(node, exp.Alias) else node))
                )
        return items

    def _star(self, node: exp.Expr, expressions: Expressions) -> list[_Item]:
        """All columns, or those of one relation, or the fields of a row."""
        parts = [one for one in node.parts if isinstance(one, exp.Identifier)] if isinstance(node, exp.Column) else []
        columns = expressions.scope.star([one.name.lower() for one in parts])
        if columns:
            return [_Item(column.name, column.read()) for column in columns]
        if not parts:
            raise failure_at(node, "COLUMN_NOT_FOUND", "SELECT * not allowed in queries without FROM clause")
        try:
            row = expressions.scope.resolve(parts)
        except StatementFailedError as error:
            shown = ".".join(one.name for one in parts)
            raise failure_at(node, "TABLE_NOT_FOUND", f"Unable to resolve reference {shown}") from error
        return _fields(row, node)

    def _group(self, group: exp.Group, expressions: Expressions, items: Sequence[_Item]) -> str:
        def key(node: exp.Expr) -> str:
            position = position_of(node, len(items), "GROUP BY")
            if position is not None:
                return str(position + 1)
            if isinstance(node, exp.Tuple | exp.Paren):
                inner = node.expressions if isinstance(node, exp.Tuple) else [node.this]
                return f"({', '.join(key(one) for one in inner)})"
            return comparable(expressions.compile(without_aggregates(node, "GROUP BY clause")))

        def grouped(node: exp.Expr) -> str:
            match node:
                case exp.GroupingSets():
                    return f"GROUPING SETS ({', '.join(grouped(one) for one in node.expressions)})"
                case exp.Cube():
                    return f"CUBE ({', '.join(key(one) for one in node.expressions)})"
                case exp.Rollup():
                    return f"ROLLUP ({', '.join(key(one) for one in node.expressions)})"
            return key(node)

        found = [grouped(one) for one in group.expressions]
        for name in ("grouping_sets", "cube", "rollup"):
            found += [grouped(one) for one in group.args.get(name) or ()]
        return ", ".join(found)

    def _query(self, items: Sequence[_Item], parts: list[str], scope: Scope) -> Query:
        names = physical_names([item.name for item in items])
        distinct = self._node.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise StatementFailedError("SYNTAX_ERROR", "mismatched input 'ON'")
        listed = ", ".join(f"{item.value.sql} AS {quoted(name)}" for item, name in zip(items, names, strict=True))
        order = self._order(items, names, scope)
        if order:
            parts.append(order)
        text = f"SELECT {'DISTINCT ' if distinct is not None else ''}{listed} {' '.join(parts)}".rstrip()
        columns = tuple(Column(item.name, item.value.type, "") for item in items)
        return Query(text + limit_sql(self._node), columns, tuple(names))

    def _order(self, items: Sequence[_Item], names: Sequence[str], scope: Scope) -> str:
        order = self._node.args.get("order")
        if order is None:
            return ""
        # Names mean the result's columns first, then those of the tables.
        outputs = {(item.name or "").lower(): item.value for item in items if item.name}
        inside = Expressions(self._statement, scope.with_parameters(outputs), self._queries)
        for window in self._node.args.get("windows") or ():
            inside.windows[window.name.lower()] = window
        texts = []
        for item in order.expressions:
            position = position_of(item.this, len(items), "ORDER BY")
            if position is None and isinstance(item.this, exp.Column) and not item.this.table:
                wanted = item.this.name.lower()
                matching = [index for index, one in enumerate(items) if (one.name or "").lower() == wanted]
                position = matching[0] if matching else None
            if position is None:
                value = inside.compile(item.this)
                if self._node.args.get("distinct") is not None and value.sql not in {one.value.sql for one in items}:
                    told = "For SELECT DISTINCT, ORDER BY expressions must appear in select list"
                    raise failure_at(item.this, "EXPRESSION_NOT_IN_DISTINCT", told)
                texts.append(ordered(item, comparable(value)))
            else:
                value = Typed(quoted(names[position]), items[position].value.type)
                texts.append(ordered(item, comparable(value)))
        return f"ORDER BY {', '.join(texts)}"
