"""What the laptop needs, checked: each finding says what was found and how to mend it."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import PrerequisiteError
from lakehouse.local.endpoint import DEFAULT_PORT, Endpoint
from lakehouse.local.terraform_mirror import find_mirror, registry_answers

_JAVA = 17
_TERRAFORM = (1, 11)
# The environment, the artifacts and the provider take about 2.5 GB; the rest is the demo's data.
_DISK_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One prerequisite.

    Attributes:
        name: What was checked.
        is_met: Whether it is as needed.
        found: What was found, in a few words.
        remedy: How to mend it, empty where nothing is to be done.
    """

    name: str
    is_met: bool
    found: str
    remedy: str = ""


def examine(home: Path, port: int | None = None) -> list[Finding]:
    """Check everything the laptop needs.

    Args:
        home: The endpoint's folder.
        port: The port the endpoint is to listen on, None for the default.

    Returns:
        One finding a prerequisite, in the order of mending.
    """
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _java,
        _terraform,
        _provider,
        lambda: _port(home, port),
        lambda: _disk(home),
    )
    return [check() for check in checks]


def require(home: Path, port: int | None = None) -> None:
    """Refuse to go on while a prerequisite is missing.

    Args:
        home: The endpoint's folder.
        port: The port the endpoint is to listen on, None for the default.

    Raises:
        PrerequisiteError: One or more are not met; the message names each with its remedy.
    """
    unmet = [finding for finding in examine(home, port) if not finding.is_met]
    if unmet:
        listed = "\n".join(f"  {finding.name}: {finding.found}. {finding.remedy}" for finding in unmet)
        raise PrerequisiteError(f"{len(unmet)} prerequisite(s) missing:\n{listed}")


def _first_output(*command: str) -> str | None:
    """What a command says, None when it is not on PATH."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def _python() -> Finding:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return Finding(
        "Python 3.11",
        sys.version_info[:2] == (3, 11),
        found,
        "" if sys.version_info[:2] == (3, 11) else "Install Python 3.11 and run: make setup PYTHON=python3.11",
    )


def _java() -> Finding:
    name = f"Java {_JAVA}"
    remedy = (
        "Install a Java 17 runtime (Debian: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17)"
    )
    said = _first_output("java", "-version")
    if said is None:
        return Finding(
            name, is_met=False, found="java is not on PATH", remedy=f"{remedy} and put its bin folder on PATH"
        )
    version = re.search(r'version "(\d+)([^"]*)"', said)
    if version is None:
        return Finding(name, is_met=False, found=f"java says {said.strip()[:80]!r}", remedy=remedy)
    is_met = int(version[1]) == _JAVA
    return Finding(name, is_met, version[1] + version[2], "" if is_met else f"Spark 3.5 runs on Java 17. {remedy}")


def _terraform() -> Finding:
    name = f"Terraform >= {'.'.join(map(str, _TERRAFORM))}"
    remedy = "Install it from https://developer.hashicorp.com/terraform/install"
    said = _first_output("terraform", "version")
    if said is None:
        return Finding(name, is_met=False, found="terraform is not on PATH", remedy=remedy)
    version = re.search(r"Terraform v(\d+)\.(\d+)\.(\d+)", said)
    if version is None:
        return Finding(name, is_met=False, found=f"terraform says {said.strip()[:80]!r}", remedy=remedy)
    is_met = (int(version[1]), int(version[2])) >= _TERRAFORM
    return Finding(name, is_met, ".".join(version.groups()), "" if is_met else remedy)


def _provider() -> Finding:
    name = "AWS provider"
    mirror = find_mirror()
    if mirror is not None:
        return Finding(name, is_met=True, found="a mirror on this machine")
    if registry_answers():
        return Finding(name, is_met=True, found="registry.terraform.io answers")
    return Finding(
        name,
        is_met=False,
        found="registry.terraform.io does not answer, and no mirror was found",
        remedy="Connect to the network once, or name a mirror made by `terraform providers mirror` in TF_PLUGIN_DIR",
    )


def _port(home: Path, port: int | None) -> Finding:
    name = "Endpoint's port"
    endpoint = Endpoint(home, port)
    wanted = DEFAULT_PORT if port is None else port
    if endpoint.is_up():
        return Finding(name, is_met=True, found=f"the endpoint answers at {endpoint.url}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return Finding(
                name,
                is_met=False,
                found=f"{wanted} is taken by another process",
                remedy="Stop that process, or choose another port: lakehouse up --port PORT",
            )
    return Finding(name, is_met=True, found=f"{wanted} is free" if wanted else "any free one")


def _disk(home: Path) -> Finding:
    folder = home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    is_met = free >= _DISK_BYTES
    return Finding(
        "Disk",
        is_met,
        f"{free / 1024**3:.1f} GiB free",
        ""
        if is_met
        else f"{_DISK_BYTES / 1024**3:.0f} GiB are needed: free some, or set LAKEHOUSE_HOME to a larger disk",
    )
