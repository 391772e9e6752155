"""The command that tells a file's whole story."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from lakehouse.cli.data import file_records, find_file, print_drift
from lakehouse.cli.deployment import Deployment, deployment
from lakehouse.cli.failures import dead_letters
from lakehouse.cli.laptop import output_option
from lakehouse.cli.presentation import (
    Column,
    console,
    count_text,
    indented,
    moment_text,
    print_json,
    status_text,
    table,
)
from lakehouse.explain.entry import Entry
from lakehouse.explain.story import Sources, Story, tell
from lakehouse.settings import Workplace

# The functions that a file meets on its way.
_FUNCTIONS = ("ingest", "register_file", "convert_file", "record_failure")


def sources_of(target: Deployment) -> Sources:
    """Who knows something about the files of a deployment."""
    return Sources(
        records=file_records(target),
        letters=dead_letters(target),
        s3=target.client("s3"),
        states=target.client("stepfunctions"),
        glue=target.client("glue"),
        logs=target.client("logs"),
        state_machine_arn=target.state_machines["file_conversion"],
        job_name=target.glue_jobs["parquet_to_json"],
        functions=tuple(target.functions[name] for name in _FUNCTIONS),
        name_prefix=f"{target.project}-{target.environment}",
        processed_bucket=target.buckets["processed"],
    )


@click.command()
@click.argument("file_id")
@output_option
@click.pass_obj
def explain(workplace: Workplace, file_id: str, output: str) -> None:
    """Tell the whole story of a file: landing, attempts, executions, job runs, logs, output, and what to do.

    FILE_ID may be shortened. Example: lakehouse explain 3f1c2b7a9d04
    """
    target = deployment(workplace)
    sources = sources_of(target)
    story = tell(sources, find_file(sources.records, file_id))
    if output == "json":
        print_json(asdict(story))
    else:
        print_story(console(), story)


def print_story(screen: Console, story: Story) -> None:
    """Show a file's story to a person.

    Args:
        screen: Where to.
        story: The story.
    """
    record = story.record
    screen.print(
        Text.assemble((record.key.rpartition("/")[2], "bold"), f" of {record.dataset}: ", status_text(record.status)),
        soft_wrap=True,
    )
    screen.print(f"file_id {record.file_id}, attempt {record.attempt}\n", soft_wrap=True)
    for entry in story.entries:
        _print_entry(screen, entry)
    print_drift([record])
    broken = sorted((record.rule_results or {}).items(), key=lambda item: -item[1])
    if any(rows for _, rows in broken):
        screen.print()
        columns = [Column("Rule broken", is_flexible=True), Column("Rows", is_number=True)]
        screen.print(table(columns, [(rule, count_text(rows)) for rule, rows in broken if rows]))
    screen.print(Text("\nWhat to do", "bold"))
    screen.print(indented(story.next_step, 2))


def _print_entry(screen: Console, entry: Entry) -> None:
    moment = moment_text(entry.time) if entry.time else f"{'(no time)':<19}"
    screen.print(Text.assemble((moment, "dim"), "  ", (entry.source, "red" if entry.is_bad else "cyan")))
    screen.print(indented(entry.text, 4))


COMMANDS = (explain,)
