"""Builds: StartBuild runs the buildspec, with CodeBuild's states, limits, logs and events.

Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import contextvars
import copy
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import json_response
from ministack.services import codebuild

from lakehouse.local import place
from lakehouse.local.codebuild import records, requests
from lakehouse.local.codebuild.execution import Execution
from lakehouse.local.codebuild.projects import COUNTER, error

Json = dict[str, Any]
Response = tuple[Any, ...]
Handler = Callable[[Json], Response]

# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html: valid for five minutes
_TOKEN_SECONDS = 300
_STOP_SECONDS = 10
# By build id, while the build runs.
_executions: dict[str, Execution] = {}
# By project and idempotency token: the build that was started with it, its parameters and when.
_tokens: dict[tuple[str, str], tuple[str, Json, float]] = {}
_starting = threading.Lock()


def start(_original: Handler) -> Handler:
    """StartBuild: run the buildspec's commands in processes.

    Args:
        _original: The emulator's, which says SUCCEEDED without running anything.

    Returns:
        The replacement.
    """

    def replacement(data: Json) -> Response:
        name = codebuild._project_name_from_identifier(data.get("projectName") or "")
        project = codebuild._projects.get(name) if name else None
        if project is None:
            return error("ResourceNotFoundException", f"Project cannot be found: {data.get('projectName')}")
        effective = requests.overridden(project, data)
        problems = list(requests.limit_problems(effective))
        if problems:
            return error("InvalidInputException", "; ".join(problems))
        refused = requests.refusals(effective, data)
        if refused:
            return error(
                "InvalidInputException", f"The local endpoint cannot run a build of {name}: {'; '.join(refused)}"
            )
        with _starting:
            return _start(project, effective, data)

    return replacement


def _start(project: Json, effective: Json, data: Json) -> Response:
    """Start a build, or find the one that was started with the same token."""
    name, token = project["name"], data.get("idempotencyToken")
    if token and (known := _tokens.get((name, token))) and time.monotonic() - known[2] < _TOKEN_SECONDS:
        if known[1] != data:
            return error("InvalidInputException", "The idempotency token was used with other parameters")
        return _answer(codebuild._builds[known[0]])
    running = sum(
        build["projectName"] == name and build["buildStatus"] == records.IN_PROGRESS
        for build in codebuild._builds.values()
    )
    limit = project.get("concurrentBuildLimit")
    if limit is not None and running >= limit:
        return error(
            "AccountLimitExceededException", f"Cannot have more than {limit} active builds for the project {name}"
        )
    project[COUNTER] = project.get(COUNTER, 0) + 1
    build = records.new_build(effective, project[COUNTER])
    codebuild._builds[build["id"]] = build
    if token:
        _tokens[name, token] = (build["id"], copy.deepcopy(data), time.monotonic())
    answer = _answer(build)
    execution = _executions[build["id"]] = Execution(build)
    # Threads have no account and region of their own.
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_run, build["id"], execution), daemon=True).start()
    return answer


def _run(build_id: str, execution: Execution) -> None:
    try:
        execution.run()
    finally:
        del _executions[build_id]


def _answer(build: Json) -> Response:
    # Encoded in one go, without letting go of Python: the build may go on meanwhile.
    answer: Response = json_response({"build": build})
    return answer


def stop(_original: Handler) -> Handler:
    """StopBuild: kill the processes; the build is STOPPED once they are gone.

    Args:
        _original: The emulator's, which only changes the state.

    Returns:
        The replacement.
    """

    def replacement(data: Json) -> Response:
        identifier = str(data.get("id", "")).rpartition("build/")[2]
        build = codebuild._builds.get(identifier)
        if build is None:
            return error("ResourceNotFoundException", f"Build cannot be found: {data.get('id')}")
        execution = _executions.get(identifier)
        if execution is not None:
            execution.stop()
            execution.is_over.wait(_STOP_SECONDS)
        return _answer(build)

    return replacement


def find(_original: Handler) -> Handler:
    """BatchGetBuilds: by id or by ARN.

    Args:
        _original: The emulator's, which knows ids only.

    Returns:
        The replacement.
    """

    def replacement(data: Json) -> Response:
        found, missing = [], []
        for given in data.get("ids", []):
            build = codebuild._builds.get(str(given).rpartition("build/")[2])
            if build is None:
                missing.append(given)
            else:
                found.append(build)
        answer: Response = json_response({"builds": found, "buildsNotFound": missing})
        return answer

    return replacement


def restore(original: Callable[[Json], None]) -> Callable[[Json], None]:
    """After a restart: builds that ran when the endpoint ended are FAILED, with that as the reason.

    Args:
        original: Loads the records.

    Returns:
        The replacement.
    """

    def replacement(data: Json) -> None:
        interrupted = {
            build_id
            for build_id, build in _all_builds(data)
            if build.get("buildStatus") == records.IN_PROGRESS and build_id not in _executions
        }
        original(data)
        # What builds of a killed endpoint have left on disk; what they cached stays.
        shutil.rmtree(place.current().builds / "running", ignore_errors=True)
        for build in codebuild._builds.all_values():
            if build["id"] in interrupted:
                _fail_interrupted(build)

    return replacement


def _all_builds(data: Json) -> list[tuple[str, Json]]:
    builds = data.get("builds") or {}
    values = builds.all_values() if hasattr(builds, "all_values") else builds.values()
    return [(build["id"], build) for build in values]


def _fail_interrupted(build: Json) -> None:
    phases = records.Phases(build)
    if phases.is_open:
        phases.end("FAILED", "INTERNAL_SERVICE_ERROR", "The endpoint stopped during this build. Start the build again.")
    phases.begin("COMPLETED")
    build.update(buildStatus="FAILED", buildComplete=True, endTime=time.time())
