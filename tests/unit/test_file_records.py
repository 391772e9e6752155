"""The records of files: who may change what, and how they are found again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from lakehouse.contracts.difference import Difference, DriftKind
from lakehouse.errors import (
    MetadataError,
    PermanentError,
    RecordExistsError,
    RecordNotFoundError,
    RowConservationError,
    ServiceUnavailableError,
    StatusConflictError,
    ThrottledError,
)
from lakehouse.metadata.file_record import FileStatus, NewFile
from lakehouse.metadata.files import FileRecords

ADDED = Difference(DriftKind.ADDED_COLUMN, "tip", is_allowed=True, found="double")
START = datetime(2022, 1, 1, 0, 35, 40, tzinfo=UTC)
RESULT = {
    "rows_total": 10,
    "rows_read": 10,
    "rows_written": 8,
    "rows_quarantined": 2,
    "bytes_written": 1_234,
    "output_uri": "s3://processed/processed-data/2022/01/01/trips/a.json",
    "output_objects": 1,
    "output_checksum": "CRC32=AAAAAA==",
    "quarantine_uri": "s3://processed/quarantine/2022/01/01/trips/a.json",
    "rule_results": {"fare is not negative": 2},
    "nonfinite_values": 1,
    "drift": (asdict(ADDED),),
    "duration_seconds": 0.125,
    "engine": "spark",
}


class Clock:
    """A clock that goes on one second each time it is read."""

    def __init__(self) -> None:
        self._seconds = count()

    def __call__(self) -> datetime:
        return START + timedelta(seconds=next(self._seconds))


@pytest.fixture
def records(dynamodb: Any, files_table: str) -> FileRecords:
    return FileRecords(dynamodb, files_table, Clock())


def new_file(number: int = 1, **changes: Any) -> NewFile:
    values = {
        "file_id": f"{number:032x}",
        "bucket": "raw",
        "key": f"raw-data/trips/{number}.parquet",
        "dataset": "trips",
        "version_id": f"v{number}",
        "etag": f"etag-{number}",
        "checksum": f"CRC64NVME={number}",
        "size_bytes": 100 + number,
    }
    return NewFile(**values | changes)


def started(records: FileRecords, number: int = 1, *, attempt: int = 1, arn: str = "arn:one") -> str:
    file_id = records.register(new_file(number)).file_id
    records.start(file_id, attempt=attempt, engine="spark", execution_arn=arn)
    return file_id


def test_a_registered_file_reads_back_as_it_was_registered(records: FileRecords) -> None:
    registered = records.register(new_file(run_id="run-1", execution_arn="arn:one"))
    assert records.get(registered.file_id) == registered
    assert registered.status is FileStatus.REGISTERED
    assert registered.attempt == 1
    assert registered.created_at == START


def test_registering_a_file_twice_is_refused_and_names_the_file(records: FileRecords) -> None:
    records.register(new_file())
    with pytest.raises(RecordExistsError, match=r"raw-data/trips/1\.parquet"):
        records.register(new_file())


def test_a_file_that_nobody_registered_is_not_found(records: FileRecords) -> None:
    assert records.find("0" * 32) is None
    with pytest.raises(RecordNotFoundError, match="00000"):
        records.get("0" * 32)
    with pytest.raises(RecordNotFoundError):
        records.start("0" * 32, attempt=1, engine="spark", execution_arn=None)
    assert records.find("0" * 32) is None


def test_a_conversion_is_recorded_from_its_start_to_its_result(records: FileRecords) -> None:
    file_id = records.register(new_file()).file_id
    records.describe(file_id, attempt=1, rows_total=10, drift=[ADDED], engine="spark")
    running = records.start(
        file_id, attempt=1, engine="spark", execution_arn="arn:one", run_id="run-1", job_run_id="jr_1"
    )
    assert (running.status, running.rows_read, running.rows_total) == (FileStatus.RUNNING, 0, 10)
    records.progress(file_id, attempt=1, rows_read=4)
    assert records.get(file_id).rows_read == 4
    done = records.succeed(file_id, attempt=1, result=RESULT)
    assert records.get(file_id) == done
    assert {name: value for name, value in asdict(done).items() if name in RESULT} == RESULT
    assert done.drift == (ADDED,)
    assert (done.status, done.run_id, done.job_run_id) == (FileStatus.SUCCEEDED, "run-1", "jr_1")
    assert done.started_at < done.finished_at <= done.updated_at


def test_numbers_come_back_as_the_types_they_were(records: FileRecords) -> None:
    done = records.succeed(started(records), attempt=1, result=RESULT | {"duration_seconds": 2.0})
    assert type(done.rows_written) is int
    assert type(done.duration_seconds) is float
    assert type(done.rule_results["fare is not negative"]) is int


def test_an_execution_may_start_its_own_attempt_again_and_another_may_not(records: FileRecords) -> None:
    file_id = started(records, arn="arn:one")
    records.progress(file_id, attempt=1, rows_read=4)
    assert records.start(file_id, attempt=1, engine="spark", execution_arn="arn:one").rows_read == 0
    with pytest.raises(StatusConflictError, match="RUNNING at attempt 1 of arn:one"):
        records.start(file_id, attempt=1, engine="spark", execution_arn="arn:two")
    with pytest.raises(StatusConflictError):
        records.start(file_id, attempt=1, engine="spark", execution_arn=None)


def test_a_higher_attempt_takes_over_and_the_dead_one_can_write_nothing_more(records: FileRecords) -> None:
    file_id = started(records, arn="arn:dead")
    assert records.start(file_id, attempt=2, engine="spark", execution_arn="arn:new").attempt == 2
    for write in (
        lambda: records.progress(file_id, attempt=1, rows_read=9),
        lambda: records.succeed(file_id, attempt=1, result=RESULT),
        lambda: records.fail(file_id, attempt=1, error_type="X", reason="x"),
        lambda: records.describe(file_id, attempt=1, rows_total=5),
        lambda: records.start(file_id, attempt=1, engine="spark", execution_arn="arn:dead"),
    ):
        with pytest.raises(StatusConflictError, match="attempt 2 of arn:new"):
            write()
    assert records.succeed(file_id, attempt=2, result=RESULT).status is FileStatus.SUCCEEDED


def test_a_failed_file_runs_again_only_with_a_higher_attempt_and_forgets_the_failure(records: FileRecords) -> None:
    file_id = started(records)
    failed = records.fail(file_id, attempt=1, error_type="CorruptFileError", reason="page 3 is broken")
    assert (failed.status, failed.error_type, failed.reason) == (
        FileStatus.FAILED,
        "CorruptFileError",
        "page 3 is broken",
    )
    with pytest.raises(StatusConflictError, match="attempt 2"):
        records.start(file_id, attempt=1, engine="spark", execution_arn="arn:one")
    again = records.start(file_id, attempt=2, engine="spark", execution_arn="arn:two")
    assert (again.error_type, again.reason, again.finished_at) == (None, None, None)


def test_a_file_can_fail_before_its_conversion_starts(records: FileRecords) -> None:
    file_id = records.register(new_file()).file_id
    assert records.fail(file_id, attempt=1, error_type="EmptyFileError", reason="no bytes").status is FileStatus.FAILED
    second = records.fail(file_id, attempt=2, error_type="FileVanishedError", reason="gone")
    assert (second.attempt, second.error_type) == (2, "FileVanishedError")


def test_the_first_reason_of_a_failed_attempt_stays(records: FileRecords) -> None:
    file_id = started(records)
    records.fail(file_id, attempt=1, error_type="CorruptFileError", reason="the true one")
    with pytest.raises(StatusConflictError):
        records.fail(file_id, attempt=1, error_type="States.TaskFailed", reason="the job failed")
    assert records.get(file_id).reason == "the true one"


def test_an_execution_cannot_fail_the_attempt_that_another_runs(records: FileRecords) -> None:
    file_id = started(records, arn="arn:owner")
    with pytest.raises(StatusConflictError):
        records.fail(file_id, attempt=1, error_type="X", reason="x", execution_arn="arn:stray")
    assert records.get(file_id).status is FileStatus.RUNNING
    records.fail(file_id, attempt=1, error_type="X", reason="x", execution_arn="arn:owner")


@pytest.mark.parametrize("final", ["SUCCEEDED", "SKIPPED"])
def test_nothing_changes_a_final_status(records: FileRecords, final: str) -> None:
    if final == "SUCCEEDED":
        file_id = started(records)
        records.succeed(file_id, attempt=1, result=RESULT)
    else:
        file_id = records.register(new_file()).file_id
        records.skip(file_id, duplicate_of="f" * 32)
    before = records.get(file_id)
    for write in (
        lambda: records.start(file_id, attempt=9, engine="spark", execution_arn="arn:one"),
        lambda: records.succeed(file_id, attempt=1, result=RESULT),
        lambda: records.fail(file_id, attempt=9, error_type="X", reason="x"),
        lambda: records.skip(file_id, duplicate_of="e" * 32),
        lambda: records.describe(file_id, attempt=9, rows_total=1),
        lambda: records.progress(file_id, attempt=1, rows_read=1),
    ):
        with pytest.raises(StatusConflictError, match="upload a new version"):
            write()
    assert records.get(file_id) == before


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_a_file_that_is_done_is_reopened_as_its_next_attempt(records: FileRecords, status: str) -> None:
    file_id = started(records)
    if status == "SUCCEEDED":
        done = records.succeed(file_id, attempt=1, result=RESULT)
    else:
        done = records.fail(file_id, attempt=1, error_type="ThrottledError", reason="not now", next_attempt=2)
    reopened = records.reopen(file_id, attempt=2)
    assert (reopened.status, reopened.attempt) == (FileStatus.REGISTERED, 2)
    assert reopened.reopened_at is not None
    assert reopened.reopened_at > done.updated_at
    gone = ("execution_arn", "claim", "job_run_id", "error_type", "reason", "next_attempt", "engine")
    assert {getattr(reopened, name) for name in gone} == {None}
    assert (reopened.output_uri, reopened.rows_written) == (done.output_uri, done.rows_written)


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_file_is_not_reopened_by_somebody_who_saw_another_attempt(records: FileRecords, attempt: int) -> None:
    file_id = started(records)
    before = records.succeed(file_id, attempt=1, result=RESULT)
    with pytest.raises(StatusConflictError, match=f"cannot reopen as attempt {attempt}"):
        records.reopen(file_id, attempt=attempt)
    assert records.get(file_id) == before


def test_work_under_way_and_skipped_files_are_not_reopened(records: FileRecords) -> None:
    running, registered = started(records, 1), records.register(new_file(2)).file_id
    skipped = records.skip(records.register(new_file(3)).file_id, duplicate_of="f" * 32).file_id
    for file_id in (running, registered, skipped):
        with pytest.raises(StatusConflictError):
            records.reopen(file_id, attempt=2)


def test_work_that_is_dead_is_reopened_unless_it_moved_since(records: FileRecords) -> None:
    file_id = started(records)
    seen = records.get(file_id)
    records.progress(file_id, attempt=1, rows_read=1)
    with pytest.raises(StatusConflictError):
        records.reopen(file_id, attempt=2, dead_since=seen.updated_at)
    dead = records.get(file_id)
    assert records.reopen(file_id, attempt=2, dead_since=dead.updated_at).status is FileStatus.REGISTERED
    with pytest.raises(StatusConflictError, match="attempt 2"):
        records.succeed(file_id, attempt=1, result=RESULT)


def test_what_a_record_says_of_its_output_stays_until_there_is_another(records: FileRecords) -> None:
    file_id = started(records)
    before = records.succeed(file_id, attempt=1, result=RESULT)
    records.reopen(file_id, attempt=2)
    records.start(file_id, attempt=2, engine="spark", execution_arn="arn:two")
    failed = records.fail(file_id, attempt=2, error_type="X", reason="x")
    assert (failed.output_uri, failed.quarantine_uri) == (before.output_uri, before.quarantine_uri)
    records.reopen(file_id, attempt=3)
    records.start(file_id, attempt=3, engine="spark", execution_arn="arn:three")
    clean = RESULT | {"rows_written": 10, "rows_quarantined": 0, "quarantine_uri": None}
    assert records.succeed(file_id, attempt=3, result=clean).quarantine_uri is None


def test_a_reopened_file_is_nobodys_duplicate_and_makes_none(records: FileRecords) -> None:
    same = {"key": "raw-data/trips/a.parquet", "checksum": "CRC64NVME=same", "size_bytes": 7}
    for number in (1, 2):
        file_id = records.register(new_file(number, **same)).file_id
        records.start(file_id, attempt=1, engine="spark", execution_arn="arn:one")
        records.succeed(file_id, attempt=1, result=RESULT)
    reopened = records.reopen(f"{2:032x}", attempt=2)
    third = records.register(new_file(3, **same))
    assert records.find_duplicate(reopened) is None
    assert records.find_duplicate(third) is None


def test_only_a_file_whose_conversion_did_not_begin_can_be_skipped(records: FileRecords) -> None:
    file_id = started(records)
    with pytest.raises(StatusConflictError):
        records.skip(file_id, duplicate_of="f" * 32)


def test_rows_that_are_unaccounted_for_are_never_recorded_as_success(records: FileRecords) -> None:
    file_id = started(records)
    with pytest.raises(RowConservationError, match="10 rows were read, but 7 written and 2 quarantined"):
        records.succeed(file_id, attempt=1, result=RESULT | {"rows_written": 7})
    assert records.get(file_id).status is FileStatus.RUNNING


def test_a_result_with_unknown_or_missing_names_is_refused(records: FileRecords) -> None:
    file_id = started(records)
    with pytest.raises(MetadataError, match="rows_wriiten"):
        records.succeed(file_id, attempt=1, result=RESULT | {"rows_wriiten": 1})
    with pytest.raises(MetadataError, match="output_uri"):
        records.succeed(file_id, attempt=1, result={k: v for k, v in RESULT.items() if k != "output_uri"})


def test_a_difference_reads_back_as_it_was_found(records: FileRecords) -> None:
    found = (
        Difference(DriftKind.MISSING_COLUMN, "fare", is_allowed=False, expected="double", resembles="fares"),
        Difference(DriftKind.ADDED_COLUMN, "fares", is_allowed=True, found="double"),
    )
    file_id = records.register(new_file()).file_id
    records.describe(file_id, attempt=1, drift=found)
    assert (records.get(file_id).drift, records.get(file_id).drift_count) == (found, 2)


def test_a_failure_tells_the_drift_that_it_is_about_and_another_leaves_what_was_found(records: FileRecords) -> None:
    refused = Difference(DriftKind.MISSING_COLUMN, "fare", is_allowed=False, expected="double")
    for number, (drift, kept) in enumerate([([refused], (refused,)), (None, (ADDED,))], start=1):
        file_id = records.register(new_file(number)).file_id
        records.describe(file_id, attempt=1, drift=[ADDED])
        assert records.fail(file_id, attempt=1, error_type="X", reason="x", drift=drift).drift == kept


def test_long_reasons_and_many_long_differences_still_fit_an_item(records: FileRecords) -> None:
    file_id = records.register(new_file()).file_id
    name = "\N{SNOWMAN}" * 100_000
    many = [Difference(DriftKind.RENAMED_COLUMN, name, is_allowed=True, found=name, expected=name)] * 5_000
    described = records.describe(file_id, attempt=1, drift=many)
    assert (len(described.drift), described.drift_count) == (100, 5_000)
    assert described.drift[0].column == "\N{SNOWMAN}" * 199 + "…"
    failed = records.fail(file_id, attempt=1, error_type="X", reason="x" * 1_000_000)
    assert len(failed.reason) == 4_000
    assert failed.reason.endswith("…")


# --- lost answers -------------------------------------------------------------------------------------------------


@pytest.fixture
def lose_the_next_answer(dynamodb: Any) -> Iterator[Callable[[str], None]]:
    """Makes the connection break after the service did what the next call of an operation asked."""
    broken: set[str] = set()

    # The last event before botocore decides whether to send again: the in-memory service has answered by then.
    dynamodb.meta.events.register("needs-retry.dynamodb", _retry_lost(broken), unique_id="lost")
    yield broken.add
    dynamodb.meta.events.unregister("needs-retry.dynamodb", unique_id="lost")


def _retry_lost(broken: set[str]) -> Callable[..., float | None]:
    def handler(operation: Any, **_: Any) -> float | None:
        if operation.name in broken:
            broken.discard(operation.name)
            return 0.0  # send the same request again at once, as after a lost answer
        return None

    return handler


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
def test_a_write_that_is_sent_again_after_a_lost_answer_still_wins(
    records: FileRecords, lose_the_next_answer: Callable[[str], None], operation: str
) -> None:
    if operation == "PutItem":
        lose_the_next_answer(operation)
        assert records.register(new_file()).status is FileStatus.REGISTERED
    else:
        file_id = started(records)
        lose_the_next_answer(operation)
        assert records.succeed(file_id, attempt=1, result=RESULT).status is FileStatus.SUCCEEDED


# --- looking up ---------------------------------------------------------------------------------------------------


@pytest.fixture
def many(records: FileRecords) -> FileRecords:
    """Thirty files of two datasets, one second apart; every third failed."""
    for number in range(30):
        dataset = "green" if number % 2 else "yellow"
        file = records.register(new_file(number, dataset=dataset, key=f"raw-data/{dataset}/{number // 6}.parquet"))
        if number % 3 == 0:
            records.fail(file.file_id, attempt=1, error_type="X", reason="x")
    return records


def _numbers(found: Any) -> list[int]:
    return [int(record.file_id, 16) for record in found]


def test_files_are_found_by_status_dataset_and_key_newest_first(many: FileRecords) -> None:
    assert _numbers(many.iterate(status=FileStatus.FAILED)) == list(range(27, -1, -3))
    assert _numbers(many.iterate(dataset="green", newest_first=False)) == list(range(1, 30, 2))
    assert _numbers(many.iterate(key="raw-data/yellow/0.parquet")) == [4, 2, 0]


def test_several_criteria_must_all_hold(many: FileRecords) -> None:
    assert _numbers(many.iterate(dataset="green", status=FileStatus.FAILED)) == [27, 21, 15, 9, 3]
    assert _numbers(many.query(dataset="green", status=FileStatus.FAILED).items) == [27, 21, 15, 9, 3]


def test_without_criteria_every_file_is_found_in_order(many: FileRecords) -> None:
    assert _numbers(many.iterate()) == list(range(29, -1, -1))
    with pytest.raises(MetadataError, match="status, a dataset or a key"):
        many.query()


@pytest.mark.parametrize("limit", [1, 4, 10, 11])
def test_pages_follow_each_other_without_gap_or_repetition(many: FileRecords, limit: int) -> None:
    found: list[int] = []
    token = None
    while True:
        page = many.query(status=FileStatus.FAILED, dataset="yellow", limit=limit, page_token=token)
        found += _numbers(page.items)
        token = page.next_token
        if token is None:
            break
        assert len(page.items) == limit
    assert found == [24, 18, 12, 6, 0]


def test_a_period_includes_its_beginning_and_excludes_its_end(many: FileRecords) -> None:
    everything = list(many.iterate(newest_first=False))
    since, until = everything[5].created_at, everything[9].created_at
    assert _numbers(many.iterate(since=since, until=until, newest_first=False)) == [5, 6, 7, 8]
    assert _numbers(many.iterate(since=everything[28].created_at)) == [29, 28]
    assert _numbers(many.iterate(until=everything[2].created_at)) == [1, 0]


def test_a_page_token_of_another_query_is_refused(many: FileRecords) -> None:
    token = many.query(status=FileStatus.FAILED, limit=1).next_token
    with pytest.raises(MetadataError, match="belongs to a query of status-created_at-index"):
        many.query(dataset="green", page_token=token)
    with pytest.raises(MetadataError, match="not a page token"):
        many.query(dataset="green", page_token="yesterday")


def test_more_files_than_one_batch_are_read_at_once(records: FileRecords) -> None:
    for number in range(205):
        records.register(new_file(number))
    wanted = [f"{number:032x}" for number in range(300)]
    found = records.get_many(wanted)
    assert sorted(found) == wanted[:205]
    assert found[wanted[7]].key == "raw-data/trips/7.parquet"


# --- duplicates ---------------------------------------------------------------------------------------------------


def test_the_same_bytes_under_the_same_key_are_a_duplicate_once_converted(records: FileRecords) -> None:
    same = {"key": "raw-data/trips/a.parquet", "size_bytes": 7, "checksum": "CRC64NVME=x"}
    records.register(new_file(1, **same))
    second = records.register(new_file(2, **same))
    assert records.find_duplicate(second) is None
    records.start(f"{1:032x}", attempt=1, engine="spark", execution_arn=None)
    records.succeed(f"{1:032x}", attempt=1, result=RESULT)
    duplicate = records.find_duplicate(second)
    assert duplicate is not None
    assert duplicate.file_id == f"{1:032x}"


@pytest.mark.parametrize(
    "difference",
    [
        {"key": "raw-data/trips/b.parquet"},
        {"size_bytes": 8},
        {"checksum": "CRC64NVME=y"},
        {"checksum": None},
        {"bucket": "other"},
    ],
)
def test_other_bytes_or_another_key_are_no_duplicate(records: FileRecords, difference: dict[str, Any]) -> None:
    same = {"key": "raw-data/trips/a.parquet", "size_bytes": 7, "checksum": "CRC64NVME=x"}
    records.register(new_file(1, **same))
    records.start(f"{1:032x}", attempt=1, engine="spark", execution_arn=None)
    records.succeed(f"{1:032x}", attempt=1, result=RESULT)
    assert records.find_duplicate(records.register(new_file(2, **same | difference))) is None


# --- errors of the service ----------------------------------------------------------------------------------------


def _answers(status: int, code: str, message: str) -> Callable[..., Any]:
    """An answer that the service gives instead of its own."""
    from botocore.awsrequest import AWSResponse

    body = f'{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "{message}"}}'.encode()

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield body

    return lambda **_: AWSResponse("https://dynamodb", status, {"content-type": "application/x-amz-json-1.0"}, Raw())


def sleeps_of_this_thread(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have this thread note its pauses instead of making them; others, such as an emulator's, go on as they do."""
    slept: list[float] = []
    this, sleep = threading.current_thread(), time.sleep
    monkeypatch.setattr("time.sleep", lambda s: slept.append(s) if threading.current_thread() is this else sleep(s))
    return slept


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "ProvisionedThroughputExceededException", ThrottledError),
        (400, "ThrottlingException", ThrottledError),
        (500, "InternalServerError", ServiceUnavailableError),
        (503, "ServiceUnavailable", ServiceUnavailableError),
        (400, "ValidationException", PermanentError),
    ],
)
def test_what_botocore_gives_up_on_becomes_our_error_and_names_the_table(
    dynamodb: Any,
    files_table: str,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    expected: type[Exception],
) -> None:
    slept = sleeps_of_this_thread(monkeypatch)
    dynamodb.meta.events.register_first("before-send.dynamodb", _answers(status, code, "no"))
    with pytest.raises(expected, match=files_table) as caught:
        FileRecords(dynamodb, files_table).find("1" * 32)
    assert type(caught.value) is expected
    assert len(slept) == (0 if expected is PermanentError else 7), "eight attempts where trying again may help"
    assert all(pause <= 20 for pause in slept)


def test_an_endpoint_that_does_not_answer_is_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    from lakehouse.aws_errors import client_config

    sleeps_of_this_thread(monkeypatch)
    client = boto3.client(
        "dynamodb",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=client_config(),
    )
    with pytest.raises(ServiceUnavailableError, match="no answer"):
        FileRecords(client, "files").find("1" * 32)
