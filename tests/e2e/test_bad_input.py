"""Bad files fail by name, with a reason, and harm nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.sample import generate

pytestmark = pytest.mark.e2e

# File name → the error it must be refused with.
BAD = {
    "yellow_tripdata_2019-01.parquet": "TruncatedFileError",
    "yellow_tripdata_2019-02.parquet": "NotParquetError",
    "yellow_tripdata_2019-03.parquet": "EmptyFileError",
    "yellow_tripdata_2019-04.parquet": "SchemaDriftError",
    "yellow_tripdata_2019-05.parquet": "CorruptFileError",
}
GOOD = "yellow_tripdata_2019-06.parquet"


def write_bad_files(folder: Path) -> None:
    whole = folder / "whole.parquet"
    generate(whole, rows=500, dirty_share=0, seed=3)
    content = whole.read_bytes()
    (folder / "yellow_tripdata_2019-01.parquet").write_bytes(content[: len(content) // 2])
    (folder / "yellow_tripdata_2019-02.parquet").write_text(
        "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"
    )
    (folder / "yellow_tripdata_2019-03.parquet").write_bytes(b"")
    table = pq.read_table(whole)
    renamed = table.rename_columns(["FARE" if name == "fare_amount" else name for name in table.column_names])
    retyped = renamed.set_column(
        renamed.schema.get_field_index("tpep_pickup_datetime"),
        "tpep_pickup_datetime",
        pa.array(["yesterday"] * table.num_rows),
    )
    pq.write_table(retyped, folder / "yellow_tripdata_2019-04.parquet")
    garbled = bytearray(content)
    garbled[4 : len(content) // 2] = b"\xa5" * (len(content) // 2 - 4)
    (folder / "yellow_tripdata_2019-05.parquet").write_bytes(garbled)


@pytest.fixture(scope="session")
def failed_run(laptop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run over five bad files and a good one."""
    folder = tmp_path_factory.mktemp("bad")
    write_bad_files(folder)
    generate(folder / GOOD, rows=1_000, dirty_share=0.01, seed=4)
    with laptop.lost_events():
        laptop.json("ingest", *(folder / name for name in (*BAD, GOOD)))
        run: dict[str, Any] = laptop.json("run", "--watch", check=False)
    return run


def test_a_failed_file_makes_the_run_failed_and_names_every_one(failed_run: dict[str, Any]) -> None:
    assert failed_run["status"] == "FAILED"
    assert failed_run["files_failed"] == len(BAD)
    named = {Path(failed["key"]).name: failed["error_type"] for failed in failed_run["failed_files"]}
    assert named == BAD


def test_the_other_files_of_a_failed_run_are_converted(failed_run: dict[str, Any], laptop) -> None:
    record = laptop.file(f"raw-data/yellow_tripdata/{GOOD}")
    assert record["status"] == "SUCCEEDED"
    assert record["rows_read"] == 1_000
    assert failed_run["files_succeeded"] >= 1


def test_the_curated_tables_of_a_failed_run_are_built_of_what_is_there(failed_run: dict[str, Any], laptop) -> None:
    assert {one["status"] for one in failed_run["transformations"]} == {"success"}
    assert failed_run["reason"].startswith("FilesFailed")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_recorded_with_its_error_and_what_to_do(name: str, failed_run: dict[str, Any], laptop) -> None:
    record = laptop.file(f"raw-data/yellow_tripdata/{name}")
    assert (record["status"], record["error_type"]) == ("FAILED", BAD[name])
    assert len(record["reason"]) > 40
    assert record["output_uri"] is None


def test_drift_is_explained_column_by_column(failed_run: dict[str, Any], laptop) -> None:
    record = laptop.file("raw-data/yellow_tripdata/yellow_tripdata_2019-04.parquet")
    assert {(one["kind"], one["column"]) for one in record["drift"]} == {
        ("text_timestamp", "tpep_pickup_datetime"),
        ("missing_column", "fare_amount"),
        ("added_column", "FARE"),
    }
    assert all(one["column"] in record["reason"] for one in record["drift"] if not one["is_allowed"])
    shown = laptop.run("files", "yellow_tripdata_2019-04.parquet", COLUMNS="120").stdout
    assert "text_timestamp" in shown


def test_nothing_half_written_is_visible_after_a_failed_run(failed_run: dict[str, Any], laptop) -> None:
    deployment = laptop.deployment
    s3, bucket = deployment.client("s3"), deployment.buckets["processed"]
    keys = [
        item["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for item in page.get("Contents", ())
    ]
    assert not [key for key in keys if Path(key).stem in {Path(name).stem for name in BAD}]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_the_reason_is_shown_by_runs_and_by_files_failed(failed_run: dict[str, Any], laptop) -> None:
    for command in (["runs"], ["files", "--failed"]):
        shown = laptop.run(*command, COLUMNS="120").stdout
        assert "TruncatedFileError" in shown
        assert "yellow_tripdata_2019-01.parquet" in shown


def test_failed_files_are_tried_again_only_when_asked(failed_run: dict[str, Any], laptop) -> None:
    assert laptop.json("run", "--watch", "--no-transform")["files_planned"] == 0
    run = laptop.json("run", "--watch", "--retry-failed", "--no-transform", check=False)
    assert (run["status"], run["files_planned"]) == ("FAILED", len(BAD))
    assert laptop.file("raw-data/yellow_tripdata/yellow_tripdata_2019-01.parquet")["attempt"] == 2


def test_every_real_bad_file_that_lands_is_refused_by_its_event(laptop, shared_data: Path) -> None:
    files = sorted((shared_data / "bad").glob("*.parquet"))
    assert files
    records = laptop.json("ingest", "--watch", "--dataset", "bad_files", *files, check=False)
    found = {
        Path(record["key"]).name: (record["status"], record["error_type"], record["attempt"]) for record in records
    }
    assert found == {
        "ARROW-GH-41321.parquet": ("FAILED", "CorruptFileError", 1),
        "ARROW-GH-45185.parquet": ("FAILED", "CorruptFileError", 1),
        "fact_trips.one-newline.parquet": ("FAILED", "NotParquetError", 1),
        "yellow_tripdata_2021-01.truncated.parquet": ("FAILED", "TruncatedFileError", 1),
        "yellow_tripdata_2024-01.s3-accessdenied-xml.parquet": ("FAILED", "NotParquetError", 1),
    }
    assert all(Path(record["key"]).name in record["reason"] for record in records)


def test_a_file_that_vanishes_between_landing_and_job_fails_by_name(laptop) -> None:
    deployment = laptop.deployment
    states = deployment.client("stepfunctions")
    gone = {
        "bucket": deployment.buckets["raw"],
        "key": "raw-data/yellow_tripdata/yellow_tripdata_2018-01.parquet",
        "version_id": "00000000-0000-0000-0000-000000000000",
        "attempt": 1,
        "run_id": "vanished",
    }
    arn = states.start_execution(stateMachineArn=deployment.state_machines["file_conversion"], input=json.dumps(gone))[
        "executionArn"
    ]
    ended = wait_for(states, arn)
    assert ended["status"] == "FAILED"
    assert "FileVanishedError" in ended["error"] + ended["cause"]
    assert laptop.file(gone["key"])["error_type"] == "FileVanishedError"


def wait_for(states: Any, arn: str) -> dict[str, Any]:
    import time

    while True:
        described: dict[str, Any] = states.describe_execution(executionArn=arn)
        if described["status"] != "RUNNING":
            return described
        time.sleep(0.2)
