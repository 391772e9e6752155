"""The environment of a build's commands: CodeBuild's variables, the project's, and a Python of the image's version.

Nothing of this project's own environment is there: no packages, no tools of ``PATH`` beyond the system's.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakehouse.local.codebuild.buildspec import PYTHON
from lakehouse.local.place import Place, client_environment

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PYTHON_NAMES = ("python", "python3", f"python{PYTHON}")


def runtime_folder(home: Path) -> Path:
    """The folder with ``python`` and ``pip`` of the build image, made where it is missing.

    Scripts rather than links: a virtual environment made with a link would look for its library beside the link.

    Args:
        home: The endpoint's folder for builds.

    Returns:
        The folder, for the head of ``PATH``.
    """
    folder = home / "runtime"
    interpreter = Path(sys.base_prefix) / "bin" / f"python{PYTHON}"
    if not interpreter.exists():
        interpreter = Path(os.path.realpath(sys.executable))
    scripts = dict.fromkeys(_PYTHON_NAMES, f'exec "{interpreter}" "$@"')
    scripts |= dict.fromkeys(("pip", "pip3"), f'exec "{interpreter}" -m pip "$@"')
    folder.mkdir(parents=True, exist_ok=True)
    for name, line in scripts.items():
        text, target = f"#!/bin/sh\n{line}\n", folder / name
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            partial = folder / f".{name}.{os.getpid()}"
            partial.write_text(text, encoding="utf-8")
            partial.chmod(0o755)
            partial.replace(target)
    return folder


def project_variables(build: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the build's project, with what StartBuild put in their place.

    Args:
        build: The build's record.

    Returns:
        Values by name.
    """
    return {each["name"]: each["value"] for each in build["environment"].get("environmentVariables") or ()}


def build_variables(build: Mapping[str, Any], place: Place, source: Path) -> dict[str, str]:
    """The variables that CodeBuild itself sets.

    Args:
        build: The build's record.
        place: The endpoint.
        source: The build's source folder.

    Returns:
        Values by name.
    """
    logs = build["logs"]
    variables = {
        "CODEBUILD_BUILD_ARN": build["arn"],
        "CODEBUILD_BUILD_ID": build["id"],
        "CODEBUILD_BUILD_IMAGE": build["environment"]["image"],
        "CODEBUILD_BUILD_NUMBER": str(build["buildNumber"]),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_CI": "true",
        "CODEBUILD_INITIATOR": build["initiator"],
        "CODEBUILD_KMS_KEY_ID": build["encryptionKey"],
        "CODEBUILD_LOG_PATH": logs.get("streamName", ""),
        "CODEBUILD_PROJECT_ARN": build["arn"].replace(":build/", ":project/").rpartition(":")[0],
        "CODEBUILD_SRC_DIR": str(source),
        "CODEBUILD_START_TIME": str(int(build["startTime"] * 1000)),
        **client_environment(place.url, place.region),
    }
    if build["source"]["type"] == "S3":
        variables["CODEBUILD_SOURCE_REPO_URL"] = f"s3://{build['source']['location']}"
    if build.get("sourceVersion"):
        variables["CODEBUILD_SOURCE_VERSION"] = build["sourceVersion"]
    return variables


def system_variables(home: Path, runtime: Path) -> dict[str, str]:
    """What every process needs.

    Args:
        home: The build's own home folder.
        runtime: See ``runtime_folder``.

    Returns:
        Values by name.
    """
    return {
        "PATH": f"{runtime}:{_SYSTEM_PATH}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TMPDIR": str(home / "tmp"),
    }
