"""The main job on real input: parquet lands, an engine converts it, every row is accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.sample import generate

pytestmark = pytest.mark.e2e

REAL_FILES = {
    "taxi/yellow_tripdata_2022-01.parquet": "yellow_tripdata",
    "taxi/green_tripdata_2024-01.parquet": "green_tripdata",
    "taxi/green_tripdata_2025-01.parquet": "green_tripdata",
}


def as_json_value(value: Any) -> Any:
    """What docs/json-mapping.md promises for a value as PyArrow reads it."""
    if isinstance(value, datetime):
        text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
        return text + ("Z" if value.tzinfo else "")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float) and value != value:  # noqa: PLR0124 -- NaN is the one value unequal to itself
        return None
    return value


def rows_of(table: pa.Table) -> Iterator[dict[str, Any]]:
    columns = [[as_json_value(value) for value in column.to_pylist()] for column in table.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(table.column_names, values, strict=True))


@pytest.fixture(scope="session")
def converted(laptop, shared_data: Path) -> dict[str, dict[str, Any]]:
    """The records of the real files after one pipeline run over all of them, whose events were lost."""
    with laptop.lost_events():
        landed = laptop.json("ingest", *(shared_data / name for name in REAL_FILES))
        run = laptop.json("run", "--watch")
    assert run["status"] == "SUCCEEDED"
    assert run["files_succeeded"] >= len(REAL_FILES)
    return {name: laptop.file(item["key"]) for name, item in zip(REAL_FILES, landed, strict=True)}


@pytest.mark.parametrize("name", REAL_FILES)
def test_every_row_of_a_real_file_is_in_the_json_or_in_the_quarantine(
    name: str, converted: dict[str, dict[str, Any]], laptop, shared_data: Path
) -> None:
    record = converted[name]
    assert record["dataset"] == REAL_FILES[name]
    source = pq.read_table(shared_data / name)
    written = (json.loads(line) for line in laptop.object_text(record["output_uri"]).splitlines())
    rejected = {}
    if record["quarantine_uri"]:
        lines = map(json.loads, laptop.object_text(record["quarantine_uri"]).splitlines())
        rejected = {line["row_number"]: line for line in lines}
    for number, expected in enumerate(rows_of(source), start=1):
        found = rejected[number]["row"] if number in rejected else next(written)
        assert found == expected, f"row {number} of {name}"
    assert next(written, None) is None
    assert record["rows_read"] == source.num_rows == record["rows_written"] + record["rows_quarantined"]
    assert len(rejected) == record["rows_quarantined"]
    assert all(line["broken_rules"] for line in rejected.values())


def test_both_engines_did_real_work(converted: dict[str, dict[str, Any]], laptop) -> None:
    engines = {record["engine"] for record in converted.values()}
    assert engines == {"spark", "in_process"}
    glue = laptop.deployment.client("glue")
    job = laptop.stack.outputs()["glue_jobs"]["value"]["parquet_to_json"]
    runs = glue.get_job_runs(JobName=job)["JobRuns"]
    assert any(run["JobRunState"] == "SUCCEEDED" and run["ExecutionTime"] > 0 for run in runs)


def test_the_raw_crawler_made_typed_tables(converted: dict[str, dict[str, Any]], laptop) -> None:
    database = laptop.stack.outputs()["databases"]["value"]["raw"]
    tables = laptop.deployment.client("glue").get_tables(DatabaseName=database)["TableList"]
    columns = {
        table["Name"]: {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
        for table in tables
    }
    green = next(found for name, found in columns.items() if "green" in name)
    assert green["lpep_pickup_datetime"] == "timestamp"
    assert green["fare_amount"] == "double"
    assert green["cbd_congestion_fee"] == "double"


def test_running_again_converts_nothing_and_changes_nothing(
    converted: dict[str, dict[str, Any]], laptop, shared_data: Path
) -> None:
    before = laptop.json("files", "--limit", "1000")
    landed = laptop.json("ingest", *(shared_data / name for name in REAL_FILES))
    assert [item["is_new"] for item in landed] == [False] * len(REAL_FILES)
    run = laptop.json("run", "--watch", "--no-transform")
    assert (run["status"], run["files_planned"]) == ("SUCCEEDED", 0)
    assert laptop.json("files", "--limit", "1000") == before


def test_the_same_bytes_uploaded_again_are_not_converted_again(
    converted: dict[str, dict[str, Any]], laptop, shared_data: Path
) -> None:
    name = "taxi/green_tripdata_2024-01.parquet"
    record = converted[name]
    with laptop.lost_events():
        laptop.deployment.client("s3").upload_file(str(shared_data / name), record["bucket"], record["key"])
        run = laptop.json("run", "--watch", "--no-transform")
    assert (run["status"], run["files_planned"]) == ("SUCCEEDED", 1)
    again = laptop.file(record["key"])
    assert again["status"] == "SKIPPED"
    assert again["duplicate_of"] == record["file_id"]


def test_a_changed_upload_of_the_same_key_is_converted_once_more(laptop, tmp_path: Path) -> None:
    file = tmp_path / "yellow_tripdata_2024-02.parquet"
    outputs = []
    for seed in (1, 2):
        generate(file, rows=2_000, dirty_share=0.05, seed=seed)
        [record] = laptop.json("ingest", "--watch", file)
        assert record["status"] == "SUCCEEDED"
        outputs.append((record["output_uri"], record["file_id"], laptop.object_text(record["output_uri"])))
    assert outputs[0][0] == outputs[1][0]
    assert outputs[0][1] != outputs[1][1]
    assert outputs[0][2] != outputs[1][2]


def test_a_file_of_an_unknown_dataset_converts_by_its_own_schema(laptop, tmp_path: Path) -> None:
    file = tmp_path / "station_status.parquet"
    table = pa.table(
        {
            "station": ["a", None],
            "at": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "free": pa.array([2**63 - 1, None]),
        }
    )
    pq.write_table(table, file)
    [record] = laptop.json("ingest", "--watch", file)
    assert (record["dataset"], record["status"]) == ("station_status", "SUCCEEDED")
    written = [json.loads(line) for line in laptop.object_text(record["output_uri"]).splitlines()]
    assert written == [
        {"station": "a", "at": "2024-01-01T00:00:00.000000Z", "free": 2**63 - 1},
        {"station": None, "at": None, "free": None},
    ]
