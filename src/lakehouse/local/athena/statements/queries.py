"""Queries: SELECT and its like, EXPLAIN, UNLOAD."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.csv as arrow_csv

from lakehouse.local.athena.duck import failure_of
from lakehouse.local.athena.outcome import ColumnInfo, Outcome, column_info
from lakehouse.local.athena.sql.sql_types import VARCHAR

if TYPE_CHECKING:
    from lakehouse.local.athena.statements.context import Context

_ROWS_AT_A_TIME = 65_536


def select(context: Context, text: str) -> Outcome:
    """Run a query, its result in a file.

    Args:
        context: The statement's surroundings.
        text: The query.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: It fails.
    """
    query = context.compiled(text)
    path = context.folder / f"{uuid.uuid4().hex}.csv"
    try:
        write_csv(path, query.names, context.duck.read(query.as_text(), _ROWS_AT_A_TIME))
    except duckdb.Error as error:
        raise failure_of(error) from error
    columns = [column_info(name, kind) for name, kind in zip(query.names, query.types, strict=True)]
    return context.scanned(Outcome("DML", "SELECT", columns, csv=path, update_count=0))


def write_csv(path: Path, names: tuple[str, ...], batches: Iterable[pa.RecordBatch]) -> None:
    """Write texts as Athena's results have them: all in quotes, null as nothing.

    Args:
        path: The file.
        names: The columns' names, which may be alike.
        batches: Columns of text.
    """
    with path.open("wb") as file:
        head = ",".join('"' + name.replace('"', '""') + '"' for name in names)
        file.write(head.encode() + b"\n")
        options = arrow_csv.WriteOptions(include_header=False, quoting_style="all_valid")
        schema = pa.schema([(f"c{index}", pa.string()) for index in range(len(names))])
        with arrow_csv.CSVWriter(file, schema, write_options=options) as writer:
            for batch in batches:
                columns = [column.cast(pa.string()) for column in batch.columns]
                writer.write_batch(pa.record_batch(columns, schema=schema))


def explain(context: Context, text: str, *, is_analyze: bool) -> Outcome:
    """EXPLAIN: DuckDB's plan, which is what runs here.

    Args:
        context: The statement's surroundings.
        text: The query.
        is_analyze: Whether the query is run, and its plan shown with times.

    Returns:
        The outcome.

    Raises:
        StatementFailedError: The query is wrong.
    """
    query = context.compiled(text)
    rows = context.run(f"EXPLAIN {'ANALYZE ' if is_analyze else ''}{query.sql}")
    info = column_info("Query Plan", VARCHAR)
    # The plan has a head, as a query's result has.
    lines = [info.name, *(line for row in rows for line in str(row[-1]).split("\n"))]
    columns = [ColumnInfo(info.name, info.type, info.precision)]
    return context.scanned(Outcome("DML", "EXPLAIN", columns, lines=lines))
