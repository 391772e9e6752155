"""Queries of a deployed lakehouse through Athena: started, waited for, read page by page.

https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import translate
from lakehouse.errors import QueryFailedError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

# https://aws.amazon.com/athena/pricing/: US dollars a terabyte in us-east-1, and the least that a query is charged for.
DOLLARS_A_TERABYTE = Decimal(5)
LEAST_CHARGED_BYTES = 10 * 1000**2
_TERABYTE = 1000**4
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a result.

    Attributes:
        name: Its name.
        type: Athena's name of its type.
    """

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A query that succeeded.

    Attributes:
        execution_id: Athena's id of it.
        columns: The columns.
        location: Where its result lies.
        scanned_bytes: Bytes that it read.
        seconds: How long it took, the wait in Athena's queue included.
        updated_rows: Rows that it wrote.
        has_head: Whether the first row of the first page is the columns' names.
    """

    execution_id: str
    columns: tuple[ResultColumn, ...]
    location: str
    scanned_bytes: int
    seconds: float
    updated_rows: int | None
    has_head: bool

    @property
    def dollars(self) -> Decimal:
        """What a query of so many bytes costs on AWS."""
        return DOLLARS_A_TERABYTE * max(self.scanned_bytes, LEAST_CHARGED_BYTES) / _TERABYTE


class AthenaQueries:
    """Runs queries in one workgroup."""

    def __init__(self, client: AthenaClient, workgroup: str, database: str) -> None:
        """Take what queries run with.

        Args:
            client: Athena.
            workgroup: The workgroup; it says where results go.
            database: Of names without one.
        """
        self._client = client
        self._workgroup = workgroup
        self._database = database

    def run(
        self, sql: str, parameters: Sequence[str] = (), note_progress: Callable[[str, int], None] | None = None
    ) -> QueryResult:
        """Run a query and wait for its end.

        Args:
            sql: The query.
            parameters: Values of its question marks, as they are written in SQL.
            note_progress: Called with its state and the bytes read so far, now and then.

        Returns:
            The result; its rows are read by ``rows``.

        Raises:
            QueryFailedError: It failed, or somebody cancelled it; the message says why, in Athena's words.
            LakehouseError: Athena cannot be reached, or refuses the request.
        """
        arguments: dict[str, Any] = {
            "QueryString": sql,
            "WorkGroup": self._workgroup,
            "QueryExecutionContext": {"Database": self._database},
        }
        if parameters:
            arguments["ExecutionParameters"] = list(parameters)
        try:
            number = self._client.start_query_execution(**arguments)["QueryExecutionId"]
            execution = self._awaited(number, note_progress)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, "querying Athena") from error
        status = execution["Status"]
        if status["State"] != "SUCCEEDED":
            reason = status.get("StateChangeReason") or "no reason was given"
            raise QueryFailedError(f"The query {status['State'].lower()}: {reason}")
        return self._described(number, execution)

    def _awaited(self, number: str, note_progress: Callable[[str, int], None] | None) -> dict[str, Any]:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            execution: dict[str, Any] = dict(
                self._client.get_query_execution(QueryExecutionId=number)["QueryExecution"]
            )
            state = execution["Status"]["State"]
            if note_progress is not None:
                note_progress(state, execution.get("Statistics", {}).get("DataScannedInBytes", 0))
            if state in _ENDED:
                return execution
            try:
                time.sleep(pause)
            except KeyboardInterrupt:
                # Who stops waiting does not want the answer either, nor its cost.
                self._client.stop_query_execution(QueryExecutionId=number)
                raise
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _described(self, number: str, execution: dict[str, Any]) -> QueryResult:
        try:
            first = self._client.get_query_results(QueryExecutionId=number, MaxResults=1)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, "reading a result from Athena") from error
        statistics = execution.get("Statistics", {})
        return QueryResult(
            execution_id=number,
            columns=tuple(
                ResultColumn(one["Name"], one["Type"])
                for one in first["ResultSet"].get("ResultSetMetadata", {}).get("ColumnInfo", [])
            ),
            location=execution["ResultConfiguration"]["OutputLocation"],
            scanned_bytes=statistics.get("DataScannedInBytes", 0),
            seconds=statistics.get("TotalExecutionTimeInMillis", 0) / 1000,
            updated_rows=first.get("UpdateCount"),
            has_head=execution.get("StatementType") == "DML",
        )

    def rows(self, result: QueryResult) -> Iterator[tuple[str | None, ...]]:
        """Read a result's rows, page by page.

        Args:
            result: The result.

        Yields:
            Rows of texts, None for null.

        Raises:
            LakehouseError: Athena cannot be reached, or the result is gone.
        """
        try:
            pages = self._client.get_paginator("get_query_results").paginate(QueryExecutionId=result.execution_id)
            is_head = result.has_head
            for page in pages:
                for row in page["ResultSet"]["Rows"]:
                    if not is_head:
                        yield tuple(one.get("VarCharValue") for one in row.get("Data", []))
                    is_head = False
        except (ClientError, BotoCoreError) as error:
            raise translate(error, "reading a result from Athena") from error
