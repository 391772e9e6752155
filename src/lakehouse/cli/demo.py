"""The demo: everything once, from a file that lands to a query of the tables that come of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from lakehouse import pipeline
from lakehouse.cli.data import SHORT_ID, file_records, print_files
from lakehouse.cli.deployment import Deployment, deployment
from lakehouse.cli.landing import ConversionWatch
from lakehouse.cli.laptop import Steps, bring_up
from lakehouse.cli.pipeline import Watcher, finished_run, print_outcome
from lakehouse.cli.presentation import count_text, indented, seconds_text
from lakehouse.cli.queries import athena_queries, described, print_rows
from lakehouse.metadata.file_record import FileRecord
from lakehouse.settings import Workplace

# A longer first row is not shown.
_MOST_ROW_BYTES = 16 * 1024
# Rows of each dataset's sample; trips are many enough for Spark.
_SAMPLE: Mapping[str, int] = {"yellow_tripdata": 100_000, "green_tripdata": 5_000, "events": 10_000, "users": 500}
_SAMPLE_TITLE = "Make samples of trips, events and users, 2 % dirty"
_QUERIES = (
    """
    SELECT borough, count(*) AS trips, sum(total_amount) AS revenue
    FROM fct_trips JOIN dim_zones ON pickup_zone_id = zone_id
    GROUP BY borough ORDER BY borough LIMIT 3
    """,
    """
    SELECT subscription_plan, count(*) AS users, count_if(is_active) AS active
    FROM dim_users GROUP BY subscription_plan ORDER BY subscription_plan
    """,
)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def demo(context: click.Context, files: tuple[Path, ...]) -> None:
    """Run the main job once, end to end: parquet FILES in, JSON objects and Iceberg tables out, queried by Athena.

    Without FILES it makes some: taxi trips, events and users, 2 % of them dirty. Example: lakehouse demo my.parquet
    """
    from lakehouse.contracts.catalog import ContractCatalog
    from lakehouse.landing import dataset_of, land

    workplace: Workplace = context.obj
    steps = Steps()
    bring_up(workplace, steps)
    target = deployment(workplace)
    if not files:
        with steps.step(_SAMPLE_TITLE):
            files = _samples(workplace.home / "sample")
    contracts = ContractCatalog.packaged()
    with steps.step(f"Land {len(files)} file{'s' * (len(files) > 1)} in the raw bucket"):
        client = target.client("s3")
        landed = [land(client, target.buckets["raw"], file, dataset_of(file, contracts)) for file in files]
    screen = steps.screen
    screen.print("\nEach file's event, by way of the queue, has it converted:")
    start = time.monotonic()
    records = ConversionWatch(file_records(target), screen).watch(landed)
    steps.timings["Convert the files"] = time.monotonic() - start
    if not any(item.is_new for item in landed):
        screen.print("Nothing new landed: these bytes were converted before, and nothing is converted twice.")
    screen.print()
    print_files(records)
    if records[0].output_uri:
        _print_output(screen, target, records[0])
    date = pipeline.execution_date(datetime.now(UTC))
    screen.print("\nState machine lakehouse-pipeline, the daily run:")
    start = time.monotonic()
    arn = pipeline.start(target.client("stepfunctions"), target.state_machines["lakehouse_pipeline"], date)
    ended = Watcher(target, arn, screen).watch()
    steps.timings["Run the pipeline"] = time.monotonic() - start
    print_outcome(screen, ended, finished_run(target, date))
    is_built = ended.status == "SUCCEEDED"
    if is_built:
        _print_queries(screen, target)
    screen.print(f"\n[dim]Whole demo: {seconds_text(sum(steps.timings.values()))}.[/] Next: lakehouse --help")
    context.exit(0 if is_built and all(record.status.is_final for record in records) else 1)


def _samples(folder: Path) -> tuple[Path, ...]:
    from lakehouse.sample import generate

    folder.mkdir(parents=True, exist_ok=True)
    made = [folder / f"{dataset}_2024-02.parquet" for dataset in _SAMPLE]
    for file, (dataset, rows) in zip(made, _SAMPLE.items(), strict=True):
        generate(file, rows=rows, dirty_share=0.02, seed=1, dataset=dataset)
    return tuple(made)


def _print_queries(screen: Console, target: Deployment) -> None:
    """Show what the curated tables answer through Athena."""
    queries = athena_queries(target)
    for sql in _QUERIES:
        screen.print(f"\nAthena:{sql.rstrip()}\n", markup=False)
        result = queries.run(sql)
        print_rows(result, queries.rows(result), 10)
        screen.print(described(result), style="dim")


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


COMMANDS = (demo,)
