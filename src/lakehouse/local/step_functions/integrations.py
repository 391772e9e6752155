"""Service integrations that start work and wait for it (``.sync``); stopping the task stops the work.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-sync
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.json_path import Json
from lakehouse.local.step_functions.scope import ScopeCancelledError, current

# AWS polls a job run every few seconds; on a laptop nothing is saved by that.
_POLL_SECONDS = 0.1
_JOB_RUN_FAILURES = frozenset({"FAILED", "TIMEOUT", "STOPPED", "ERROR", "EXPIRED"})
_BUILD_FAILURES = frozenset({"FAILED", "FAULT", "STOPPED", "TIMED_OUT"})
_QUERY_FAILURES = frozenset({"FAILED", "CANCELLED"})
# The emulator's own integrations do not know it; its members begin in lower case, in state machines in upper case.
_CODEBUILD = {"target_prefix": "CodeBuild_20161006", "protocol": "json", "param_case": "lower-camel"}


def start_job_run(resource: str, arguments: dict[str, Any]) -> Json:
    """``glue:startJobRun``, plain or ``.sync``.

    Args:
        resource: The task's resource ARN.
        arguments: StartJobRun's parameters.

    Returns:
        ``{"JobRunId": …}``, or the finished job run for ``.sync``.

    Raises:
        StateError: ``Glue.<exception>`` where it did not start, ``States.TaskFailed`` with the job run as the cause.
        ScopeCancelledError: The task was stopped; the job run was stopped too.
    """
    started = _call("glue", "startJobRun", arguments)
    if not resource.endswith(".sync"):
        return started
    run = {"JobName": arguments["JobName"], "RunId": started["JobRunId"]}

    def look() -> tuple[str, Json]:
        found = _call("glue", "getJobRun", run)["JobRun"]
        return str(found["JobRunState"]), found

    def stop() -> None:
        _call("glue", "batchStopJobRun", {"JobName": run["JobName"], "JobRunIds": [run["RunId"]]})

    return _ended(look, _JOB_RUN_FAILURES, stop)


def start_build(resource: str, arguments: dict[str, Any]) -> Json:
    """``codebuild:startBuild``, plain or ``.sync``.

    Args:
        resource: The task's resource ARN.
        arguments: StartBuild's parameters, in upper camel case.

    Returns:
        ``{"Build": {…}}``: as it was started, or as it ended for ``.sync``.

    Raises:
        StateError: ``CodeBuild.<exception>`` where it did not start, ``States.TaskFailed`` with the build as the cause.
        ScopeCancelledError: The task was stopped; the build was stopped too.

    Source:
        https://docs.aws.amazon.com/step-functions/latest/dg/connect-codebuild.html
    """
    started = _call("codebuild", "startBuild", arguments)
    if not resource.endswith(".sync"):
        return started
    build_id = started["Build"]["Id"]

    def look() -> tuple[str, Json]:
        found = _call("codebuild", "batchGetBuilds", {"Ids": [build_id]})["Builds"][0]
        return str(found["BuildStatus"]), {"Build": found}

    return _ended(look, _BUILD_FAILURES, lambda: stop_build("", {"Id": build_id}))


def start_query(resource: str, arguments: dict[str, Any]) -> Json:
    """``athena:startQueryExecution``, plain or ``.sync``.

    Args:
        resource: The task's resource ARN.
        arguments: StartQueryExecution's parameters.

    Returns:
        ``{"QueryExecutionId": …}``, or ``{"QueryExecution": {…}}`` as it ended for ``.sync``.

    Raises:
        StateError: ``Athena.<exception>`` where it did not start, ``States.TaskFailed`` with the record as the cause.
        ScopeCancelledError: The task was stopped; the query was stopped too.

    Source:
        https://docs.aws.amazon.com/step-functions/latest/dg/connect-athena.html
    """
    started = _call("athena", "startQueryExecution", arguments)
    if not resource.endswith(".sync"):
        return started

    def look() -> tuple[str, Json]:
        found = _call("athena", "getQueryExecution", started)
        return str(found["QueryExecution"]["Status"]["State"]), found

    return _ended(look, _QUERY_FAILURES, lambda: _call("athena", "stopQueryExecution", started))


def stop_build(_resource: str, arguments: dict[str, Any]) -> Json:
    """``codebuild:stopBuild``.

    Args:
        _resource: The task's resource ARN.
        arguments: StopBuild's parameters, in upper camel case.

    Returns:
        ``{"Build": {…}}``.

    Raises:
        StateError: ``CodeBuild.<exception>`` where there is no such build.
    """
    return _call("codebuild", "stopBuild", arguments)


def _ended(look: Callable[[], tuple[str, Json]], failures: frozenset[str], stop: Callable[[], object]) -> Json:
    """Wait for the end of work that was started.

    Args:
        look: Its status, and the record of it that is the task's result or the cause of its failure.
        failures: The statuses of work that ended badly.
        stop: Stops it, where the task is stopped.

    Returns:
        The record.
    """
    try:
        while True:
            current().check()
            status, found = look()
            if status == "SUCCEEDED":
                return found
            if status in failures:
                raise StateError("States.TaskFailed", json.dumps(found))
            current().wait(_POLL_SECONDS)
    except ScopeCancelledError:
        stop()
        raise


def _call(service: str, action: str, arguments: Json) -> Any:
    if service == "codebuild":
        try:
            return stepfunctions._dispatch_aws_sdk_json(_CODEBUILD, service, action, arguments)
        except StateError as error:
            # The emulator's prefix for a service that it does not know is Codebuild.
            raise StateError(error.error.replace("Codebuild.", "CodeBuild."), error.cause) from error
    info = stepfunctions._AWS_SDK_SERVICE_MAP[service]
    return stepfunctions._dispatch_aws_sdk_json(info, service, action, arguments)


def start_execution(_original: Callable[..., Any]) -> Callable[..., Any]:
    """``states:startExecution``: its errors carry the name that AWS gives them.

    Args:
        _original: The emulator's integration.

    Returns:
        The replacement.
    """

    def replacement(_resource: str, input_data: dict[str, Any]) -> Json:
        return _start_execution(input_data)

    return replacement


def start_execution_and_wait(_original: Callable[..., Any]) -> Callable[..., Any]:
    """``states:startExecution.sync`` and ``.sync:2``.

    Args:
        _original: The emulator's integration, which runs the child in the parent's thread and cannot stop it.

    Returns:
        The replacement.
    """

    def replacement(resource: str, input_data: dict[str, Any]) -> Json:
        arn = _start_execution(input_data)["ExecutionArn"]
        child = stepfunctions._executions[arn]
        try:
            while child["status"] == "RUNNING":
                current().wait(_POLL_SECONDS)
        except ScopeCancelledError:
            if child["status"] == "RUNNING":
                stepfunctions._stop_execution({"executionArn": arn, "cause": "The execution that started it ended"})
            raise
        description = _describe(child, is_parsed=resource.endswith(".sync:2"))
        if child["status"] != "SUCCEEDED":
            raise StateError("States.TaskFailed", json.dumps(description))
        return description

    return replacement


def _start_execution(input_data: dict[str, Any]) -> dict[str, Any]:
    status, _, body = stepfunctions._start_execution(stepfunctions._nested_start_execution_request(input_data))
    answer = json.loads(body)
    if status >= 400:
        name = str(answer.get("__type", "SfnException")).rpartition("#")[2]
        suffix = "" if name.endswith("Exception") else "Exception"
        raise StateError(f"StepFunctions.{name}{suffix}", answer.get("message", ""))
    return {"ExecutionArn": answer["executionArn"], "StartDate": answer["startDate"]}


def _describe(child: dict[str, Any], *, is_parsed: bool) -> dict[str, Any]:
    def data(text: str) -> Json:
        return json.loads(text) if is_parsed else text

    description: dict[str, Any] = {
        "ExecutionArn": child["executionArn"],
        "Input": data(child["input"]),
        "InputDetails": {"Included": True},
        "Name": child["name"],
        "StartDate": child["startDate"],
        "StateMachineArn": child["stateMachineArn"],
        "Status": child["status"],
        "StopDate": child["stopDate"],
    }
    if child["status"] == "SUCCEEDED":
        description |= {"Output": data(child["output"]), "OutputDetails": {"Included": True}}
    for field, key in (("Error", "error"), ("Cause", "cause")):
        if child.get(key):
            description[field] = child[key]
    return description
