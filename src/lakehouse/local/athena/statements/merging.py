"""How a MERGE is computed.

The source is read once, into a table of DuckDB's own. Its keys' bounds say which of the target's files can match at
all, a first join says which do, and one query makes the rows that stand in their place, the inserted ones among them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.compiled import CompiledQuery
from lakehouse.local.athena.sql.pruning import conjuncts
from lakehouse.local.athena.sql.relations import ONLY_FILES, TableSource
from lakehouse.local.athena.sql.scope import physical_names
from lakehouse.local.athena.sql.sql_types import BIGINT, BOOLEAN, DATE, SqlType, Timestamp, is_integer, is_text, quoted
from lakehouse.local.athena.sql.statement import TableName
from lakehouse.local.athena.statements.writing import as_columns, count_of
from lakehouse.local.athena.tables.iceberg_types import trino_type

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from lakehouse.local.athena.statements.context import Context

_PRESENT = "$present"
_NUMBER = "$number"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a merge writes.

    Attributes:
        sql: DuckDB's text of the rows of the new files.
        touched: The files that they replace.
        rows: How many rows were updated, deleted or inserted.
    """

    sql: str
    touched: set[str]
    rows: int


class Merge:
    """One try at a merge, computed from one snapshot of the target."""

    def __init__(self, context: Context, tree: exp.Merge, table: Table) -> None:
        """Read the source.

        Args:
            context: The statement's surroundings.
            tree: The statement.
            table: The target as it is.

        Raises:
            StatementFailedError: The source is wrong.
        """
        self._context = context
        self._tree = tree
        self._target: exp.Table = tree.this.copy()
        self._columns = [(field.name.lower(), trino_type(field.field_type)) for field in table.schema().fields]
        self._matched = [one for one in tree.args["whens"].expressions if one.args.get("matched")]
        self._unmatched = [one for one in tree.args["whens"].expressions if not one.args.get("matched")]
        self._source = self._read(tree.args["using"])

    # --- the source ---------------------------------------------------------------------------------------------------

    def _read(self, node: exp.Expr) -> exp.Table:
        alias = node.args.get("alias")
        query = exp.Select(expressions=[exp.Star()])
        query.set("from_", exp.From(this=node.copy()))
        found = self._context.compiled(query)
        held = f"merge_{uuid.uuid4().hex}"
        names = physical_names([one.lower() for one in found.names])
        listed = ", ".join(
            f"m.{quoted(own)} AS {quoted(name)}" for own, name in zip(found.held_names, names, strict=True)
        )
        self._context.run(
            f"CREATE TABLE {held} AS SELECT {listed}, TRUE AS {quoted(_PRESENT)}, "
            f"row_number() OVER () AS {quoted(_NUMBER)} FROM ({found.sql}) AS m"
        )
        own_columns = tuple(zip(names, found.types, strict=True))
        columns: tuple[tuple[str, SqlType], ...] = (*own_columns, (_PRESENT, BOOLEAN), (_NUMBER, BIGINT))
        name = TableName("$merge", "$merge", held)
        self._context.tables.own[name] = TableSource(columns, lambda _scan: f"SELECT * FROM {held}")
        self._held = held
        self._source_columns = dict(own_columns)
        called = alias.name if alias is not None and alias.this else node.name
        table = exp.Table(
            this=exp.to_identifier(held), db=exp.to_identifier("$merge", quoted=True),
            catalog=exp.to_identifier("$merge", quoted=True),
            alias=exp.TableAlias(this=exp.to_identifier(called, quoted=True)),
        )  # fmt: skip
        self._called = called.lower()
        return table

    # --- pieces of queries --------------------------------------------------------------------------------------------

    def _column(self, name: str) -> exp.Column:
        return exp.column(exp.to_identifier(name, quoted=True), table=self._target.alias or self._target.name)

    def _of_source(self, name: str) -> exp.Column:
        return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(self._called, quoted=True))

    def _joined(self, listed: list[exp.Expr], side: str = "", also: exp.Expr | None = None) -> exp.Select:
        query = exp.Select(expressions=listed)
        query.set("from_", exp.From(this=self._target.copy()))
        on: exp.Expr = self._tree.args["on"].copy()
        if also is not None:
            on = exp.And(this=exp.paren(on), expression=also)
        join = exp.Join(this=self._source.copy(), on=on)
        if side:
            join.set("side", side)
        query.set("joins", [join])
        return query

    def _pruned(self) -> list[exp.Expr]:
        """What the source's keys say of the target's columns: files outside their bounds cannot match."""
        found: list[exp.Expr] = []
        for column, kind, key in self._keys():
            low, high = self._context.run(
                f"SELECT CAST(min({quoted(key)}) AS VARCHAR), CAST(max({quoted(key)}) AS VARCHAR) FROM {self._held}"
            )[0]
            if low is None:
                return [exp.false()]
            bounds = (_literal(str(low), kind), _literal(str(high), kind))
            found.append(exp.Between(this=self._column(column), low=bounds[0], high=bounds[1]))
        return found

    def _keys(self) -> Iterator[tuple[str, SqlType, str]]:
        """Columns of the target that must equal a column of the source of the same kind."""
        targets = dict(self._columns)
        own = {(self._target.alias or self._target.name).lower()}
        for term in conjuncts(self._tree.args["on"]):
            if not isinstance(term, exp.EQ):
                continue
            for a, b in ((term.this, term.expression), (term.expression, term.this)):
                if not (isinstance(a, exp.Column) and isinstance(b, exp.Column)):
                    continue
                column, key = a.name.lower(), b.name.lower()
                if (
                    a.table.lower() in own
                    and b.table.lower() == self._called
                    and column in targets
                    and key in self._source_columns
                ):
                    kind = targets[column]
                    is_plain = kind == DATE or is_integer(kind) or is_text(kind) or isinstance(kind, Timestamp)
                    given = self._source_columns[key]
                    if is_plain and (
                        given == kind or (is_integer(given) and is_integer(kind)) or (is_text(given) and is_text(kind))
                    ):
                        yield column, kind, key

    # --- the plan -----------------------------------------------------------------------------------------------------

    def planned(self) -> Plan:
        """Find the files to be replaced, and what replaces them.

        Returns:
            The plan.

        Raises:
            StatementFailedError: A row of the target matches several of the source.
        """
        pruned = self._pruned()
        touched: set[str] = set()
        changed = 0
        texts = []
        if self._matched:
            touched = self._touched(pruned)
            # What the clauses say is looked at even where no file has such rows.
            self._target.meta[ONLY_FILES] = touched
            self._require_single_matches()
            text, changed = self._content()
            texts.append(text)
            self._target.meta.pop(ONLY_FILES)
        inserted = 0
        if self._unmatched:
            text = self._inserts(pruned)
            inserted = count_of(self._context, text)
            texts.append(text)
        nothing = ", ".join(f"CAST(NULL AS {kind.duck}) AS {quoted(name)}" for name, kind in self._columns)
        sql = " UNION ALL ".join(texts) or f"SELECT {nothing} WHERE FALSE"
        return Plan(sql, touched, changed + inserted)

    def _compiled(self, query: exp.Select) -> CompiledQuery:
        """Compile a query of the target: what all of them read counts once, as Athena reads it once."""
        self._context.usage.begin_pass("target")
        return self._context.compiled(query)

    def _any_clause(self) -> exp.Expr | None:
        """Where a clause applies to a matched row at all; None where one always does."""
        conditions = [one.args.get("condition") for one in self._matched]
        if None in conditions:
            return None
        whole: exp.Expr = conditions[0].copy()
        for one in conditions[1:]:
            whole = exp.Or(this=exp.paren(whole), expression=exp.paren(one.copy()))
        return exp.paren(whole)

    def _touched(self, pruned: list[exp.Expr]) -> set[str]:
        query = self._joined([exp.alias_(self._column("$path"), "path")]).distinct()
        for one in pruned:
            query = query.where(one.copy())
        condition = self._any_clause()
        if condition is not None:
            query = query.where(condition)
        return {str(row[0]) for row in self._context.run(self._compiled(query).sql)}

    def _require_single_matches(self) -> None:
        query = self._joined([exp.alias_(self._column("$path"), "path"), exp.alias_(self._column("$pos"), "pos")])
        condition = self._any_clause()
        if condition is not None:
            query = query.where(condition)
        sql = self._compiled(query).sql
        if self._context.run(f"SELECT 1 FROM ({sql}) AS m GROUP BY m.path, m.pos HAVING count(*) > 1 LIMIT 1"):
            raise StatementFailedError(
                "MERGE_TARGET_ROW_MULTIPLE_MATCHES", "One MERGE target table row matched more than one source row"
            )

    def _content(self) -> tuple[str, int]:
        """The rows of the touched files as they are afterwards, and how many of them were changed."""
        present = exp.Anonymous(this="coalesce", expressions=[self._of_source(_PRESENT), exp.false()])

        def applies(index: int) -> exp.Expr:
            own = self._matched[index].args.get("condition")
            if own is None:
                return present.copy()
            return exp.And(
                this=present.copy(), expression=exp.Anonymous(this="coalesce", expressions=[own.copy(), exp.false()])
            )

        action = exp.Case(
            ifs=[
                exp.If(
                    this=applies(index), true=exp.Literal.number(-index - 1 if self._is_delete(index) else index + 1)
                )
                for index in range(len(self._matched))
            ],
            default=exp.Literal.number(0),
        )
        listed: list[exp.Expr] = [exp.alias_(action, "$action", quoted=True)]
        for name, _ in self._columns:
            branches = []
            for index in range(len(self._matched)):
                value = (
                    self._column(name) if self._is_delete(index) else self._values(index).get(name, self._column(name))
                )
                branches.append(exp.If(this=applies(index), true=value.copy()))
            listed.append(exp.alias_(exp.Case(ifs=branches, default=self._column(name)), name, quoted=True))
        # Rows that no clause changes stay as they are, once, however many rows of the source match them.
        query = self._joined(listed, "LEFT", self._any_clause())
        # Of rows that only go, Athena reads no more than says which they are.
        are_read = not all(map(self._is_delete, range(len(self._matched))))
        with nullcontext() if are_read else self._context.usage.uncounted():
            found = self._compiled(query)
        held = f"content_{uuid.uuid4().hex}"
        self._context.run(f"CREATE TABLE {held} AS {found.sql}")
        rows = self._context.run(f"SELECT count(*) FROM {held} WHERE {quoted('$action')} <> 0")
        action_name = quoted("$action")
        kept = CompiledQuery(
            sql=f"SELECT * EXCLUDE ({action_name}) FROM {held} WHERE {action_name} >= 0",
            names=found.names[1:],
            held_names=found.held_names[1:],
            types=found.types[1:],
        )
        return as_columns(kept, self._columns), int(str(rows[0][0]))

    def _is_delete(self, index: int) -> bool:
        then = self._matched[index].args["then"]
        return str(getattr(then, "this", "")).upper() == "DELETE" or not isinstance(then, exp.Update)

    def _values(self, index: int) -> dict[str, exp.Expr]:
        then = self._matched[index].args["then"]
        values = {one.this.name.lower(): one.expression for one in then.expressions}
        known = dict(self._columns)
        for name in values:
            if name not in known:
                raise StatementFailedError(
                    "COLUMN_NOT_FOUND", f"Merge column name does not exist in target table: {name}"
                )
        return values

    def _inserts(self, pruned: list[exp.Expr]) -> str:
        """The rows of the source that match none of the target, as the clauses want them."""
        on: exp.Expr = exp.paren(self._tree.args["on"].copy())
        for one in pruned:
            on = exp.And(this=on, expression=exp.paren(one.copy()))
        texts: list[str] = []
        before: list[exp.Expr] = []
        for clause in self._unmatched:
            query = self._insert(clause, on)
            own = clause.args.get("condition")
            for one in before:
                query = query.where(exp.Not(this=exp.paren(one.copy())))
            if own is not None:
                applies = exp.Anonymous(this="coalesce", expressions=[own.copy(), exp.false()])
                query = query.where(applies)
                before.append(applies)
            else:
                before.append(exp.true())
            names = (
                [one.name.lower() for one in clause.args["then"].this.expressions] if clause.args["then"].this else None
            )
            texts.append(as_columns(self._compiled(query), self._columns, names))
        return " UNION ALL ".join(texts)

    def _insert(self, clause: exp.When, on: exp.Expr) -> exp.Select:
        values = clause.args["then"].expression
        rows = list(values.expressions)
        if len(rows) == 1 and isinstance(rows[0], exp.Tuple):
            rows = list(rows[0].expressions)
        query = exp.Select(expressions=[exp.alias_(one.copy(), f"c{index}") for index, one in enumerate(rows)])
        query.set("from_", exp.From(this=self._source.copy()))
        query.set("joins", [exp.Join(this=self._target.copy(), on=on.copy(), side="LEFT")])
        # Every row of a table has a path: one without is none of the target's.
        return query.where(exp.Is(this=self._column("$path"), expression=exp.Null()))


def _literal(text: str, kind: SqlType) -> exp.Expr:
    if is_integer(kind):
        number = exp.Literal.number(text.lstrip("-"))
        return exp.Neg(this=number) if text.startswith("-") else number
    value = exp.Literal.string(text)
    if is_text(kind):
        return value
    node = exp.Cast(this=value, to=exp.DataType.build("date" if kind == DATE else "timestamp", dialect="trino"))
    node.meta["typed_literal"] = "date" if kind == DATE else "timestamp"
    return node
