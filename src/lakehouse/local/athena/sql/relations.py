"""What stands in a FROM clause: tables, views, subqueries, UNNEST, joins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from lakehouse.local.athena.failures import not_supported
from lakehouse.local.athena.sql.expressions import Expressions
from lakehouse.local.athena.sql.operators import comparison
from lakehouse.local.athena.sql.pruning import note_conditions
from lakehouse.local.athena.sql.scans import Scan
from lakehouse.local.athena.sql.scope import Column, Relation, Scope, column_sql, failure_at, physical_names
from lakehouse.local.athena.sql.sql_types import BIGINT, Array, Map, Row, SqlType, literal, quoted
from lakehouse.local.athena.sql.typed import unified

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.queries import Queries, Query
    from lakehouse.local.athena.sql.statement import Statement

# Of a table's node: the data files that are read, where a statement changes it. Elsewhere in the same statement, as in
# a subquery, all of its files count.
ONLY_FILES = "only_files"


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table or a view, as it is found in the catalog.

    Attributes:
        columns: Names and types.
        hidden: Columns that ``*`` leaves out, names and types.
        render: Makes DuckDB's text of a table: a query whose columns have these names.
        view: A view's own query.
    """

    columns: tuple[tuple[str, SqlType], ...]
    render: Callable[[Scan], str] | None = None
    hidden: tuple[tuple[str, SqlType], ...] = ()
    view: Query | None = None


@dataclass(slots=True)
class From:
    """A FROM clause, or a part of it.

    Attributes:
        sql: DuckDB's text.
        relations: What it brings into the scope.
        merged: Columns that joins by name made one.
    """

    sql: str
    relations: list[Relation]
    merged: dict[str, Column] = field(default_factory=dict)


class Relations:
    """Compiles FROM clauses."""

    def __init__(self, statement: Statement, queries: Queries, ctes: Mapping[str, tuple[str, Query]]) -> None:
        """Take what relations refer to.

        Args:
            statement: The statement.
            queries: Compiles subqueries.
            ctes: The queries of the WITH clauses around, by name in lower case: DuckDB's name, and the query.
        """
        self._statement = statement
        self._queries = queries
        self._ctes = ctes

    def compile(self, first: exp.Expr, joins: Sequence[exp.Join], outer: Scope | None) -> From:
        """Compile a FROM clause.

        Args:
            first: What comes first.
            joins: What is joined with it.
            outer: The scope of the query around.

        Returns:
            The clause.

        Raises:
            StatementFailedError: A table is not found, or a form is not executed here.
        """
        whole = self._item(first, From("", [], {}), outer)
        for join in joins:
            whole = self._join(whole, join, outer)
        return whole

    # --- items --------------------------------------------------------------------------------------------------------

    def _item(self, node: exp.Expr, before: From, outer: Scope | None) -> From:
        match node:
            case exp.Table() if isinstance(node.this, exp.Values):
                found = self._named(self._queries.compile(node.this, outer), node.args.get("alias"))
            case exp.Table():
                found = self._table(node)
            case exp.Subquery():
                found = self._subquery(node, outer)
            case exp.Unnest():
                return self._unnest(node, before, outer)
            case exp.Lateral():
                found = self._lateral(node, before, outer)
            case exp.Values():
                found = self._sampled(self._named(self._queries.compile(node, outer), node.args.get("alias")), node)
            case exp.Paren():
                found = self._item(node.this, before, outer)
            case _:
                raise not_supported(f"The relation {node.sql('trino')}")
        for join in node.args.get("joins") or ():
            found = self._join(found, join, outer)
        return found

    def _table(self, node: exp.Table) -> From:
        if isinstance(node.this, exp.Anonymous):
            return self._table_function(node)
        parts = [part.name for part in node.parts]
        alias = node.args.get("alias")
        if len(parts) == 1 and parts[0].lower() in self._ctes:
            held, query = self._ctes[parts[0].lower()]
            return self._sampled(self._relation(quoted(held), query.columns, query.names, alias, parts[0]), node)
        name = self._statement.qualified(parts)
        source = self._statement.tables.source(
            name, node.args.get("version"), self._statement, node.meta.get(ONLY_FILES)
        )
        if source.view is not None:
            view = source.view
            found = self._relation(
                f"({view.sql})", view.columns, view.names, alias, name.table, (name.catalog, name.database)
            )
            return self._sampled(found, node)
        return self._sampled(self._scanned(source, alias, name.table, (name.catalog, name.database)), node)

    def _scanned(
        self, source: TableSource, alias: exp.TableAlias | None, name: str, qualifiers: tuple[str, ...]
    ) -> From:
        assert source.render is not None  # noqa: S101 - a table has one, a view a query
        scan = Scan(len(self._statement.scans), source.render)
        self._statement.scans.append(scan)
        called = alias.name if alias is not None and alias.this else name
        held = self._statement.alias(called)
        renamed = [one.name for one in alias.columns] if alias is not None else []
        if renamed and len(renamed) != len(source.columns):
            raise failure_at(
                alias or exp.Null(),
                "MISMATCHED_COLUMN_ALIASES",
                f"Column alias list has {len(renamed)} entries but '{called}' has {len(source.columns)} columns "
                "available",
            )
        columns = tuple(
            Column(renamed[index] if renamed else own, kind, column_sql(held, own), scan=scan, own_name=own)
            for index, (own, kind) in enumerate(source.columns)
        )
        hidden = tuple(
            Column(own, kind, column_sql(held, own), is_hidden=True, scan=scan, own_name=own)
            for own, kind in source.hidden
        )
        is_renamed = alias is not None and bool(alias.this)
        relation = Relation((*columns, *hidden), called, () if is_renamed else qualifiers)
        return From(f"({scan.placeholder}) AS {quoted(held)}", [relation])

    def _relation(
        self,
        sql: str,
        columns: Sequence[Column],
        names: Sequence[str],
        alias: exp.TableAlias | None,
        name: str | None,
        qualifiers: tuple[str, ...] = (),
    ) -> From:
        """A query's or a WITH query's result under a name."""
        called = alias.name if alias is not None and alias.this else name
        held = self._statement.alias(called or "t")
        renamed = [one.name for one in alias.columns] if alias is not None else []
        if renamed and len(renamed) != len(columns):
            raise failure_at(
                alias or exp.Null(), "MISMATCHED_COLUMN_ALIASES",
                f"Column alias list has {len(renamed)} entries but '{called}' has {len(columns)} columns available",
            )  # fmt: skip
        own = renamed or [column.name for column in columns]
        listed = tuple(
            Column(one, column.type, column_sql(held, held_name))
            for one, column, held_name in zip(own, columns, names, strict=True)
        )
        is_renamed = alias is not None and bool(alias.this)
        return From(f"{sql} AS {quoted(held)}", [Relation(listed, called, () if is_renamed else qualifiers)])

    def _named(self, query: Query, alias: exp.TableAlias | None) -> From:
        return self._relation(f"({query.sql})", query.columns, query.names, alias, None)

    def _sampled(self, found: From, node: exp.Expr) -> From:
        sample = node.args.get("sample")
        if sample is None:
            return found
        method = str(sample.args.get("method") or "BERNOULLI").upper()
        percent = sample.args.get("percent") or sample.args.get("size")
        if percent is None:
            raise not_supported(f"The sample {sample.sql('trino')}")
        text = self._expressions(None).compile(percent).sql
        # DuckDB's SYSTEM takes or leaves vectors of rows, as Trino's takes or leaves splits.
        sql, _, held = found.sql.rpartition(" AS ")
        return From(f"(SELECT * FROM {sql} USING SAMPLE {text} PERCENT ({method.lower()})) AS {held}", found.relations)

    def _subquery(self, node: exp.Subquery, outer: Scope | None) -> From:
        if (
            isinstance(node.this, exp.Table | exp.Subquery)
            and node.args.get("alias") is None
            and not node.args.get("with_")
        ):
            return self._item(node.this, From("", []), outer)
        return self._sampled(self._named(self._queries.compile(node.this, outer), node.args.get("alias")), node)

    def _lateral(self, node: exp.Lateral, before: From, outer: Scope | None) -> From:
        inner = node.this
        if not isinstance(inner, exp.Subquery):
            raise not_supported(f"The relation {node.sql('trino')}")
        scope = Scope(before.relations, outer, merged=before.merged)
        found = self._named(self._queries.compile(inner.this, scope), node.args.get("alias"))
        return From(f"LATERAL {found.sql}", found.relations)

    def _expressions(self, scope: Scope | None) -> Expressions:
        return Expressions(self._statement, scope or Scope(), self._queries)

    def _table_function(self, node: exp.Table) -> From:
        call = node.this
        name = call.name.lower()
        inner = call.expressions[0] if name == "table" and call.expressions else None
        if isinstance(inner, exp.Anonymous) and inner.name.lower() == "sequence":
            arguments = [
                one.expression if isinstance(one, exp.Kwarg | exp.PropertyEQ) else one for one in inner.expressions
            ]
            bounds = ", ".join(self._expressions(None).compile(one).as_type(BIGINT).sql for one in arguments)
            columns = (Column("sequential_number", BIGINT, ""),)
            sql = f'(SELECT CAST(n AS BIGINT) AS "sequential_number" FROM generate_series({bounds}) AS g(n))'
            return self._relation(sql, columns, ["sequential_number"], node.args.get("alias"), None)
        raise not_supported(f"The table function {call.sql('trino')}")

    # --- UNNEST -------------------------------------------------------------------------------------------------------

    def _unnest(self, node: exp.Unnest, before: From, outer: Scope | None) -> From:
        scope = Scope(before.relations, outer, merged=before.merged)
        given = [self._expressions(scope).compile(one) for one in node.expressions]
        parts: list[tuple[str, SqlType]] = []
        lengths = []
        for one in given:
            match one.type:
                case Array(Row() as row):
                    held = f"unnest({one.sql})"
                    parts += [
                        (f"struct_extract({held}, {literal(name)})", kind)
                        for name, kind in zip(row.held_names, row.types, strict=True)
                    ]
                case Array(element):
                    parts.append((f"unnest({one.sql})", element))
                case Map(key, value):
                    parts += [(f"unnest(map_keys({one.sql}))", key), (f"unnest(map_values({one.sql}))", value)]
                case _:
                    raise failure_at(node, "TYPE_MISMATCH", f"Cannot unnest type: {one.type}")
            lengths.append(
                f"coalesce(len({one.sql}), 0)"
                if isinstance(one.type, Array)
                else f"coalesce(cardinality({one.sql}), 0)"
            )
        if node.args.get("offset"):
            parts.append((f"unnest(range(1, CAST(greatest({', '.join(lengths)}) AS BIGINT) + 1))", BIGINT))
        alias = node.args.get("alias")
        names = physical_names([None] * len(parts))
        own: list[str | None] = [one.name for one in alias.columns] if alias is not None and alias.columns else []
        # The parser takes the last name for the ordinality's.
        if own and isinstance(node.args.get("offset"), exp.Identifier):
            own.append(node.args["offset"].name)
        if alias is not None and own and len(own) != len(parts):
            told = f"Column alias list has {len(own)} entries but '{alias.name}' has {len(parts)} columns available"
            raise failure_at(node, "MISMATCHED_COLUMN_ALIASES", told)
        listed = ", ".join(f"{sql} AS {quoted(name)}" for (sql, _), name in zip(parts, names, strict=True))
        columns = [Column(one, kind, "") for one, (_, kind) in zip(own or [None] * len(parts), parts, strict=True)]
        table = exp.TableAlias(this=alias.this) if alias is not None and alias.this else None
        found = self._relation(f"(SELECT {listed})", columns, names, table, None)
        return From(f"LATERAL {found.sql}", found.relations)

    # --- joins --------------------------------------------------------------------------------------------------------

    def _join(self, left: From, join: exp.Join, outer: Scope | None) -> From:
        right = self._item(join.this, left, outer)
        side, kind = str(join.side or "").upper(), str(join.kind or "").upper()
        condition, using = join.args.get("on"), join.args.get("using")
        relations = [
            *(_optional(left.relations) if side in {"RIGHT", "FULL"} else left.relations),
            *(_optional(right.relations) if side in {"LEFT", "FULL"} else right.relations),
        ]
        merged = {**left.merged, **right.merged}
        if str(join.method or "").upper() == "NATURAL":
            using = [exp.to_identifier(name) for name in _shared(left, right)]
        if using:
            return self._using(left, right, side or "INNER", using, relations)
        if condition is None:
            if side in {"LEFT", "RIGHT", "FULL"} and not right.sql.startswith("LATERAL"):
                raise failure_at(join, "SYNTAX_ERROR", "mismatched input: a join needs ON or USING")
            return From(f"{left.sql} CROSS JOIN {right.sql}", relations, merged)
        scope = Scope(relations, outer, merged=merged)
        expressions = self._expressions(scope)
        sql = expressions.boolean(condition, "JOIN ON clause")
        for one, keeping in ((left, "LEFT"), (right, "RIGHT")):
            # A side whose rows all stay is not narrowed by what ON says.
            if side not in {keeping, "FULL"}:
                note_conditions(condition, expressions, one.relations)
        name = f"{side} JOIN" if side else "INNER JOIN"
        _ = kind
        text = right.sql
        if len(right.relations) > 1 or right.merged:
            text = f"({right.sql})"
        return From(f"{left.sql} {name} {text} ON {sql}", relations, merged)

    def _using(
        self, left: From, right: From, side: str, using: Sequence[exp.Identifier], relations: list[Relation]
    ) -> From:
        merged = {**left.merged, **right.merged}
        conditions = []
        for identifier in using:
            name = identifier.name.lower()
            first, second = Scope(left.relations, merged=left.merged), Scope(right.relations, merged=right.merged)
            a, b = first.resolve([identifier]), second.resolve([identifier])
            conditions.append(comparison("=", a, b).sql)
            both = unified([a, b]) or [a, b]
            sql = {"LEFT": both[0].sql, "INNER": both[0].sql, "RIGHT": both[1].sql}.get(
                side, f"coalesce({both[0].sql}, {both[1].sql})"
            )
            merged[name] = Column(identifier.name, both[0].type, sql)
        text = f"({right.sql})" if len(right.relations) > 1 else right.sql
        # The columns are the join's now: no relation's name leads to them.
        names = {identifier.name.lower() for identifier in using}
        rest = [
            replace(one, columns=tuple(column for column in one.columns if (column.name or "").lower() not in names))
            for one in relations
        ]
        return From(f"{left.sql} {side} JOIN {text} ON {' AND '.join(conditions)}", rest, merged)


def _optional(relations: Sequence[Relation]) -> list[Relation]:
    return [
        replace(one, columns=tuple(replace(column, is_optional=True) for column in one.columns)) for one in relations
    ]


def _shared(left: From, right: From) -> list[str]:
    def names(side: From) -> list[str]:
        return [str(one.name).lower() for one in Scope(side.relations, merged=side.merged).star(()) if one.name]

    there = set(names(right))
    return [name for name in names(left) if name in there]
