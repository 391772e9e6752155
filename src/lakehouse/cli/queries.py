"""Commands about tables: querying them through Athena, listing them, keeping them in shape."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from lakehouse.athena_queries import AthenaQueries, QueryResult
from lakehouse.cli.deployment import Deployment, deployment
from lakehouse.cli.laptop import output_option
from lakehouse.cli.presentation import Column, bytes_text, console, count_text, moment_text, print_json, table
from lakehouse.errors import CommandError
from lakehouse.maintenance import Maintenance, TableReport
from lakehouse.settings import Workplace
from lakehouse.table_listing import TableFacts, snapshots_of, table_facts, tables_of

_NUMBERS = frozenset({"tinyint", "smallint", "integer", "bigint", "float", "double", "decimal"})
# A terminal's table holds its rows in memory; more are for --output csv or parquet.
_MOST_ROWS = 10_000


def athena_queries(target: Deployment, layer: str = "curated") -> AthenaQueries:
    """Queries of a deployment, in one of its databases."""
    return AthenaQueries(target.client("athena"), target.workgroup, target.databases[layer])


@click.command()
@click.argument("sql")
@click.option("--layer", default="curated", show_default=True, help="The layer whose tables need no database's name.")
@click.option("--as-of", "as_of", help="Show Iceberg tables as they were at this time (ISO-8601, UTC).")
@click.option(
    "--output",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    default="table",
    show_default=True,
    help="A table for a person; csv, json and parquet for a program, on standard output.",
)
@click.option("--limit", type=int, default=100, show_default=True, help="The most rows of a table that are shown.")
@click.pass_obj
def query(workplace: Workplace, sql: str, layer: str, as_of: str | None, output: str, limit: int) -> None:
    """Run SQL through Athena and show its result.

    Example: lakehouse query "select * from fct_trips_daily order by trip_date desc"
    """
    target = deployment(workplace)
    queries = athena_queries(target, layer)
    text = sql if as_of is None else time_travelled(sql, moment(as_of))
    notes = Console(stderr=True, highlight=False)
    with notes.status("Queued") as status:
        result = queries.run(text, note_progress=lambda state, size: status.update(f"{state}, {bytes_text(size)} read"))
    rows = queries.rows(result)
    if output == "csv":
        _print_csv(result, rows)
    elif output == "json":
        names = [column.name for column in result.columns]
        print_json([dict(zip(names, row, strict=False)) for row in rows])
    elif output == "parquet":
        _print_parquet(result, rows)
    else:
        print_rows(result, rows, limit)
    notes.print(Text(described(result), style="dim"))


def described(result: QueryResult) -> str:
    """What a query took, in a line."""
    written = f"{result.updated_rows:,} rows written, " if result.updated_rows else ""
    return (
        f"{written}{bytes_text(result.scanned_bytes)} read in {result.seconds:.1f} s; "
        f"on AWS ${result.dollars.normalize():f} at $5 a terabyte"
    )


def moment(text: str) -> datetime:
    """A time that a person wrote; without an offset it is in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is no time. Write it as 2026-01-31T06:00:00 or 2026-01-31.") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def time_travelled(sql: str, at: datetime) -> str:
    """A query whose tables are read as they were at a time.

    Args:
        sql: The query.
        at: The time, in UTC.

    Returns:
        The query, with FOR TIMESTAMP AS OF behind each table.

    Raises:
        CommandError: It is no query that can be read.
    """
    try:
        import sqlglot
        from sqlglot import exp
    except ImportError as error:
        raise CommandError("--as-of needs sqlglot: install the package with its extra 'local'.") from error
    try:
        tree = sqlglot.parse_one(sql, read="athena")
    except sqlglot.errors.SqlglotError as error:
        raise CommandError(f"--as-of cannot read the query: {error}") from error
    known = {cte.alias for cte in tree.find_all(exp.CTE)}
    text = at.strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    for found in tree.find_all(exp.Table):
        if found.name not in known and isinstance(found.this, exp.Identifier):
            literal = exp.Cast(this=exp.Literal.string(text), to=exp.DataType.build("timestamptz"))
            found.set("version", exp.Version(this="TIMESTAMP", kind="AS OF", expression=literal))
    return str(tree.sql("athena"))


def print_rows(result: QueryResult, rows: Iterator[tuple[str | None, ...]], limit: int) -> None:
    """Show a query's rows to a person."""
    shown = [row for row, _ in zip(rows, range(min(limit, _MOST_ROWS) + 1), strict=False)]
    if not result.columns:
        return
    if not result.has_head:
        # Athena's answers to data definition are lines of text.
        for row in shown:
            click.echo("\t".join(one or "" for one in row))
        return
    columns = [Column(one.name, is_number=one.type in _NUMBERS, is_flexible=True) for one in result.columns]
    cells = [[Text("null", style="dim") if one is None else Text(one) for one in row] for row in shown[:limit]]
    console().print(table(columns, cells))
    if len(shown) > limit:
        click.echo(f"… more rows: --limit {limit * 10}, or --output csv for all of them")


def _print_csv(result: QueryResult, rows: Iterator[tuple[str | None, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([column.name for column in result.columns])
    writer.writerows(["" if one is None else one for one in row] for row in rows)


def _print_parquet(result: QueryResult, rows: Iterator[tuple[str | None, ...]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lakehouse.athena_arrow import as_table

    if sys.stdout.isatty():
        raise CommandError("Parquet is not for a terminal: send it to a file, … --output parquet > result.parquet")
    found: pa.Table = as_table(result.columns, list(rows))
    pq.write_table(found, sys.stdout.buffer)


# --- tables -----------------------------------------------------------------------------------------------------------


@click.command()
@click.option("--layer", help="Only this layer's. Default: all.")
@output_option
@click.pass_obj
def tables(workplace: Workplace, layer: str | None, output: str) -> None:
    """List the tables of the lakehouse.

    Example: lakehouse tables --layer curated
    """
    target = deployment(workplace)
    chosen = {layer: _database(target, layer)} if layer else dict(target.databases)
    found = [facts for name, database in chosen.items() for facts in tables_of(target.client("glue"), name, database)]
    if output == "json":
        print_json([facts.as_dict() for facts in found])
        return
    columns = [Column("Layer"), Column("Table", is_flexible=True), Column("Kind"), Column("Columns", is_number=True)]
    columns.append(Column("Changed (UTC)"))
    rows = [(one.layer, one.name, one.kind, str(len(one.columns)), moment_text(one.changed_at)) for one in found]
    console().print(table(columns, rows))


def _database(target: Deployment, layer: str) -> str:
    if layer not in target.databases:
        raise CommandError(f"There is no layer {layer!r}: the lakehouse has {', '.join(sorted(target.databases))}.")
    return target.databases[layer]


@click.command(name="table")
@click.argument("name")
@click.option("--layer", default="curated", show_default=True, help="The layer that the table is of.")
@output_option
@click.pass_obj
def show_table(workplace: Workplace, name: str, layer: str, output: str) -> None:
    """Show one table: its columns, partitions and snapshots.

    Example: lakehouse table fct_trips
    """
    target = deployment(workplace)
    facts = table_facts(target.client("glue"), layer, _database(target, layer), name)
    queries = athena_queries(target, layer)
    snapshots = snapshots_of(queries, facts) if facts.kind == "iceberg" else []
    if output == "json":
        print_json({**facts.as_dict(), "snapshots": snapshots})
        return
    _print_facts(facts, snapshots)


def _print_facts(facts: TableFacts, snapshots: Sequence[dict[str, Any]]) -> None:
    screen = console()
    screen.print(f"{facts.database}.{facts.name}  {facts.kind}  {facts.location}")
    columns = [Column("Column"), Column("Type"), Column("Comment", is_flexible=True)]
    rows = [(name, kind, comment) for name, kind, comment in facts.columns]
    screen.print(table(columns, rows))
    if facts.partitioned_by:
        screen.print(f"\npartitioned by {', '.join(facts.partitioned_by)}")
    if snapshots:
        screen.print()
        heads = [Column("Snapshot (UTC)"), Column("Id"), Column("Operation"), Column("Rows added", is_number=True)]
        screen.print(
            table(
                heads,
                [
                    (one["committed_at"], one["snapshot_id"], one["operation"], count_text(one["added_records"]))
                    for one in snapshots
                ],
            )
        )


# --- maintenance ------------------------------------------------------------------------------------------------------


@click.command()
@click.argument("name", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every Iceberg table of the layer.")
@click.option("--layer", default="curated", show_default=True, help="The layer that the tables are of.")
@output_option
@click.pass_obj
def maintain(workplace: Workplace, name: str | None, *, is_all: bool, layer: str, output: str) -> None:
    """Compact Iceberg tables, and remove old snapshots and orphaned files: OPTIMIZE and VACUUM through Athena.

    Example: lakehouse maintain --all
    """
    if (name is None) != is_all:
        raise click.UsageError("Name one table, or say --all.")
    target = deployment(workplace)
    database = _database(target, layer)
    glue = target.client("glue")
    names = [name] if name else [one.name for one in tables_of(glue, layer, database) if one.kind == "iceberg"]
    keeper = Maintenance(athena_queries(target, layer))
    notes = Console(stderr=True, highlight=False)
    reports = []
    for one in names:
        with notes.status(f"Maintaining {one}"):
            reports.append(keeper.maintain(one))
    if output == "json":
        print_json([report.as_dict() for report in reports])
        return
    _print_reports(reports)


def _print_reports(reports: Sequence[TableReport]) -> None:
    columns = [
        Column("Table", is_flexible=True),
        Column("Files", is_number=True),
        Column("after", is_number=True),
        Column("Size", is_number=True),
        Column("after", is_number=True),
        Column("Snapshots", is_number=True),
        Column("after", is_number=True),
    ]
    rows = [
        (
            one.table,
            count_text(one.before.files),
            count_text(one.after.files),
            bytes_text(one.before.size_bytes),
            bytes_text(one.after.size_bytes),
            count_text(one.before.snapshots),
            count_text(one.after.snapshots),
        )
        for one in reports
    ]
    console().print(table(columns, rows))


COMMANDS = (query, tables, show_table, maintain)
