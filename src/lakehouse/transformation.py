"""Runs dbt on this machine as CodeBuild does: in an environment of its own, told all by environment variables.

dbt's libraries do not fit beside this package's, so ``uv.lock`` pins them in a dependency group of their own, which is
installed below the laptop's home once for each lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lakehouse.dbt_package import FOLDER
from lakehouse.errors import CommandError
from lakehouse.package import find_uv
from lakehouse.settings import Workplace

_GROUP = "dbt"
_READY = ".ready"
# What a process needs of the machine; everything else that dbt reads is given.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SSL_CERT_FILE", "AWS_CA_BUNDLE")
_LINES_TOLD = 40


@dataclass(frozen=True, slots=True)
class DbtEnvironment:
    """An installed dbt.

    Attributes:
        python: The interpreter of its environment.
        project: The dbt project.
        scratch: Where dbt writes what it makes: the project's folder stays as it is.
    """

    python: Path
    project: Path
    scratch: Path


def dbt_environment(workplace: Workplace) -> DbtEnvironment:
    """Install dbt, unless this lock's is installed already.

    Args:
        workplace: The checkout and the laptop's home.

    Returns:
        Where it is.

    Raises:
        PrerequisiteError: uv is not installed.
        CommandError: uv failed: the package index does not answer, or the lock is not current.
    """
    lock = hashlib.sha256((workplace.root / "uv.lock").read_bytes()).hexdigest()[:16]
    folder = workplace.home / "dbt" / lock
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{lock}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (folder / _READY).is_file():
            _install(workplace.root, folder)
            (folder / _READY).touch()
    return DbtEnvironment(folder / "bin" / "python", workplace.root / FOLDER, workplace.home / "dbt" / "target")


def _install(root: Path, folder: Path) -> None:
    command = [
        find_uv(), "sync", "--quiet", "--frozen", "--only-group", _GROUP, "--compile-bytecode",
        "--no-python-downloads", "--python", sys.executable,
    ]  # fmt: skip
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(
            f"uv sync ended with {done.returncode} while installing dbt: {done.stderr.strip()[-1000:]} Check that the "
            "package index answers, and that uv.lock is current (uv lock)."
        )


def aws_access() -> dict[str, str]:
    """Whose credentials this process uses, and where AWS is: its own ``AWS_*`` variables.

    Returns:
        The variables by name.
    """
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def run_dbt(
    arguments: Sequence[str], variables: Mapping[str, str], environment: DbtEnvironment
) -> subprocess.CompletedProcess[str]:
    """Run a dbt command on the project.

    Args:
        arguments: The command and its options, such as ``["build", "--full-refresh"]``.
        variables: What the profile and AWS's clients read: ``DBT_*`` and ``AWS_*``. Nothing else of this process's
            own environment is handed on, but for what every program needs.
        environment: Where dbt is installed.

    Returns:
        The process, with its output.

    Raises:
        CommandError: dbt failed; the message ends with what it said.
    """
    environment.scratch.mkdir(parents=True, exist_ok=True)
    places = {
        "DBT_PROFILES_DIR": str(environment.project),
        "DBT_PROJECT_DIR": str(environment.project),
        "DBT_TARGET_PATH": str(environment.scratch),
        "DBT_LOG_PATH": str(environment.scratch / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    done = subprocess.run(
        [str(environment.python), str(environment.project / "run_dbt.py"), "--no-use-colors", *arguments],
        cwd=environment.project,
        env={**inherited, **places, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(done.stdout.splitlines()[-_LINES_TOLD:])
        raise CommandError(f"dbt {' '.join(arguments)} ended with {done.returncode}:\n{said}\n{done.stderr.strip()}")
    return done
