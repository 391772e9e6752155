"""DuckDB as the engine: its settings, what it lacks, and what its errors mean in Athena's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions import MACROS, UDFS
from lakehouse.local.athena.sql.sql_types import quoted

_CALLED = re.compile(r"\b(\w+)\(")
# ``casts.failing`` puts our own failures into texts that DuckDB cannot convert.
_OURS = re.compile(r"\[\[([A-Z_]+): (.*?)\]\](?=['\s]|$)", re.DOTALL)

# What Arrow, which hands on the rows of a query that runs, makes of DuckDB's errors.
_STREAMED = re.compile(r"([A-Z][A-Za-z ]*) Error: ")
_STREAMED_ERRORS: dict[str, type[duckdb.Error]] = {
    "Conversion": duckdb.ConversionException,
    "Out of Memory": duckdb.OutOfMemoryException,
    "Out of Range": duckdb.OutOfRangeException,
}


class Duck:
    """A connection to a database in memory, and what was installed in it."""

    def __init__(
        self, *, memory_bytes: int | None = None, threads: int | None = None, spill: Path | None = None
    ) -> None:
        """Connect.

        Args:
            memory_bytes: The most memory that queries may take; None for DuckDB's own limit.
            threads: How many it may use; None for all cores.
            spill: A folder for what does not fit into memory.
        """
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("SET TimeZone = 'UTC'")
        if memory_bytes is not None:
            self.connection.execute(f"SET memory_limit = '{memory_bytes}B'")
        if threads is not None:
            self.connection.execute(f"SET threads = {threads}")
        if spill is not None:
            self.connection.execute("SET temp_directory = ?", [str(spill)])
        self._installed: set[str] = set()

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Execute a text, and give DuckDB before what it calls.

        Args:
            sql: DuckDB's text.

        Returns:
            The connection, which has the result.

        Raises:
            duckdb.Error: It fails.
        """
        self._install(set(_CALLED.findall(sql)) & (MACROS.keys() | UDFS.keys()))
        return self.connection.execute(sql)

    def read(self, sql: str, rows_at_a_time: int) -> Iterator[pa.RecordBatch]:
        """Execute a query, and hand on its rows while it runs, so that its result is never held as a whole.

        Args:
            sql: DuckDB's text.
            rows_at_a_time: The most rows of a batch.

        Yields:
            Batches of rows.

        Raises:
            duckdb.Error: It fails.
        """
        self._install(set(_CALLED.findall(sql)) & (MACROS.keys() | UDFS.keys()))
        try:
            yield from self.connection.sql(sql).to_arrow_reader(rows_at_a_time)
        except (OSError, pa.ArrowException) as error:
            found = _STREAMED.match(str(error))
            if found is None:
                raise
            raise _STREAMED_ERRORS.get(found[1], duckdb.Error)(str(error)) from error

    def _install(self, names: Iterable[str]) -> None:
        """Macros and Python functions; those that macros call come first."""
        for name in sorted(set(names) - self._installed):
            if name in self._installed:
                continue
            self._installed.add(name)
            if name in UDFS:
                made = UDFS[name]
                make: Any = self.connection.create_function
                # Of its own accord DuckDB takes no null from a function that was given none.
                make(name, made.function, list(made.parameters), made.result, null_handling="special")
                continue
            body = MACROS[name]
            self._install(other for other in (*MACROS, *UDFS) if other != name and f"{other}(" in body)
            self.connection.execute(body)

    def clear(self) -> None:
        """Drop what a statement left behind: temporary tables, and tables of Arrow."""
        for (name,) in self.connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE temporary AND NOT internal"
        ).fetchall():
            self.connection.unregister(name)
        for (name,) in self.connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall():
            self.connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")

    def arrow_function(self, name: str, kind: str, function: Callable[[Any], Any]) -> str:
        """Give DuckDB a function over columns of Arrow.

        Args:
            name: What it is, as ``bucket[16]``.
            kind: DuckDB's type of the column.
            function: Takes and returns an array; its result is text.

        Returns:
            The name to call it by.
        """
        held = "arrow_" + re.sub(r"\W+", "_", f"{name}_{kind}").strip("_").lower()
        if held not in self._installed:
            self._installed.add(held)
            make: Any = self.connection.create_function
            make(held, function, [kind], "VARCHAR", type="arrow", null_handling="special")
        return held


def failure_of(error: duckdb.Error) -> StatementFailedError:
    """What an error of DuckDB's means.

    Args:
        error: The error.

    Returns:
        The failure, to be raised.
    """
    text = str(error)
    ours = _OURS.search(text)
    if ours:
        return StatementFailedError(ours[1], ours[2].replace("''", "'"))
    first = text.split("\n\n", maxsplit=1)[0]
    if "Division by zero" in text:
        return StatementFailedError("DIVISION_BY_ZERO", "Division by zero")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StatementFailedError("EXCEEDED_LOCAL_MEMORY_LIMIT", f"Query exceeded the local memory limit: {first}")
    if isinstance(error, duckdb.OutOfRangeException) or "out of range" in text or "Overflow" in text:
        return StatementFailedError("NUMERIC_VALUE_OUT_OF_RANGE", first.partition(": ")[2] or first)
    if "More than one row returned by a subquery" in text:
        return StatementFailedError("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
    grouped = re.search(r'column "([^"]+)" must appear in the GROUP BY', text)
    if grouped:
        told = f"'{grouped[1]}' must be an aggregate expression or appear in GROUP BY clause"
        return StatementFailedError("EXPRESSION_NOT_AGGREGATE", told)
    if "Malformed JSON" in text or "JSON transform error" in text or "CSV Error" in text:
        return StatementFailedError("HIVE_BAD_DATA", first.partition(": ")[2] or first)
    if isinstance(error, duckdb.ConversionException):
        return StatementFailedError("INVALID_CAST_ARGUMENT", first.partition(": ")[2] or first)
    return StatementFailedError("GENERIC_INTERNAL_ERROR", first)
