"""Commands about files: making samples, seeing their records, and what was quarantined."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from lakehouse.cli.deployment import Deployment, deployment
from lakehouse.cli.laptop import output_option
from lakehouse.cli.presentation import (
    Column,
    bytes_text,
    console,
    count_text,
    indented,
    moment_text,
    print_json,
    seconds_text,
    status_text,
    table,
)
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.errors import RecordNotFoundError
from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.settings import Workplace

# Enough of a file_id for a person to tell files apart; the commands take it back.
SHORT_ID = 12


def file_records(target: Deployment) -> FileRecords:
    """The file records of a deployment."""
    return FileRecords(target.client("dynamodb"), target.tables["files"])


@click.command()
@click.argument("file", required=False)
@click.option("--failed", is_flag=True, help="Only the failed ones, with their reasons.")
@click.option("--status", type=click.Choice([status.value for status in FileStatus]), help="Only those of this status.")
@click.option("--dataset", help="Only those of this dataset.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many, newest first."
)
@output_option
@click.pass_obj
def files(
    workplace: Workplace,
    *,
    file: str | None,
    failed: bool,
    status: str | None,
    dataset: str | None,
    limit: int,
    output: str,
) -> None:
    """List the files and what became of them, newest first.

    FILE, a file's name or the beginning of its id, shows that one only, and how its columns differ from its contract.
    Example: lakehouse files --failed
    """
    target = deployment(workplace)
    found = newest_files(
        file_records(target), status="FAILED" if failed else status, dataset=dataset, limit=limit, file=file
    )
    if file and not found:
        raise RecordNotFoundError(
            f"No such file has the name {file!r} or an id that begins so. See them all: lakehouse files"
        )
    if output == "json":
        print_json([asdict(record) for record in found])
    elif not found:
        console().print("No files." if not failed else "No failed files.")
    else:
        print_files(found)
        if file:
            print_drift(found)


def newest_files(
    records: FileRecords, *, status: str | None, dataset: str | None, limit: int, file: str | None = None
) -> list[FileRecord]:
    """The newest file records.

    Args:
        records: The file table.
        status: Only this status.
        dataset: Only this dataset.
        limit: At most so many.
        file: Only the versions of the file of this name, or the one whose id begins so.

    Returns:
        The records, newest first.
    """
    wanted = FileStatus(status) if status else None
    found = records.iterate(status=wanted, dataset=dataset)
    if file is not None:
        found = (record for record in found if _name(record) == file or record.file_id.startswith(file))
    return list(itertools.islice(found, limit))


def print_files(found: list[FileRecord]) -> None:
    """Show file records to a person: one line a file, and below each failed one why."""
    screen = console()
    is_wide = screen.width >= 100
    columns = [
        Column("File"),
        Column("Name", is_flexible=True),
        Column("Status"),
        Column("Rows", is_number=True),
        Column("Bad", is_number=True),
        Column("Drift", is_number=True),
        *([Column("Engine"), Column("Took", is_number=True)] if is_wide else []),
        *([Column("Created (UTC)")] if is_wide else []),
    ]
    rows = []
    for record in found:
        row: list[Any] = [
            record.file_id[:SHORT_ID],
            _name(record),
            status_text(record.status),
            count_text(record.rows_written),
            count_text(record.rows_quarantined),
            count_text(record.drift_count or None),
        ]
        if is_wide:
            row += [record.engine or "-", seconds_text(record.duration_seconds), moment_text(record.created_at)]
        rows.append(row)
    screen.print(table(columns, rows))
    for record in found:
        if record.reason:
            screen.print()
            screen.print(Text.assemble((record.file_id[:SHORT_ID], "red"), f"  {record.error_type}"))
            screen.print(indented(record.reason, 2))


def print_drift(found: list[FileRecord]) -> None:
    """Show to a person how the columns of files differ from their contracts: a table a file that does."""
    screen = console()
    columns = [
        Column("Column", is_flexible=True),
        Column("Difference"),
        Column("In the file", is_flexible=True),
        Column("In the contract", is_flexible=True),
        Column("Allowed"),
    ]
    for record in found:
        if not record.drift:
            continue
        screen.print()
        screen.print(
            Text(f"{record.file_id[:SHORT_ID]}  differs from the contract of {record.dataset}:"), soft_wrap=True
        )
        rows = [
            # Texts, since the brackets of timestamp[us] are no markup.
            (
                Text(one.column),
                one.kind,
                Text(one.found or "-"),
                Text(one.expected or "-"),
                Text("yes") if one.is_allowed else Text("no", "red"),
            )
            for one in record.drift
        ]
        screen.print(table(columns, rows))
        if record.drift_count > len(record.drift):
            screen.print(f"… and {record.drift_count - len(record.drift)} more")


def _name(record: FileRecord) -> str:
    return record.key.rpartition("/")[2]


@click.command()
@click.argument("file_id")
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="At most so many rows.")
@output_option
@click.pass_obj
def quarantine(workplace: Workplace, file_id: str, limit: int, output: str) -> None:
    """Show the rows of a file that broke its contract's rules. FILE_ID may be shortened.

    With --output json, all its rows as they are stored, one JSON object a line.
    Example: lakehouse quarantine 3f1c2b7a9d04
    """
    target = deployment(workplace)
    record = find_file(file_records(target), file_id)
    screen = console()
    if record.quarantine_uri is None:
        if output == "table":
            screen.print(f"{record.key}: no row is in quarantine (status {record.status}).")
        return
    lines = _object_lines(target, record.quarantine_uri)
    if output == "json":
        for line in lines:
            click.echo(line)
        return
    screen.print(f"{record.key}: {count_text(record.rows_quarantined)} of {count_text(record.rows_read)} rows")
    broken = sorted((record.rule_results or {}).items(), key=lambda item: -item[1])
    screen.print(
        table(
            [Column("Rule broken", is_flexible=True), Column("Rows", is_number=True)],
            [(rule, count_text(rows)) for rule, rows in broken if rows],
        )
    )
    screen.print()
    contract = ContractCatalog.packaged().find(record.dataset)
    conditions = {rule.name: rule.condition for rule in contract.row_rules} if contract else {}
    shown = [json.loads(line) for line in itertools.islice(lines, limit)]
    screen.print(
        table(
            [Column("Row", is_number=True), Column("Rules broken"), Column("Values", is_flexible=True)],
            [
                (count_text(row["row_number"]), "\n".join(row["broken_rules"]), _values(row, conditions))
                for row in shown
            ],
        )
    )


def find_file(records: FileRecords, file_id: str) -> FileRecord:
    """A file's record by its id or the beginning of it.

    Args:
        records: The file table.
        file_id: The id, or at least six of its first characters.

    Returns:
        The record.

    Raises:
        RecordNotFoundError: None fits, or several do.
    """
    if len(file_id) == 32:
        return records.get(file_id)
    if len(file_id) < 6:
        raise RecordNotFoundError(
            f"{file_id!r} is too short to tell files apart: give at least 6 characters of the id."
        )
    fitting = [record for record in records.iterate() if record.file_id.startswith(file_id)]
    if len(fitting) != 1:
        raise RecordNotFoundError(
            f"{len(fitting)} files have an id that starts with {file_id!r}. See the ids: lakehouse files --output json"
        )
    return fitting[0]


def _values(row: dict[str, Any], conditions: Mapping[str, str]) -> str:
    """The values of the columns that a broken rule or its condition names; all where none is named."""
    values: dict[str, Any] = row["row"]
    told = " ".join(f"{rule} {conditions.get(rule, '')}" for rule in row["broken_rules"])
    named = {name: value for name, value in values.items() if name in told}
    return ", ".join(f"{name}={value}" for name, value in (named or values).items())


def _object_lines(target: Deployment, uri: str) -> Iterator[str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = target.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    return (line.decode() for line in body.iter_lines())


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--rows", type=click.IntRange(min=1), default=100_000, show_default=True, help="How many rows.")
@click.option(
    "--dirty",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="The share of rows that break a rule of the contract.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same file.")
@click.option("--dataset", help="What to make. Default: told by the file's name, else yellow_tripdata.")
def sample(path: Path, rows: int, dirty: float, seed: int, dataset: str | None) -> None:
    """Write a parquet file of taxi trips, users or events, some rows of it dirty.

    Datasets: yellow_tripdata, green_tripdata, events, users.
    Example: lakehouse sample yellow_tripdata_2024-02.parquet --rows 50000 --dirty 0.01
    """
    from lakehouse.sample import generate

    contract = ContractCatalog.packaged().for_file_name(path.name)
    told = contract.dataset if contract else "yellow_tripdata"
    facts = generate(path, rows=rows, dirty_share=dirty, seed=seed, dataset=dataset or told)
    console().print(
        f"Wrote {path}: {count_text(rows)} rows, {count_text(facts.dirty_rows)} of them dirty, "
        f"{bytes_text(path.stat().st_size)}.",
        soft_wrap=True,
    )


COMMANDS = (sample, files, quarantine)
