"""What a Spark worker does for one task: its row groups become its parts, and the driver gets a report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from pyarrow import compress

from lakehouse.aws_errors import client_config
from lakehouse.convert.conservation import convert_counted
from lakehouse.convert.kernel import Counts, Kernel
from lakehouse.convert.plan import batch_rows
from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.source import iter_batches
from lakehouse.convert.task_writer import TaskWriter
from lakehouse.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyspark.accumulators import Accumulator

    from lakehouse.convert.multipart import MultipartUpload
    from lakehouse.convert.plan import PlannedTask
    from lakehouse.convert.runner import Assignment

    # What a task sends to the driver: rejected rows in row order, compressed, with their length before; then its
    # report as JSON.
    Item = tuple[bytes, int] | str

CODEC = "zstd"


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What a task did.

    Attributes:
        task: Its index.
        counts: ``Counts.as_dict()``.
        parts: Its parts, None where its bytes do not fill the parts that it was given, or its rejected rows are too
            many to send back: then the plan is given up.
        error_type: Class of the permanent error that it met; Spark need not try that again.
        reason: The error's message.
    """

    task: int
    counts: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Mapping[str, int]] | None = None
    error_type: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TaskContext:
    """All that a task needs, sent to every worker.

    Attributes:
        assignment: What is converted.
        upload: Where the parts go.
        tasks: The plan.
        client_options: Arguments for the worker's own S3 client.
        most_rejected_bytes: Compressed rejected rows that one task may send back.
        rows_done: Counts the rows of finished tasks.
    """

    assignment: Assignment
    upload: MultipartUpload
    tasks: Sequence[PlannedTask]
    client_options: Mapping[str, Any]
    most_rejected_bytes: int
    rows_done: Accumulator[int]


def run_task(context: TaskContext, task: PlannedTask) -> Iterator[Item]:
    """Convert the task's row groups and upload its parts.

    Args:
        context: What all tasks share.
        task: The task.

    Yields:
        Its rejected rows, then its report. A permanent error is a report too: Spark need not try that again.
    """
    try:
        yield from _convert_row_groups(context, task)
    except PermanentError as error:
        yield _text(TaskReport(task=task.index, error_type=type(error).__name__, reason=str(error)))


def _convert_row_groups(context: TaskContext, task: PlannedTask) -> Iterator[Item]:
    assignment = context.assignment
    client = boto3.client("s3", config=client_config(), **context.client_options)
    kernel = Kernel(assignment.facts.schema, assignment.contract)
    source = S3Source(client, assignment.bucket, assignment.key, assignment.version_id)
    counts = Counts()
    rejected_bytes = 0
    with TaskWriter(client, context.upload, task) as writer:
        for batch in iter_batches(source, task.row_groups, batch_rows(assignment.facts)):
            converted = convert_counted(kernel, batch)
            writer.write(b"".join(chunk.data for chunk in converted.chunks()), batch.data.num_rows)
            counts += converted.counts
            if converted.rejected:
                compressed = compress(converted.rejected, codec=CODEC, asbytes=True)
                rejected_bytes += len(compressed)
                if rejected_bytes > context.most_rejected_bytes:
                    yield _text(TaskReport(task=task.index))
                    return
                yield compressed, len(converted.rejected)
        parts = writer.finish()
    context.rows_done.add(task.rows)
    report = TaskReport(
        task=task.index,
        counts=counts.as_dict(),
        parts=None if parts is None else [asdict(part) for part in parts],
    )
    yield _text(report)


def _text(report: TaskReport) -> str:
    return json.dumps(asdict(report))
