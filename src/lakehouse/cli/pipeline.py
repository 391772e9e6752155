"""Commands about pipeline runs: starting, watching and listing them, and the demo that does it all once."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from lakehouse import pipeline
from lakehouse.cli.data import SHORT_ID, file_records, print_files
from lakehouse.cli.deployment import Deployment, deployment
from lakehouse.cli.laptop import Steps, bring_up, output_option
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
from lakehouse.metadata.pipeline_runs import PipelineRun, PipelineRuns
from lakehouse.settings import Workplace

_POLL_SECONDS = 0.5
# A longer first row is not shown.
_MOST_ROW_BYTES = 16 * 1024


def pipeline_runs(target: Deployment) -> PipelineRuns:
    """The pipeline runs of a deployment."""
    return PipelineRuns(target.client("dynamodb"), target.tables["pipeline_runs"])


@click.command()
@click.option("--watch", is_flag=True, help="Stay until it has ended, showing states and progress.")
@click.option("--date", "date", help="The run's execution date (ISO-8601). Default: now.")
@click.option("--retry-failed", is_flag=True, help="Try files that failed before once more.")
@output_option
@click.pass_context
def run(context: click.Context, *, watch: bool, date: str | None, retry_failed: bool, output: str) -> None:
    """Start a pipeline run: crawl the raw layer, convert what landed.

    With --watch the exit code is 1 when the run failed. Example: lakehouse run --watch
    """
    target = deployment(context.obj)
    client = target.client("stepfunctions")
    date = date or pipeline.execution_date(datetime.now(UTC))
    arn = pipeline.start(client, target.state_machines["lakehouse_pipeline"], date, retry_failed=retry_failed)
    if not watch:
        if output == "json":
            print_json({"execution_arn": arn, "execution_date": date, "status": "RUNNING"})
        else:
            console().print(f"Started {arn.rpartition(':')[2]}. See it: lakehouse runs", soft_wrap=True)
        return
    watcher = Watcher(target, arn, None if output == "json" else console())
    ended = watcher.watch()
    finished = _finished_run(target, date)
    if output == "json":
        print_json(asdict(finished) if finished else {"execution_arn": arn, "status": ended.status})
    else:
        _print_outcome(console(), ended, finished)
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


def _finished_run(target: Deployment, date: str) -> PipelineRun | None:
    try:
        return pipeline_runs(target).get(pipeline.PIPELINE_NAME, date)
    except RecordNotFoundError:
        return None  # it failed before it could record itself: the execution's own error is shown


def _print_outcome(screen: Console, ended: pipeline.ExecutionProgress, finished: PipelineRun | None) -> None:
    screen.print()
    if finished is not None:
        print_runs(screen, [finished])
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
            reason = f"{run.files_failed} of {run.files_planned} files failed" if run.failed_files else run.reason
            screen.print(Text.assemble((run.execution_date, "red"), "  ", reason))
        if run.has_more_files:
            screen.print(f"{run.execution_date}  More files wait than one run takes. Go on: lakehouse run --watch")
        for failed in run.failed_files:
            screen.print(
                indented(f"{failed.file_id[:SHORT_ID]}  {failed.key.rpartition('/')[2]}  {failed.error_type}", 2)
            )
            screen.print(indented(failed.reason, 4))


def _duration(run: PipelineRun) -> float | None:
    return None if run.end_time is None else (run.end_time - run.start_time).total_seconds()


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def demo(context: click.Context, files: tuple[Path, ...]) -> None:
    """Run the main job once, end to end: parquet FILES in, JSON objects out.

    Without FILES it makes one: 100,000 taxi trips, 2 % of them dirty. Example: lakehouse demo my_trips.parquet
    """
    from lakehouse.contracts.catalog import ContractCatalog
    from lakehouse.landing import dataset_of, land
    from lakehouse.sample import generate

    workplace: Workplace = context.obj
    steps = Steps()
    bring_up(workplace, steps)
    target = deployment(workplace)
    if not files:
        files = (workplace.home / "sample" / "yellow_tripdata_2024-02.parquet",)
        with steps.step("Make 100,000 sample trips, 2 % of them dirty"):
            files[0].parent.mkdir(parents=True, exist_ok=True)
            generate(files[0], rows=100_000, dirty_share=0.02, seed=1)
    contracts = ContractCatalog.packaged()
    with steps.step(f"Land {len(files)} file{'s' * (len(files) > 1)} in the raw bucket"):
        client = target.client("s3")
        landed = [land(client, target.buckets["raw"], file, dataset_of(file, contracts)) for file in files]
    date = pipeline.execution_date(datetime.now(UTC))
    screen = steps.screen
    screen.print("\nState machine lakehouse-pipeline:")
    start = time.monotonic()
    arn = pipeline.start(target.client("stepfunctions"), target.state_machines["lakehouse_pipeline"], date)
    ended = Watcher(target, arn, screen).watch()
    steps.timings["Run the pipeline"] = time.monotonic() - start
    _print_outcome(screen, ended, _finished_run(target, date))
    if not any(item.is_new for item in landed):
        screen.print("\nNothing new landed: these bytes were converted before, and nothing is converted twice.")
    records = [_latest_record(target, item.key) for item in landed]
    screen.print()
    print_files([record for record in records if record is not None])
    for record in records:
        if record is not None and record.output_uri:
            _print_output(screen, target, record)
    screen.print(f"\n[dim]Whole demo: {seconds_text(sum(steps.timings.values()))}.[/] Next: lakehouse --help")
    context.exit(0 if ended.status == "SUCCEEDED" else 1)


def _latest_record(target: Deployment, key: str) -> FileRecord | None:
    return next(iter(file_records(target).iterate(key=key)), None)


def _print_output(screen: Console, target: Deployment, record: FileRecord) -> None:
    """Show where the JSON is, its first row, and where the rest of the story is told."""
    uri = str(record.output_uri)
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    screen.print(f"\n{uri}", soft_wrap=True)
    if key.endswith("/_manifest.json"):
        screen.print(f"lists {count_text(record.output_objects)} objects")
    # Only plain JSON is shown; an empty object has no range to ask for.
    elif record.bytes_written and key.endswith(".json"):
        beginning = f"bytes=0-{_MOST_ROW_BYTES - 1}"
        body = target.client("s3").get_object(Bucket=bucket, Key=key, Range=beginning)["Body"].read()
        _print_first_row(screen, body)
    if record.rows_quarantined:
        screen.print(
            f"{count_text(record.rows_quarantined)} rows broke a rule: lakehouse quarantine {record.file_id[:SHORT_ID]}"
        )


def _print_first_row(screen: Console, beginning: bytes) -> None:
    first, is_whole, _ = beginning.partition(b"\n")
    if is_whole:
        # Spaces after the commas, so that a terminal can break the line.
        screen.print(indented(json.dumps(json.loads(first), ensure_ascii=False), 2))


COMMANDS = (run, runs, demo)
