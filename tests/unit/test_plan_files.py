"""Planning a run: exactly what landed and is not converted, in order, and in bounded memory however much it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from lakehouse.aws_errors import client_config
from lakehouse.errors import PermanentError
from lakehouse.functions import plan_files, surroundings
from lakehouse.ingestion import planning
from lakehouse.ingestion.file_lists import hand_over
from lakehouse.ingestion.planning import STALE_AFTER, Plan, PlannedFile
from lakehouse.ingestion.standings import FileStandings
from lakehouse.metadata.file_record import NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import file_id

BUCKET = "lakehouse-test-raw"
MakePlan = Callable[..., Plan]
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


@pytest.fixture
def plan(s3: Any, dynamodb: Any, files_table: str, records: FileRecords) -> MakePlan:
    def make(bucket: str = BUCKET, **options: Any) -> Plan:
        return Plan(s3, FileStandings(dynamodb, files_table), bucket, **options)

    return make


def land(s3: Any, *keys: str) -> list[str]:
    """Put objects; their file_ids."""
    found = []
    for key in keys:
        version = s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")["VersionId"]
        found.append(file_id(BUCKET, key, version_id=version))
    return found


def register(records: FileRecords, identity: str, key: str) -> None:
    records.register(NewFile(identity, BUCKET, key, "trips", version_id="v"))


def keys(files: Any) -> list[str]:
    return [file.key for file in files]


def test_what_landed_and_has_no_record_is_planned_with_its_first_attempt(
    s3: Any, records: FileRecords, plan: MakePlan
) -> None:
    (identity,) = land(s3, "raw-data/trips/a.parquet")
    version = s3.head_object(Bucket=BUCKET, Key="raw-data/trips/a.parquet")["VersionId"]
    assert list(plan()) == [PlannedFile(identity, BUCKET, "raw-data/trips/a.parquet", version, 1)]


def test_an_empty_bucket_gives_an_empty_plan(s3: Any, plan: MakePlan) -> None:
    assert hand_over(plan(), None, s3) == {
        "files": [],
        "list": None,
        "count": 0,
        "more": False,
        "start_after": None,
    }


def test_only_parquet_files_of_a_dataset_are_planned(s3: Any, records: FileRecords, plan: MakePlan) -> None:
    land(
        s3,
        "raw-data/trips/a.parquet",
        "raw-data/trips/2022/b.parquet",
        "raw-data/trips/_SUCCESS",
        "raw-data/trips/c.parquet.tmp",
        "raw-data/no_dataset.parquet",
        "elsewhere/trips/d.parquet",
    )
    assert keys(plan()) == ["raw-data/trips/2022/b.parquet", "raw-data/trips/a.parquet"]


def test_only_the_latest_version_is_planned_and_a_deleted_object_is_not(
    s3: Any, records: FileRecords, plan: MakePlan
) -> None:
    land(s3, "raw-data/trips/a.parquet")
    (latest,) = land(s3, "raw-data/trips/a.parquet")
    land(s3, "raw-data/trips/gone.parquet")
    s3.delete_object(Bucket=BUCKET, Key="raw-data/trips/gone.parquet")
    assert [file.file_id for file in plan()] == [latest]


def test_an_object_without_a_version_is_planned_by_its_etag(s3: Any, records: FileRecords, plan: MakePlan) -> None:
    s3.create_bucket(Bucket="unversioned")
    etag = s3.put_object(Bucket="unversioned", Key="raw-data/trips/a.parquet", Body=b"x")["ETag"]
    (file,) = plan("unversioned")
    assert file.version_id == "null"
    assert file.file_id == file_id("unversioned", "raw-data/trips/a.parquet", version_id=None, etag=etag)


def test_converted_and_skipped_files_are_never_planned(s3: Any, records: FileRecords, plan: MakePlan) -> None:
    done, skipped = land(s3, "raw-data/trips/a.parquet", "raw-data/trips/b.parquet")
    register(records, done, "raw-data/trips/a.parquet")
    records.start(done, attempt=1, engine="spark", execution_arn=None)
    records.succeed(done, attempt=1, result=RESULT)
    register(records, skipped, "raw-data/trips/b.parquet")
    records.skip(skipped, duplicate_of=done)
    later = NOW + timedelta(days=30)
    assert keys(plan(retry_failed=True, now=later)) == []


def test_a_changed_upload_of_a_converted_key_is_planned(s3: Any, records: FileRecords, plan: MakePlan) -> None:
    (old,) = land(s3, "raw-data/trips/a.parquet")
    register(records, old, "raw-data/trips/a.parquet")
    records.start(old, attempt=1, engine="spark", execution_arn=None)
    records.succeed(old, attempt=1, result=RESULT)
    (new,) = land(s3, "raw-data/trips/a.parquet")
    assert [file.file_id for file in plan()] == [new]


def test_a_failed_file_is_planned_only_when_asked_for_and_with_a_higher_attempt(
    s3: Any, records: FileRecords, plan: MakePlan
) -> None:
    (failed,) = land(s3, "raw-data/trips/a.parquet")
    register(records, failed, "raw-data/trips/a.parquet")
    records.fail(failed, attempt=1, error_type="X", reason="x")
    assert keys(plan(now=NOW + timedelta(days=30))) == []
    assert [file.attempt for file in plan(retry_failed=True)] == [2]


@pytest.mark.parametrize("status", ["REGISTERED", "RUNNING"])
def test_a_file_under_way_is_planned_with_its_own_attempt_until_it_is_stale_and_then_with_the_next(
    s3: Any, records: FileRecords, plan: MakePlan, clock: Clock, status: str
) -> None:
    (identity,) = land(s3, "raw-data/trips/a.parquet")
    register(records, identity, "raw-data/trips/a.parquet")
    if status == "RUNNING":
        records.start(identity, attempt=3, engine="spark", execution_arn=None)
    own = 3 if status == "RUNNING" else 1
    assert [file.attempt for file in plan(now=NOW + STALE_AFTER)] == [own]
    just_after = NOW + STALE_AFTER + timedelta(microseconds=1)
    assert [file.attempt for file in plan(now=just_after)] == [own + 1]
    if status == "RUNNING":
        clock.now = NOW + timedelta(minutes=60)
        records.progress(identity, attempt=3, rows_read=1)
        assert [file.attempt for file in plan(now=just_after)] == [3], "it showed that it lives"


def test_a_failed_file_whose_retry_waits_in_the_queue_counts_as_failed_until_that_retry_is_lost(
    s3: Any, records: FileRecords, plan: MakePlan
) -> None:
    (identity,) = land(s3, "raw-data/trips/a.parquet")
    register(records, identity, "raw-data/trips/a.parquet")
    records.fail(identity, attempt=1, error_type="ThrottledError", reason="x", next_attempt=2)
    assert [file.attempt for file in plan(now=NOW)] == [1], "the attempt that failed"
    assert [file.attempt for file in plan(now=NOW, retry_failed=True)] == [2], "the one in the queue"
    assert [file.attempt for file in plan(now=NOW + STALE_AFTER + timedelta(seconds=1))] == [2]


def test_a_plan_can_be_limited_to_datasets(s3: Any, records: FileRecords, plan: MakePlan) -> None:
    land(s3, "raw-data/green/a.parquet", "raw-data/green_2/a.parquet", "raw-data/yellow/a.parquet")
    assert keys(plan(datasets=["yellow", "green", "yellow"])) == [
        "raw-data/green/a.parquet",
        "raw-data/yellow/a.parquet",
    ]


def test_a_dataset_within_another_is_planned_once_and_folders_come_in_the_order_of_their_keys(
    s3: Any, plan: MakePlan
) -> None:
    land(s3, "raw-data/a/b/1.parquet", "raw-data/a-b/1.parquet", "raw-data/a/1.parquet")
    wanted = ["raw-data/a-b/1.parquet", "raw-data/a/1.parquet", "raw-data/a/b/1.parquet"]
    assert keys(plan(datasets=["a", "a/b", "a-b"])) == wanted
    assert keys(plan(datasets=["a", "a-b"], start_after=wanted[0])) == wanted[1:]
    assert keys(plan(datasets=["a", "a-b"], start_after=wanted[2])) == []


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_plan_starts_after_any_key(s3: Any, plan: MakePlan, number: int) -> None:
    landed = ["raw-data/trips/a.parquet", "raw-data/trips/ä.parquet", "raw-data/trips/\U0001f695.parquet"]
    land(s3, *landed)
    assert keys(plan(start_after=landed[number])) == landed[number + 1 :]


@pytest.mark.e2e
def test_more_files_than_a_page_and_a_batch_hold_are_all_planned_in_the_order_of_their_keys(
    s3: Any, records: FileRecords, plan: MakePlan
) -> None:
    wanted = [f"raw-data/trips/{number:04}.parquet" for number in range(1_205)]
    land(s3, *reversed(wanted))
    assert keys(plan()) == wanted


@pytest.mark.e2e
def test_a_plan_whose_time_is_up_ends_after_a_hundred_files_and_the_next_one_goes_on(s3: Any, plan: MakePlan) -> None:
    wanted = [f"raw-data/trips/{number:04}.parquet" for number in range(1_205)]
    land(s3, *wanted)
    found: list[str] = []
    start_after, plans = None, 0
    while plans == 0 or start_after is not None:
        answer = hand_over(plan(start_after=start_after, is_time_up=lambda: True), None, s3)
        found += [file["key"] for file in answer["files"]]
        assert answer["more"] is (answer["start_after"] is not None)
        start_after, plans = answer["start_after"], plans + 1
    assert found == wanted
    assert plans > 10


@pytest.fixture
def new_clients() -> Iterator[None]:
    """A function's clients are made at its first call: here for each test."""
    made = (surroundings.s3, plan_files._listing, plan_files._standings)
    for each in made:
        each.cache_clear()
    yield
    for each in made:
        each.cache_clear()


@pytest.mark.usefixtures("new_clients")
def test_the_function_stops_in_time(
    s3: Any, dynamodb: Any, files_table: str, monkeypatch: pytest.MonkeyPatch, records: FileRecords
) -> None:
    monkeypatch.setattr(surroundings, "settings", lambda: SimpleNamespace(raw_bucket=BUCKET, files_table=files_table))
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    land(s3, "raw-data/trips/a.parquet", "raw-data/trips/b.parquet")

    monkeypatch.setattr(planning, "MOST_KEYS", 1)

    def answered(milliseconds: int) -> Any:
        context = SimpleNamespace(
            **dict.fromkeys(("function_name", "invoked_function_arn", "aws_request_id"), "x"),
            memory_limit_in_mb=512,
            get_remaining_time_in_millis=lambda: milliseconds,
        )
        return plan_files.handler({"run_id": "r"}, context)

    late, whole = answered(10_000), answered(200_000)
    assert (late["count"], late["more"], late["start_after"]) == (1, True, "raw-data/trips/a.parquet")
    assert (whole["count"], whole["more"], whole["start_after"]) == (2, False, None)


def test_a_bucket_that_does_not_exist_is_an_error_that_names_it(s3: Any, records: FileRecords, plan: MakePlan) -> None:
    with pytest.raises(PermanentError, match="Listing s3://missing/raw-data/ failed"):
        list(plan("missing"))


# --- look-ups -----------------------------------------------------------------------------------------------------


def test_look_ups_overlap_and_the_order_stays(s3: Any, dynamodb: Any, files_table: str) -> None:
    land(s3, *(f"raw-data/trips/{number:04}.parquet" for number in range(350)))
    met = threading.Barrier(3, timeout=20)

    class Meeting(FileStandings):
        """Answers only when three ask at a time."""

        def of(self, file_ids: Sequence[str]) -> Any:
            if len(file_ids) == 100:
                met.wait()
            return super().of(file_ids)

    found = keys(Plan(s3, Meeting(dynamodb, files_table), BUCKET))
    assert found == [f"raw-data/trips/{number:04}.parquet" for number in range(350)]


def test_keys_that_dynamodb_leaves_unprocessed_are_asked_for_again(
    dynamodb: Any, files_table: str, records: FileRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        register(records, f"f{number}", "raw-data/trips/a.parquet")
    original, asked = dynamodb.batch_get_item, []

    def one_at_a_time(RequestItems: Any) -> Any:  # noqa: N803 - boto3's own name
        (request,) = RequestItems.values()
        asked.append(len(request["Keys"]))
        answer = original(RequestItems={files_table: {**request, "Keys": request["Keys"][:1]}})
        left = request["Keys"][1:]
        return answer | ({"UnprocessedKeys": {files_table: {**request, "Keys": left}}} if left else {})

    monkeypatch.setattr(dynamodb, "batch_get_item", one_at_a_time)
    found = FileStandings(dynamodb, files_table).of(["f0", "f1", "f2", "f9"])
    assert sorted(found) == ["f0", "f1", "f2"]
    assert asked == [4, 3, 2, 1]


def test_only_what_a_plan_needs_of_a_record_is_read(dynamodb: Any, files_table: str, records: FileRecords) -> None:
    register(records, "f", "raw-data/trips/a.parquet")
    answers: list[Any] = []
    dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", lambda parsed, **_: answers.append(parsed))
    (standing,) = FileStandings(dynamodb, files_table).of(["f"]).values()
    assert (standing.status, standing.attempt, standing.updated_at) == ("REGISTERED", 1, NOW)
    (item,) = answers[0]["Responses"][files_table]
    assert set(item) == {"file_id", "status", "attempt", "updated_at"}
