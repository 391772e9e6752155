"""What a Spark worker does for one task: its row groups become its parts, and the driver gets a report."""

from __future__ import annotations

import gc
import sys
import zipimport
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import compress

from lakehouse.aws_errors import client_config, translate
from lakehouse.convert.conservation import convert_counted
from lakehouse.convert.kernel import Counts, Kernel
from lakehouse.convert.plan import batch_rows
from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.source import iter_batches
from lakehouse.convert.task_writer import TaskWriter
from lakehouse.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_s3 import S3Client
    from pyspark.accumulators import Accumulator

    from lakehouse.convert.conservation import ConvertedBatch
    from lakehouse.convert.multipart import MultipartUpload
    from lakehouse.convert.plan import PlannedTask
    from lakehouse.convert.runner import Assignment

CODEC = "zstd"


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rejected rows of a batch, on their way to the driver.

    Attributes:
        task: The task's index.
        data: Quarantine lines, compressed with ``CODEC``.
        size_bytes: Their length before.
    """

    task: int
    data: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What a task did.

    Attributes:
        task: Its index.
        counts: ``Counts.as_dict()``.
        parts: Its parts, None where its bytes do not fill the parts that it was given: then the plan is given up.
        rejected: Its rejected rows in row order; None where they are too many to come with the report.
        error_type: Class of the permanent error that it met; Spark need not try that again.
        reason: The error's message.
    """

    task: int
    counts: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Mapping[str, int]] | None = None
    rejected: Sequence[RejectedRows] | None = ()
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
        most_rejected_bytes: Compressed rejected rows that may come with one task's report.
        rows_done: Counts the rows of finished tasks.
    """

    assignment: Assignment
    upload: MultipartUpload
    tasks: Sequence[PlannedTask]
    client_options: Mapping[str, Any]
    most_rejected_bytes: int
    rows_done: Accumulator[int]


def run_task(context: TaskContext, task: PlannedTask) -> TaskReport:
    """Convert the task's row groups and upload its parts.

    Args:
        context: What all tasks share.
        task: The task.

    Returns:
        Its report. A permanent error is told in it, since Spark need not try that again; others are raised.
    """
    _drop_archives()
    try:
        with _told_by_name(context):
            return _uploaded(context, task)
    except PermanentError as error:
        return TaskReport(task=task.index, error_type=type(error).__name__, reason=str(error))


def rejected_rows(context: TaskContext, task: PlannedTask) -> Iterator[RejectedRows]:
    """Convert the task's row groups once more, only for the rows that are rejected.

    Args:
        context: What all tasks share.
        task: The task.

    Yields:
        Its rejected rows in row order.
    """
    _drop_archives()
    with _told_by_name(context):
        for converted in _converted(context, task, _client(**context.client_options)):
            if converted.rejected:
                yield _compressed(task, converted)


@contextmanager
def _told_by_name(context: TaskContext) -> Iterator[None]:
    """Have what AWS refused leave as our own error: the driver finds it by name in what Spark says."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        target = context.assignment
        raise translate(error, f"Converting s3://{target.bucket}/{target.key}") from error


def _uploaded(context: TaskContext, task: PlannedTask) -> TaskReport:
    client = _client(**context.client_options)
    counts = Counts()
    rejected: list[RejectedRows] | None = []
    rejected_bytes = 0
    with TaskWriter(client, context.upload, task) as writer:
        for converted in _converted(context, task, client):
            writer.take(converted)
            counts += converted.counts
            if converted.rejected and rejected is not None:
                rejected.append(_compressed(task, converted))
                rejected_bytes += len(rejected[-1].data)
                if rejected_bytes > context.most_rejected_bytes:
                    rejected = None
        parts = writer.finish()
    context.rows_done.add(task.rows)
    return TaskReport(
        task=task.index,
        counts=counts.as_dict(),
        parts=None if parts is None else [asdict(part) for part in parts],
        rejected=rejected,
    )


def _converted(context: TaskContext, task: PlannedTask, client: S3Client) -> Iterator[ConvertedBatch]:
    assignment = context.assignment
    source = S3Source(client, assignment.bucket, assignment.key, assignment.version_id)
    kernel = Kernel(assignment.facts.schema, assignment.contract, name=source.name)
    for batch in iter_batches(source, task.row_groups, batch_rows(assignment.facts)):
        yield convert_counted(kernel, batch)


def _compressed(task: PlannedTask, converted: ConvertedBatch) -> RejectedRows:
    data = compress(converted.rejected, codec=CODEC, asbytes=True)
    return RejectedRows(task.index, data, len(converted.rejected))


@cache
def _client(**options: Any) -> S3Client:
    """This worker process's S3 client: making one takes longer than many a small task."""
    client = boto3.client("s3", config=client_config(), **options)
    # Spark collects garbage after every task, walking through all modules and AWS's descriptions, which are none:
    # 0.2 s. They are all there by now, and once is enough: what is frozen is never collected.
    gc.freeze()
    return client


def _drop_archives() -> None:
    """Have Python forget the zip archives on the import path until something is next imported from them.

    Before every task Spark calls ``importlib.invalidate_caches``, at which Python 3.11 reads the directory of each
    archive that it knows again, Spark's own among them: 0.1 s.
    """
    for path, importer in list(sys.path_importer_cache.items()):
        if isinstance(importer, zipimport.zipimporter):
            del sys.path_importer_cache[path]
