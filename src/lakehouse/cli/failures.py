"""Commands for the person on call: what failed, and having it done again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from lakehouse.cli.data import SHORT_ID, file_records, find_file
from lakehouse.cli.deployment import Deployment, deployment
from lakehouse.cli.laptop import output_option
from lakehouse.cli.presentation import (
    Column,
    console,
    count_text,
    indented,
    moment_text,
    print_json,
    seconds_text,
    status_text,
    table,
)
from lakehouse.failures import Failures, find
from lakehouse.ingestion.dead_letters import Choice, DeadLetter, DeadLetters
from lakehouse.ingestion.reprocessing import Reprocessing, Reprocessor
from lakehouse.metadata.circuits import Circuit, Circuits
from lakehouse.metadata.file_record import FileRecord
from lakehouse.metadata.files import FileRecords
from lakehouse.settings import Workplace

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# What is shown of a message that nobody can read.
_SHOWN = 100


class Duration(click.ParamType[timedelta]):
    """A length of time: ``90s``, ``15m``, ``2h``, ``3d``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read one; click tells of a wrong one."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d+)([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is no length of time: give a number and s, m, h or d, as in 2h.", param, ctx)
        return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def dead_letters(target: Deployment) -> DeadLetters:
    """The dead letters of a deployment's queue of landed files."""
    return DeadLetters(target.client("sqs"), target.queues["dead_letters"], target.queues["landed"])


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many of each.")
@output_option
@click.pass_obj
def failed(workplace: Workplace, limit: int, output: str) -> None:
    """Show everything that needs a person: failed files, dead letters, circuits that are open.

    A failed file of which a newer version has landed is not shown: that version counts.
    Example: lakehouse failed
    """
    target = deployment(workplace)
    circuits = Circuits(target.client("dynamodb"), target.tables["circuits"])
    found = find(file_records(target), dead_letters(target), circuits, limit=limit)
    if output == "json":
        print_json(
            {
                "files": [{**asdict(one.record), "next_step": one.next_step} for one in found.files],
                "has_more_files": found.has_more_files,
                "dead_letters": [_letter_json(letter) for letter in found.letters],
                "other_dead_letters": found.other_letters,
                "circuits": [asdict(circuit) for circuit in found.circuits],
            }
        )
    else:
        print_failures(console(), found, datetime.now(UTC))


def _letter_json(letter: DeadLetter) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(letter).items() if name != "receipt"}
    return {**shown, "files": [asdict(file) for file in letter.files]}


def print_failures(screen: Console, found: Failures, now: datetime) -> None:
    """Show to a person what needs one.

    Args:
        screen: Where to.
        found: What there is.
        now: The time, UTC.
    """
    if found.is_empty:
        screen.print("Nothing failed.")
        return
    parts = (_print_circuits, _print_letters, _print_files)
    for part in parts:
        part(screen, found, now)


def _print_files(screen: Console, found: Failures, _now: datetime) -> None:
    if not found.files:
        return
    screen.print(Text("Failed files", "bold"))
    for one in found.files:
        record = one.record
        screen.print()
        head = Text.assemble((record.file_id[:SHORT_ID], "red"), f"  {_name(record)} of {record.dataset}: ")
        screen.print(head.append(record.error_type or "failed", "red"), soft_wrap=True)
        screen.print(indented(f"{record.reason or 'No reason was recorded.'}", 2))
        screen.print(indented(f"To do: {one.next_step}", 2))
    if found.has_more_files:
        screen.print("\n… and more: lakehouse files --failed --limit 1000")


def _print_letters(screen: Console, found: Failures, now: datetime) -> None:
    if not found.letters and not found.other_letters:
        return
    screen.print(Text("Dead letters: messages of the queue of landed files that failed too often", "bold"))
    if found.letters:
        columns = [
            Column("Message"),
            Column("Age", is_number=True),
            Column("Receives", is_number=True),
            Column("About", is_flexible=True),
        ]
        rows = [
            (
                letter.message_id[:SHORT_ID],
                seconds_text((now - letter.sent_at).total_seconds()),
                count_text(letter.receives),
                Text(_subject(letter)),
            )
            for letter in found.letters
        ]
        screen.print(table(columns, rows))
    if found.other_letters:
        screen.print(f"… and about {found.other_letters} more, or such as somebody else is looking at just now.")
    screen.print("To do: mend the cause, then send them back: lakehouse redrive", soft_wrap=True)
    if any(not letter.files for letter in found.letters):
        screen.print("What nobody can read fails again: find out who sends it. After 14 days it is gone by itself.")
    screen.print()


def _subject(letter: DeadLetter) -> str:
    if letter.files:
        return ", ".join(f"{landed.key.rpartition('/')[2]} (attempt {landed.attempt})" for landed in letter.files)
    body = letter.body if len(letter.body) <= _SHOWN else f"{letter.body[:_SHOWN]}…"
    return f"nobody can read it: {body}"


def _print_circuits(screen: Console, found: Failures, now: datetime) -> None:
    if not found.circuits:
        return
    screen.print(Text("Open circuits: no work is sent to what refuses it", "bold"))
    columns = [Column("Dependency"), Column("Since (UTC)"), Column("Until (UTC)"), Column("Reason", is_flexible=True)]
    screen.print(table(columns, [_circuit_row(circuit, now) for circuit in found.circuits]))
    screen.print("To do: nothing, if the reason passes by itself. One file tries when the time is over.\n")


def _circuit_row(circuit: Circuit, now: datetime) -> Sequence[str | Text]:
    until = circuit.open_until or now
    since = until - timedelta(seconds=circuit.cool_down_seconds)
    ends = moment_text(until) if until > now else "over: the next file tries"
    return circuit.dependency, moment_text(since), ends, Text(circuit.reason or "-")


@click.command()
@click.option("--older-than", type=Duration(), help="Only those that were sent longer ago: 90s, 15m, 2h, 3d.")
@click.option("--younger-than", type=Duration(), help="Only those that were sent since.")
@click.option("--count", type=click.IntRange(min=1), help="At most so many, the oldest first.")
@click.option("--key", help="Only those about a file whose name or key is like this: * stands for any text.")
@output_option
@click.pass_obj
def redrive(
    workplace: Workplace,
    *,
    older_than: timedelta | None,
    younger_than: timedelta | None,
    count: int | None,
    key: str | None,
    output: str,
) -> None:
    """Send dead letters back to their queue, once the cause is mended.

    Example: lakehouse redrive --older-than 2h --key "yellow_*"
    """
    letters = dead_letters(deployment(workplace))
    sent = letters.redrive(Choice(older_than, younger_than, key, count))
    left = letters.count()
    if output == "json":
        print_json({"redriven": sent, "left": left})
        return
    said = "No dead letter was chosen." if not sent else f"Sent {count_text(sent)} back to the queue."
    console().print(said if not left else f"{said} About {count_text(left)} are left: lakehouse failed", soft_wrap=True)


@click.command()
@click.argument("file_ids", nargs=-1, metavar="[FILE_ID]…")
@click.option("--dataset", help="The converted and failed files of this dataset, instead of single files.")
@click.option("--from", "since", type=click.DateTime(["%Y-%m-%d"]), help="Only those registered on this day or later.")
@click.option("--to", "until", type=click.DateTime(["%Y-%m-%d"]), help="Only those registered on this day or earlier.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@output_option
@click.pass_context
def reprocess(
    context: click.Context,
    *,
    file_ids: tuple[str, ...],
    dataset: str | None,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    output: str,
) -> None:
    """Convert files anew: failed ones once the cause is mended, others after their contract has changed.

    The new output takes the old one's place when it is whole; the old one stays as a version of the object. FILE_ID may
    be shortened; days are UTC. The exit code is 1 when a file that was named is left alone.
    Example: lakehouse reprocess --dataset users --from 2026-01-01 --to 2026-01-31 --dry-run
    """
    if bool(file_ids) == bool(dataset):
        raise click.UsageError("Name either files or a dataset: lakehouse reprocess FILE_ID, or --dataset NAME.")
    if not dataset and (since or until):
        raise click.UsageError("--from and --to choose among the files of a --dataset.")
    target = deployment(context.obj)
    records = file_records(target)
    chosen = _of_ids(records, file_ids) if file_ids else _of_days(records, str(dataset), since, until)
    reprocessor = Reprocessor(
        records,
        target.client("s3"),
        target.client("sqs"),
        target.queues["landed"],
        target.client("stepfunctions"),
        target.state_machines["file_conversion"],
    )
    planned = list(reprocessor.plan(chosen))
    done = planned if dry_run else [reprocessor.carry_out(one) for one in planned]
    if output == "json":
        print_json([_reprocessing_json(one) for one in done])
    else:
        print_reprocessing(console(), done, is_dry=dry_run)
    context.exit(1 if file_ids and any(one.refusal for one in done) else 0)


def _of_ids(records: FileRecords, file_ids: Sequence[str]) -> Iterator[FileRecord]:
    """The named files, of several versions of one object the newest first."""
    found = [find_file(records, file_id) for file_id in file_ids]
    yield from sorted(found, key=lambda record: record.created_at, reverse=True)


def _of_days(
    records: FileRecords, dataset: str, since: datetime | None, until: datetime | None
) -> Iterator[FileRecord]:
    first = since.replace(tzinfo=UTC) if since else None
    end = until.replace(tzinfo=UTC) + timedelta(days=1) if until else None
    return records.iterate(dataset=dataset, since=first, until=end)


def _reprocessing_json(one: Reprocessing) -> dict[str, Any]:
    record = one.record
    return {
        "file_id": record.file_id,
        "key": record.key,
        "status": record.status,
        "attempt": one.attempt,
        "refusal": one.refusal,
    }


def print_reprocessing(screen: Console, done: Sequence[Reprocessing], *, is_dry: bool) -> None:
    """Show to a person which files are converted anew.

    Args:
        screen: Where to.
        done: What became of each file, or would.
        is_dry: Whether nothing was done.
    """
    if not done:
        screen.print("No files.")
        return
    columns = [Column("File"), Column("Name", is_flexible=True), Column("Status"), Column("Attempt", is_number=True)]
    rows = [
        (
            one.record.file_id[:SHORT_ID],
            _name(one.record),
            status_text(one.record.status),
            Text("left alone") if one.refusal else Text(str(one.attempt)),
        )
        for one in done
    ]
    screen.print(table(columns, rows))
    refused: dict[str, list[str]] = {}
    for one in done:
        if one.refusal:
            refused.setdefault(one.refusal, []).append(one.record.file_id[:SHORT_ID])
    for refusal, file_ids in refused.items():
        screen.print()
        screen.print(Text.assemble("left alone: ", (", ".join(file_ids), "yellow")))
        screen.print(indented(refusal, 2))
    sent = sum(one.refusal is None for one in done)
    if is_dry:
        screen.print(f"\n{sent} of {len(done)} would be converted anew. Nothing was done: leave out --dry-run.")
    elif sent:
        screen.print(f"\n{sent} of {len(done)} are converted anew. See them: lakehouse files", soft_wrap=True)


def _name(record: FileRecord) -> str:
    return record.key.rpartition("/")[2]


COMMANDS = (failed, redrive, reprocess)
