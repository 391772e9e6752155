"""MERGE, UPDATE and DELETE of Iceberg tables: the files that have rows to change are written anew.

Athena writes files of deleted positions beside the old ones; here a changed file is replaced (copy on write). What a
query sees afterwards is the same.

https://docs.aws.amazon.com/athena/latest/ug/merge-into-statement.html
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.outcome import ColumnInfo, Outcome
from lakehouse.local.athena.sql.dialect import parse
from lakehouse.local.athena.sql.relations import ONLY_FILES
from lakehouse.local.athena.statements.merging import Merge
from lakehouse.local.athena.statements.writing import as_columns
from lakehouse.local.athena.tables.catalog import is_iceberg
from lakehouse.local.athena.tables.iceberg_types import trino_type
from lakehouse.local.athena.tables.planning import planned
from lakehouse.local.athena.write.commit import replace, run_again_on_conflict
from lakehouse.local.athena.write.data_files import DataFileWriter

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from lakehouse.local.athena.sql.statement import TableName
    from lakehouse.local.athena.statements.context import Context
    from lakehouse.local.athena.statements.tokens import Tokens

_ROWS = [ColumnInfo("rows", "bigint", 19)]


def _iceberg_only(context: Context, node: exp.Expr) -> TableName:
    if not isinstance(node, exp.Table):
        raise StatementFailedError("SYNTAX_ERROR", f"mismatched input '{node.sql('trino')}'. Expecting: a table")
    name = context.name([part.name for part in node.parts])
    if not is_iceberg(context.catalog.table(name)):
        raise StatementFailedError(
            "NOT_SUPPORTED", "Modifying Hive table rows is only supported for transactional tables"
        )
    return name


def _outcome(context: Context, kind: str, rows: int) -> Outcome:
    return context.scanned(Outcome("DML", kind, _ROWS, update_count=rows))


def delete(context: Context, tokens: Tokens) -> Outcome:
    """DELETE FROM.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: It fails, or others changed the table every time.
    """
    tree = parse(tokens.statement)
    if not isinstance(tree, exp.Delete):
        raise tokens.unexpected()
    name = _iceberg_only(context, tree.this)
    where = tree.args["where"].this if tree.args.get("where") else exp.true()

    def once() -> int:
        change = _Change(context, name, tree.this)
        kept = change.select([exp.Star()], exp.Not(this=exp.paren(_is_true(where))))
        return change.apply(where, kept, is_read=False)

    return _outcome(context, "DELETE", run_again_on_conflict(once))


def update(context: Context, tokens: Tokens) -> Outcome:
    """UPDATE.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: It fails, or others changed the table every time.
    """
    tree = parse(tokens.statement)
    if not isinstance(tree, exp.Update):
        raise tokens.unexpected()
    name = _iceberg_only(context, tree.this)
    where = tree.args["where"].this if tree.args.get("where") else exp.true()
    values = {one.this.name.lower(): one.expression for one in tree.expressions}

    def once() -> int:
        change = _Change(context, name, tree.this)
        change.require(values)
        listed = [
            exp.alias_(
                exp.Case(ifs=[exp.If(this=_is_true(where), true=values[column].copy())], default=change.column(column))
                if column in values
                else change.column(column),
                column,
                quoted=True,
            )
            for column, _ in change.columns
        ]
        return change.apply(where, change.select(listed, None), is_read=True)

    return _outcome(context, "UPDATE", run_again_on_conflict(once))


def _is_true(where: exp.Expr) -> exp.Expr:
    """A condition that is false where it would be unknown."""
    return exp.Anonymous(this="coalesce", expressions=[where.copy(), exp.false()])


class _Change:
    """One try at changing rows of a table, computed from one of its snapshots."""

    def __init__(self, context: Context, name: TableName, node: exp.Table) -> None:
        context.tables.forget(name)
        self._context = context
        self._node = node
        self.table: Table = context.tables.loaded(name)
        self.columns = [(field.name.lower(), trino_type(field.field_type)) for field in self.table.schema().fields]

    def require(self, names: Sequence[str] | dict[str, Any]) -> None:
        known = {name for name, _ in self.columns}
        for name in names:
            if name not in known:
                raise StatementFailedError("COLUMN_NOT_FOUND", f"The UPDATE SET target column {name} doesn't exist")

    def column(self, name: str) -> exp.Column:
        alias = self._node.alias or self._node.name
        return exp.column(exp.to_identifier(name, quoted=True), table=alias)

    def select(self, listed: Sequence[exp.Expr], where: exp.Expr | None) -> exp.Select:
        query = exp.Select(expressions=[one.copy() for one in listed])
        query.set("from_", exp.From(this=self._node.copy()))
        return query.where(where) if where is not None else query

    def apply(self, where: exp.Expr, content: exp.Select, *, is_read: bool) -> int:
        """Replace the files that have rows to change by others.

        Args:
            where: Says which rows those are.
            content: What the files hold afterwards.
            is_read: Whether Athena reads the changed rows too, not only which they are.

        Returns:
            How many rows were changed.
        """
        usage = self._context.usage
        count = exp.Anonymous(this="count", expressions=[exp.Star()])
        path = exp.column(exp.to_identifier("$path", quoted=True))
        usage.begin_pass("table")
        found = self._context.compiled(
            self.select([exp.alias_(path, "path"), exp.alias_(count, "rows")], where).group_by(path.copy())
        )
        rows = self._context.run(found.sql)
        touched = {str(row[0]) for row in rows}
        content.args["from_"].this.meta[ONLY_FILES] = touched
        usage.begin_pass("table")
        with nullcontext() if is_read else usage.uncounted():
            query = self._context.compiled(content)
        sql = as_columns(query, self.columns)
        if not rows:
            return 0
        writer = DataFileWriter(
            self.table.metadata, self._context.duck, self._context.objects, self._context.new_folder()
        )
        new = writer.write(sql)
        commit(self._context, self.table, touched, new)
        return sum(int(str(row[1])) for row in rows)


def commit(context: Context, table: Table, touched: set[str], new: list[DataFile]) -> None:
    """Put new files in the places of those that were touched; where others were faster, the new ones are deleted.

    Args:
        context: The statement's surroundings.
        table: The table as it was read.
        touched: The files that go.
        new: The files that come.

    Raises:
        CommitFailedException: The table has another snapshot by now.
    """
    old = [task.file for task in planned(table) if task.file.file_path in touched]
    replace(table, old, new, context.objects)


def merge(context: Context, tokens: Tokens) -> Outcome:
    """MERGE INTO.

    Args:
        context: The statement's surroundings.
        tokens: The statement.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: It fails, or others changed the table every time.
    """
    tree = parse(tokens.statement)
    if not isinstance(tree, exp.Merge):
        raise tokens.unexpected()
    name = _iceberg_only(context, tree.this)
    if any(one.args.get("source") for one in tree.args["whens"].expressions):
        raise not_supported("MERGE … WHEN NOT MATCHED BY SOURCE")

    def once() -> int:
        context.tables.forget(name)
        table = context.tables.loaded(name)
        context.usage.begin_pass("source")
        merging = Merge(context, tree, table)
        plan = merging.planned()
        writer = DataFileWriter(table.metadata, context.duck, context.objects, context.new_folder())
        new = writer.write(plan.sql)
        if plan.touched or new:
            commit(context, table, plan.touched, new)
        return plan.rows

    return _outcome(context, "MERGE", run_again_on_conflict(once))
