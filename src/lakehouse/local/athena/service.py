"""Athena's API of statements: what is executed, and what is refused at the door.

https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import athena, s3

from lakehouse.local.athena import executions, results
from lakehouse.local.athena.engine import Request
from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.statements.tokens import without_comments
from lakehouse.local.athena.tables.objects import split_uri
from lakehouse.local.fixes.athena_workgroups import completed
from lakehouse.local.registry import executes, refuses

Json = dict[str, Any]
Answer = tuple[Any, ...]
Handler = Callable[[Json], Answer]

_EMULATOR = "ministack.services.athena"
# https://docs.aws.amazon.com/athena/latest/ug/service-limits.html
_LONGEST_QUERY_BYTES = 262_144
_LISTED_AT_A_TIME = 50
# A statement that is quick is done before its first look-up, so that clients do not wait a whole interval of theirs.
_WAITED_SECONDS = 0.8

for _operation in ("GetQueryRuntimeStatistics", "CreateNotebook", "StartSession", "StartCalculationExecution"):
    refuses("athena", _operation, instead="GetQueryExecution tells what a query took.")


class _RefusedError(Exception):
    """A request that Athena refuses."""


def _refused(message: str) -> Answer:
    answer: Answer = error_response_json("InvalidRequestException", message, 400)
    return answer


@executes("athena", "StartQueryExecution", replaces=f"{_EMULATOR}:_start_query_execution", signature="(data)")
def start_query_execution(_original: Handler) -> Handler:
    """StartQueryExecution: checked here, executed by a process of its own."""

    def replacement(data: Json) -> Answer:
        try:
            execution, request = _accepted(data)
        except _RefusedError as error:
            return _refused(str(error))
        if request is not None:
            executions.start(execution, request)
        answer: Answer = json_response({"QueryExecutionId": execution["QueryExecutionId"]})
        return answer

    return replacement


def _accepted(data: Json) -> tuple[Json, Request | None]:
    """The record of a statement, and the statement, unless it was sent before under the same token."""
    text = data.get("QueryString") or ""
    if not without_comments(text):
        raise _RefusedError("Query string cannot be empty")
    if len(text.encode()) > _LONGEST_QUERY_BYTES:
        raise _RefusedError(
            "1 validation error detected: Value at 'queryString' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_LONGEST_QUERY_BYTES}"
        )
    token = data.get("ClientRequestToken")
    for known in athena._executions.values():
        if token and known.get("_token") == token:
            if known["Query"] != text:
                raise _RefusedError("Idempotent parameters do not match")
            return known, None
    workgroup = athena._workgroups.get(data.get("WorkGroup") or "primary")
    if workgroup is None:
        raise _RefusedError(f"WorkGroup {data.get('WorkGroup')} is not found.")
    if workgroup.get("State") == "DISABLED":
        raise _RefusedError(f"WorkGroup {workgroup['Name']} is disabled.")
    settings = completed(workgroup)
    own, sent = settings.get("ResultConfiguration") or {}, data.get("ResultConfiguration") or {}
    chosen = own if settings.get("EnforceWorkGroupConfiguration") and own.get("OutputLocation") else {**own, **sent}
    location = chosen.get("OutputLocation")
    if not location:
        raise _RefusedError(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    try:
        bucket, _ = split_uri(location)
    except StatementFailedError as error:
        raise _RefusedError("outputLocation is not a valid S3 path.") from error
    if s3._buckets.get(bucket) is None:
        raise _RefusedError(f"Unable to verify/create output bucket {bucket}")
    encryption = chosen.get("EncryptionConfiguration")
    execution = executions.record(data, location, encryption, settings["EngineVersion"])
    if token:
        execution["_token"] = token
    return execution, _request(data, execution, location, encryption, settings.get("BytesScannedCutoffPerQuery"))


def _request(data: Json, execution: Json, location: str, encryption: Json | None, most_bytes: int | None) -> Request:
    context = data.get("QueryExecutionContext") or {}
    return Request(
        sql=data["QueryString"],
        parameters=tuple(data.get("ExecutionParameters") or ()),
        catalog=(context.get("Catalog") or "AwsDataCatalog").strip('`"'),
        # awswrangler sends the name in quotes.
        database=(context.get("Database") or "default").strip('`"'),
        now=datetime.fromtimestamp(execution["Status"]["SubmissionDateTime"], UTC).replace(tzinfo=None),
        output_location=location,
        encryption=_put_options(encryption),
        workgroup=execution["WorkGroup"],
        most_bytes=most_bytes,
    )


def _put_options(encryption: Json | None) -> Json:
    match (encryption or {}).get("EncryptionOption"):
        case None:
            return {}
        case "SSE_S3":
            return {"ServerSideEncryption": "AES256"}
        case "SSE_KMS":
            return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": (encryption or {})["KmsKey"]}
        case other:
            raise _RefusedError(f"The encryption option {other} is not executed on the laptop: use SSE_KMS or SSE_S3")


@executes("athena", "GetQueryExecution", replaces=f"{_EMULATOR}:_get_query_execution", signature="(data)")
def get_query_execution(original: Handler) -> Handler:
    """GetQueryExecution: a statement of an endpoint that ended has failed."""

    def replacement(data: Json) -> Answer:
        execution = athena._executions.get(data.get("QueryExecutionId"))
        if execution is None:
            return _refused(f"QueryExecution {data.get('QueryExecutionId')} was not found")
        executions.settled(execution)
        return original(data)

    return replacement


@executes("athena", "BatchGetQueryExecution", replaces=f"{_EMULATOR}:_batch_get_query_execution", signature="(data)")
def batch_get_query_execution(original: Handler) -> Handler:
    """BatchGetQueryExecution: as GetQueryExecution, of several."""

    def replacement(data: Json) -> Answer:
        for number in data.get("QueryExecutionIds") or ():
            if number in athena._executions:
                executions.settled(athena._executions[number])
        return original(data)

    return replacement


@executes("athena", "ListQueryExecutions", replaces=f"{_EMULATOR}:_list_query_executions", signature="(data)")
def list_query_executions(_original: Handler) -> Handler:
    """ListQueryExecutions: a workgroup's, the newest first, in pages."""

    def replacement(data: Json) -> Answer:
        workgroup = data.get("WorkGroup") or "primary"
        if workgroup not in athena._workgroups:
            return _refused(f"WorkGroup {workgroup} is not found.")
        found = [one["QueryExecutionId"] for one in athena._executions.values() if one.get("WorkGroup") == workgroup]
        found.reverse()
        token = data.get("NextToken")
        if token is not None and token not in found:
            return _refused("Malformed or expired pagination token")
        start = found.index(token) if token is not None else 0
        end = start + min(int(data.get("MaxResults") or _LISTED_AT_A_TIME), _LISTED_AT_A_TIME)
        # The next page begins with the statement that the token names, however many were started meanwhile.
        following = {"NextToken": found[end]} if end < len(found) else {}
        answer: Answer = json_response({"QueryExecutionIds": found[start:end], **following})
        return answer

    return replacement


@executes("athena", "StopQueryExecution", replaces=f"{_EMULATOR}:_stop_query_execution", signature="(data)")
def stop_query_execution(_original: Handler) -> Handler:
    """StopQueryExecution: its process is killed."""

    def replacement(data: Json) -> Answer:
        number = data.get("QueryExecutionId")
        if number not in athena._executions:
            return _refused(f"QueryExecution {number} was not found")
        this = executions.running.get(str(number))
        if this is not None:
            this.stop()
            this.done.wait(10)
        answer: Answer = json_response({})
        return answer

    return replacement


@executes("athena", "GetQueryResults", replaces=f"{_EMULATOR}:_get_query_results", signature="(data)")
def get_query_results(_original: Handler) -> Handler:
    """GetQueryResults: pages of the object that the statement wrote."""

    def replacement(data: Json) -> Answer:
        execution = athena._executions.get(data.get("QueryExecutionId"))
        if execution is None:
            return _refused(f"QueryExecution {data.get('QueryExecutionId')} was not found")
        state = executions.settled(execution)["Status"]["State"]
        if state in {"QUEUED", "RUNNING"}:
            return _refused(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            return _refused(f"Query did not finish successfully. Final query state: {state}")
        return _page(execution, data)

    return replacement


def _page(execution: Json, data: Json) -> Answer:
    columns = execution.get("_columns") or []
    location = execution["ResultConfiguration"]["OutputLocation"]
    rows: list[Json] = []
    following: int | None = None
    most, token = data.get("MaxResults"), data.get("NextToken")
    if most is not None and not 1 <= int(most) <= 1000:
        return _refused(f"MaxResults is more than maximum allowed length 1000: {most}")
    if token is not None and not re.fullmatch(r"\d+", str(token)):
        return _refused("Malformed or expired pagination token")
    if location.endswith((".csv", ".txt")):
        path = s3._object_disk_path(*split_uri(location))
        if path is None or not Path(path).is_file():
            return _refused(f"The query's results are not found in S3: {location}")
        kind = "DML" if location.endswith(".csv") else "DDL"
        rows, following = results.page(Path(path), kind, columns, int(token or 0), most)
    body: Json = {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": results.column_info(columns)}}}
    if execution.get("_update_count") is not None:
        body["UpdateCount"] = execution["_update_count"]
    if following is not None:
        body["NextToken"] = str(following)
    answer: Answer = json_response(body)
    return answer


@executes(
    "athena",
    "StartQueryExecution",
    replaces=f"{_EMULATOR}:handle_request",
    signature="(method, path, headers, body, query_params)",
)
def handle_request(original: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    """An answer to StartQueryExecution comes when a quick statement is done."""

    async def replacement(method: str, path: str, headers: Json, body: bytes, query_params: Json) -> Answer:
        executions.workers().warm_up()
        before = set(executions.running)
        answer = await original(method, path, headers, body, query_params)
        if headers.get("x-amz-target", "").endswith(".StartQueryExecution"):
            started = [this for number, this in list(executions.running.items()) if number not in before]
            for this in started:
                await asyncio.to_thread(this.done.wait, _WAITED_SECONDS)
        return answer

    return replacement
