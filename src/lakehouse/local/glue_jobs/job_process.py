"""The process of one job run: started, streamed to its logs, limited in time, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

WriteLines = Callable[[list[str]], None]

_FLUSH_SECONDS = 0.25
_KEPT_LINES = 400
# After the driver has ended, only its Java machine may still hold the pipes: it is killed.
_DRAIN_SECONDS = 0.5
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
_LONGEST_LINE = 250_000


class LogPipe:
    """Reads a pipe and hands its lines on several times a second.

    Args:
        pipe: The pipe.
        write: Takes the lines.
    """

    def __init__(self, pipe: IO[bytes], write: WriteLines) -> None:
        self._pipe = pipe
        self._write = write
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self.tail: deque[str] = deque(maxlen=_KEPT_LINES)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for raw in self._pipe:
            line = raw.decode(errors="replace").rstrip("\r\n")[:_LONGEST_LINE]
            with self._lock:
                self._lines.append(line)
                self.tail.append(line)

    def flush(self) -> None:
        """Hand on what was read since the last time."""
        with self._lock:
            lines, self._lines = self._lines, []
        # CloudWatch Logs takes no empty message.
        lines = [line for line in lines if line]
        if lines:
            self._write(lines)

    def close(self) -> None:
        """Read to the end and hand on the rest."""
        self._reader.join(_DRAIN_SECONDS)
        self.flush()


class JobProcess:
    """One driver process with everything it starts."""

    def __init__(self) -> None:
        self._stop_wanted = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self.stderr = ""

    @property
    def was_stopped(self) -> bool:
        """Whether somebody asked to stop it."""
        return self._stop_wanted.is_set()

    def stop(self) -> None:
        """Kill it, now or as soon as it would start."""
        self._stop_wanted.set()
        self._kill()

    def run(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str],
        timeout_seconds: float,
        write_output: WriteLines,
        write_error: WriteLines,
    ) -> int | None:
        """Run a command to its end.

        Args:
            command: The program and its arguments.
            folder: Its working folder.
            environment: All of its environment.
            timeout_seconds: How long it may take.
            write_output: Takes the lines of its standard output while it runs.
            write_error: Takes the lines of its standard error while it runs.

        Returns:
            The exit status; None where it was stopped or outlived its time.
        """
        if self.was_stopped:
            return None
        # A process group of its own, to be killed as a whole, in the endpoint's session, which ends with the endpoint.
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._process = process
        if self.was_stopped:
            self._kill()
        assert process.stdout is not None  # noqa: S101 - asked for above
        assert process.stderr is not None  # noqa: S101 - asked for above
        pipes = [LogPipe(process.stdout, write_output), LogPipe(process.stderr, write_error)]
        status = self._wait(process, time.monotonic() + timeout_seconds, pipes)
        self._kill()
        for pipe in pipes:
            pipe.close()
        self.stderr = "\n".join(pipes[1].tail)
        return None if self.was_stopped else status

    def _wait(self, process: subprocess.Popen[bytes], deadline: float, pipes: Sequence[LogPipe]) -> int | None:
        while time.monotonic() < deadline:
            try:
                return process.wait(timeout=max(0.0, min(_FLUSH_SECONDS, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                for pipe in pipes:
                    pipe.flush()
        self._kill()
        process.wait()
        return None

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
