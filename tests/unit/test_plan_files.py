"""Planning a run: exactly what landed and is not converted, in order, and never more than one run carries."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from lakehouse.aws_errors import client_config
from lakehouse.errors import PermanentError
from lakehouse.functions.plan_files import MOST_BYTES, STALE_AFTER, PlannedFile, plan, within
from lakehouse.metadata.file_record import NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import file_id

BUCKET = "lakehouse-test-raw"
NOW = datetime(2022, 1, 2, tzinfo=UTC)
RESULT = {"rows_read": 3, "rows_written": 3, "rows_quarantined": 0, "output_uri": "s3://processed/x.json"}


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def s3(aws_account: None) -> Any:
    client = boto3.client("s3", config=client_config())
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def records(dynamodb: Any, files_table: str, clock: Clock) -> FileRecords:
    return FileRecords(dynamodb, files_table, clock)


def land(s3: Any, *keys: str) -> list[str]:
    """Put objects; their file_ids."""
    found = []
    for key in keys:
        version = s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")["VersionId"]
        found.append(file_id(BUCKET, key, version_id=version))
    return found


def register(records: FileRecords, identity: str, key: str) -> None:
    records.register(NewFile(identity, BUCKET, key, "trips", version_id="v"))


def keys(files: Iterator[PlannedFile]) -> list[str]:
    return [file.key for file in files]


def test_what_landed_and_has_no_record_is_planned_with_its_first_attempt(s3: Any, records: FileRecords) -> None:
    (identity,) = land(s3, "raw-data/trips/a.parquet")
    version = s3.head_object(Bucket=BUCKET, Key="raw-data/trips/a.parquet")["VersionId"]
    assert list(plan(s3, records, BUCKET)) == [PlannedFile(identity, BUCKET, "raw-data/trips/a.parquet", version, 1)]


def test_an_empty_bucket_gives_an_empty_plan(s3: Any, records: FileRecords) -> None:
    assert within(plan(s3, records, BUCKET)) == {"files": [], "count": 0, "more": False}


def test_only_parquet_files_of_a_dataset_are_planned(s3: Any, records: FileRecords) -> None:
    land(
        s3,
        "raw-data/trips/a.parquet",
        "raw-data/trips/2022/b.parquet",
        "raw-data/trips/_SUCCESS",
        "raw-data/trips/c.parquet.tmp",
        "raw-data/no_dataset.parquet",
        "elsewhere/trips/d.parquet",
    )
    assert keys(plan(s3, records, BUCKET)) == ["raw-data/trips/2022/b.parquet", "raw-data/trips/a.parquet"]


def test_only_the_latest_version_is_planned_and_a_deleted_object_is_not(s3: Any, records: FileRecords) -> None:
    land(s3, "raw-data/trips/a.parquet")
    (latest,) = land(s3, "raw-data/trips/a.parquet")
    land(s3, "raw-data/trips/gone.parquet")
    s3.delete_object(Bucket=BUCKET, Key="raw-data/trips/gone.parquet")
    assert [file.file_id for file in plan(s3, records, BUCKET)] == [latest]


def test_an_object_without_a_version_is_planned_by_its_etag(s3: Any, records: FileRecords) -> None:
    s3.create_bucket(Bucket="unversioned")
    etag = s3.put_object(Bucket="unversioned", Key="raw-data/trips/a.parquet", Body=b"x")["ETag"]
    (file,) = plan(s3, records, "unversioned")
    assert file.version_id == "null"
    assert file.file_id == file_id("unversioned", "raw-data/trips/a.parquet", version_id=None, etag=etag)


def test_converted_and_skipped_files_are_never_planned(s3: Any, records: FileRecords) -> None:
    done, skipped = land(s3, "raw-data/trips/a.parquet", "raw-data/trips/b.parquet")
    register(records, done, "raw-data/trips/a.parquet")
    records.start(done, attempt=1, engine="spark", execution_arn=None)
    records.succeed(done, attempt=1, result=RESULT)
    register(records, skipped, "raw-data/trips/b.parquet")
    records.skip(skipped, duplicate_of=done)
    later = NOW + timedelta(days=30)
    assert keys(plan(s3, records, BUCKET, retry_failed=True, now=later)) == []


def test_a_changed_upload_of_a_converted_key_is_planned(s3: Any, records: FileRecords) -> None:
    (old,) = land(s3, "raw-data/trips/a.parquet")
    register(records, old, "raw-data/trips/a.parquet")
    records.start(old, attempt=1, engine="spark", execution_arn=None)
    records.succeed(old, attempt=1, result=RESULT)
    (new,) = land(s3, "raw-data/trips/a.parquet")
    assert [file.file_id for file in plan(s3, records, BUCKET)] == [new]


def test_a_failed_file_is_planned_only_when_asked_for_and_with_a_higher_attempt(s3: Any, records: FileRecords) -> None:
    (failed,) = land(s3, "raw-data/trips/a.parquet")
    register(records, failed, "raw-data/trips/a.parquet")
    records.fail(failed, attempt=1, error_type="X", reason="x")
    assert keys(plan(s3, records, BUCKET, now=NOW + timedelta(days=30))) == []
    assert [file.attempt for file in plan(s3, records, BUCKET, retry_failed=True)] == [2]


@pytest.mark.parametrize("status", ["REGISTERED", "RUNNING"])
def test_unfinished_work_is_left_alone_until_it_is_stale(
    s3: Any, records: FileRecords, clock: Clock, status: str
) -> None:
    (identity,) = land(s3, "raw-data/trips/a.parquet")
    register(records, identity, "raw-data/trips/a.parquet")
    if status == "RUNNING":
        records.start(identity, attempt=1, engine="spark", execution_arn=None)
    assert keys(plan(s3, records, BUCKET, now=NOW + STALE_AFTER)) == []
    just_after = NOW + STALE_AFTER + timedelta(microseconds=1)
    assert [file.attempt for file in plan(s3, records, BUCKET, now=just_after)] == [2]
    if status == "RUNNING":
        clock.now = NOW + timedelta(minutes=60)
        records.progress(identity, attempt=1, rows_read=1)
        assert keys(plan(s3, records, BUCKET, now=just_after)) == [], "it showed that it lives"


def test_a_plan_can_be_limited_to_datasets(s3: Any, records: FileRecords) -> None:
    land(s3, "raw-data/green/a.parquet", "raw-data/green_2/a.parquet", "raw-data/yellow/a.parquet")
    assert keys(plan(s3, records, BUCKET, datasets=["yellow", "green", "yellow"])) == [
        "raw-data/green/a.parquet",
        "raw-data/yellow/a.parquet",
    ]


@pytest.mark.e2e
def test_more_files_than_a_page_and_a_batch_hold_are_all_planned_in_the_order_of_their_keys(
    s3: Any, records: FileRecords
) -> None:
    wanted = [f"raw-data/trips/{number:04}.parquet" for number in range(1_205)]
    land(s3, *reversed(wanted))
    assert keys(plan(s3, records, BUCKET)) == wanted


def test_a_bucket_that_does_not_exist_is_an_error_that_names_it(s3: Any, records: FileRecords) -> None:
    with pytest.raises(PermanentError, match="Listing s3://missing/raw-data/ failed"):
        list(plan(s3, records, "missing"))


# --- as many as one run carries -----------------------------------------------------------------------------------


def many(count: int) -> Iterator[PlannedFile]:
    return (PlannedFile(f"{n:032x}", BUCKET, f"raw-data/trips/{n}.parquet", "v" * 32, 1) for n in range(count))


def test_a_limit_says_whether_files_are_left(s3: Any) -> None:
    cut = within(many(5), limit=3)
    assert (cut["count"], len(cut["files"]), cut["more"]) == (3, 3, True)
    whole = within(many(3), limit=3)
    assert (whole["count"], whole["more"]) == (3, False)


@pytest.mark.parametrize("name", ["plain", "ü" * 300, "\U0001f695" * 200])
def test_the_plan_stays_below_what_step_functions_carries(name: str) -> None:
    files = (PlannedFile(f"{n:032x}", BUCKET, f"raw-data/trips/{name}{n}.parquet", "v", 1) for n in range(100_000))
    answer = within(files)
    assert answer["more"]
    size = len(json.dumps(answer["files"]).encode())
    assert MOST_BYTES - 4_000 < size <= MOST_BYTES
    assert answer["count"] == len(answer["files"])


def test_a_million_files_are_not_held_in_memory() -> None:
    tracemalloc.start()
    try:
        within(many(1_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
