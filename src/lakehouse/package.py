"""Builds what is deployed: the Lambda functions' zip, the Glue job's script and wheels, and the dbt project's zip.

Everything comes from ``uv.lock`` and the checkout, so building twice gives the same bytes, and a new artifact means
that something changed. No package index is needed at run time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform as host
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lakehouse.archive import Archive, InstalledDistribution, installed_in
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.glue_table import definitions
from lakehouse.dbt_package import DBT_ZIP, pack_project, pack_wheels, project_files
from lakehouse.errors import CommandError, PrerequisiteError
from lakehouse.functions.bundled_wheels import FOLDER as WHEELS

FUNCTIONS_ZIP = "functions.zip"
GLUE_SCRIPT = "parquet_to_json.py"
# Glue 5 takes a zip of this ending with the folder wheels/ and wheels/requirements.txt inside.
# https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-libraries.html
GLUE_WHEELS = "parquet_to_json.gluewheels.zip"
# The Glue tables of the processed layer, by the data contracts.
PROCESSED_TABLES = "processed_tables.json"

AWS_PLATFORM = "x86_64-manylinux_2_28"
PYTHON_VERSION = "3.11"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAMBDA_MOST_BYTES = 262_144_000

# What Lambda's Python runtime brings.
_OF_THE_RUNTIME = frozenset({"boto3", "botocore", "python_dateutil", "s3transfer", "six", "urllib3"})
# Too large to lie unpacked beside PyArrow: functions/bundled_wheels.py unpacks them where they are needed.
_PACKED = frozenset({"numpy", "polars", "polars_runtime_32"})
# Parts of PyArrow that nothing here imports, a quarter of its size: Flight, headers, sources, tests, and second
# copies of a library under names that only a linker wants.
_UNUSED = re.compile(
    r"^pyarrow/(?:include/|tests/|src/|.*flight|_pyarrow_cpp_tests|.*\.(?:pyx|pxi|pxd|pyi|lib)$"
    r"|libarrow_python\.so(?:\.\d+\.\d+\.\d+)?$)"
)
# What compiled modules are said to come from: the same on every machine; Python puts the real place in at import.
_TASK_ROOT = "/var/task"
# Parts of this package that run on a laptop only.
_OF_THE_LAPTOP = re.compile(r"^lakehouse/(?:local|cli)/|^lakehouse/(?:package|archive|dbt_package|transformation)\.py$")


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """The artifacts.

    Attributes:
        folder: Where they are.
        platform: What they were built for, in uv's words; None is this machine.
        is_new: False when nothing had changed since the last time, so that nothing was built.
        seconds: How long it took.
        unzipped_bytes: Size of the functions' zip when unpacked, of which Lambda takes ``LAMBDA_MOST_BYTES``.
    """

    folder: Path
    platform: str | None
    is_new: bool
    seconds: float
    unzipped_bytes: int

    @property
    def artifacts(self) -> tuple[Path, ...]:
        """The files to deploy."""
        return tuple(
            self.folder / name for name in (FUNCTIONS_ZIP, GLUE_SCRIPT, GLUE_WHEELS, PROCESSED_TABLES, DBT_ZIP)
        )

    @property
    def sizes(self) -> dict[str, int]:
        """The artifacts' sizes in bytes, by name."""
        return {artifact.name: artifact.stat().st_size for artifact in self.artifacts}


def default_platform() -> str | None:
    """The platform to build for when the laptop is to run it.

    Returns:
        AWS's, where this machine can run that too, so that laptop and AWS run the same bytes; else None, this machine.
    """
    is_like_aws = sys.platform == "linux" and host.machine() == "x86_64" and host.libc_ver()[0] == "glibc"
    return AWS_PLATFORM if is_like_aws else None


def build(
    root: Path, output: Path, *, platform: str | None = None, progress: Callable[[str], None] = lambda _: None
) -> PackageFacts:
    """Build the artifacts, unless nothing changed since they were built.

    Args:
        root: The checkout.
        output: The folder for the artifacts.
        platform: What to build for, in uv's words: ``AWS_PLATFORM`` to deploy; None for ``default_platform``.
        progress: Told in a sentence what is being done.

    Returns:
        What was built.

    Raises:
        PrerequisiteError: uv is not installed.
        CommandError: uv failed: the lock is not current, or the package index does not answer.
    """
    return _Build(root, output, platform or default_platform(), progress).run()


@dataclass(frozen=True, slots=True)
class _Build:
    root: Path
    output: Path
    platform: str | None
    progress: Callable[[str], None]

    def run(self) -> PackageFacts:
        self.output.mkdir(parents=True, exist_ok=True)
        with (self.output / ".lock").open("a") as guard:
            # Two commands may want the same artifacts: the second finds what the first has built.
            fcntl.flock(guard, fcntl.LOCK_EX)
            return self._run()

    def _run(self) -> PackageFacts:
        started = time.monotonic()
        state_file = self.output / "package.json"
        # The dbt project changes often, and takes nothing of the package: each is built when its own sources change.
        inputs = {
            "platform": self.platform,
            "digest": _digest(self.root, self._sources()),
            "dbt_digest": _digest(self.root, self._dbt_sources()),
        }
        state = _read_state(state_file)
        facts = PackageFacts(self.output, self.platform, is_new=False, seconds=0.0, unzipped_bytes=0)
        is_whole = (
            state.get("platform") == self.platform
            and all(artifact.is_file() for artifact in facts.artifacts)
            and state.get("sizes") == facts.sizes
        )
        builders = {"digest": self._build, "dbt_digest": self._build_dbt}
        outdated = [key for key in builders if not is_whole or state.get(key) != inputs[key]]
        if outdated:
            state_file.unlink(missing_ok=True)
            for key in outdated:
                builders[key]()
            state = inputs | {"sizes": facts.sizes, "unzipped_bytes": _unzipped_bytes(self.output / FUNCTIONS_ZIP)}
            state_file.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        seconds = round(time.monotonic() - started, 3)
        return PackageFacts(self.output, self.platform, bool(outdated), seconds, int(str(state["unzipped_bytes"])))

    def _sources(self) -> Iterator[Path]:
        package = self.root / "src" / "lakehouse"
        yield from (self.root / name for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"))
        yield self.root / "glue_jobs" / GLUE_SCRIPT
        yield from (file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts)

    def _dbt_sources(self) -> Iterator[Path]:
        here = Path(__file__)
        yield from (self.root / "uv.lock", here, *(here.with_name(name) for name in ("archive.py", "dbt_package.py")))
        yield from project_files(self.root)

    def _build_dbt(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.output, prefix=".build-") as name:
            scratch = Path(name)
            folder = self._cached("dbt-wheels", "dbt_package.py")
            if not folder.is_dir():
                self.progress("Packing the wheels of dbt (once for each uv.lock)")
                pack_wheels(self._uv, scratch, self.platform, PYTHON_VERSION).replace(folder)
            self.progress("Packing the dbt project")
            pack_project(self.root, folder, scratch / DBT_ZIP)
            (scratch / DBT_ZIP).replace(self.output / DBT_ZIP)

    def _cached(self, kind: str, *modules: str) -> Path:
        """The folder for what depends on the lock, the platform and some modules; outdated ones are deleted."""
        lock = hashlib.sha256(f"{self.platform} {host.machine()} {sys.platform}".encode())
        here = Path(__file__)
        sources = [self.root / "uv.lock", here, *(here.with_name(name) for name in ("archive.py", *modules))]
        lock.update(_digest(self.root, sources).encode())
        folder = self.output / f".{kind}-{lock.hexdigest()[:16]}"
        if not folder.is_dir():
            for outdated in self.output.glob(f".{kind}-*"):
                shutil.rmtree(outdated)
        return folder

    def _build(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.output, prefix=".build-") as name:
            scratch = Path(name)
            dependencies = self._dependencies(scratch)
            self.progress("Building the wheel of lakehouse")
            wheel = self._own_wheel(scratch)
            self.progress("Packing the Lambda functions and the Glue job's wheels")
            _pack_functions(dependencies, wheel, scratch / FUNCTIONS_ZIP)
            _pack_glue_wheels(dependencies, wheel, scratch / GLUE_WHEELS)
            shutil.copyfile(self.root / "glue_jobs" / GLUE_SCRIPT, scratch / GLUE_SCRIPT)
            contracts = ContractCatalog.from_folder(self.root / "src" / "lakehouse" / "contracts")
            (scratch / PROCESSED_TABLES).write_text(definitions(contracts), encoding="utf-8")
            for artifact in (FUNCTIONS_ZIP, GLUE_SCRIPT, GLUE_WHEELS, PROCESSED_TABLES):
                (scratch / artifact).replace(self.output / artifact)

    def _dependencies(self, scratch: Path) -> Path:
        """The folder of the packed dependencies, made when the lock or the platform changed: the slow part."""
        folder = self._cached("dependencies")
        if folder.is_dir():
            return folder
        self.progress("Installing the dependencies that uv.lock pins")
        needed_by_glue = self._export(scratch / "glue.txt")
        self._export(scratch / "functions.txt", "--extra", "functions")
        installed = scratch / "installed"
        target = ["--python-platform", self.platform] if self.platform else []
        self._uv(
            "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:",
            "--python", sys.executable, "--python-version", PYTHON_VERSION, *target,
            "--target", str(installed), "--requirements", str(scratch / "functions.txt"),
        )  # fmt: skip
        _compile(installed)
        self.progress("Packing the dependencies (once for each uv.lock)")
        partial = scratch / "dependencies"
        (partial / WHEELS).mkdir(parents=True)
        distributions = installed_in(installed)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            wheels = [
                pool.submit(one.pack, partial / WHEELS)
                for one in sorted(distributions, key=lambda one: one.name not in _PACKED)
                if one.name in needed_by_glue | _PACKED
            ]
            pool.submit(_pack_unpacked, distributions, partial / FUNCTIONS_ZIP).result()
            for wheel in wheels:
                wheel.result()
        partial.replace(folder)
        return folder

    def _export(self, target: Path, *options: str) -> frozenset[str]:
        """Write pinned requirements with hashes, and give their names."""
        self._uv(
            "export", "--quiet", "--locked", "--no-dev", "--no-emit-project", "--format", "requirements.txt",
            "--output-file", str(target), *options,
        )  # fmt: skip
        names = re.findall(r"^([A-Za-z0-9._-]+)==", target.read_text(encoding="utf-8"), re.MULTILINE)
        return frozenset(re.sub(r"[-_.]+", "_", name).lower() for name in names)

    def _own_wheel(self, scratch: Path) -> Path:
        self._uv("build", "--quiet", "--wheel", "--out-dir", str(scratch / "own"), str(self.root))
        return next((scratch / "own").glob("*.whl"))

    def _uv(self, *arguments: str) -> None:
        command = [find_uv(), *arguments]
        # The wheel's timestamps: without it they would be those of the checkout.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandError(
                f"uv {arguments[0]} ended with {done.returncode} while building the package: "
                f"{_last_lines(done.stderr)} Check that the package index answers, and that uv.lock is current "
                "(uv lock)."
            )


def _pack_unpacked(distributions: Sequence[InstalledDistribution], target: Path) -> None:
    """The dependencies that lie unpacked in the functions' zip."""
    kept = [one for one in distributions if one.name not in _OF_THE_RUNTIME | _PACKED]
    files = sorted((name, one.folder / name) for one in kept for name, _ in one.files())
    with Archive(target) as archive:
        for name, file in files:
            if not _UNUSED.match(name):
                _add(archive, name, file)


def _compile(folder: Path) -> None:
    """Compile all modules below a folder, into bytes that depend on the sources alone.

    Lambda's code folder is read-only: without compiled modules, every cold start compiles what it imports.

    Source:
        https://docs.python.org/3.11/library/py_compile.html#py_compile.PycInvalidationMode
    """
    subprocess.run(
        [
            *(sys.executable, "-I", "-m", "compileall", "-q", "-j", "0"),
            *("--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", _TASK_ROOT, str(folder)),
        ],
        check=False,  # some packages ship modules of another Python's syntax
        capture_output=True,
    )


def _add(archive: Archive, name: str, file: Path) -> None:
    """Add a file and, if it is a module, its compiled form."""
    archive.add(name, file)
    compiled = file.parent / "__pycache__" / f"{file.stem}.{sys.implementation.cache_tag}.pyc"
    if file.suffix == ".py" and compiled.is_file():
        archive.add(str(PurePosixPath(name).parent / "__pycache__" / compiled.name), compiled)


def _pack_functions(dependencies: Path, wheel: Path, target: Path) -> None:
    shutil.copyfile(dependencies / FUNCTIONS_ZIP, target)
    own = target.parent / "own-files"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(own)
    files = sorted(file for file in own.rglob("*") if file.is_file())
    _compile(own)
    with Archive(target, is_continued=True) as archive:
        for file in files:
            name = file.relative_to(own).as_posix()
            if not _OF_THE_LAPTOP.match(name) and not name.endswith(".dist-info/RECORD"):
                _add(archive, name, file)
        for packed_wheel in sorted((dependencies / WHEELS).glob("*.whl")):
            if packed_wheel.name.split("-")[0] in _PACKED:
                archive.add(f"{WHEELS}/{packed_wheel.name}", packed_wheel)


def _pack_glue_wheels(dependencies: Path, wheel: Path, target: Path) -> None:
    name, version = wheel.name.split("-")[:2]
    wheels = sorted([*(dependencies / WHEELS).glob("*.whl"), wheel], key=lambda one: one.name)
    with Archive(target) as archive:
        archive.add_text(f"{WHEELS}/requirements.txt", f"{name}=={version}\n")
        for one in wheels:
            archive.add(f"{WHEELS}/{one.name}", one)


def _digest(root: Path, files: Sequence[Path] | Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
        digest.update(f"{name.as_posix()}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _read_state(file: Path) -> dict[str, object]:
    """What was built last; a state that cannot be read is none, and everything is built."""
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _unzipped_bytes(archive: Path) -> int:
    with zipfile.ZipFile(archive) as opened:
        return sum(entry.file_size for entry in opened.infolist())


def find_uv() -> str:
    """Find the program that installs what is locked.

    Returns:
        Its path.

    Raises:
        PrerequisiteError: It is not installed.
    """
    beside = Path(sys.executable).with_name("uv")
    found = os.environ.get("UV") or shutil.which("uv") or (str(beside) if beside.is_file() else None)
    if not found:
        raise PrerequisiteError(
            f"uv is not installed: looked at $UV, on PATH and at {beside}. Install it (pip install uv), or run "
            "make setup."
        )
    return found


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-6:]) or "it said nothing."
