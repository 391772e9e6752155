"""Builds the source of the dbt project's builds: the project's folder, and the wheels of dbt beside it.

The wheels are those of the dependency group ``dbt`` in ``uv.lock``, with a requirements file of their hashes, so that a
build installs exactly these and asks no package index.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lakehouse.archive import Archive, installed_in
from lakehouse.errors import PrerequisiteError

DBT_ZIP = "dbt_project.zip"
FOLDER = "dbt_project"

_WHEELS = "wheels"
# What dbt and Python make when the project is run in place.
_MADE = frozenset({"target", "logs", ".cache", ".venv", "__pycache__", _WHEELS, ".user.yml"})

RunUv = Callable[..., None]


def project_files(root: Path) -> Iterator[Path]:
    """The files of the dbt project.

    Args:
        root: The checkout.

    Yields:
        The files, without what a run of dbt makes.

    Raises:
        PrerequisiteError: The checkout has no dbt project with a buildspec.
    """
    folder = root / FOLDER
    if not (folder / "buildspec.yml").is_file():
        raise PrerequisiteError(f"{folder} has no buildspec.yml: the checkout is not complete. Check it out again.")
    for file in sorted(folder.rglob("*")):
        if file.is_file() and _MADE.isdisjoint(file.relative_to(folder).parts):
            yield file


def pack_project(root: Path, wheels: Path, target: Path) -> None:
    """Make the zip.

    Args:
        root: The checkout.
        wheels: What ``pack_wheels`` made.
        target: The zip.
    """
    folder = root / FOLDER
    with Archive(target) as archive:
        for file in project_files(root):
            archive.add(file.relative_to(folder).as_posix(), file)
        for file in sorted(wheels.iterdir()):
            archive.add(f"{_WHEELS}/{file.name}", file)


def pack_wheels(run_uv: RunUv, scratch: Path, platform: str | None, python_version: str) -> Path:
    """Install the locked packages of the group ``dbt`` into a folder, and make wheels of them again.

    Args:
        run_uv: Runs uv in the checkout.
        scratch: A folder for what is made.
        platform: What to build for, in uv's words; None is this machine.
        python_version: The Python to build for.

    Returns:
        The folder of the wheels and their ``requirements.txt``.
    """
    locked, installed, wheels = scratch / "dbt.txt", scratch / "dbt-installed", scratch / "dbt-wheels"
    run_uv(
        "export", "--quiet", "--locked", "--only-group", "dbt", "--no-emit-project",
        "--format", "requirements.txt", "--output-file", str(locked),
    )  # fmt: skip
    run_uv(
        "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--python", sys.executable, "--python-version", python_version,
        *(["--python-platform", platform] if platform else []),
        "--target", str(installed), "--requirements", str(locked),
    )  # fmt: skip
    wheels.mkdir()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        packed = sorted(pool.map(lambda one: one.pack(wheels), installed_in(installed)))
    (wheels / "requirements.txt").write_text("".join(map(_requirement, packed)), encoding="utf-8")
    shutil.rmtree(installed)
    return wheels


def _requirement(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
