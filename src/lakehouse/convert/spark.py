"""The runner of many processes: the same kernel in Spark tasks, one object put together from their parts.

The driver opens a multipart upload and plans tasks from row groups; each task reads its own row groups from S3, puts
its own parts, and sends back a report with its rejected rows (which it finds once more, in a second job, where they
are too many for that); the driver completes from S3's list of the parts. Spark carries no row that is accepted, so
nothing is shuffled or collected. A task that Spark runs again puts the same bytes under the same part numbers.

The tasks are an RDD. A DataFrame would do the same through Spark SQL, whose catalogue, planner and code generator cost
more processor time at their first use than the whole conversion of a small file, and find nothing to plan here.

Spark is needed only while this module's functions run: nothing else imports it.
"""

from __future__ import annotations

import logging
import re
import uuid
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyarrow import decompress
from pyspark import StorageLevel

from lakehouse import errors
from lakehouse.contracts.model import output_options
from lakehouse.convert.chunks import CONTENT_ENCODINGS
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.kernel import Counts, Kernel
from lakehouse.convert.multipart import MultipartUpload, UploadedPart
from lakehouse.convert.object_writer import ObjectWriter
from lakehouse.convert.output_writer import Publication
from lakehouse.convert.plan import plan_tasks
from lakehouse.convert.precondition import Precondition
from lakehouse.convert.runner import Draft
from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.spark_task import CODEC, TaskContext, rejected_rows, run_task
from lakehouse.errors import ConversionError, LakehouseError, ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mypy_boto3_s3 import S3Client
    from pyspark import SparkContext

    from lakehouse.convert.multipart import WrittenObject
    from lakehouse.convert.plan import PlannedTask
    from lakehouse.convert.runner import Assignment
    from lakehouse.convert.spark_task import RejectedRows, TaskReport

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5

# The reports of all tasks are in the driver's memory at a time.
_MOST_REJECTED_BYTES = 64 * 1024**2


class SharedUpload(Publication):
    """The object whose parts the tasks put."""

    def __init__(self, client: S3Client, assignment: Assignment) -> None:
        """Open the upload.

        Args:
            client: The driver's S3 client.
            assignment: Where the object goes.
        """
        self._client = client
        self._assignment = assignment
        self._content_encoding = CONTENT_ENCODINGS[output_options(assignment.contract).compression]
        self.upload = MultipartUpload.start(
            client,
            assignment.output_bucket,
            assignment.output_key,
            assignment.object_metadata,
            self._content_encoding,
        )
        self.parts: list[UploadedPart] = []
        self._precondition: Precondition | None = None

    def expect_unchanged(self) -> None:
        """Look at the key, see ``Publication``."""
        self._precondition = Precondition.of(self._client, self.upload.bucket, self.upload.key)

    def _publish(self) -> WrittenObject:
        """Make the object visible.

        Returns:
            The object; an empty one if there is no part, which a multipart upload cannot make.

        Raises:
            ConversionError: S3 does not hold what the tasks reported.
            PublishedMeanwhileError: Something else is under the key by now.
        """
        if self.parts:
            return self.upload.complete(self._client, self.parts, self._precondition)
        self.abort()
        target = self._assignment
        empty = ObjectWriter(
            self._client,
            target.output_bucket,
            target.output_key,
            metadata=target.object_metadata,
            content_encoding=self._content_encoding,
            precondition=self._precondition,
        )
        return empty.complete()

    def abort(self) -> None:
        """Drop all parts. Does nothing after ``complete`` or ``abort``."""
        if not self._is_settled:
            self._is_settled = True
            self.upload.abort(self._client)


class SparkRunner:
    """Converts a file with Spark."""

    engine = "spark"

    def __init__(
        self,
        start_spark: Callable[[], SparkContext],
        s3: S3Client,
        *,
        client_options: Mapping[str, Any] | None = None,
        most_rejected_bytes: int = _MOST_REJECTED_BYTES,
    ) -> None:
        """Start nothing yet: a file that cannot be converted is refused without Spark.

        Args:
            start_spark: Gives Spark's context; called when there is something to convert.
            s3: The driver's S3 client.
            client_options: Further arguments for the workers' ``boto3.client("s3", …)``, such as ``endpoint_url``.
            most_rejected_bytes: Compressed rejected rows of a file that the tasks' reports may bring along; tasks that
                find more run once more.
        """
        self._start_spark = start_spark
        self._s3 = s3
        self._client_options = {"region_name": s3.meta.region_name, **(client_options or {})}
        self._most_rejected_bytes = most_rejected_bytes

    @contextmanager
    def draft(self, assignment: Assignment, note_progress: Callable[[int], None]) -> Iterator[Draft]:
        """Convert and upload everything, see ``job.Runner``.

        Args:
            assignment: What to convert.
            note_progress: Called with the rows read so far.

        Yields:
            The draft.

        Raises:
            LakehouseError: As the kernel or the reader raised it in a task.
            ConversionError: Spark gave up.
        """
        # Refuses here what every task would refuse.
        name = S3Source(self._s3, assignment.bucket, assignment.key, assignment.version_id).name
        kernel = Kernel(assignment.facts.schema, assignment.contract, name=name)
        if kernel.output.max_object_bytes is not None:
            _log.info("The output of %s is limited in size: the driver converts it alone", assignment.key)
            with InProcessRunner(self._s3).draft(assignment, note_progress) as draft:
                yield draft
            return
        spark = self._start_spark()
        tasks = plan_tasks(assignment.facts, spark.defaultParallelism, kernel.output)
        with SharedUpload(self._s3, assignment) as output:
            with _spark_may_end(spark):
                context = self._context(spark, assignment, output.upload, tasks)
                reports = _reports(spark, context, note_progress)
            if all(report.parts is not None for report in reports):
                output.parts = [UploadedPart(**part) for report in reports for part in report.parts or ()]
                counts = sum((Counts.from_dict(dict(report.counts)) for report in reports), Counts())
                with self._quarantine(assignment) as quarantine:
                    with _spark_may_end(spark):
                        for rows in _rejected(spark, context, reports, note_progress):
                            quarantine.write(decompress(rows.data, rows.size_bytes, codec=CODEC, asbytes=True))
                    yield Draft(counts=counts, output=output, quarantine=quarantine)
                return
            output.abort()
        # The driver streams the file by itself: no plan can fail then, and no row has to be sent anywhere.
        _log.info(
            "Too many rows of %s are rejected for the planned parts: the driver converts it alone", assignment.key
        )
        with InProcessRunner(self._s3).draft(assignment, note_progress) as draft:
            yield draft

    def _quarantine(self, assignment: Assignment) -> ObjectWriter:
        return ObjectWriter(
            self._s3,
            assignment.output_bucket,
            assignment.quarantine_key,
            metadata=assignment.object_metadata,
            threads=1,
        )

    def _context(
        self, spark: SparkContext, assignment: Assignment, upload: MultipartUpload, tasks: Sequence[PlannedTask]
    ) -> TaskContext:
        return TaskContext(
            assignment,
            upload,
            tasks,
            self._client_options,
            self._most_rejected_bytes // len(tasks),
            spark.accumulator(0),
        )


@contextmanager
def _spark_may_end(spark: SparkContext) -> Iterator[None]:
    """Tell the end of Spark's own process, which is no fault of the file, from other errors."""
    try:
        yield
    except (Py4JError, OSError, EOFError, ConversionError) as error:
        if _has_ended(spark):
            raise ServiceUnavailableError(
                "Spark's own process ended during the conversion: somebody killed it, or memory ran out. Try again."
            ) from error
        raise


def _has_ended(spark: SparkContext) -> bool:
    try:
        spark.statusTracker().getActiveJobsIds()
    except (Py4JError, OSError):
        return True
    return False


def _reports(spark: SparkContext, context: TaskContext, note_progress: Callable[[int], None]) -> list[TaskReport]:
    """Run all tasks, one a partition, and wait for their reports."""
    indexes = range(len(context.tasks))
    described = spark.parallelize(indexes, len(indexes)).map(lambda index: run_task(context, context.tasks[index]))
    reports: list[TaskReport] = _awaited(spark, context, described.collect, note_progress)
    reports.sort(key=lambda report: report.task)
    for report in reports:
        if report.error_type is not None:
            raise _error_by_name(report.error_type, report.reason)
    return reports


def _rejected(
    spark: SparkContext,
    context: TaskContext,
    reports: Sequence[TaskReport],
    note_progress: Callable[[int], None],
) -> Iterator[RejectedRows]:
    """The rejected rows in row order: those that came with the reports, and those too many for that.

    Tasks with too many run again, all at a time, and the driver takes in what one of them found at a time.
    """
    unsent = [report.task for report in reports if report.rejected is None]
    if not unsent:
        yield from (rows for report in reports for rows in report.rejected or ())
        return
    found = spark.parallelize(unsent, len(unsent)).flatMap(lambda index: rejected_rows(context, context.tasks[index]))
    found.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        _awaited(spark, context, found.count, note_progress)
        with _failures_of_spark():
            by_task = groupby(found.toLocalIterator(), key=lambda rows: rows.task)
            for report in reports:
                yield from next(by_task)[1] if report.rejected is None else report.rejected
    finally:
        with suppress(Py4JError, OSError):  # where Spark has ended, so has what it kept
            found.unpersist()


def _awaited(
    spark: SparkContext, context: TaskContext, action: Callable[[], Any], note_progress: Callable[[int], None]
) -> Any:
    """Carry out an action of Spark's, noting progress meanwhile; whatever that raises ends the action."""
    group = f"parquet-to-json-{uuid.uuid4()}"

    def act() -> Any:
        spark.setJobGroup(group, "parquet to JSON", interruptOnCancel=True)
        return action()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="spark-action") as pool:
        acting = pool.submit(act)
        try:
            while not wait([acting], timeout=_POLL_SECONDS).done:
                note_progress(context.rows_done.value)
        except BaseException:
            with suppress(Py4JError, OSError):
                spark.cancelJobGroup(group)
            raise
    with _failures_of_spark():
        return acting.result()


@contextmanager
def _failures_of_spark() -> Iterator[None]:
    """Have what Spark gives up at told as our own error."""
    try:
        yield
    except Exception as error:
        raise _spark_failure(error) from error


def _error_by_name(name: str, reason: str) -> LakehouseError:
    """The error that a task raised, in the driver. Errors that carry more than a message become their message."""
    kind = getattr(errors, name, ConversionError)
    error: LakehouseError = kind.__new__(kind)
    Exception.__init__(error, reason)
    return error


def _spark_failure(error: Exception) -> LakehouseError:
    """Find our own error in what Spark says after its last try of a task; else say what Spark said."""
    text = str(error)
    ours = re.search(r"lakehouse\.errors\.(\w+): (.+)", text)
    if ours and hasattr(errors, ours[1]):
        return _error_by_name(ours[1], ours[2])
    told = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return ConversionError(
        f"Spark gave up after its own retries: {told[:500]} The whole story is in the job's error log."
    )
