"""StartBuild's request: the project as the call's overrides change it, and what of it the laptop does not do.

Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lakehouse.local.codebuild.buildspec import BuildspecError, parse
from lakehouse.local.codebuild.source import is_inline

Json = dict[str, Any]

# Where an override goes in the project.
_OVERRIDES = {
    "buildspecOverride": ("source", "buildspec"),
    "sourceLocationOverride": ("source", "location"),
    "sourceTypeOverride": ("source", "type"),
    "sourceVersion": ("sourceVersion",),
    "artifactsOverride": ("artifacts",),
    "cacheOverride": ("cache",),
    "computeTypeOverride": ("environment", "computeType"),
    "encryptionKeyOverride": ("encryptionKey",),
    "environmentTypeOverride": ("environment", "type"),
    "imageOverride": ("environment", "image"),
    "logsConfigOverride": ("logsConfig",),
    "privilegedModeOverride": ("environment", "privilegedMode"),
    "queuedTimeoutInMinutesOverride": ("queuedTimeoutInMinutes",),
    "serviceRoleOverride": ("serviceRole",),
    "timeoutInMinutesOverride": ("timeoutInMinutes",),
}
_OTHERS = frozenset({"projectName", "environmentVariablesOverride", "idempotencyToken"})
# Amazon Linux alone: its /bin/sh is bash, which this machine has too.
_IMAGE = re.compile(r"aws/codebuild/amazonlinux2?-x86_64-standard:[\w.-]+")
# Settings of a project that nothing on the laptop would act on.
_UNSERVED = ("fileSystemLocations", "secondaryArtifacts", "secondarySources", "secondarySourceVersions")
_UNSERVED_IN_ENVIRONMENT = ("certificate", "dockerServer", "fleet", "privilegedMode", "registryCredential")
# https://docs.aws.amazon.com/codebuild/latest/userguide/limits.html
TIME_LIMITS = {"timeoutInMinutes": (5, 2160), "queuedTimeoutInMinutes": (5, 480)}


def overridden(project: Json, data: Json) -> Json:
    """The project as one build sees it.

    Args:
        project: The project's record.
        data: StartBuild's parameters.

    Returns:
        A copy with the overrides in place.
    """
    effective = copy.deepcopy(project)
    for name, path in _OVERRIDES.items():
        if name in data:
            holder = effective
            for part in path[:-1]:
                holder = holder.setdefault(part, {})
            holder[path[-1]] = copy.deepcopy(data[name])
    environment = effective["environment"]
    variables = {each["name"]: each for each in environment.get("environmentVariables") or ()}
    variables |= {each["name"]: each for each in data.get("environmentVariablesOverride") or ()}
    environment["environmentVariables"] = [{"type": "PLAINTEXT", **each} for each in variables.values()]
    return effective


def limit_problems(fields: Mapping[str, Any]) -> Iterator[str]:
    """Which time limits CodeBuild would not take.

    Args:
        fields: A project, or the parameters that make one.

    Yields:
        A sentence each.
    """
    for name, (least, most) in TIME_LIMITS.items():
        if fields.get(name) is not None and not least <= int(fields[name]) <= most:
            yield f"Invalid {name}: {fields[name]}; it is between {least} and {most} minutes"


def refusals(project: Json, data: Json) -> list[str]:
    """What a build asks for that the laptop does not do.

    Args:
        project: The project as ``overridden`` gives it.
        data: StartBuild's parameters.

    Returns:
        A text each, naming the setting; none where the build can run.
    """
    return [
        *(f"{name} (nothing acts on it)" for name in data if name not in _OVERRIDES and name not in _OTHERS),
        *(f"{name} (nothing acts on it)" for name in _UNSERVED if project.get(name)),
        *_of_source(project["source"]),
        *_of_environment(project["environment"]),
        *_of_surroundings(project),
    ]


def _of_source(source: Json) -> Iterator[str]:
    kind, buildspec = source.get("type"), source.get("buildspec") or ""
    if kind not in ("S3", "NO_SOURCE"):
        yield f"source type {kind} (only S3 and NO_SOURCE)"
    elif kind == "S3" and str(source.get("location", "")).endswith("/"):
        yield f"source location {source['location']} (a zip object, no folder)"
    if buildspec.startswith("arn:"):
        yield f"buildspec {buildspec} (a text, or a path in the source)"
    elif is_inline(buildspec):
        try:
            parse(buildspec)
        except BuildspecError as error:
            yield str(error)
    elif kind == "NO_SOURCE":
        yield "source type NO_SOURCE without a buildspec in the project or the call"


def _of_environment(environment: Json) -> Iterator[str]:
    if environment.get("type") != "LINUX_CONTAINER":
        yield f"environment type {environment.get('type')} (only LINUX_CONTAINER)"
    if not _IMAGE.fullmatch(str(environment.get("image"))):
        yield f"image {environment.get('image')} (only Amazon Linux's standard images of CodeBuild for x86_64)"
    yield from (f"environment {name}" for name in _UNSERVED_IN_ENVIRONMENT if environment.get(name))
    for variable in environment["environmentVariables"]:
        if variable["type"] != "PLAINTEXT":
            yield f"environment variable {variable['name']} of type {variable['type']} (only PLAINTEXT)"


def _of_surroundings(project: Json) -> Iterator[str]:
    artifacts = (project.get("artifacts") or {}).get("type", "NO_ARTIFACTS")
    if artifacts != "NO_ARTIFACTS":
        yield f"artifacts type {artifacts} (only NO_ARTIFACTS: copy results in post_build)"
    cache = project.get("cache") or {}
    if cache.get("type", "NO_CACHE") not in ("NO_CACHE", "LOCAL"):
        yield f"cache type {cache['type']} (only LOCAL)"
    for mode in cache.get("modes") or ():
        if mode != "LOCAL_CUSTOM_CACHE":
            yield f"cache mode {mode} (only LOCAL_CUSTOM_CACHE)"
    if ((project.get("logsConfig") or {}).get("s3Logs") or {}).get("status") == "ENABLED":
        yield "logsConfig s3Logs (only cloudWatchLogs)"
    if (project.get("vpcConfig") or {}).get("vpcId"):
        yield "vpcConfig (there is no VPC)"
    if project.get("autoRetryLimit"):
        yield "autoRetryLimit (retry in the caller)"
