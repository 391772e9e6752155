"""One attempt of a job run: its folder, its environment, its process, and what it left in the object view."""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import contextvars
import shutil
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from ministack.services import s3

from lakehouse.errors import LocalError
from lakehouse.local import place
from lakehouse.local.glue_jobs import arguments as job_arguments
from lakehouse.local.glue_jobs import python_runtime, spark
from lakehouse.local.glue_jobs.error_message import error_message
from lakehouse.local.glue_jobs.job_files import JobFiles
from lakehouse.local.glue_jobs.job_process import JobProcess
from lakehouse.local.glue_jobs.object_view import ObjectView, publish
from lakehouse.local.log_groups import write_log

_OUTPUT, _ERROR = "/aws-glue/jobs/output", "/aws-glue/jobs/error"


class Attempt:
    """What one attempt needs.

    Args:
        job: The job's definition.
        run: The job run's record; its state and error message are changed.
        process: Runs the script, and can be stopped by others meanwhile.

    Attributes:
        running_since: When the script was started (seconds since the epoch), None before.
    """

    def __init__(self, job: dict[str, Any], run: dict[str, Any], process: JobProcess) -> None:
        self._job = job
        self._run = run
        self._process = process
        self.running_since: float | None = None
        self._arguments: dict[str, str] = run["Arguments"]
        self._place = place.current()
        self._folder = self._place.jobs / run["Id"]
        self._ready = self._folder / "objects.ready"
        self._files = JobFiles(job["Role"], run["Id"])

    def execute(self) -> str:
        """Run the script and publish what it wrote.

        Returns:
            The end state of the job run.

        Raises:
            PrerequisiteError: The script or a wheel is missing or unfit.
        """
        for name in ("conf", "scratch", "tmp", "work"):
            (self._folder / name).mkdir(parents=True)
        view = ObjectView(self._folder / "objects")
        # Thousands of objects take a while, and many scripts use Spark late or not at all.
        filling = _InBackground(partial(_fill, view, self._ready))
        location = self._job["Command"]["ScriptLocation"]
        script: Path = self._folder / "work" / location.rpartition("/")[2]
        script.write_bytes(self._files.read(location))
        python, modules = self._files.python(self._arguments)
        environment = self._environment(python, modules)
        if not self._process.was_stopped:
            self.running_since = time.time()
            self._run.update(JobRunState="RUNNING", LastModifiedOn=self.running_since)
        command = job_arguments.command_line(self._job["Name"], self._run["Id"], self._arguments)
        status = self._process.run(
            [python, script, *command],
            folder=self._folder / "work",
            environment=environment,
            timeout_seconds=float(self._run["Timeout"]) * 60,
            write_output=partial(write_log, _OUTPUT, self._run["Id"]),
            write_error=partial(write_log, _ERROR, self._run["Id"]),
        )
        filling.join()
        return self._publish(view) or self._state(status)

    def clean(self) -> None:
        """Delete the run's folder: its logs are in CloudWatch Logs, its results in S3."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _environment(self, python: Path, modules: list[Path]) -> dict[str, str]:
        home, conf = self._folder / "spark", self._folder / "conf"
        log4j = conf / "log4j2.properties"
        log4j.write_text(spark.LOG4J)
        given = job_arguments.spark_settings(self._arguments)
        buckets = list(s3._buckets)
        defaults = spark.defaults(self._folder / "objects", buckets, self._folder / "scratch", given)
        (conf / "spark-defaults.conf").write_text(defaults)
        packages = next(python.parent.parent.glob("lib/python*/site-packages"))
        memory = spark.driver_memory_mb(str(self._run.get("WorkerType", "")), spark.machine_memory())
        spark.write_home(home, (packages / "pyspark" / "jars").resolve(), memory, log4j, self._ready)
        return {
            **python_runtime.base_environment(),
            **place.client_environment(self._place.url, self._place.region),
            **self._files.credentials,
            "PYTHONPATH": ":".join(map(str, modules)),
            "PYTHONUNBUFFERED": "1",
            # Spark's own launcher sets it, so that all workers hash strings alike.
            "PYTHONHASHSEED": "0",
            "PYSPARK_PYTHON": str(python),
            "PYSPARK_DRIVER_PYTHON": str(python),
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": str(conf),
            "SPARK_LOCAL_IP": place.HOST,
            "TMPDIR": str(self._folder / "tmp"),
        }

    def _publish(self, view: ObjectView) -> str:
        """Publish the view's changes; the end state where that fails, else nothing."""
        try:
            changes = view.changes()
            if changes.written or changes.removed:
                publish(changes, self._files.s3)
        except (ClientError, LocalError) as error:
            self._run["ErrorMessage"] = f"{type(error).__name__}: {error}"
            write_log(_ERROR, self._run["Id"], [self._run["ErrorMessage"]])
            return "FAILED"
        return ""

    def _state(self, status: int | None) -> str:
        if self._process.was_stopped:
            return "STOPPED"
        if status is None:
            self._run["ErrorMessage"] = f"Job timed out: it ran for more than {self._run['Timeout']} minutes"
            return "TIMEOUT"
        if status:
            self._run["ErrorMessage"] = error_message(self._process.stderr, status)
            return "FAILED"
        return "SUCCEEDED"


def _fill(view: ObjectView, ready: Path) -> None:
    """Show every object that a path can name, then let Spark start."""
    try:
        for bucket, record in list(s3._buckets.items()):
            keys = [key for key in list(record["objects"]) if s3._plain_path_key(key)]
            paths = ((key, s3._object_disk_path(bucket, key)) for key in keys)
            view.fill(bucket, ((key, Path(path)) for key, path in paths if path))
    finally:
        # Also after an error, which fails the run when the script has ended: nothing waits for ever.
        ready.touch()


class _InBackground:
    """Work beside the preparations, whose error is raised when it is waited for."""

    def __init__(self, work: partial[None]) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._run, work), daemon=True)
        self._thread.start()

    def _run(self, work: partial[None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in join
            self._error = error

    def join(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error
