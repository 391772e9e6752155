"""A Spark standalone cluster on this machine: a master and workers, each a process with an executor of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pyspark

_SPARK = Path(pyspark.__file__).parent
_START_SECONDS = 60


class SparkCluster:
    """Starts the cluster; used as a context manager, ends it.

    Args:
        folder: Logs and the executors' folders.
        workers: How many workers, of one core and one executor each.
        environment: Variables of the executors, beside those of this process.
    """

    def __init__(self, folder: Path, workers: int, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._workers = workers
        self._environment = {
            **os.environ,
            **environment,
            "SPARK_HOME": str(_SPARK),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        }
        self._processes: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start("master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
            self.url = self._awaited("master", r"Starting Spark master at (spark://\S+)")[0]
            for number in range(self._workers):
                name = f"worker-{number}"
                place = ("--host", "127.0.0.1", "--webui-port", "0", "--work-dir", str(self._folder / name))
                self._start(name, "worker.Worker", *place, "--cores", "1", "--memory", "1g", self.url)
            self._awaited("master", r"Registering worker", times=self._workers)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process, log in reversed(self._processes):
            process.terminate()
            process.wait(timeout=30)
            log.close()

    def tasks_by_worker(self) -> list[int]:
        """How many tasks each worker's executors ran, by their own logs."""
        return [
            sum(len(re.findall(r"Running task ", log.read_text())) for log in folder.rglob("stderr"))
            for folder in sorted(self._folder.glob("worker-*[0-9]"))
        ]

    def _start(self, name: str, main_class: str, *options: str) -> None:
        log = (self._folder / f"{name}.log").open("wb")
        command = [str(_SPARK / "bin" / "spark-class"), f"org.apache.spark.deploy.{main_class}", *options]
        self._processes.append(
            (subprocess.Popen(command, env=self._environment, stdout=log, stderr=subprocess.STDOUT), log)
        )

    def _awaited(self, name: str, pattern: str, times: int = 1) -> list[str]:
        """Wait until a process has logged something so many times."""
        path = self._folder / f"{name}.log"
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if len(found := re.findall(pattern, path.read_text())) >= times:
                return found
            if any(process.poll() is not None for process, _ in self._processes):
                break
            time.sleep(0.1)
        logs = "\n".join(log.read_text()[-1500:] for log in sorted(self._folder.glob("*.log")))
        raise RuntimeError(f"The Spark cluster did not start: no {pattern!r} in {path.name}.\n{logs}")
