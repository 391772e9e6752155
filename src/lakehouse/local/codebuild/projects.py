"""Build projects: what was given is there when it is read, with CodeBuild's defaults.

Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Project.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import codebuild

from lakehouse.local import place
from lakehouse.local.codebuild.requests import limit_problems

Json = dict[str, Any]
Response = tuple[Any, ...]
Handler = Callable[[Json], Response]

_DEFAULTS: Json = {
    "badge": {"badgeEnabled": False},
    "cache": {"type": "NO_CACHE"},
    "projectVisibility": "PRIVATE",
    "queuedTimeoutInMinutes": 480,
    "secondaryArtifacts": [],
    "secondarySourceVersions": [],
    "secondarySources": [],
    "timeoutInMinutes": 60,
}
# The executor's own entries of a record.
COUNTER = "_lastBuildNumber"
_UNLIMITED = -1


def keep_all_settings(original: Handler) -> Handler:
    """CreateProject and UpdateProject: keep what the emulator drops, refuse time limits that CodeBuild refuses.

    Args:
        original: Stores the project.

    Returns:
        The replacement.
    """

    def replacement(data: Json) -> Response:
        problems = list(limit_problems(data))
        if problems:
            return error("InvalidInputException", "; ".join(problems))
        answer = original(data)
        project = codebuild._projects.get(data.get("name"))
        if project is None or answer[0] >= 300:
            return answer
        given = {name: value for name, value in data.items() if name not in ("name", "badgeEnabled")}
        project.update(copy.deepcopy(given))
        if "badgeEnabled" in data:
            project["badge"] = {"badgeEnabled": bool(data["badgeEnabled"])}
        if project.get("concurrentBuildLimit") == _UNLIMITED:
            # UpdateProject takes the limit off with it.
            del project["concurrentBuildLimit"]
        for name, value in _DEFAULTS.items():
            project.setdefault(name, copy.deepcopy(value))
        body: Response = codebuild.json_response({"project": codebuild._project_shape(project)})
        return body

    return replacement


def by_name_or_arn(original: Handler) -> Handler:
    """DeleteProject: Terraform names the project by its ARN; one that is not there is no error. Its cache goes too.

    Args:
        original: Deletes by name.

    Returns:
        The replacement.
    """

    def replacement(data: Json) -> Response:
        name = codebuild._project_name_from_identifier(data.get("name") or "")
        if name not in codebuild._projects:
            answer: Response = codebuild.json_response({})
            return answer
        shutil.rmtree(place.current().builds / "cache" / str(name), ignore_errors=True)
        return original({**data, "name": name})

    return replacement


def shape(_original: Callable[[Json], Json]) -> Callable[[Json], Json]:
    """A project as it is answered: everything that is kept.

    Args:
        _original: The emulator's, which answers a choice of members.

    Returns:
        The replacement.
    """

    def replacement(project: Json) -> Json:
        empty = ("description", "sourceVersion")
        return {
            name: copy.deepcopy(value)
            for name, value in project.items()
            if not name.startswith("_") and not (name in empty and not value)
        }

    return replacement


def error(code: str, message: str) -> Response:
    """A client error.

    Args:
        code: Its name.
        message: What is wrong.

    Returns:
        The answer.
    """
    answer: Response = error_response_json(code, message, 400)
    return answer
