"""The local AWS endpoint as its callers see it: start, stop, address, the variables for clients."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import deque
from pathlib import Path
from typing import Any, Self

from lakehouse import errors
from lakehouse.errors import EndpointDownError, LakehouseError, LocalError
from lakehouse.local.place import DEFAULT_REGION, HOST, client_environment
from lakehouse.local.processes import is_alive, kill_session
from lakehouse.local.server import LOCK_NAME, REFUSED_TO_START

DEFAULT_PORT = 4566
# A cold start compiles and imports the emulator; a machine busy with Spark takes several times as long.
_START_SECONDS = 90.0
_STOP_SECONDS = 20.0
_LOG_LINES = 15


class Endpoint:
    """One endpoint, in its own process, with its state under one folder.

    Attributes:
        home: The folder of its state, logs and jobs.
    """

    def __init__(self, home: Path, port: int | None = None, *, unpatched: bool = False) -> None:
        """Describe an endpoint; nothing is started.

        Args:
            home: The folder of its state, logs and jobs.
            port: The port on the loopback interface; 0 for any free one; 4566 when None.
            unpatched: Serve the bare emulator; only tests want that, to show what a fix is for.
        """
        self.home = home.resolve()
        self._port = port
        self._unpatched = unpatched

    @classmethod
    def running(cls, home: Path) -> Self | None:
        """The endpoint that serves a folder.

        Args:
            home: The folder.

        Returns:
            The endpoint, None when none answers.
        """
        endpoint = cls(home)
        return endpoint if endpoint.is_up() else None

    @property
    def port(self) -> int:
        """The port it answers on, or would be started on."""
        recorded = self._record().get("port")
        return int(recorded or self._port or DEFAULT_PORT)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    @property
    def region(self) -> str:
        """The region it answers for."""
        return str(self._record().get("region") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION)

    @property
    def log(self) -> Path:
        """The file of its own log."""
        return self.home / "logs" / "endpoint.log"

    def environment(self) -> dict[str, str]:
        """The variables that make AWS clients, Terraform included, talk to it.

        Returns:
            ``AWS_*`` variables.
        """
        return client_environment(self.url, self.region)

    def is_up(self) -> bool:
        """Whether it answers, and is this folder's endpoint rather than another's on the same port.

        Returns:
            True when it answers.
        """
        if not self._record():
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/_lakehouse/health", timeout=5) as answer:  # noqa: S310 - our own http address
                return bool(json.load(answer).get("home") == str(self.home))
        except (OSError, ValueError):
            return False

    def start(self) -> None:
        """Start it and wait until it answers; nothing happens where it is up already.

        Raises:
            PortTakenError: Another process listens on the port.
            EmulatorMismatchError: The installed emulator is not the one the replacements were written for.
            LocalError: It ended or did not answer; the message shows the end of its log.
        """
        if self.is_up():
            return
        self._remove_leftovers()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        port = self._port if self._port is not None else DEFAULT_PORT
        command = [sys.executable, "-m", "lakehouse.local.server", "--home", str(self.home), "--port", str(port)]
        command += ["--region", self.region, *(["--unpatched"] if self._unpatched else [])]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.home
            )
        self._wait_until_up(process)
        # A free port that was found once is kept for the next start.
        self._port = self.port

    def stop(self) -> None:
        """Stop it, with every process it started; nothing happens where it is not running."""
        pid = self._record().get("pid")
        if pid is None:
            return
        if self._is_served():
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_SECONDS
            while is_alive(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
        self._remove_leftovers()

    def _record(self) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads((self.home / "endpoint.json").read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise LocalError(f"{self.home / 'endpoint.json'} is not JSON. Delete it and start again.") from error
        return record

    def _remove_leftovers(self) -> None:
        """End what an endpoint that was killed has left running, and forget it."""
        pid = self._record().get("pid")
        if pid is not None:
            # A process that has the number but not the folder is a stranger that got the number after a crash.
            if self._is_served() or not is_alive(pid):
                kill_session(pid)
            (self.home / "endpoint.json").unlink(missing_ok=True)

    def _is_served(self) -> bool:
        """Whether a server holds this folder: the kernel takes the lock from it however it ends."""
        try:
            with (self.home / LOCK_NAME).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def _wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.is_up():
                return
            if process.poll() is not None:
                # Somebody else may have won the race to start this very home.
                if self.is_up():
                    return
                raise self._failure(process.returncode)
            time.sleep(0.05)
        kill_session(process.pid)
        process.wait()
        raise EndpointDownError(
            f"The endpoint did not answer within {_START_SECONDS:.0f} s and was stopped. {self._end_of_log()}"
        )

    def _failure(self, status: int) -> LakehouseError:
        """The error for a server that ended while it started: its own where it gave one."""
        lines = self.log.read_text(errors="replace").splitlines()
        if status == REFUSED_TO_START and lines:
            said = json.loads(lines[-1])
            kind: type[LakehouseError] = getattr(errors, said["error"], LocalError)
            return kind(said["message"])
        return LocalError(f"The endpoint ended with exit status {status} while it started. {self._end_of_log()}")

    def _end_of_log(self) -> str:
        with self.log.open(errors="replace") as log:
            end = "".join(deque(log, maxlen=_LOG_LINES)).rstrip()
        return f"The end of its log, {self.log}:\n{end}"
