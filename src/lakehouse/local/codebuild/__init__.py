"""CodeBuild builds: the buildspec of a project's source runs in processes of its own, as the project's role.

This file is the table of what is replaced; each replacement is written in the module of its subject.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lakehouse.local.codebuild import builds, projects
from lakehouse.local.registry import executes, fixes, refuses

_EMULATOR = "ministack.services.codebuild"

Function = Callable[..., Any]


@executes("codebuild", "StartBuild", replaces=f"{_EMULATOR}:_start_build", signature="(data)")
def _start_build(original: Function) -> Function:
    return builds.start(original)


@executes("codebuild", "StopBuild", replaces=f"{_EMULATOR}:_stop_build", signature="(data)")
def _stop_build(original: Function) -> Function:
    return builds.stop(original)


@fixes(
    "codebuild",
    "BatchGetBuilds",
    replaces=f"{_EMULATOR}:_batch_get_builds",
    signature="(data)",
    symptom="A build was not found by its ARN.",
)
def _batch_get_builds(original: Function) -> Function:
    return builds.find(original)


@fixes(
    "codebuild",
    "BatchGetBuilds: restart",
    replaces=f"{_EMULATOR}:_restore_state",
    signature="(data)",
    symptom="A build that a restart had interrupted was a FAULT without a reason.",
)
def _restore_state(original: Function) -> Function:
    return builds.restore(original)


@fixes(
    "codebuild",
    "CreateProject",
    replaces=f"{_EMULATOR}:_create_project",
    signature="(data)",
    symptom="Cache, logs, queue time limit, concurrent build limit and other settings were dropped.",
)
def _create_project(original: Function) -> Function:
    return projects.keep_all_settings(original)


@fixes(
    "codebuild",
    "UpdateProject",
    replaces=f"{_EMULATOR}:_update_project",
    signature="(data)",
    symptom="Cache, logs, queue time limit, concurrent build limit and other settings were dropped.",
)
def _update_project(original: Function) -> Function:
    return projects.keep_all_settings(original)


@fixes(
    "codebuild",
    "DeleteProject",
    replaces=f"{_EMULATOR}:_delete_project",
    signature="(data)",
    symptom="terraform destroy could not delete a project, which it names by ARN",
)
def _delete_project(original: Function) -> Function:
    return projects.by_name_or_arn(original)


@fixes(
    "codebuild",
    "BatchGetProjects",
    replaces=f"{_EMULATOR}:_project_shape",
    signature="(project)",
    symptom="terraform plan shows cache, logs and limits of a project as drift",
)
def _project_shape(original: Function) -> Function:
    return projects.shape(original)


for _operation in ("StartBuildBatch", "RetryBuild", "CreateWebhook", "CreateFleet", "CreateReportGroup"):
    refuses("codebuild", _operation, instead="Start each build with StartBuild.")
