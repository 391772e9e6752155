"""Recording a failure: the reason a person needs, once, and never over somebody else's work."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lakehouse.errors import PermanentError
from lakehouse.functions.record_failure import Failure, record
from lakehouse.ingestion.messages import LandedFile, landed_files
from lakehouse.ingestion.retries import MOST_ATTEMPTS, Retries
from lakehouse.metadata.file_record import FileStatus, NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import file_id

BUCKET, KEY, VERSION = "raw", "raw-data/trips/a.parquet", "v1"
FILE_ID = file_id(BUCKET, KEY, version_id=VERSION)
RESULT = {"rows_read": 3, "rows_written": 3, "rows_quarantined": 0, "output_uri": "s3://processed/x.json"}


@pytest.fixture
def records(dynamodb: Any, files_table: str) -> FileRecords:
    return FileRecords(dynamodb, files_table)


def register(records: FileRecords, **changes: Any) -> str:
    new = {"file_id": FILE_ID, "bucket": BUCKET, "key": KEY, "dataset": "trips", "version_id": VERSION}
    return records.register(NewFile(**new | changes)).file_id


def event(error: Any = None, **changes: Any) -> dict[str, Any]:
    cause = {"errorType": "CorruptFileError", "errorMessage": "page 3 is broken", "stackTrace": ["…"]}
    return {
        "bucket": BUCKET,
        "key": KEY,
        "version_id": VERSION,
        "attempt": 1,
        "run_id": "run-1",
        "execution_arn": "arn:one",
        "error": error or {"Error": "CorruptFileError", "Cause": json.dumps(cause)},
    } | changes


# --- understanding the error --------------------------------------------------------------------------------------

JOB_RUN = {"Id": "jr_1", "JobName": "parquet-to-json", "JobRunState": "FAILED", "Attempt": 2}


@pytest.mark.parametrize(
    ("error", "cause", "expected"),
    [
        (
            "EmptyFileError",
            {"errorType": "EmptyFileError", "errorMessage": "a.parquet has no bytes", "stackTrace": []},
            Failure("EmptyFileError", "a.parquet has no bytes"),
        ),
        (
            "Sandbox.Timedout",
            {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 900.00 seconds"},
            Failure("Sandbox.Timedout", "Task timed out after 900.00 seconds"),
        ),
        (
            "States.TaskFailed",
            JOB_RUN | {"ErrorMessage": "lakehouse.errors.CorruptFileError: s3://raw/a: page 3\nis broken"},
            Failure("CorruptFileError", "s3://raw/a: page 3\nis broken"),
        ),
        (
            "States.TaskFailed",
            JOB_RUN | {"ErrorMessage": "Command failed with exit code 137"},
            Failure(
                "JobRunFailed",
                "Glue job run jr_1 of parquet-to-json ended as FAILED: Command failed with exit code 137.",
            ),
        ),
        (
            "States.TaskFailed",
            JOB_RUN | {"JobRunState": "TIMEOUT"},
            Failure(
                "JobRunTimedOut",
                "Glue job run jr_1 of parquet-to-json ended as TIMEOUT: it ran longer than the job allows.",
            ),
        ),
        (
            "States.TaskFailed",
            JOB_RUN | {"JobRunState": "STOPPED"},
            Failure("JobRunStopped", "Glue job run jr_1 of parquet-to-json ended as STOPPED: somebody stopped it."),
        ),
        (
            "States.TaskFailed",
            "SchemaDriftError: trips: 1 column(s) differ",
            Failure("SchemaDriftError", "trips: 1 column(s) differ"),
        ),
        (
            "Glue.EntityNotFoundException",
            "Job not found (Service: AWSGlue)",
            Failure("Glue.EntityNotFoundException", "Job not found (Service: AWSGlue)"),
        ),
        ("Lambda.Unknown", '"a JSON text"', Failure("Lambda.Unknown", '"a JSON text"')),
        (
            "States.Timeout",
            "",
            Failure("States.Timeout", "The state machine caught an error without a cause: see its history."),
        ),
    ],
)
def test_the_error_that_a_person_needs_is_found_in_what_the_state_machine_caught(
    error: str, cause: Any, expected: Failure
) -> None:
    text = cause if isinstance(cause, str) else json.dumps(cause)
    assert Failure.from_error({"Error": error, "Cause": text}) == expected


@pytest.mark.parametrize("error", [None, {}, {"Error": None, "Cause": None}])
def test_an_error_without_anything_still_gets_a_reason(error: Any) -> None:
    failure = Failure.from_error(error)
    assert failure.error_type == "UnknownError"
    assert "history" in failure.reason


# --- recording it -------------------------------------------------------------------------------------------------


def test_a_failed_attempt_is_recorded_with_its_reason(records: FileRecords, retries: Retries) -> None:
    register(records, execution_arn="arn:one")
    records.start(FILE_ID, attempt=1, engine="spark", execution_arn="arn:one")
    assert record(event(), records, retries) == {
        "file_id": FILE_ID,
        "error_type": "CorruptFileError",
        "reason": "page 3 is broken",
    }
    failed = records.get(FILE_ID)
    assert (failed.status, failed.error_type, failed.reason) == (
        FileStatus.FAILED,
        "CorruptFileError",
        "page 3 is broken",
    )


def test_a_file_that_was_never_registered_is_recorded_too(records: FileRecords, retries: Retries) -> None:
    error = {
        "Error": "FileVanishedError",
        "Cause": json.dumps({"errorType": "FileVanishedError", "errorMessage": "gone"}),
    }
    record(event(error), records, retries)
    failed = records.get(FILE_ID)
    assert (failed.status, failed.dataset, failed.run_id, failed.attempt) == (FileStatus.FAILED, "trips", "run-1", 1)
    assert [one.file_id for one in records.iterate(status=FileStatus.FAILED)] == [FILE_ID]


def test_a_file_outside_the_raw_layer_is_recorded_too(records: FileRecords, retries: Retries) -> None:
    answer = record(event(key="elsewhere/a.parquet"), records, retries)
    assert records.get(answer["file_id"]).dataset == "unknown"


def test_the_reason_that_is_recorded_already_stays_and_is_reported(records: FileRecords, retries: Retries) -> None:
    register(records)
    records.fail(FILE_ID, attempt=1, error_type="TruncatedFileError", reason="it ends too early")
    vague = {"Error": "States.TaskFailed", "Cause": json.dumps(JOB_RUN)}
    answer = record(event(vague), records, retries)
    assert (answer["error_type"], answer["reason"]) == ("TruncatedFileError", "it ends too early")
    assert records.get(FILE_ID).reason == "it ends too early"


def test_recording_the_same_failure_twice_changes_nothing(records: FileRecords, retries: Retries) -> None:
    register(records)
    first = record(event(), records, retries)
    stored = records.get(FILE_ID)
    assert record(event(), records, retries) == first
    assert records.get(FILE_ID) == stored


def test_a_later_attempt_gets_its_own_reason(records: FileRecords, retries: Retries) -> None:
    register(records)
    records.fail(FILE_ID, attempt=1, error_type="TruncatedFileError", reason="it ends too early")
    record(event(attempt=2), records, retries)
    assert (records.get(FILE_ID).attempt, records.get(FILE_ID).reason) == (2, "page 3 is broken")


def test_an_attempt_that_another_execution_runs_is_left_to_it(records: FileRecords, retries: Retries) -> None:
    register(records)
    records.start(FILE_ID, attempt=1, engine="spark", execution_arn="arn:owner")
    before = records.get(FILE_ID)
    conflict = {"errorType": "StatusConflictError", "errorMessage": "it is RUNNING at attempt 1 of arn:owner"}
    answer = record(event({"Error": "StatusConflictError", "Cause": json.dumps(conflict)}), records, retries)
    assert (answer["error_type"], answer["reason"]) == (conflict["errorType"], conflict["errorMessage"])
    assert record(event(execution_arn="arn:stray"), records, retries)["reason"] == "page 3 is broken"
    assert records.get(FILE_ID) == before


def test_a_converted_file_stays_converted_whatever_failed_after_it(records: FileRecords, retries: Retries) -> None:
    register(records)
    records.start(FILE_ID, attempt=1, engine="spark", execution_arn="arn:one")
    records.succeed(FILE_ID, attempt=1, result=RESULT)
    assert record(event(), records, retries)["error_type"] == "CorruptFileError"
    assert records.get(FILE_ID).status is FileStatus.SUCCEEDED


@pytest.mark.parametrize("version_id", [None, "", "null"])
def test_without_a_version_the_unfinished_record_of_the_key_is_failed(
    records: FileRecords, retries: Retries, version_id: str | None
) -> None:
    register(records)
    assert record(event(version_id=version_id), records, retries)["file_id"] == FILE_ID
    assert records.get(FILE_ID).status is FileStatus.FAILED


def test_a_given_file_id_is_trusted(records: FileRecords, retries: Retries) -> None:
    register(records, file_id="f" * 32)
    assert record(event(file_id="f" * 32), records, retries)["file_id"] == "f" * 32
    assert records.get("f" * 32).status is FileStatus.FAILED


def test_a_reason_of_any_length_fits_the_record_and_the_answer(records: FileRecords, retries: Retries) -> None:
    answer = record(event({"Error": "X", "Cause": "x" * 300_000}), records, retries)
    assert len(answer["reason"]) == len(records.get(FILE_ID).reason or "") == 4_000


def test_an_event_without_bucket_or_key_is_refused(records: FileRecords, retries: Retries) -> None:
    with pytest.raises(PermanentError, match="The event lacks key"):
        record(event(key=""), records, retries)


# --- trying again -------------------------------------------------------------------------------------------------

THROTTLED = {"Error": "Glue.ThrottlingException", "Cause": "Rate exceeded"}


@pytest.fixture(autouse=True)
def _without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes back to the queue can be received at once."""
    monkeypatch.setattr("random.randint", lambda least, _most: least)


def waiting(queue: Any) -> list[LandedFile]:
    """The files that wait in the queue."""
    client, url = queue
    messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [landed for message in messages for landed in landed_files(message["Body"])]


def test_a_failure_that_passes_by_itself_sends_the_file_back_with_the_next_attempt(
    records: FileRecords, retries: Retries, queue: Any
) -> None:
    register(records)
    answer = record(event(THROTTLED), records, retries)
    assert waiting(queue) == [LandedFile(BUCKET, KEY, VERSION, 2)]
    assert answer["reason"].endswith("The file is tried again as attempt 2.")
    found = records.get(FILE_ID)
    assert (found.status, found.reason) == (FileStatus.FAILED, answer["reason"])
    assert retries.circuits.get("glue").failures == 1


def test_a_broken_file_is_not_tried_again(records: FileRecords, retries: Retries, queue: Any) -> None:
    register(records)
    record(event(), records, retries)
    assert waiting(queue) == []
    assert retries.circuits.get("glue").failures == 0


def test_the_last_attempt_is_the_last(records: FileRecords, retries: Retries, queue: Any) -> None:
    register(records, attempt=MOST_ATTEMPTS)
    answer = record(event(THROTTLED, attempt=MOST_ATTEMPTS), records, retries)
    assert waiting(queue) == []
    assert answer["reason"] == "Rate exceeded"


def test_a_file_that_another_execution_has_is_left_to_it(records: FileRecords, retries: Retries, queue: Any) -> None:
    register(records, execution_arn="arn:other")
    record(event(THROTTLED), records, retries)
    assert waiting(queue) == []
