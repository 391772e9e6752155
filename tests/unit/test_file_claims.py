"""Who holds a file's record: each start makes a claim, and only the last one may write."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.errors import StatusConflictError
from lakehouse.metadata.file_record import FileRecord, FileStatus, NewFile
from lakehouse.metadata.files import FileRecords

FILE_ID = "1" * 32
RESULT = {"rows_read": 3, "rows_written": 2, "rows_quarantined": 1, "output_uri": "s3://processed/a.json"}


@pytest.fixture
def records(dynamodb: Any, files_table: str) -> FileRecords:
    found = FileRecords(dynamodb, files_table)
    found.register(NewFile(FILE_ID, "raw", "raw-data/trips/a.parquet", "trips"))
    return found


def start(records: FileRecords, attempt: int = 1) -> FileRecord:
    return records.start(FILE_ID, attempt=attempt, engine="spark", execution_arn="arn:one")


def test_a_process_whose_attempt_was_started_anew_can_write_nothing_more(records: FileRecords) -> None:
    earlier, later = start(records).claim, start(records).claim
    assert earlier != later
    before = records.get(FILE_ID)
    for write in (
        lambda: records.progress(FILE_ID, attempt=1, rows_read=9, claim=earlier),
        lambda: records.succeed(FILE_ID, attempt=1, result=RESULT, claim=earlier),
        lambda: records.fail(FILE_ID, attempt=1, error_type="X", reason="x", execution_arn="arn:one", claim=earlier),
        lambda: records.skip(FILE_ID, duplicate_of="2" * 32, claim=earlier),
    ):
        with pytest.raises(StatusConflictError):
            write()
    assert records.get(FILE_ID) == before
    assert records.succeed(FILE_ID, attempt=1, result=RESULT, claim=later).status is FileStatus.SUCCEEDED


def test_the_execution_itself_fails_an_attempt_whoever_holds_it(records: FileRecords) -> None:
    start(records)
    failed = records.fail(FILE_ID, attempt=1, error_type="Runtime.ExitError", reason="x", execution_arn="arn:one")
    assert failed.status is FileStatus.FAILED


def test_showing_life_leaves_the_rows_as_they_are(records: FileRecords) -> None:
    claim = start(records).claim
    records.progress(FILE_ID, attempt=1, rows_read=7, claim=claim)
    records.progress(FILE_ID, attempt=1, claim=claim)
    assert records.get(FILE_ID).rows_read == 7


def test_a_running_conversion_is_skipped_by_its_holder_only(records: FileRecords) -> None:
    claim = start(records).claim
    with pytest.raises(StatusConflictError):
        records.skip(FILE_ID, duplicate_of="2" * 32)
    skipped = records.skip(FILE_ID, duplicate_of="2" * 32, claim=claim)
    assert (skipped.status, skipped.duplicate_of) == (FileStatus.SKIPPED, "2" * 32)
