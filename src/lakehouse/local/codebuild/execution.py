"""One build from the queue to its end: folder, source, environment, phases, exported variables."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from functools import partial
from typing import Any

from lakehouse.errors import LakehouseError
from lakehouse.local import place
from lakehouse.local.codebuild import environment, records
from lakehouse.local.codebuild.buildspec import Buildspec, BuildspecError, parse
from lakehouse.local.codebuild.cache import LocalCache
from lakehouse.local.codebuild.phases import FAILED, STOPPED, SUCCEEDED, TIMED_OUT, PhaseRunner, stamped
from lakehouse.local.codebuild.shell import Shell
from lakehouse.local.codebuild.source import buildspec_text, download
from lakehouse.local.log_groups import write_log
from lakehouse.local.roles import session_credentials

Json = dict[str, Any]

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
# More builds than this machine has processors wait their turn, as on AWS beyond the account's quota.
_MOST_AT_ONCE = max(2, os.cpu_count() or 2)
_slots = threading.BoundedSemaphore(_MOST_AT_ONCE)


class Execution:
    """Runs one build.

    Args:
        build: The build's record; it is changed as the build goes on.
    """

    def __init__(self, build: Json) -> None:
        self._build = build
        self._place = place.current()
        self._home = self._place.builds
        self._folder = self._home / "running" / build["id"].replace(":", "-")
        self._source = self._folder / "src"
        self._phases = records.Phases(build)
        self._cache = LocalCache(self._home / "cache" / build["projectName"])
        self._stop_wanted = threading.Event()
        self._shell: Shell | None = None
        self._deadline = 0.0
        self.is_over = threading.Event()

    def stop(self) -> None:
        """End the build now."""
        self._stop_wanted.set()
        if self._shell is not None:
            self._shell.stop()

    def run(self) -> None:
        """Run the build and write its end into the record, however it ends."""
        records.emit(self._build)
        try:
            status = self._run()
        except LakehouseError as error:
            status = self._fail(error)
        except Exception as error:  # noqa: BLE001 - a build never stays IN_PROGRESS because of a defect of ours
            _log.exception("The build %s failed in the executor itself", self._build["id"])
            status = "FAULT"
            self._end_open_phase(status, "INTERNAL_SERVICE_ERROR", f"{type(error).__name__}: {error}")
        finally:
            if self._shell is not None:
                self._shell.close()
            self._cache.release()
            shutil.rmtree(self._folder, ignore_errors=True)
        records.complete(self._build, status)
        self.is_over.set()

    def _run(self) -> str:
        self._phases.begin("QUEUED")
        is_in_time = self._wait_for_slot(time.monotonic() + self._build["queuedTimeoutInMinutes"] * 60)
        if not is_in_time:
            status = STOPPED if self._stop_wanted.is_set() else TIMED_OUT
            self._phases.end(status, "", "" if status == STOPPED else "The build waited in the queue for too long")
            return status
        try:
            self._phases.end(SUCCEEDED)
            self._deadline = time.monotonic() + self._build["timeoutInMinutes"] * 60
            self._phases.begin("PROVISIONING")
            for name in ("src", "home/tmp", "scratch"):
                (self._folder / name).mkdir(parents=True)
            credentials = session_credentials(
                self._build["serviceRole"], f"AWSCodeBuild-{self._build['id'].rpartition(':')[2]}"
            )
            runtime = environment.runtime_folder(self._home)
            self._phases.end(SUCCEEDED)
            buildspec = self._download(credentials)
            return self._run_commands(
                buildspec, {**credentials, **environment.system_variables(self._folder / "home", runtime)}
            )
        finally:
            _slots.release()

    def _wait_for_slot(self, deadline: float) -> bool:
        while time.monotonic() < deadline and not self._stop_wanted.is_set():
            if _slots.acquire(timeout=_LOOK_SECONDS):
                return True
        return False

    def _download(self, credentials: dict[str, str]) -> Buildspec:
        self._phases.begin("DOWNLOAD_SOURCE")
        source = self._build["source"]
        download(self._place, credentials, source, self._build.get("sourceVersion", ""), self._source)
        buildspec = parse(buildspec_text(self._source, source.get("buildspec") or ""))
        if (self._build.get("cache") or {}).get("type") == "LOCAL":
            self._write([stamped(line) for line in self._cache.link(self._source, buildspec.cache_paths)])
        self._phases.end(SUCCEEDED)
        self._write([stamped("Phase complete: DOWNLOAD_SOURCE State: SUCCEEDED")])
        return buildspec

    def _run_commands(self, buildspec: Buildspec, system: dict[str, str]) -> str:
        variables = {
            **buildspec.variables,
            **environment.project_variables(self._build),
            **environment.build_variables(self._build, self._place, self._source),
            **system,
        }
        self._shell = Shell(buildspec.shell, self._source, variables, self._folder / "scratch", self._write)
        if self._stop_wanted.is_set():
            self._shell.stop()
        runner = PhaseRunner(buildspec, self._shell, self._phases, self._write, self._deadline)
        status = runner.run()
        if status in (STOPPED, TIMED_OUT):
            return status
        self._export(buildspec)
        if self._build["currentPhase"] == "POST_BUILD":
            self._pass("UPLOAD_ARTIFACTS")
        self._pass("FINALIZING")
        return status

    def _export(self, buildspec: Buildspec) -> None:
        assert self._shell is not None  # noqa: S101 - _run_commands has made it
        values = {name: self._shell.value_of(name, self._deadline) for name in buildspec.exported}
        self._build["exportedEnvironmentVariables"] = [
            {"name": name, "value": value} for name, value in values.items() if value
        ]

    def _pass(self, phase: str) -> None:
        self._phases.begin(phase)
        self._phases.end(SUCCEEDED)

    def _fail(self, error: LakehouseError) -> str:
        code = "YAML_FILE_ERROR" if isinstance(error, BuildspecError) else "CLIENT_ERROR"
        phase = self._build["currentPhase"]
        self._end_open_phase(FAILED, code, str(error))
        self._write(
            [
                stamped(f"Phase complete: {phase} State: {FAILED}"),
                stamped(f"Phase context status code: {code} Message: {error}"),
            ]
        )
        self._pass("FINALIZING")
        return FAILED

    def _end_open_phase(self, status: str, code: str, message: str) -> None:
        if self._phases.is_open:
            self._phases.end(status, code, message)

    @property
    def _write(self) -> Any:
        logs = self._build["logs"]
        if "groupName" not in logs:
            return lambda _lines: None
        return partial(_write_lines, logs["groupName"], logs["streamName"])


def _write_lines(group: str, stream: str, lines: list[str]) -> None:
    if lines:
        write_log(group, stream, lines)
