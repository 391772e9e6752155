"""What people are told: what, where, why and what to do next, whatever failed."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse import errors
from lakehouse.alerting.alerts import Alert, Execution, Severity, of_execution, of_file, of_run
from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.pipeline_runs import FailedFile, PipelineRun, RunStatus

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
FILE_ID = "0123456789abcdef" * 4
FAILED = FileRecord(
    file_id=FILE_ID,
    bucket="raw",
    key="raw-data/trips/2026/a.parquet",
    dataset="trips",
    status=FileStatus.FAILED,
    attempt=2,
    created_at=NOW,
    updated_at=NOW,
    version_id="v1",
    execution_arn="arn:aws:states:us-east-1:123456789012:execution:file-conversion:one",
    error_type="CorruptFileError",
    reason="The footer cannot be read.",
)
RUN = PipelineRun(
    "lakehouse-pipeline", "2026-01-02", "run-1", RunStatus.SUCCEEDED, NOW, files_planned=3, files_succeeded=3
)
KINDS = [name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.LakehouseError)]
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:lakehouse-prod-"


def test_a_failed_file_is_told_with_all_that_a_person_needs() -> None:
    alert = of_file(FAILED)
    assert alert.text == (
        "What: a.parquet of trips was not converted: CorruptFileError\n\n"
        f"Where: s3://raw/raw-data/trips/2026/a.parquet (version v1), file_id {FILE_ID}, attempt 2, "
        "arn:aws:states:us-east-1:123456789012:execution:file-conversion:one\n\n"
        "Why: The footer cannot be read.\n\n"
        "Next: Replace the file at its source and upload it again: a new version is converted by itself. "
        "Its whole story: lakehouse explain 0123456789ab\n"
    )
    assert alert.subject == "[warning] a.parquet of trips was not converted: CorruptFileError"
    assert alert.severity is Severity.WARNING


@pytest.mark.parametrize("error_type", [*KINDS, "Glue.ThrottlingException", "States.Timeout", "", "JobRunStopped"])
def test_every_error_has_advice_with_a_command_or_a_replacement(error_type: str) -> None:
    advice = of_file(replace(FAILED, error_type=error_type or None)).next_step
    assert "lakehouse reprocess 0123456789ab" in advice or "upload it again" in advice
    assert "lakehouse explain 0123456789ab" in advice


@pytest.mark.parametrize(
    ("error_type", "words"),
    [
        ("SchemaDriftError", "contract of trips"),
        ("QuarantineThresholdError", "contract of trips"),
        ("AccessDeniedError", "Grant the role"),
        ("ThrottledError", "refused it too often"),
        ("NotParquetError", "upload it again"),
        ("RowConservationError", "Find the cause in the logs"),
    ],
)
def test_the_advice_fits_the_error(error_type: str, words: str) -> None:
    assert words in of_file(replace(FAILED, error_type=error_type)).next_step


def test_each_attempt_of_a_file_is_told_of_by_itself() -> None:
    assert of_file(FAILED).key == of_file(replace(FAILED, updated_at=datetime.now(UTC))).key
    assert of_file(FAILED).key != of_file(replace(FAILED, attempt=3)).key


def test_a_file_without_a_reason_or_a_version_is_told_of_too() -> None:
    alert = of_file(replace(FAILED, error_type=None, reason=None, version_id=None, execution_arn=None))
    assert "UnknownError" in alert.what
    assert alert.why == "No reason was recorded."
    assert "version" not in alert.where


def test_a_run_that_succeeded_is_for_information() -> None:
    alert = of_run(RUN)
    assert alert.severity is Severity.INFO
    assert alert.what == "lakehouse-pipeline of 2026-01-02 succeeded: 3 of 3 files converted"


def test_a_run_in_which_only_files_failed_is_a_warning_that_lists_them() -> None:
    failed = tuple(FailedFile(FILE_ID, f"raw-data/trips/{n}.parquet", "EmptyFileError", "No bytes.") for n in range(12))
    alert = of_run(
        replace(RUN, status=RunStatus.FAILED, failed_files=failed, files_succeeded=0, reason="FilesFailed: 12")
    )
    assert alert.severity is Severity.WARNING
    assert alert.why.count("EmptyFileError: No bytes.") == 10
    assert alert.why.endswith("and 2 more")
    assert "lakehouse run --retry-failed --watch" in alert.next_step


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.ABORTED])
def test_a_run_that_failed_as_a_whole_is_critical(status: RunStatus) -> None:
    alert = of_run(replace(RUN, status=status, reason="CodeBuild: dbt failed"))
    assert alert.severity is Severity.CRITICAL
    assert status.value.lower().replace("_", " ") in alert.what
    assert alert.why == "CodeBuild: dbt failed"


@pytest.mark.parametrize(
    ("machine", "command"),
    [
        ("file-conversion", "lakehouse reprocess"),
        ("lakehouse-pipeline", "lakehouse run --watch"),
        ("table-maintenance", "lakehouse maintain"),
        ("unknown", "get-execution-history"),
    ],
)
@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
def test_an_execution_that_recorded_nothing_is_critical_and_says_what_to_do(
    machine: str, command: str, status: str
) -> None:
    alert = of_execution(Execution("arn:aws:states:::execution:one", MACHINE + machine, status, '{"key": "a"}'))
    assert alert.severity is Severity.CRITICAL
    assert command in alert.next_step
    assert alert.key.endswith(f"one/{status}")
    assert '{"key": "a"}' in alert.where
    assert machine in alert.what
    assert alert.why


def test_what_ended_an_execution_is_told() -> None:
    alert = of_execution(Execution("arn", MACHINE + "table-maintenance", "FAILED", error="E", cause="It broke."))
    assert alert.why == "E: It broke."


@given(what=st.text(min_size=1, max_size=300), severity=st.sampled_from(Severity))
def test_a_subject_is_one_line_of_ascii_that_sns_takes(what: str, severity: Severity) -> None:
    subject = Alert("key", severity, what, "where", "why", "next").subject
    assert 0 < len(subject) < 100
    # https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
    assert subject.isascii()
    assert subject.isprintable()
    assert subject.startswith(f"[{severity}]")


@given(st.builds(Alert, st.text(), st.sampled_from(Severity), st.text(), st.text(), st.text(), st.text()))
def test_a_message_has_its_four_parts_in_order(alert: Alert) -> None:
    positions = [alert.text.index(f"{name}: ") for name in ("What", "Where", "Why", "Next")]
    assert positions == sorted(positions)
    # SNS takes 256 KiB.
    assert len(alert.text.encode("utf-8", "replace")) < 256 * 1024
