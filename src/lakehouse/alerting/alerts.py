"""What a person is told about a file or a run that ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lakehouse import errors
from lakehouse.errors import InputFileError, LakehouseError
from lakehouse.ingestion.retries import is_transient
from lakehouse.metadata.file_record import FileRecord
from lakehouse.metadata.pipeline_runs import PipelineRun, RunStatus

# SNS cuts no subject, it refuses longer ones, and control characters: "less than 100 characters long".
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
_LONGEST_SUBJECT = 99
_FILES_TOLD = 10
_LONGEST_INPUT = 1_000
_ENDS = {"ABORTED": "was aborted", "FAILED": "failed", "TIMED_OUT": "timed out"}
_ENDED_WITHOUT_WORD = {
    "TIMED_OUT": "It ran longer than its state machine allows.",
    "ABORTED": "It was stopped before its end.",
}
# By the end of a state machine's name: what became of its work, and how it goes on.
_AFTER_EXECUTION = {
    "file-conversion": "Its file is converted by the first run that finds nothing changed about it for 90 minutes: "
    "lakehouse run --watch. At once: lakehouse files, then lakehouse reprocess FILE_ID.",
    "lakehouse-pipeline": "It stays RUNNING in lakehouse runs. What it did not do, another run does: "
    "lakehouse run --watch.",
    "table-maintenance": "The tables are whole, only not compacted. Again: lakehouse maintain --all.",
}


class Severity(StrEnum):
    """How soon somebody should look: at leisure, today, now."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution of a state machine that ended.

    Attributes:
        execution_arn: The execution.
        state_machine_arn: Its state machine.
        status: How it ended.
        input: What it was started with, as JSON; None where that is too long for an event.
        error: The name of the error that ended it.
        cause: What the error says.
    """

    execution_arn: str
    state_machine_arn: str
    status: str
    input: str | None = None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """A message to a person.

    Attributes:
        key: Names what happened: the same happening is told once.
        severity: How soon somebody should look.
        what: What happened, in a sentence.
        where: Names and addresses of what it happened to.
        why: The reason, as it is recorded.
        next_step: What to do, with the command.
    """

    key: str
    severity: Severity
    what: str
    where: str
    why: str
    next_step: str

    @property
    def subject(self) -> str:
        """One line of plain text."""
        plain = f"[{self.severity}] {self.what}".encode("ascii", "replace").decode()
        line = " ".join("".join(one if one.isprintable() else " " for one in plain).split())
        return line if len(line) <= _LONGEST_SUBJECT else f"{line[: _LONGEST_SUBJECT - 3]}..."

    @property
    def text(self) -> str:
        """The whole message."""
        parts = (("What", self.what), ("Where", self.where), ("Why", self.why), ("Next", self.next_step))
        return "\n\n".join(f"{name}: {value}" for name, value in parts) + "\n"


def of_file(record: FileRecord) -> Alert:
    """The alert of a file that failed.

    Args:
        record: Its record, ``FAILED``.

    Returns:
        The alert: one for each attempt that is the last for now.
    """
    name = record.key.rpartition("/")[2]
    error_type = record.error_type or "UnknownError"
    version = f" (version {record.version_id})" if record.version_id else ""
    return Alert(
        key=f"file/{record.file_id}/{record.attempt}",
        severity=Severity.WARNING,
        what=f"{name} of {record.dataset} was not converted: {error_type}",
        where=f"s3://{record.bucket}/{record.key}{version}, file_id {record.file_id}, attempt {record.attempt}"
        + (f", {record.execution_arn}" if record.execution_arn else ""),
        why=record.reason or "No reason was recorded.",
        next_step=f"{_advice(error_type, record)} Its whole story: lakehouse explain {record.file_id[:12]}",
    )


def _advice(error_type: str, record: FileRecord) -> str:
    again = f"lakehouse reprocess {record.file_id[:12]}"
    if is_transient(error_type):
        return f"AWS refused it too often. Once it takes work again: {again}."
    if error_type in {errors.SchemaDriftError.__name__, errors.QuarantineThresholdError.__name__}:
        return f"Mend the file at its source, or change the contract of {record.dataset} and deploy it, then: {again}."
    if error_type == errors.AccessDeniedError.__name__:
        return f"Grant the role what it lacks, then: {again}."
    if issubclass(getattr(errors, error_type, LakehouseError), InputFileError):
        return "Replace the file at its source and upload it again: a new version is converted by itself."
    return f"Find the cause in the logs; when it is mended: {again}."


def of_execution(execution: Execution) -> Alert:
    """The alert of an execution that ended without a record of how it ended.

    Args:
        execution: The execution: ``TIMED_OUT``, ``ABORTED``, or ``FAILED`` where its machine records nothing.

    Returns:
        The alert: critical, since nobody else tells.
    """
    machine = execution.state_machine_arn.rpartition(":")[2]
    said = ": ".join(filter(None, (execution.error, execution.cause)))
    advice = next((text for name, text in _AFTER_EXECUTION.items() if machine.endswith(name)), "")
    return Alert(
        key=f"execution/{execution.execution_arn}/{execution.status}",
        severity=Severity.CRITICAL,
        what=f"An execution of {machine} {_ENDS.get(execution.status, execution.status)}",
        where=f"{execution.execution_arn}, started with {(execution.input or 'unknown')[:_LONGEST_INPUT]}",
        why=said or _ENDED_WITHOUT_WORD.get(execution.status, "No reason was given."),
        next_step=f"{advice} What it did: aws stepfunctions get-execution-history --reverse-order "
        f"--execution-arn {execution.execution_arn}".strip(),
    )


def of_run(run: PipelineRun) -> Alert:
    """The alert of a pipeline run that ended.

    Args:
        run: The run.

    Returns:
        The alert: for information where it succeeded, a warning where only files failed, else critical.
    """
    where = f"{run.pipeline_name} of {run.execution_date}, {run.execution_arn or run.run_id}"
    key = f"run/{run.pipeline_name}/{run.execution_date}/{run.run_id}"
    counts = f"{run.files_succeeded or 0} of {run.files_planned or 0} files converted"
    if run.status is RunStatus.SUCCEEDED:
        return Alert(
            key, Severity.INFO, f"{run.pipeline_name} of {run.execution_date} succeeded: {counts}", where,
            "It is what was asked for.", "Nothing. The tables: lakehouse tables",
        )  # fmt: skip
    is_of_files = bool(run.failed_files) and (run.reason or "").startswith("FilesFailed")
    told = [f"{one.key}: {one.error_type}: {one.reason}" for one in run.failed_files[:_FILES_TOLD]]
    more = len(run.failed_files) - len(told)
    files = "\n".join(told) + (f"\nand {more} more" if more > 0 else "")
    return Alert(
        key,
        Severity.WARNING if is_of_files else Severity.CRITICAL,
        f"{run.pipeline_name} of {run.execution_date} {run.status.value.lower().replace('_', ' ')}: {counts}",
        where,
        files if is_of_files else "\n".join(filter(None, (run.reason or "No reason was recorded.", files))),
        "Mend what the list names, then: lakehouse run --retry-failed --watch. The runs: lakehouse runs",
    )
