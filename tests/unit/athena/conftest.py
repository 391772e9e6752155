"""Queries without tables: compiled, and answered by DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import duckdb
import pytest

from lakehouse.local.athena.duck import Duck, failure_of
from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.compiled import compile_query
from lakehouse.local.athena.sql.statement import Session, TableName

SESSION = Session("awsdatacatalog", "default", datetime(2024, 3, 6, 12, 0, 0))  # noqa: DTZ001 - in UTC


class NoTables:
    def source(self, name: TableName, *_: object) -> None:
        raise StatementFailedError("TABLE_NOT_FOUND", f"Table '{name}' does not exist")


@pytest.fixture(scope="session")
def duck() -> Iterator[Duck]:
    made = Duck(threads=1)
    yield made
    made.connection.close()


@pytest.fixture(scope="session")
def rows(duck: Duck) -> Callable[[str], list[tuple[str | None, ...]]]:
    """The result of a query, as Athena shows it."""

    def answer(sql: str) -> list[tuple[str | None, ...]]:
        query = compile_query(sql, SESSION, NoTables())
        try:
            return duck.execute(query.as_text()).fetchall()
        except duckdb.Error as error:
            raise failure_of(error) from error

    return answer
