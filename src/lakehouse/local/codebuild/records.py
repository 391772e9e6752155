"""The record of a build: as BatchGetBuilds answers it, and the events about it.

Source: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Build.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import copy
import json
import time
from typing import Any
from urllib.parse import quote

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import codebuild, eventbridge

Json = dict[str, Any]

IN_PROGRESS = "IN_PROGRESS"
_OF_THE_PROJECT = (
    *("artifacts", "cache", "encryptionKey", "environment", "queuedTimeoutInMinutes", "secondaryArtifacts"),
    *("secondarySourceVersions", "secondarySources", "serviceRole", "source", "timeoutInMinutes"),
)


def new_build(project: Json, number: int) -> Json:
    """The record of a build that was just submitted.

    Args:
        project: The project as the build sees it.
        number: The build's number in its project.

    Returns:
        The record.
    """
    name, unique = project["name"], new_uuid()
    build_id = f"{name}:{unique}"
    now = time.time()
    build: Json = {
        "id": build_id,
        "arn": codebuild._build_arn(build_id),
        "buildNumber": number,
        "startTime": now,
        "currentPhase": "QUEUED",
        "buildStatus": IN_PROGRESS,
        "buildComplete": False,
        "projectName": name,
        "initiator": "root",
        "phases": [],
        "logs": _logs(project, unique),
        **{each: copy.deepcopy(project[each]) for each in _OF_THE_PROJECT if each in project},
    }
    build["artifacts"] = {"location": ""}
    if project.get("sourceVersion"):
        build["sourceVersion"] = project["sourceVersion"]
    Phases(build).begin("SUBMITTED")
    Phases(build).end("SUCCEEDED")
    return build


def _logs(project: Json, unique: str) -> Json:
    """https://docs.aws.amazon.com/codebuild/latest/APIReference/API_LogsLocation.html."""
    config = (project.get("logsConfig") or {}).get("cloudWatchLogs") or {"status": "ENABLED"}
    settings = {"cloudWatchLogs": config, "s3Logs": {"status": "DISABLED", "encryptionDisabled": False}}
    if config["status"] != "ENABLED":
        return settings
    group = config.get("groupName") or f"/aws/codebuild/{project['name']}"
    stream = f"{config['streamName']}/{unique}" if config.get("streamName") else unique
    region = get_region()
    # The console's own form: the names are percent-encoded, and the percent sign as a dollar sign.
    place = "/log-events/".join(quote(quote(each, safe=""), safe="").replace("%", "$") for each in (group, stream))
    return {
        **settings,
        "groupName": group,
        "streamName": stream,
        "cloudWatchLogsArn": f"arn:aws:logs:{region}:{get_account_id()}:log-group:{group}:log-stream:{stream}",
        "deepLink": f"https://console.aws.amazon.com/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{place}",
    }


class Phases:
    """Writes the phases of a build into its record.

    Args:
        build: The record.
    """

    def __init__(self, build: Json) -> None:
        self._build = build

    def begin(self, phase: str) -> None:
        """A phase begins.

        Args:
            phase: Its name.
        """
        self._build["phases"].append({"phaseType": phase, "startTime": time.time()})
        self._build["currentPhase"] = phase

    def end(self, status: str, code: str = "", message: str = "") -> None:
        """The phase that began last ends.

        Args:
            status: Its end status.
            code: Why, in a word.
            message: Why, in a sentence.
        """
        phase = self._build["phases"][-1]
        now = time.time()
        phase.update(
            phaseStatus=status,
            endTime=now,
            durationInSeconds=int(now - phase["startTime"]),
            contexts=[{"statusCode": code, "message": message}],
        )

    @property
    def is_open(self) -> bool:
        """Whether the phase that began last has not ended."""
        phases = self._build["phases"]
        return bool(phases) and "endTime" not in phases[-1]


def complete(build: Json, status: str) -> None:
    """Write the end of a build.

    Args:
        build: Its record.
        status: Its end status.
    """
    phases = Phases(build)
    phases.begin("COMPLETED")
    # The status comes last: who sees it finds the whole record.
    build.update(endTime=time.time(), buildComplete=True)
    build["buildStatus"] = status
    emit(build)


def emit(build: Json) -> None:
    """Send a CodeBuild Build State Change event.

    Args:
        build: The build's record.

    Source:
        https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html
    """
    detail = {
        "build-status": build["buildStatus"],
        "project-name": build["projectName"],
        "build-id": build["arn"],
        "current-phase": build["currentPhase"],
        "current-phase-context": "[]",
        "version": "1",
        "additional-information": {
            "initiator": build["initiator"],
            "build-number": build["buildNumber"],
            "build-complete": build["buildComplete"],
            "timeout-in-minutes": build["timeoutInMinutes"],
            "logs": {
                "group-name": build["logs"].get("groupName"),
                "stream-name": build["logs"].get("streamName"),
                "deep-link": build["logs"].get("deepLink"),
            },
            "phases": [
                {
                    "phase-type": phase["phaseType"],
                    **({"phase-status": phase["phaseStatus"]} if "phaseStatus" in phase else {}),
                    **({"duration-in-seconds": phase["durationInSeconds"]} if "durationInSeconds" in phase else {}),
                }
                for phase in build["phases"]
            ],
        },
    }
    entry = {
        "Source": "aws.codebuild",
        "DetailType": "CodeBuild Build State Change",
        "Detail": json.dumps(detail),
        "Resources": [build["arn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
