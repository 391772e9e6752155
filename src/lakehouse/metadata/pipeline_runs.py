"""The records of pipeline runs.

The state machine writes them itself (a native DynamoDB integration needs no function); the command line reads them,
and this is also how a run is recorded that no state machine carries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from lakehouse.errors import MetadataError, RecordExistsError, RecordNotFoundError, StatusConflictError
from lakehouse.metadata.attribute_values import Item, read_time, utc_now
from lakehouse.metadata.dynamodb import DynamoTable
from lakehouse.metadata.query import Page, Period, Query

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_STATUS_INDEX = "status-start_time-index"


class RunStatus(StrEnum):
    """How a pipeline run stands; all but ``RUNNING`` are its end."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that failed in a run.

    Attributes:
        file_id: Its identity.
        key: Its key.
        error_type: Class name of the error.
        reason: Its message.
    """

    file_id: str = ""
    key: str = ""
    error_type: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Transformation:
    """What dbt did about one model, seed or snapshot, or a test that failed.

    Attributes:
        name: Its name.
        kind: ``model``, ``seed``, ``snapshot``, ``test`` or ``unit_test``.
        status: As dbt says it: ``success``, ``error``, ``skipped``, ``fail`` and others.
        seconds: How long it took.
        rows: The rows that were written, None where none are: a view, a test.
        reason: Why it failed.
    """

    name: str
    kind: str
    status: str
    seconds: float
    rows: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One pass of a pipeline.

    Attributes:
        pipeline_name: The pipeline.
        execution_date: The date it runs for, ISO-8601: with the name it is the key.
        run_id: Name of the execution.
        status: How it stands.
        start_time: When it began, UTC.
        end_time: When it ended, UTC.
        execution_arn: The state machine's execution.
        files_planned: Files to convert.
        files_succeeded: Files converted or needless to convert.
        files_failed: Files that failed.
        failed_files: Which, and why.
        has_more_files: Whether more files wait than one run takes: the next run goes on with them.
        reason: Why the run failed, where it is not a file's fault alone.
        transformations: What dbt did; those that failed come first.
        transformation_results: The S3 folder of dbt's own ``run_results.json`` and ``manifest.json``.
    """

    pipeline_name: str
    execution_date: str
    run_id: str
    status: RunStatus
    start_time: datetime
    end_time: datetime | None = None
    execution_arn: str | None = None
    files_planned: int | None = None
    files_succeeded: int | None = None
    files_failed: int | None = None
    failed_files: tuple[FailedFile, ...] = ()
    has_more_files: bool = False
    reason: str | None = None
    transformations: tuple[Transformation, ...] = ()
    transformation_results: str | None = None

    @classmethod
    def from_item(cls, item: Item) -> PipelineRun:
        """Read a run.

        Args:
            item: The DynamoDB item, as Python values; attributes unknown here are left out.

        Returns:
            The run.
        """
        known = (field.name for field in fields(cls))
        values: dict[str, Any] = {name: item[name] for name in known if item.get(name) is not None}
        return cls(**{name: _READERS[name](value) if name in _READERS else value for name, value in values.items()})


def _failed_files(value: Any) -> tuple[FailedFile, ...]:
    """Read a list of maps, or the JSON text of one: a state machine's JSONPath can only write the text."""
    listed = json.loads(value) if isinstance(value, str) else value
    known = [field.name for field in fields(FailedFile)]
    return tuple(FailedFile(**{name: str(one[name]) for name in known if one.get(name)}) for one in listed)


def _transformations(value: Any) -> tuple[Transformation, ...]:
    return tuple(
        Transformation(
            name=str(one["name"]),
            kind=str(one["kind"]),
            status=str(one["status"]),
            seconds=float(one["seconds"]),
            rows=None if one.get("rows") is None else int(one["rows"]),
            reason=one.get("reason"),
        )
        for one in value
    )


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "status": RunStatus,
    "start_time": read_time,
    "end_time": read_time,
    "files_planned": int,
    "files_succeeded": int,
    "files_failed": int,
    "failed_files": _failed_files,
    "transformations": _transformations,
}


class PipelineRuns:
    """The table of pipeline runs.

    Args:
        client: A boto3 DynamoDB client, made with ``aws_errors.client_config()``.
        table_name: The table.
        clock: Tells the time, UTC.
    """

    def __init__(self, client: DynamoDBClient, table_name: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._table = DynamoTable(client, table_name, ["pipeline_name", "execution_date"])
        self._clock = clock

    def start(
        self, pipeline_name: str, execution_date: str, *, run_id: str, execution_arn: str | None = None
    ) -> PipelineRun:
        """Record that a run began. A run that failed for the same date gives way to it.

        Args:
            pipeline_name: The pipeline.
            execution_date: The date it runs for, ISO-8601.
            run_id: Name of the execution.
            execution_arn: The state machine's execution.

        Returns:
            The run, ``RUNNING``.

        Raises:
            RecordExistsError: A run of that date is running or has succeeded.
        """
        run = PipelineRun(
            pipeline_name, execution_date, run_id, RunStatus.RUNNING, self._clock(), execution_arn=execution_arn
        )
        free = ~Attr("status").is_in([RunStatus.RUNNING.value, RunStatus.SUCCEEDED.value])
        item = asdict(run) | {"status": run.status.value, "failed_files": [], "transformations": []}
        write = self._table.put(item, Attr("pipeline_name").not_exists() | free)
        if not write.is_accepted:
            found = PipelineRun.from_item(write.item) if write.item else None
            raise RecordExistsError(
                f"{pipeline_name} of {execution_date}: run {found.run_id if found else 'unknown'} is "
                f"{found.status if found else 'in the way'} already. Let it end, or run for another date."
            )
        return run

    def finish(
        self,
        pipeline_name: str,
        execution_date: str,
        *,
        run_id: str,
        status: RunStatus,
        files_planned: int | None = None,
        files_succeeded: int | None = None,
        failed_files: Sequence[FailedFile] = (),
        reason: str | None = None,
    ) -> PipelineRun:
        """Record how a run ended.

        Args:
            pipeline_name: The pipeline.
            execution_date: The date it ran for.
            run_id: Name of the execution that ends.
            status: How it ended.
            files_planned: Files that were to convert.
            files_succeeded: Files converted.
            failed_files: The others, and why.
            reason: Why the run failed.

        Returns:
            The run.

        Raises:
            MetadataError: ``RUNNING`` is no end; or ``SUCCEEDED`` although files failed.
            RecordNotFoundError: There is no such run.
            StatusConflictError: It ended already, or another execution runs for this date.
        """
        if status is RunStatus.RUNNING or (status is RunStatus.SUCCEEDED and failed_files):
            raise MetadataError(
                f"{pipeline_name} of {execution_date} cannot end as {status} with {len(failed_files)} failed file(s). "
                "Record it as FAILED."
            )
        changes = {
            "status": status.value,
            "end_time": self._clock(),
            "files_planned": files_planned,
            "files_succeeded": files_succeeded,
            "files_failed": len(failed_files),
            "failed_files": [asdict(one) for one in failed_files],
            "reason": reason,
        }
        write = self._table.update(
            {"pipeline_name": pipeline_name, "execution_date": execution_date},
            changes,
            Attr("status").eq(RunStatus.RUNNING.value) & Attr("run_id").eq(run_id),
        )
        if write.item is None:
            raise _not_found(pipeline_name, execution_date)
        run = PipelineRun.from_item(write.item)
        if not write.is_accepted:
            raise StatusConflictError(
                f"{pipeline_name} of {execution_date}: cannot record {status} for run {run_id}, since run {run.run_id} "
                f"is {run.status} there. Leave the record to that run."
            )
        return run

    def find(self, pipeline_name: str, execution_date: str) -> PipelineRun | None:
        """Read a run, strongly consistent.

        Args:
            pipeline_name: The pipeline.
            execution_date: The date it ran for.

        Returns:
            The run, None where there is none.
        """
        item = self._table.find({"pipeline_name": pipeline_name, "execution_date": execution_date})
        return None if item is None else PipelineRun.from_item(item)

    def get(self, pipeline_name: str, execution_date: str) -> PipelineRun:
        """Read a run that should be there, strongly consistent.

        Args:
            pipeline_name: The pipeline.
            execution_date: The date it ran for.

        Returns:
            The run.

        Raises:
            RecordNotFoundError: There is none.
        """
        run = self.find(pipeline_name, execution_date)
        if run is None:
            raise _not_found(pipeline_name, execution_date)
        return run

    def query(
        self,
        *,
        pipeline_name: str | None = None,
        status: RunStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        page_token: str | None = None,
        newest_first: bool = True,
    ) -> Page[PipelineRun]:
        """Look runs up, a page at a time.

        Args:
            pipeline_name: Only these, by execution date; this or the status is needed.
            status: Only these; without a pipeline's name by start time.
            since: Only at or after this time: the execution date, or without a pipeline's name the start time.
            until: Only before this time.
            limit: The most runs of the page.
            page_token: ``next_token`` of the page before.
            newest_first: The latest first.

        Returns:
            The page.

        Raises:
            MetadataError: No criterion, or a page token of another query.
        """
        query = _query(pipeline_name, status, Period(since, until), newest_first=newest_first)
        page = self._table.page(query, limit=limit, token=page_token)
        return Page(tuple(map(PipelineRun.from_item, page.items)), page.next_token)

    def iterate(
        self,
        *,
        pipeline_name: str | None = None,
        status: RunStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = True,
    ) -> Iterator[PipelineRun]:
        """Look runs up, all of them, in bounded memory.

        Args:
            pipeline_name: As for ``query``.
            status: As for ``query``.
            since: As for ``query``.
            until: As for ``query``.
            newest_first: The latest first.

        Yields:
            The runs.
        """
        query = _query(pipeline_name, status, Period(since, until), newest_first=newest_first)
        yield from map(PipelineRun.from_item, self._table.iterate(query))


def _query(pipeline_name: str | None, status: RunStatus | None, period: Period, *, newest_first: bool) -> Query:
    if pipeline_name is not None:
        chosen = None if status is None else Attr("status").eq(status.value)
        condition = period.of("pipeline_name", pipeline_name, "execution_date")
        return Query(None, condition, chosen, newest_first=newest_first)
    if status is not None:
        condition = period.of("status", status.value, "start_time")
        return Query(_STATUS_INDEX, condition, newest_first=newest_first)
    raise MetadataError("Nothing to look runs up by. Give a pipeline's name or a status.")


def _not_found(pipeline_name: str, execution_date: str) -> RecordNotFoundError:
    return RecordNotFoundError(f"{pipeline_name} has no run of {execution_date}. List them with lakehouse runs.")
