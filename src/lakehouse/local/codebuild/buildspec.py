"""The build specification: parsed, and refused by name where the laptop could not follow it.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from lakehouse.errors import LocalError

PHASES = ("install", "pre_build", "build", "post_build")
PYTHON = ".".join(platform.python_version_tuple()[:2])

# Top-level entries that nothing on the laptop would act on.
_UNSERVED = ("artifacts", "batch", "proxy", "reports", "run-as")
_UNSERVED_IN_ENV = ("parameter-store", "secrets-manager")
_UNSERVED_IN_PHASE = ("run-as", "steps")
_SHELLS = {"bash": "bash", "/bin/sh": "sh", "sh": "sh"}


class BuildspecError(LocalError):
    """The buildspec cannot be read, or asks for what the laptop does not do."""


@dataclass(frozen=True, slots=True)
class Phase:
    """The commands of one phase.

    Attributes:
        commands: Run in order, until one fails.
        finally_commands: Run afterwards in any case.
        on_failure: ``ABORT``, ``CONTINUE``, or empty for CodeBuild's own phase transitions.
    """

    commands: tuple[str, ...] = ()
    finally_commands: tuple[str, ...] = ()
    on_failure: str = ""


@dataclass(frozen=True, slots=True)
class Buildspec:
    """What a build does.

    Attributes:
        shell: ``bash`` or ``sh``.
        variables: Environment variables of the buildspec; those of the project and of the call win.
        exported: Names of the variables whose values the build reports at its end.
        phases: By name, all four.
        cache_paths: Folders to keep between builds, as written.
    """

    shell: str = "sh"
    variables: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    phases: Mapping[str, Phase] = field(default_factory=dict)
    cache_paths: tuple[str, ...] = ()


def parse(text: str) -> Buildspec:
    """Read a buildspec.

    Args:
        text: The YAML (or JSON, which is YAML).

    Returns:
        Its content.

    Raises:
        BuildspecError: It is no buildspec of version 0.2, or it has entries that the laptop does not act on.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BuildspecError(f"The buildspec is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise BuildspecError("The buildspec is no YAML mapping")
    problems = list(_problems(document))
    if problems:
        raise BuildspecError(f"The local endpoint cannot run this buildspec: {'; '.join(problems)}")
    env = document.get("env") or {}
    phases = document.get("phases") or {}
    return Buildspec(
        shell=_SHELLS[str(env.get("shell", "sh"))],
        variables={name: str(value) for name, value in (env.get("variables") or {}).items()},
        exported=tuple(env.get("exported-variables") or ()),
        phases={name: _phase(phases.get(name) or {}) for name in PHASES},
        cache_paths=tuple((document.get("cache") or {}).get("paths") or ()),
    )


def _phase(body: Mapping[str, Any]) -> Phase:
    return Phase(
        tuple(body.get("commands") or ()), tuple(body.get("finally") or ()), str(body.get("on-failure") or "").upper()
    )


def _problems(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a buildspec, or not done on the laptop."""
    if str(document.get("version")) != "0.2":
        yield f"version {document.get('version')} (only 0.2 is run)"
    yield from (f"{name} (nothing acts on it)" for name in _UNSERVED if document.get(name))
    known = {"version", "env", "phases", "cache", *_UNSERVED}
    yield from (f"{name} is no entry of a buildspec" for name in document if name not in known)
    yield from _problems_of_env(document.get("env") or {})
    phases = document.get("phases")
    if not isinstance(phases, dict) or not phases:
        yield "it has no phases"
        return
    for name, body in phases.items():
        if name not in PHASES:
            yield f"phases/{name} is no phase"
        else:
            yield from _problems_of_phase(name, body or {})
    cache = document.get("cache") or {}
    yield from (f"cache/{name} (only paths are kept)" for name in cache if name != "paths")


def _problems_of_env(env: Mapping[str, Any]) -> Iterator[str]:
    if str(env.get("shell", "sh")) not in _SHELLS:
        yield f"env/shell {env['shell']} (only bash and /bin/sh)"
    yield from (f"env/{name} (no values are fetched)" for name in _UNSERVED_IN_ENV if env.get(name))
    if env.get("git-credential-helper") not in (None, False, "no"):
        yield "env/git-credential-helper"
    for name, value in (env.get("variables") or {}).items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            yield f"env/variables/{name} is no text: quote it"


def _problems_of_phase(name: str, body: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"phases/{name}/{entry} (nothing acts on it)" for entry in _UNSERVED_IN_PHASE if body.get(entry))
    known = {"commands", "finally", "on-failure", "runtime-versions", *_UNSERVED_IN_PHASE}
    yield from (f"phases/{name}/{entry} is no entry of a phase" for entry in body if entry not in known)
    if str(body.get("on-failure") or "ABORT").upper() not in ("ABORT", "CONTINUE"):
        yield f"phases/{name}/on-failure {body['on-failure']} (only ABORT and CONTINUE)"
    for key in ("commands", "finally"):
        commands = body.get(key) or []
        if not isinstance(commands, list) or not all(isinstance(command, str) for command in commands):
            yield f"phases/{name}/{key} is no list of texts: quote what YAML takes for something else"
    if name == "install":
        for runtime, version in (body.get("runtime-versions") or {}).items():
            if runtime != "python" or str(version) not in (PYTHON, "3.x", "latest"):
                yield f"runtime-versions {runtime}: {version} (this machine has python: {PYTHON})"
    elif body.get("runtime-versions"):
        yield f"phases/{name}/runtime-versions (CodeBuild takes them in install only)"
