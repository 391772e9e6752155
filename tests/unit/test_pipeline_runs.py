"""The records of pipeline runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from lakehouse.errors import MetadataError, RecordExistsError, RecordNotFoundError, StatusConflictError
from lakehouse.metadata.pipeline_runs import FailedFile, PipelineRuns, RunStatus

PIPELINE = "lakehouse-pipeline"
DATE = "2022-01-01T00:00:00Z"
START = datetime(2022, 1, 1, tzinfo=UTC)
BROKEN = FailedFile("1" * 32, "raw-data/trips/a.parquet", "TruncatedFileError", "it ends too early")


@pytest.fixture
def runs(dynamodb: Any, pipeline_runs_table: str) -> PipelineRuns:
    seconds = count()
    return PipelineRuns(dynamodb, pipeline_runs_table, lambda: START + timedelta(seconds=next(seconds)))


def test_a_run_is_recorded_from_its_start_to_its_end(runs: PipelineRuns) -> None:
    started = runs.start(PIPELINE, DATE, run_id="run-1", execution_arn="arn:one")
    assert runs.get(PIPELINE, DATE) == started
    assert (started.status, started.start_time) == (RunStatus.RUNNING, START)
    ended = runs.finish(
        PIPELINE,
        DATE,
        run_id="run-1",
        status=RunStatus.FAILED,
        files_planned=3,
        files_succeeded=2,
        failed_files=[BROKEN],
        reason="1 of 3 files failed",
    )
    assert runs.get(PIPELINE, DATE) == ended
    assert (ended.files_planned, ended.files_succeeded, ended.files_failed) == (3, 2, 1)
    assert ended.failed_files == (BROKEN,)
    assert ended.end_time is not None
    assert ended.end_time > ended.start_time


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.SUCCEEDED])
def test_a_date_that_is_running_or_done_is_not_run_again(runs: PipelineRuns, status: RunStatus) -> None:
    runs.start(PIPELINE, DATE, run_id="run-1")
    if status is RunStatus.SUCCEEDED:
        runs.finish(PIPELINE, DATE, run_id="run-1", status=status)
    with pytest.raises(RecordExistsError, match=f"run run-1 is {status}"):
        runs.start(PIPELINE, DATE, run_id="run-2")
    assert runs.get(PIPELINE, DATE).run_id == "run-1"


def test_a_failed_date_can_be_run_again_and_forgets_the_failure(runs: PipelineRuns) -> None:
    runs.start(PIPELINE, DATE, run_id="run-1")
    runs.finish(PIPELINE, DATE, run_id="run-1", status=RunStatus.FAILED, failed_files=[BROKEN], reason="broken")
    again = runs.start(PIPELINE, DATE, run_id="run-2")
    assert runs.get(PIPELINE, DATE) == again
    assert (again.status, again.failed_files, again.reason) == (RunStatus.RUNNING, (), None)


def test_only_the_execution_that_runs_can_record_the_end_and_only_once(runs: PipelineRuns) -> None:
    runs.start(PIPELINE, DATE, run_id="run-1")
    with pytest.raises(StatusConflictError, match="run run-1 is RUNNING"):
        runs.finish(PIPELINE, DATE, run_id="run-2", status=RunStatus.SUCCEEDED)
    runs.finish(PIPELINE, DATE, run_id="run-1", status=RunStatus.ABORTED)
    with pytest.raises(StatusConflictError, match="is ABORTED"):
        runs.finish(PIPELINE, DATE, run_id="run-1", status=RunStatus.SUCCEEDED)


def test_a_run_with_failed_files_cannot_be_recorded_as_success(runs: PipelineRuns) -> None:
    runs.start(PIPELINE, DATE, run_id="run-1")
    with pytest.raises(MetadataError, match="1 failed file"):
        runs.finish(PIPELINE, DATE, run_id="run-1", status=RunStatus.SUCCEEDED, failed_files=[BROKEN])
    with pytest.raises(MetadataError, match="cannot end as RUNNING"):
        runs.finish(PIPELINE, DATE, run_id="run-1", status=RunStatus.RUNNING)


def test_a_run_that_nobody_started_is_not_found(runs: PipelineRuns) -> None:
    assert runs.find(PIPELINE, DATE) is None
    with pytest.raises(RecordNotFoundError, match=DATE):
        runs.get(PIPELINE, DATE)
    with pytest.raises(RecordNotFoundError):
        runs.finish(PIPELINE, DATE, run_id="run-1", status=RunStatus.SUCCEEDED)


def test_failed_files_that_a_state_machine_wrote_as_text_are_read(
    runs: PipelineRuns, dynamodb: Any, pipeline_runs_table: str
) -> None:
    runs.start(PIPELINE, DATE, run_id="run-1")
    dynamodb.update_item(
        TableName=pipeline_runs_table,
        Key={"pipeline_name": {"S": PIPELINE}, "execution_date": {"S": DATE}},
        UpdateExpression="SET failed_files = :files, files_failed = :count",
        ExpressionAttributeValues={
            ":files": {"S": '[{"file_id": "f", "key": "k", "error_type": "E", "reason": "r", "status": "FAILED"}]'},
            ":count": {"N": "1"},
        },
    )
    assert runs.get(PIPELINE, DATE).failed_files == (FailedFile("f", "k", "E", "r"),)


def test_runs_are_found_by_pipeline_and_by_status_within_a_period(runs: PipelineRuns) -> None:
    dates = [f"2022-01-{day:02}T00:00:00Z" for day in range(1, 8)]
    for number, date in enumerate(dates):
        runs.start(PIPELINE, date, run_id=f"run-{number}")
        if number % 2:
            runs.finish(PIPELINE, date, run_id=f"run-{number}", status=RunStatus.SUCCEEDED)
    runs.start("other", dates[0], run_id="other")
    assert [run.execution_date for run in runs.iterate(pipeline_name=PIPELINE)] == dates[::-1]
    assert {run.run_id for run in runs.iterate(status=RunStatus.RUNNING)} == {
        "run-0",
        "run-2",
        "run-4",
        "run-6",
        "other",
    }
    done = runs.iterate(pipeline_name=PIPELINE, status=RunStatus.SUCCEEDED, newest_first=False)
    assert [run.run_id for run in done] == ["run-1", "run-3", "run-5"]
    since, until = datetime(2022, 1, 2, tzinfo=UTC), datetime(2022, 1, 4, tzinfo=UTC)
    within = runs.iterate(pipeline_name=PIPELINE, since=since, until=until)
    assert [run.execution_date for run in within] == [dates[2], dates[1]]
    first = runs.query(pipeline_name=PIPELINE, limit=5)
    rest = runs.query(pipeline_name=PIPELINE, limit=5, page_token=first.next_token)
    assert [run.execution_date for run in (*first.items, *rest.items)] == dates[::-1]
    assert rest.next_token is None
    with pytest.raises(MetadataError, match="pipeline's name or a status"):
        runs.query()
