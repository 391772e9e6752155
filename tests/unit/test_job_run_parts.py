"""The parts of a Glue job run: arguments, error message, Spark settings, object view."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from lakehouse.errors import LocalError
from lakehouse.local.glue_jobs import arguments, python_runtime, spark
from lakehouse.local.glue_jobs.error_message import error_message
from lakehouse.local.glue_jobs.job_process import JobProcess
from lakehouse.local.glue_jobs.object_view import ObjectView

JOB = {"Name": "job", "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/s.py"}}


def test_no_run_overrides_what_the_job_forbids_to_override() -> None:
    job = {**JOB, "DefaultArguments": {"--a": "1", "--b": "1"}, "NonOverridableArguments": {"--c": "job"}}

    assert arguments.merged(job, {"--b": "2", "--c": "run"}) == {"--a": "1", "--b": "2", "--c": "job"}


def test_nothing_that_only_concerns_logs_and_metrics_is_refused() -> None:
    given = {
        "--additional-python-modules": "s3://b/all.gluewheels.zip, s3://b/x.whl",
        "--enable-auto-scaling": "true",
        "--enable-continuous-cloudwatch-log": "true",
        "--enable-metrics": "true",
        "--job-bookmark-option": "job-bookmark-enable",
        "--python-modules-installer-option": "--no-index",
    }
    assert arguments.refusals(JOB, given) == []


def test_spark_settings_are_read_out_of_conf() -> None:
    given = {"--conf": "spark.a=1 --conf spark.b='x y' --conf spark.c=k=v"}

    assert arguments.spark_settings(given) == {"spark.a": "1", "spark.b": "x y", "spark.c": "k=v"}


CHAINED = """Traceback (most recent call last):
  File "job.py", line 3, in <module>
    1 / 0
ZeroDivisionError: division by zero

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "job.py", line 5, in <module>
    raise NotParquetError("s3://b/k: found HTML")
lakehouse.errors.NotParquetError: s3://b/k: found HTML
"""


@pytest.mark.parametrize(
    ("stderr", "status", "message"),
    [
        (CHAINED, 1, "NotParquetError: s3://b/k: found HTML"),
        (CHAINED + "26/11/21 07:00:00 ERROR Utils: shutting down\n", 1, "NotParquetError: s3://b/k: found HTML"),
        ('Traceback (most recent call last):\n  File "x", line 1\nKeyboardInterrupt\n', 1, "KeyboardInterrupt"),
        ("some words\n", 3, "Command failed with exit code 3"),
        ("", -9, "Command ended by signal 9"),
    ],
)
def test_the_error_message_is_the_exception_that_ended_the_script(stderr: str, status: int, message: str) -> None:
    assert error_message(stderr, status) == message


def test_the_driver_gets_a_workers_memory_within_a_quarter_of_the_machine() -> None:
    gigabyte = 2**30

    assert spark.driver_memory_mb("G.025X", 64 * gigabyte) == 4 * 1024
    assert spark.driver_memory_mb("G.1X", 16 * gigabyte) == 4 * 1024
    assert spark.driver_memory_mb("G.8X", 2 * gigabyte) == 1024


def test_a_jobs_own_spark_setting_wins(tmp_path: Path) -> None:
    text = spark.defaults(tmp_path, ["b"], tmp_path, {"spark.master": "local[1]"}, cores=2)

    assert "spark.master local[1]\n" in text
    assert f"spark.hadoop.fs.viewfs.mounttable.b.linkFallback file://{tmp_path}/b\n" in text


def test_a_process_that_outlives_its_time_is_killed(tmp_path: Path) -> None:
    lines: list[str] = []
    process = JobProcess()

    status = process.run(
        ["sh", "-c", "echo started; sleep 300"],
        folder=tmp_path,
        environment={"PATH": "/usr/bin:/bin"},
        timeout_seconds=0.5,
        write_output=lines.extend,
        write_error=lines.extend,
    )

    assert status is None
    assert lines == ["started"]


def test_a_process_stopped_before_it_starts_never_does(tmp_path: Path) -> None:
    process = JobProcess()
    process.stop()

    status = process.run(
        ["sh", "-c", "touch started"],
        folder=tmp_path,
        environment={"PATH": "/usr/bin:/bin"},
        timeout_seconds=5,
        write_output=print,
        write_error=print,
    )

    assert status is None
    assert not (tmp_path / "started").exists()


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, Path]:
    """A small and a large stored object."""
    bodies = {"data/small": b"small", "data/large": b"x" * 2_000_000}
    paths = {}
    for key, body in bodies.items():
        paths[key] = tmp_path / "stored" / key
        paths[key].parent.mkdir(parents=True, exist_ok=True)
        paths[key].write_bytes(body)
    return paths


def test_the_view_tells_what_was_written_replaced_and_removed(tmp_path: Path, stored: dict[str, Path]) -> None:
    view = ObjectView(tmp_path / "view")
    view.fill("b", stored.items())
    root = tmp_path / "view" / "b"
    assert view.changes().written == []

    (root / "data/new").write_bytes(b"new")
    (root / "data/small").write_bytes(b"changed")
    (root / "data/large").unlink()
    (root / "data/_temporary").mkdir()
    (root / "data/_temporary/half").write_bytes(b"half")
    changes = view.changes()

    assert [key for _, key, _ in changes.written] == ["data/new", "data/small"]
    assert changes.removed == [("b", "data/large")]
    assert stored["data/small"].read_bytes() == b"small"
    assert stored["data/large"].stat().st_size == 2_000_000


def test_writing_into_a_stored_object_in_place_is_an_error(tmp_path: Path, stored: dict[str, Path]) -> None:
    view = ObjectView(tmp_path / "view")
    view.fill("b", stored.items())

    with (tmp_path / "view/b/data/large").open("ab") as file:
        file.write(b"more")

    with pytest.raises(LocalError, match="s3://b/data/large in place"):
        view.changes()


# --- wheels -------------------------------------------------------------------------------------------------------


def _archive(folder: Path, name: str, source: str) -> python_runtime.Archive:
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{name}/__init__.py", source)
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    return python_runtime.Archive(wheel.name, f"{name} {source}", wheel.read_bytes)


def test_a_job_of_which_one_wheel_changes_does_not_unpack_the_others_again(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    python = python_runtime.interpreter(cache)
    large = _archive(tmp_path, "large", "A = 1")
    first, second = (
        python_runtime.module_folders(cache, [large, _archive(tmp_path, "own", source)], python)[0]
        for source in ("B = 1", "B = 2")
    )

    assert (first / "own" / "__init__.py").read_text() == "B = 1"
    assert (second / "own" / "__init__.py").read_text() == "B = 2"
    compiled = f"__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    for name in ("__init__.py", compiled):
        assert (first / "large" / name).samefile(second / "large" / name)
