"""The pipeline's second half: dbt builds the curated tables, its results are recorded, its failures named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from lakehouse.sample import generate

pytestmark = pytest.mark.e2e

ROWS = {"yellow_tripdata": 2_000, "green_tripdata": 1_000, "events": 1_500, "users": 100}
TABLES = {"taxi_zones", "fct_events", "dim_zones", "snap_users", "dim_users", "fct_trips", "fct_trips_daily"}


@pytest.fixture(scope="module")
def built(laptop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run over a file of each dataset."""
    folder = tmp_path_factory.mktemp("samples")
    for dataset, rows in ROWS.items():
        generate(folder / f"{dataset}_2025-07.parquet", rows, 0.02, 7, dataset)
    laptop.json("ingest", "--watch", *sorted(folder.iterdir()))
    run: dict[str, Any] = laptop.json("run", "--watch")
    return run


def rows_of(laptop, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = laptop.json("query", sql)
    return found


def execute(laptop, machine: str, given: dict[str, Any]) -> dict[str, Any]:
    client = laptop.deployment.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=laptop.deployment.state_machines[machine], input=json.dumps(given))[
        "executionArn"
    ]
    while (ended := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.1)
    found: dict[str, Any] = ended
    return found


def test_a_run_records_what_became_of_each_model(built: dict[str, Any], laptop) -> None:
    assert built["status"] == "SUCCEEDED", built
    tables = {one["name"]: one for one in built["transformations"] if one["rows"] is not None}
    assert set(tables) == TABLES
    assert {one["status"] for one in built["transformations"]} == {"success"}
    assert all(one["seconds"] > 0 for one in tables.values())
    [[trips]] = [list(row.values()) for row in rows_of(laptop, "select count(*) as trips from fct_trips")]
    assert int(trips) >= tables["fct_trips"]["rows"] > 0
    bucket, _, folder = built["transformation_results"].removeprefix("s3://").partition("/")
    listed = laptop.deployment.client("s3").list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]
    assert [one["Key"].rpartition("/")[2] for one in listed] == ["manifest.json", "run_results.json"]


def test_the_curated_crawler_ends_the_run_with_every_iceberg_table_known(built: dict[str, Any], laptop) -> None:
    crawl = laptop.deployment.client("glue").get_crawler(Name=laptop.deployment.crawlers["curated"])["Crawler"]
    assert crawl["LastCrawl"]["Status"] == "SUCCEEDED"
    known = {table["name"] for table in laptop.json("tables", "--layer", "curated") if table["kind"] == "iceberg"}
    assert known >= TABLES


def test_a_failed_test_fails_the_run_and_is_named(built: dict[str, Any], laptop) -> None:
    columns = "trip_id, taxi_type, pickup_at, dropoff_at, pickup_date, total_amount"
    broken = (
        "'broken', 'boat', timestamp '2025-07-01 00:00:00', timestamp '2025-07-01 01:00:00', date '2025-07-01', 1.0"
    )
    laptop.run("query", f"insert into fct_trips ({columns}) values ({broken})")
    try:
        run = laptop.json("run", "--watch", check=False)
    finally:
        laptop.run("query", "delete from fct_trips where trip_id = 'broken'")
    assert run["status"] == "FAILED"
    assert run["reason"].startswith("TransformationsFailed: test ")
    failed = [one for one in run["transformations"] if one["reason"]]
    assert any("assert_every_trip_once" in one["name"] for one in failed), failed
    assert "assert_every_trip_once" in laptop.run("runs", "--limit", "1", COLUMNS="400").stdout


def test_a_run_that_only_converts_leaves_the_tables_alone(built: dict[str, Any], laptop) -> None:
    count = 'select count(*) as n from "fct_trips$snapshots"'
    before = rows_of(laptop, count)
    run = laptop.json("run", "--watch", "--no-transform")
    assert (run["status"], run["transformations"]) == ("SUCCEEDED", [])
    assert rows_of(laptop, count) == before


def test_the_maintenance_compacts_what_many_small_writes_left(built: dict[str, Any], laptop) -> None:
    zone = "select 900 + n, 'Q', 'Z', 'S' from unnest(sequence({0}, {0})) t(n)"
    for number in range(6):
        laptop.run("query", f"insert into taxi_zones {zone.format(number)}")
    files = 'select count(*) as n from "taxi_zones$files"'
    before = rows_of(laptop, "select count(*) as n from taxi_zones")
    assert int(rows_of(laptop, files)[0]["n"]) > 1
    ended = execute(laptop, "table_maintenance", {})
    assert ended["status"] == "SUCCEEDED", ended
    assert set(json.loads(ended["output"])["maintained"]) >= TABLES
    assert rows_of(laptop, files) == [{"n": "1"}]
    assert rows_of(laptop, "select count(*) as n from taxi_zones") == before


def test_a_table_that_cannot_be_maintained_is_named_and_stops_no_other(built: dict[str, Any], laptop) -> None:
    ended = execute(laptop, "table_maintenance", {"tables": ["nowhere", "dim_zones"]})
    assert (ended["status"], ended["error"]) == ("FAILED", "TablesFailed")
    assert "nowhere" in ended["cause"]
    assert "TABLE_NOT_FOUND" in ended["cause"]
    assert "dim_zones" not in ended["cause"]


def test_the_documentation_of_the_tables_is_one_page(built: dict[str, Any], laptop, tmp_path: Path) -> None:
    page = tmp_path / "tables.html"
    laptop.run("docs", "--output", page)
    text = page.read_text(encoding="utf-8")
    assert "model.lakehouse.fct_trips_daily" in text
    assert "<html" in text.lower()


def test_the_documentation_is_served_until_it_is_interrupted(built: dict[str, Any], laptop) -> None:
    command = [sys.executable, "-u", "-c", "from lakehouse.cli.main import main; main()", "docs", "--port", "0"]
    environment = {**os.environ, "LAKEHOUSE_HOME": str(laptop.workplace.home)}
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - nothing else runs here
    ) as server:
        assert server.stdout is not None
        url = next(line.split()[0] for line in server.stdout if line.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(url) as answer:
            assert "fct_trips_daily" in answer.read().decode()
        server.send_signal(signal.SIGINT)
        try:
            said, _ = server.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            raise
    assert "Served no longer" in said
    assert server.returncode == 0
