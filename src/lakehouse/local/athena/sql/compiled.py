"""From the text of a query to DuckDB's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.dialect import parse
from lakehouse.local.athena.sql.queries import Queries
from lakehouse.local.athena.sql.scans import rendered
from lakehouse.local.athena.sql.sql_types import SqlType, quoted
from lakehouse.local.athena.sql.statement import Session, Statement, Tables
from lakehouse.local.athena.sql.text_forms import shown

if TYPE_CHECKING:
    from sqlglot import exp

    from lakehouse.local.athena.sql.queries import Query


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A query, ready to be run.

    Attributes:
        sql: DuckDB's text.
        names: The result's columns, as Athena names them.
        held_names: The same, as DuckDB does.
        types: Their types.
    """

    sql: str
    names: tuple[str, ...]
    held_names: tuple[str, ...]
    types: tuple[SqlType, ...]

    def as_text(self) -> str:
        """The query, with values as Athena's results show them.

        Returns:
            DuckDB's text; every column is a VARCHAR.
        """
        columns = ", ".join(
            f"{shown(f'r.{quoted(name)}', kind)} AS {quoted(name)}"
            for name, kind in zip(self.held_names, self.types, strict=True)
        )
        return f"SELECT {columns} FROM ({self.sql}) AS r"


def compile_query(text: str | exp.Expr, session: Session, tables: Tables) -> CompiledQuery:
    """Compile a query.

    Args:
        text: The query, or its tree.
        session: Where it runs.
        tables: Where its tables come from.

    Returns:
        The compiled query.

    Raises:
        StatementFailedError: It is wrong, or is not executed here.
    """
    statement = Statement(session, tables)
    query = Queries(statement).compile(parse(text) if isinstance(text, str) else text)
    return finished(query, statement)


def finished(query: Query, statement: Statement) -> CompiledQuery:
    """A query whose tables are read, once all is known of what it reads.

    Args:
        query: The query.
        statement: The statement that it belongs to.

    Returns:
        The compiled query.
    """
    return CompiledQuery(
        sql=rendered(query.sql, statement.scans),
        names=tuple(column.name or f"_col{index}" for index, column in enumerate(query.columns)),
        held_names=query.names,
        types=tuple(column.type for column in query.columns),
    )
