"""Landing files in the raw layer, and watching what their events set off."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from lakehouse.cli.data import SHORT_ID, file_records, print_files
from lakehouse.cli.deployment import deployment
from lakehouse.cli.laptop import output_option
from lakehouse.cli.presentation import Column, bytes_text, console, count_text, print_json, seconds_text, table
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.errors import ServiceUnavailableError
from lakehouse.landing import Landed, dataset_of, land
from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.settings import Workplace

_POLL_SECONDS = 0.2
# An event takes a second; who has heard nothing by then has lost it, or waits behind very many others.
_LONGEST_SILENCE_SECONDS = 120


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dataset", help="The dataset the files belong to. Default: told by their names.")
@click.option("--watch", is_flag=True, help="Stay until each file is converted, skipped or has failed.")
@output_option
@click.pass_context
def ingest(context: click.Context, *, files: tuple[Path, ...], dataset: str | None, watch: bool, output: str) -> None:
    """Land parquet FILES in the raw layer; their events have them converted.

    A file whose bytes are there already is not uploaded again. With --watch the exit code is 1 when one failed.
    Example: lakehouse ingest yellow_tripdata_2022-01.parquet --watch
    """
    workplace: Workplace = context.obj
    target = deployment(workplace)
    contracts = ContractCatalog.packaged()
    client = target.client("s3")
    landed = [land(client, target.buckets["raw"], file, dataset or dataset_of(file, contracts)) for file in files]
    if output == "table":
        console().print(_landed_table(landed))
    if not watch:
        if output == "json":
            print_json([asdict(item) for item in landed])
        return
    records = ConversionWatch(file_records(target), None if output == "json" else console()).watch(landed)
    if output == "json":
        print_json([asdict(record) for record in records])
    else:
        console().print()
        print_files(records)
    context.exit(1 if any(record.status is FileStatus.FAILED for record in records) else 0)


def _landed_table(landed: Sequence[Landed]) -> object:
    columns = [Column("Dataset"), Column("File", is_flexible=True), Column("Size", is_number=True), Column("")]
    rows = [
        (item.dataset, item.name, bytes_text(item.size_bytes), "landed" if item.is_new else "unchanged")
        for item in landed
    ]
    return table(columns, rows)


class ConversionWatch:
    """Shows files that landed until nothing more happens to them.

    On a terminal they move in place; elsewhere each is one line when it is done.

    Args:
        records: The file records.
        screen: Where to show it, None for nowhere.
    """

    def __init__(self, records: FileRecords, screen: Console | None) -> None:
        self._records = records
        self._screen = screen
        self._spinner = Spinner("dots")

    def watch(self, landed: Sequence[Landed]) -> list[FileRecord]:
        """Follow the files to their end.

        Args:
            landed: The files.

        Returns:
            Their records, in the same order.

        Raises:
            ServiceUnavailableError: Nothing has happened to any of them for two minutes.
        """
        if self._screen is None or not self._screen.is_terminal:
            return self._follow(landed, self._print_ended)
        with Live(console=self._screen, refresh_per_second=8) as live:
            return self._follow(landed, lambda at, _: live.update(self._picture(landed, at), refresh=True))

    def _follow(
        self,
        landed: Sequence[Landed],
        show: Callable[[Mapping[str, FileRecord], Mapping[str, FileRecord]], None],
    ) -> list[FileRecord]:
        before: dict[str, FileRecord] = {}
        last_change = time.monotonic()
        while True:
            at = self._records.get_many(sorted({item.file_id for item in landed}))
            show(at, before)
            if at != before or any(record.status is FileStatus.RUNNING for record in at.values()):
                last_change = time.monotonic()
            if all(item.file_id in at and _has_ended(at[item.file_id]) for item in landed):
                return [at[item.file_id] for item in landed]
            if time.monotonic() - last_change > _LONGEST_SILENCE_SECONDS:
                waiting = [item.name for item in landed if item.file_id not in at or not _has_ended(at[item.file_id])]
                raise ServiceUnavailableError(
                    f"Nothing has happened to {', '.join(waiting)} for {_LONGEST_SILENCE_SECONDS} seconds. See what "
                    "holds it up: lakehouse failed. A run converts what no event has brought: lakehouse run --watch"
                )
            before = at
            time.sleep(_POLL_SECONDS)

    def _print_ended(self, at: Mapping[str, FileRecord], before: Mapping[str, FileRecord]) -> None:
        if self._screen is None:
            return
        for file_id, record in at.items():
            if _has_ended(record) and not (file_id in before and _has_ended(before[file_id])):
                self._screen.print(_line(record))

    def _picture(self, landed: Sequence[Landed], at: Mapping[str, FileRecord]) -> Group:
        ended = [_line(record) for record in at.values() if _has_ended(record)]
        under_way = [_words(item, at.get(item.file_id)) for item in landed if not _is_done(item, at)]
        if under_way:
            self._spinner.update(text=under_way[0])
        return Group(*ended, *([self._spinner] if under_way else []), *(Text(f"  {one}") for one in under_way[1:]))


def _is_done(item: Landed, at: Mapping[str, FileRecord]) -> bool:
    return item.file_id in at and _has_ended(at[item.file_id])


def _has_ended(record: FileRecord) -> bool:
    """Whether nothing more happens by itself."""
    return record.status.is_final or (record.status is FileStatus.FAILED and record.next_attempt is None)


def _line(record: FileRecord) -> Text:
    name = f"{_name(record):<34}"
    if record.status is FileStatus.FAILED:
        return Text.assemble(("✗ ", "red"), name, record.error_type or "failed")
    if record.status is FileStatus.SKIPPED:
        return Text.assemble(("✓ ", "green"), name, "the same bytes were converted before")
    rows, took = f"{count_text(record.rows_read)} rows", seconds_text(record.duration_seconds)
    return Text.assemble(("✓ ", "green"), name, f"{record.engine or '':<12}{rows:>14}{took:>10}")


def _words(item: Landed, record: FileRecord | None) -> str:
    if record is None:
        return f"{item.name:<34}waits for its event"
    if record.status is FileStatus.FAILED:
        return f"{item.name:<34}waits for attempt {record.next_attempt}"
    rows = f"{count_text(record.rows_read or 0)} of {count_text(record.rows_total)} rows"
    return f"{item.name:<34}{record.engine or 'registered':<12}{rows}"


def _name(record: FileRecord) -> str:
    return record.key.rpartition("/")[2] or record.file_id[:SHORT_ID]


COMMANDS = (ingest,)
