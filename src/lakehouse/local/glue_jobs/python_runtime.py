"""The Python that a job sees: Glue's own packages and the job's wheels, and nothing of this project's environment.

Glue's packages are linked into a virtual environment without pip, so that the driver and Spark's Python workers start
the same interpreter with the same packages. Each wheel of ``--additional-python-modules`` is unpacked and compiled
once, in a folder named by its content; a job's wheels are hard-linked into one folder and checked for missing
requirements. So a job of which one wheel changes does not unpack the others again.

Source: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-libraries.html
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import shutil
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from lakehouse.errors import PrerequisiteError

# Distributions that Glue 5 provides and that Spark or the AWS SDK need.
_PROVIDED = (
    "boto3",
    "botocore",
    "jmespath",
    "numpy",
    "pandas",
    "py4j",
    "pyspark",
    "python-dateutil",
    "s3transfer",
    "six",
    "urllib3",
)
_SHIM = Path(__file__).parent / "awsglue_shim"
_building = threading.Lock()


def interpreter(cache: Path) -> Path:
    """The interpreter of all job runs, made when it is first asked for.

    Args:
        cache: The endpoint's folder for what job runs share.

    Returns:
        Its path.

    Raises:
        PrerequisiteError: A package that Glue provides is not installed on this machine.
    """
    distributions = [_distribution(name) for name in _PROVIDED]
    versions = ",".join(f"{each.metadata['Name']}=={each.version}@{each.locate_file('')}" for each in distributions)
    folder = cache / f"python-{hashlib.sha256(f'{sys.base_prefix}{versions}'.encode()).hexdigest()[:16]}"
    with _building:
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            venv.EnvBuilder(with_pip=False, symlinks=True).create(partial)
            packages = next(partial.glob("lib/python*/site-packages"))
            for distribution in distributions:
                _link(distribution, packages)
            partial.rename(folder)
    return folder / "bin" / "python"


def _distribution(name: str) -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise PrerequisiteError(
            f"Glue jobs need the Python package {name}, which is not installed. Install the extras spark and local "
            "(make setup)."
        ) from error


def _link(distribution: importlib.metadata.Distribution, packages: Path) -> None:
    """Link a distribution's top-level folders and modules."""
    names = {PurePosixPath(str(file)).parts[0] for file in distribution.files or []}
    for name in sorted(names - {"..", "__pycache__"}):
        source, target = Path(str(distribution.locate_file(name))), packages / name
        if source.exists() and not target.exists():
            target.symlink_to(source)


@dataclass(frozen=True, slots=True)
class Archive:
    """A wheel, or a ``.gluewheels.zip`` of wheels.

    Attributes:
        name: Its file name.
        digest: Changes with its content.
        read: Fetches the content; called only where the modules are not unpacked yet.
    """

    name: str
    digest: str
    read: Callable[[], bytes]


def module_folders(cache: Path, archives: Sequence[Archive], python: Path) -> list[Path]:
    """The folders for the job's ``PYTHONPATH``: its wheels, then the ``awsglue`` library.

    Args:
        cache: The endpoint's folder for what job runs share.
        archives: The job's additional modules.
        python: The interpreter that compiles the modules.

    Returns:
        The folders.

    Raises:
        PrerequisiteError: A wheel does not fit this interpreter, or a requirement is in none of the wheels.
    """
    if not archives:
        return [_SHIM]
    digest = hashlib.sha256("".join(f"{each.name}:{each.digest}\n" for each in archives).encode())
    folder = cache / f"modules-{digest.hexdigest()[:24]}"
    with _building:
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            for wheel in _unpacked_wheels(cache / "wheels", archives, python):
                shutil.copytree(wheel, partial, copy_function=_hard_link, dirs_exist_ok=True)
            _require_complete(partial, next(python.parent.parent.glob("lib/python*/site-packages")))
            partial.rename(folder)
    return [folder, _SHIM]


def _unpacked_wheels(folder: Path, archives: Sequence[Archive], python: Path) -> list[Path]:
    """A folder for each wheel, made where it is new."""
    unpacked: list[Path] = []
    new: dict[Path, Path] = {}
    for name, content in _wheels(archives):
        target = folder / hashlib.sha256(name.encode() + content).hexdigest()[:24]
        unpacked.append(target)
        if not target.exists() and target not in new:
            new[target] = target.with_suffix(".partial")
            shutil.rmtree(new[target], ignore_errors=True)
            _unpack(name, content, new[target])
    if new:
        # Spark starts Python workers anew for every run: without compiled modules each would compile them.
        command = [str(python), "-m", "compileall", "-q", "-j", "0", *map(str, new.values())]
        subprocess.run(command, check=False, capture_output=True)
    for target, partial in new.items():
        partial.rename(target)
    return unpacked


def _hard_link(source: str, target: str) -> None:
    """Several wheels may bring the same file, such as a namespace's: the last one wins, as with pip."""
    Path(target).unlink(missing_ok=True)
    os.link(source, target)


def _wheels(archives: Sequence[Archive]) -> Iterator[tuple[str, bytes]]:
    for each in archives:
        if each.name.endswith(".whl"):
            yield each.name, each.read()
            continue
        with zipfile.ZipFile(io.BytesIO(each.read())) as archive:
            for member in sorted(archive.namelist()):
                if member.endswith(".whl"):
                    yield PurePosixPath(member).name, archive.read(member)


def _unpack(name: str, content: bytes, folder: Path) -> None:
    try:
        *_, tags = parse_wheel_filename(name)
    except InvalidWheelFilename as error:
        raise PrerequisiteError(f"{name} is no wheel's name: {error}") from error
    if tags.isdisjoint(sys_tags()):
        raise PrerequisiteError(
            f"{name} is not a supported wheel for Python {sys.version_info.major}.{sys.version_info.minor} "
            "on this machine. Build the package for it."
        )
    folder.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        for member in wheel.infolist():
            parts = PurePosixPath(member.filename).parts
            if member.is_dir():
                continue
            if parts[0].endswith(".data"):
                if parts[1] not in ("purelib", "platlib"):
                    continue
                parts = parts[2:]
            target = folder.joinpath(*parts)
            if ".." in parts or (target.is_absolute() and not target.is_relative_to(folder)):
                raise PrerequisiteError(f"{name} holds a file outside of its folder: {member.filename}")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wheel.read(member))


def _require_complete(folder: Path, packages: Path) -> None:
    """Refuse wheels that lack a requirement, as pip does with --no-index."""
    distributions = list(importlib.metadata.distributions(path=[str(folder), str(packages)]))
    present: dict[str, str] = {canonicalize_name(each.metadata["Name"]): each.version for each in distributions}
    missing = [
        f"{requirement} (for {each.metadata['Name']})"
        for each in importlib.metadata.distributions(path=[str(folder)])
        for requirement in map(Requirement, each.requires or [])
        if (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
        and not _is_satisfied(requirement, present)
    ]
    if missing:
        raise PrerequisiteError(
            f"The wheels of --additional-python-modules lack: {', '.join(sorted(missing))}. Add wheels for them."
        )


def _is_satisfied(requirement: Requirement, present: dict[str, str]) -> bool:
    version = present.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def base_environment() -> dict[str, str]:
    """What a job process inherits from this one: no settings, no credentials, no Python path.

    Returns:
        Environment variables.
    """
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "JAVA_HOME", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ}
