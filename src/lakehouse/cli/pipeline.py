"""Commands about pipeline runs: starting, watching and listing them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from lakehouse import pipeline
from lakehouse.cli.data import SHORT_ID, file_records
from lakehouse.cli.deployment import Deployment, deployment
from lakehouse.cli.laptop import output_option
from lakehouse.cli.presentation import (
    Column,
    console,
    count_text,
    indented,
    print_json,
    seconds_text,
    status_text,
    table,
)
from lakehouse.errors import RecordNotFoundError
from lakehouse.metadata.file_record import FileRecord
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.pipeline_runs import PipelineRun, PipelineRuns, Transformation
from lakehouse.settings import Workplace

_POLL_SECONDS = 0.5


def pipeline_runs(target: Deployment) -> PipelineRuns:
    """The pipeline runs of a deployment."""
    return PipelineRuns(target.client("dynamodb"), target.tables["pipeline_runs"])


@click.command()
@click.option("--watch", is_flag=True, help="Stay until it has ended, showing states and progress.")
@click.option("--date", "date", help="The run's execution date (ISO-8601). Default: now.")
@click.option("--retry-failed", is_flag=True, help="Try files that failed before once more.")
@click.option("--no-transform", is_flag=True, help="Convert only: leave the curated tables as they are.")
@output_option
@click.pass_context
def run(
    context: click.Context, *, watch: bool, date: str | None, retry_failed: bool, no_transform: bool, output: str
) -> None:
    """Start a pipeline run: crawl the raw layer, convert what landed, build the curated tables.

    With --watch the exit code is 1 when the run failed. Example: lakehouse run --watch
    """
    target = deployment(context.obj)
    client = target.client("stepfunctions")
    date = date or pipeline.execution_date(datetime.now(UTC))
    machine = target.state_machines["lakehouse_pipeline"]
    arn = pipeline.start(client, machine, date, retry_failed=retry_failed, transform=not no_transform)
    if not watch:
        if output == "json":
            print_json({"execution_arn": arn, "execution_date": date, "status": "RUNNING"})
        else:
            console().print(f"Started {arn.rpartition(':')[2]}. See it: lakehouse runs", soft_wrap=True)
        return
    watcher = Watcher(target, arn, None if output == "json" else console())
    ended = watcher.watch()
    finished = finished_run(target, date)
    if output == "json":
        print_json(asdict(finished) if finished else {"execution_arn": arn, "status": ended.status})
    else:
        print_outcome(console(), ended, finished)
    context.exit(0 if ended.status == "SUCCEEDED" else 1)


class Watcher:
    """Shows an execution until it has ended.

    On a terminal the states and files move in place; elsewhere each state is one line when it is done.

    Args:
        target: The deployment it runs in.
        execution_arn: The execution.
        screen: Where to show it, None for nowhere.
    """

    def __init__(self, target: Deployment, execution_arn: str, screen: Console | None) -> None:
        self._client = target.client("stepfunctions")
        self._records: FileRecords = file_records(target)
        self._arn = execution_arn
        self._screen = screen
        self._printed: set[str] = set()
        self._spinner = Spinner("dots")

    def watch(self) -> pipeline.ExecutionProgress:
        """Follow the execution to its end.

        Returns:
            Its final progress.
        """
        if self._screen is None or not self._screen.is_terminal:
            return self._follow(self._print_ended_states)
        with Live(console=self._screen, refresh_per_second=8, transient=False) as live:
            return self._follow(lambda at: live.update(self._picture(at), refresh=True))

    def _follow(self, show: Any) -> pipeline.ExecutionProgress:
        while True:
            at = pipeline.progress(self._client, self._arn)
            show(at)
            if at.status in pipeline.ENDED:
                return at
            time.sleep(_POLL_SECONDS)

    def _print_ended_states(self, at: pipeline.ExecutionProgress) -> None:
        if self._screen is None:
            return
        for state in at.states:
            # A state of a polling loop is left many times: it has ended when a later one was entered.
            is_over = at.status in pipeline.ENDED or state is not at.states[-1]
            if state.left_at is not None and is_over and state.name not in self._printed:
                self._printed.add(state.name)
                self._screen.print(_state_line(state))

    def _picture(self, at: pipeline.ExecutionProgress) -> Group:
        now = datetime.now(UTC)
        lines: list[Any] = []
        for state in at.states:
            if state.left_at is None and at.status not in pipeline.ENDED:
                self._spinner.update(text=_state_words(state, (now - state.entered_at).total_seconds()))
                lines.append(self._spinner)
                lines += [_file_line(record) for record in self._converting(at.file_ids)]
            else:
                lines.append(_state_line(state))
        return Group(*lines)

    def _converting(self, file_ids: Sequence[str]) -> list[FileRecord]:
        found = []
        for file_id in file_ids[:20]:
            try:
                record = self._records.get(file_id)
            except RecordNotFoundError:
                continue  # planned, not registered yet
            if record.status == "RUNNING":
                found.append(record)
        return found


def _state_words(state: pipeline.StateProgress, seconds: float) -> Text:
    return Text(f"{state.name:<30}{seconds_text(seconds):>10}")


def _state_line(state: pipeline.StateProgress) -> Text:
    if state.left_at is None:
        return Text.assemble(("✗ ", "red"), state.name)
    words = _state_words(state, (state.left_at - state.entered_at).total_seconds())
    return Text.assemble(("✓ ", "green"), words)


def _file_line(record: FileRecord) -> Text:
    name = record.key.rpartition("/")[2]
    read, total = record.rows_read or 0, record.rows_total
    return Text(f"    {name}  {record.engine or ''}  {count_text(read)} of {count_text(total)} rows", style="dim")


def finished_run(target: Deployment, date: str) -> PipelineRun | None:
    """The record of a run that has ended, None where it could not record itself."""
    try:
        return pipeline_runs(target).get(pipeline.PIPELINE_NAME, date)
    except RecordNotFoundError:
        return None  # it failed before it could record itself: the execution's own error is shown


def print_outcome(screen: Console, ended: pipeline.ExecutionProgress, finished: PipelineRun | None) -> None:
    """Show how a run ended: its record, what dbt did, and where it failed, why."""
    screen.print()
    if finished is not None:
        print_runs(screen, [finished])
        if finished.transformations:
            screen.print()
            print_transformations(screen, finished.transformations)
    if ended.status != "SUCCEEDED" and (finished is None or not finished.reason):
        screen.print(f"{ended.error}: {ended.cause}", markup=False)


@click.command()
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, newest first."
)
@output_option
@click.pass_obj
def runs(workplace: Workplace, limit: int, output: str) -> None:
    """List the pipeline runs, newest first, with what failed in them.

    Example: lakehouse runs --limit 5
    """
    each = pipeline_runs(deployment(workplace)).iterate(pipeline_name=pipeline.PIPELINE_NAME)
    found = list(itertools.islice(each, limit))
    if output == "json":
        print_json([asdict(run) for run in found])
    elif not found:
        console().print("No runs yet. Start one: lakehouse run --watch")
    else:
        print_runs(console(), found)


def print_runs(screen: Console, found: Sequence[PipelineRun]) -> None:
    """Show pipeline runs to a person: one line a run, and below each failed one why."""
    columns = [
        Column("Execution date (UTC)"),
        Column("Status"),
        Column("Files", is_number=True),
        Column("Converted", is_number=True),
        Column("Failed", is_number=True),
        Column("Took", is_number=True),
    ]
    rows = [
        (
            run.execution_date,
            status_text(run.status),
            count_text(run.files_planned),
            count_text(run.files_succeeded),
            count_text(run.files_failed),
            seconds_text(_duration(run)),
        )
        for run in found
    ]
    screen.print(table(columns, rows))
    for run in found:
        if run.reason:
            screen.print()
            # The files below say it better than their list in one line.
            files = f"{run.files_failed} of {run.files_planned} files failed" if run.failed_files else None
            is_of_files = run.reason.startswith("FilesFailed")
            for reason in filter(None, (None if is_of_files and files else run.reason, files)):
                screen.print(Text.assemble((run.execution_date, "red"), "  ", reason))
        if run.has_more_files:
            screen.print(f"{run.execution_date}  More files wait than one run takes. Go on: lakehouse run --watch")
        for failed in run.failed_files:
            screen.print(
                indented(f"{failed.file_id[:SHORT_ID]}  {failed.key.rpartition('/')[2]}  {failed.error_type}", 2)
            )
            screen.print(indented(failed.reason, 4))


def print_transformations(screen: Console, found: Sequence[Transformation]) -> None:
    """Show what dbt did: the tables that it wrote, and whatever failed."""
    shown = [one for one in found if one.rows is not None or one.reason]
    columns = [
        Column("Curated table", is_flexible=True),
        Column("Status"),
        Column("Rows written", is_number=True),
        Column("Took", is_number=True),
    ]
    rows = [
        (one.name, status_text(one.status.upper()), count_text(one.rows), seconds_text(one.seconds)) for one in shown
    ]
    screen.print(table(columns, rows))


def _duration(run: PipelineRun) -> float | None:
    return None if run.end_time is None else (run.end_time - run.start_time).total_seconds()


COMMANDS = (run, runs)
