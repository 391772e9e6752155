"""What is deployed: built from the lock and the checkout, the same bytes every time, small enough for Lambda."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import botocore
import pytest

from lakehouse.archive import Archive, installed_in
from lakehouse.dbt_package import DBT_ZIP, project_files
from lakehouse.errors import CommandError, PrerequisiteError
from lakehouse.functions.bundled_wheels import make_importable
from lakehouse.package import FUNCTIONS_ZIP, GLUE_SCRIPT, GLUE_WHEELS, LAMBDA_MOST_BYTES, build

ROOT = Path(__file__).resolve().parents[2]
_INPUTS = ("pyproject.toml", "uv.lock", "README.md", "LICENSE", "src/lakehouse", "glue_jobs", "dbt_project")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the package is built from, which nobody edits meanwhile."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in _INPUTS:
        source, target = ROOT / name, copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    return copy


@pytest.fixture(scope="module")
def package(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built once."""
    output = tmp_path_factory.mktemp("package")
    build(checkout, output)
    return output


@pytest.fixture(scope="module")
def functions(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions' zip as Lambda unpacks it."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package / FUNCTIONS_ZIP) as archive:
        archive.extractall(folder)
    return folder


def _digests(folder: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (FUNCTIONS_ZIP, GLUE_SCRIPT, GLUE_WHEELS, DBT_ZIP)
    }


def _run(task: Path, script: str, *, scratch: Path) -> str:
    """Run a script with nothing but the package and what Lambda's runtime brings on the import path."""
    runtime = scratch / "runtime"
    runtime.mkdir(exist_ok=True)
    site = Path(botocore.__file__).parents[1]
    for name in ("boto3", "botocore", "s3transfer", "urllib3", "dateutil", "six.py"):
        link = runtime / name
        if not link.exists():
            link.symlink_to(site / name)
    prelude = f"import sys; sys.path[:0] = [{str(task)!r}, {str(runtime)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", prelude + script],
        capture_output=True,
        text=True,
        check=False,
        env={"TMPDIR": str(scratch), "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.e2e
def test_building_twice_gives_the_same_bytes(package: Path, checkout: Path, tmp_path: Path) -> None:
    again = build(checkout, tmp_path / "again")
    assert again.is_new
    assert _digests(tmp_path / "again") == _digests(package)


@pytest.mark.e2e
def test_nothing_is_built_when_nothing_changed(package: Path, checkout: Path) -> None:
    told: list[str] = []
    before = {artifact: artifact.stat().st_mtime_ns for artifact in package.iterdir()}
    facts = build(checkout, package, progress=told.append)
    assert not facts.is_new
    assert told == []
    assert {artifact: artifact.stat().st_mtime_ns for artifact in package.iterdir()} == before
    assert facts.sizes == {artifact.name: artifact.stat().st_size for artifact in facts.artifacts}


@pytest.mark.e2e
def test_a_changed_source_is_packed_again_without_packing_the_dependencies_again(
    package: Path, checkout: Path, tmp_path: Path
) -> None:
    copy, output = tmp_path / "checkout", tmp_path / "output"
    shutil.copytree(checkout, copy)
    shutil.copytree(package, output)
    (copy / "src" / "lakehouse" / "landing.py").write_text("CHANGED = 1\n")
    told: list[str] = []
    assert build(copy, output, progress=told.append).is_new
    assert not [step for step in told if "dependencies" in step]
    with zipfile.ZipFile(output / FUNCTIONS_ZIP) as archive:
        assert archive.read("lakehouse/landing.py") == b"CHANGED = 1\n"


@pytest.mark.e2e
def test_a_changed_model_packs_the_dbt_project_again_and_nothing_else(
    package: Path, checkout: Path, tmp_path: Path
) -> None:
    copy, output = tmp_path / "checkout", tmp_path / "output"
    shutil.copytree(checkout, copy)
    shutil.copytree(package, output)
    (copy / "dbt_project" / "models").mkdir(exist_ok=True)
    (copy / "dbt_project" / "models" / "one.sql").write_text("select 1\n")
    (copy / "dbt_project" / "target").mkdir()
    (copy / "dbt_project" / "target" / "manifest.json").write_text("{}")
    told: list[str] = []
    assert build(copy, output, progress=told.append).is_new
    assert told == ["Packing the dbt project"]
    with zipfile.ZipFile(output / DBT_ZIP) as archive:
        names = set(archive.namelist())
    assert "models/one.sql" in names
    assert "target/manifest.json" not in names, "what a run of dbt makes is left out"
    assert _digests(output) | {DBT_ZIP: ""} == _digests(package) | {DBT_ZIP: ""}


@pytest.mark.e2e
def test_the_dbt_project_brings_every_wheel_that_its_requirements_name(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package / DBT_ZIP) as archive:
        archive.extractall(tmp_path)
    wheels = tmp_path / "wheels"
    requirements = (wheels / "requirements.txt").read_text().splitlines()
    hashes = {line.rpartition("sha256:")[2] for line in requirements}
    assert hashes == {hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels.glob("*.whl")}
    assert {"dbt_core", "dbt_athena"} <= {line.partition("==")[0] for line in requirements}
    assert (tmp_path / "buildspec.yml").is_file()


def test_a_checkout_without_a_buildspec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"dbt_project has no buildspec\.yml"):
        list(project_files(tmp_path))


@pytest.mark.e2e
def test_the_functions_fit_lambda_when_unpacked(package: Path) -> None:
    with zipfile.ZipFile(package / FUNCTIONS_ZIP) as archive:
        entries = archive.infolist()
    assert sum(entry.file_size for entry in entries) < LAMBDA_MOST_BYTES
    assert all(entry.external_attr >> 16 & 0o444 == 0o444 for entry in entries), "Lambda runs as another user"
    names = [entry.filename for entry in entries]
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith(("boto3/", "lakehouse/local/", "lakehouse/cli/", "polars/"))]


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["register_file", "plan_files", "record_failure", "convert_file"])
def test_every_handler_is_imported_from_the_zip_without_polars(functions: Path, tmp_path: Path, name: str) -> None:
    script = f"""
sys.modules["polars"] = None  # an import of it fails
import lakehouse.functions.{name} as module
print(callable(module.handler), module.__file__)
"""
    assert _run(functions, script, scratch=tmp_path) == f"True {functions}/lakehouse/functions/{name}.py"


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["register_file", "plan_files", "record_failure"])
def test_no_cold_start_compiles_a_module(functions: Path, tmp_path: Path, name: str) -> None:
    script = f"""
def refuse(event, arguments):
    if event == "compile" and str(arguments[1]).startswith({str(functions)!r}):
        raise AssertionError(f"{{arguments[1]}} is not compiled")
sys.addaudithook(refuse)
import lakehouse.functions.{name} as module
print(module.handler.__wrapped__.__code__.co_filename)
"""
    expected = f"{functions}/lakehouse/functions/{name}.py"
    assert _run(functions, script, scratch=tmp_path) == expected, "a traceback names the file where it is"


@pytest.mark.e2e
def test_the_converting_function_finds_polars_once_it_is_unpacked(functions: Path, tmp_path: Path) -> None:
    script = """
from lakehouse.functions import bundled_wheels
folder = bundled_wheels.make_importable()
assert bundled_wheels.make_importable() == folder and sys.path.count(str(folder)) == 1
import polars, pyarrow.parquet
from lakehouse.convert.in_process import InProcessRunner
print(polars.DataFrame({"a": [1, None]}).write_ndjson().replace("\\n", " "), polars.__file__.startswith(str(folder)))
"""
    assert _run(functions, script, scratch=tmp_path) == '{"a":1} {"a":null}  True'


@pytest.mark.e2e
def test_the_glue_job_installs_from_its_wheels_alone(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package / GLUE_WHEELS) as archive:
        archive.extractall(tmp_path)
    requirements = tmp_path / "wheels" / "requirements.txt"
    assert requirements.read_text().startswith("lakehouse==")
    subprocess.run(
        [
            *(
                os.environ.get("UV") or shutil.which("uv") or str(Path(sys.executable).with_name("uv")),
                "pip",
                "install",
            ),
            *("--quiet", "--no-index", "--no-cache", "--find-links", str(tmp_path / "wheels")),
            *("--python", sys.executable, "--target", str(tmp_path / "site"), "--requirements", str(requirements)),
        ],
        check=True,
    )
    script = "import polars, pyarrow.parquet, pydantic, yaml, boto3, lakehouse.convert.kernel as k; print(k.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = [{str(tmp_path / 'site')!r}]; {script}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == f"{tmp_path}/site/lakehouse/convert/kernel.py", done.stderr


@pytest.mark.e2e
def test_a_lock_that_is_not_current_is_an_error_that_says_so(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy)
    project = copy / "pyproject.toml"
    project.write_text(project.read_text().replace('"pyyaml>=6,<7"', '"pyyaml>=6.0.1,<7"'))
    with pytest.raises(CommandError, match=r"uv export ended with .*lockfile"):
        build(copy, tmp_path / "output")
    assert not (tmp_path / "output" / FUNCTIONS_ZIP).exists()


def test_without_uv_the_error_says_where_it_was_looked_for(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(PrerequisiteError, match=r"on PATH and at .*uv.*make setup"):
        build(checkout, tmp_path / "output")


def test_an_archive_depends_on_content_alone(tmp_path: Path) -> None:
    for number, stamp in enumerate((1_000_000_000, 1_700_000_000)):
        file = tmp_path / f"{number}.txt"
        file.write_text("the same")
        os.utime(file, (stamp, stamp))
        file.chmod(0o600 if number else 0o644)
        with Archive(tmp_path / f"{number}.zip") as archive:
            archive.add("folder/a.txt", file)
            archive.add_text("b.txt", "ä")
    assert (tmp_path / "0.zip").read_bytes() == (tmp_path / "1.zip").read_bytes()


def test_an_installed_distribution_becomes_a_wheel_again(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name, text in {
        "thing/__init__.py": "ANSWER = 42\n",
        "thing/__pycache__/x.pyc": "compiled",
        "bin/thing": "script",
        "some_thing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: Some.Thing\nVersion: 1.0\n",
        "some_thing-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n",
        "some_thing-1.0.dist-info/INSTALLER": "uv",
        "some_thing-1.0.dist-info/RECORD": (
            "thing/__init__.py,sha256=abc,12\nthing/__pycache__/x.pyc,,\nbin/thing,,\n"
            "some_thing-1.0.dist-info/METADATA,sha256=def,9\nsome_thing-1.0.dist-info/WHEEL,sha256=ghi,9\n"
            "some_thing-1.0.dist-info/INSTALLER,,\nsome_thing-1.0.dist-info/RECORD,,\n"
        ),
    }.items():
        file = site / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (distribution,) = installed_in(site)
    assert distribution.name == "some_thing"
    wheel = distribution.pack(tmp_path)
    assert wheel.name == "some_thing-1.0-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        info = "some_thing-1.0.dist-info"
        assert sorted(archive.namelist()) == [
            f"{info}/METADATA",
            f"{info}/RECORD",
            f"{info}/WHEEL",
            "thing/__init__.py",
        ]
        assert f"{info}/RECORD,," in archive.read(f"{info}/RECORD").decode()


# --- bundled wheels -----------------------------------------------------------------------------------------------


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one bundled wheel, and an import path to itself."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "task"
    (folder / "wheels").mkdir(parents=True)
    with Archive(folder / "wheels" / "bundled-1.0-py3-none-any.whl") as wheel:
        wheel.add_text("bundled_thing.py", "ANSWER = 42\n")
    return folder


def test_a_checkout_has_no_bundled_wheels(tmp_path: Path) -> None:
    before = list(sys.path)
    assert make_importable(tmp_path) is None
    assert sys.path == before


def test_bundled_wheels_are_unpacked_once_and_found(task: Path, tmp_path: Path) -> None:
    first = make_importable(task, tmp_path)
    assert first is not None
    (first / "mark").touch()
    assert make_importable(task, tmp_path) == first
    assert (first / "mark").exists()
    assert (first / "bundled_thing.py").read_text() == "ANSWER = 42\n"
    assert sys.path[-1] == str(first)


def test_wheels_are_not_unpacked_into_a_folder_that_others_can_write(task: Path, tmp_path: Path) -> None:
    from lakehouse.errors import PermanentError

    planted = tmp_path / f"lakehouse-wheels-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.raises(PermanentError, match="open to others"):
        make_importable(task, tmp_path)
