"""The shell of one build: all its commands run in the same instance, as in CodeBuild with buildspec version 0.2.

A command that ends the shell (``exit``, or ``set -e`` and an error) fails or succeeds with that status; the next
command gets a new shell with the folder and the exported variables that the last whole command left.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

WriteLines = Callable[[list[str]], None]

_FLUSH_SECONDS = 0.25
_CHUNK = 1 << 16
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
_LONGEST_LINE = 250_000

# Reads the names of files with commands, runs each, and answers with its status. The descriptors are closed while a
# command runs, so that nothing it leaves behind keeps them open.
_DRIVER = r"""
if [ -r {state} ]; then . {state}; cd "$(cat {folder})"; fi
while IFS= read -r -u {commands} __command_file; do
  eval "$(cat "$__command_file")" </dev/null {commands}<&- {statuses}>&-
  __command_status=$?
  export -p > {state}.partial && mv -f {state}.partial {state}
  pwd > {folder}
  echo "$__command_status" >&{statuses}
done
"""


class Shell:
    """Runs commands, one after the other, each within the build's time.

    Args:
        kind: ``bash``, or ``sh`` for the same in POSIX mode: what ``/bin/sh`` is on Amazon Linux.
        folder: The working folder at the beginning.
        environment: All of the environment at the beginning.
        scratch: A folder for the shell's own files.
        write: Takes the lines that the commands print.
    """

    def __init__(
        self, kind: str, folder: Path, environment: Mapping[str, str], scratch: Path, write: WriteLines
    ) -> None:
        self._kind = kind
        self._folder = folder
        self._environment = dict(environment)
        self._scratch = scratch
        self._write = write
        self._stop_wanted = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._commands = self._statuses = -1
        self._output = b""
        self._pending: list[str] = []

    @property
    def was_stopped(self) -> bool:
        """Whether somebody asked to stop the build."""
        return self._stop_wanted.is_set()

    def stop(self) -> None:
        """Kill what runs; nothing is started any more."""
        self._stop_wanted.set()
        self._kill()

    def run(self, command: str, deadline: float) -> int | None:
        """Run one command to its end.

        Args:
            command: One entry of a buildspec's ``commands``, of one line or several.
            deadline: Until when, on the monotonic clock.

        Returns:
            Its exit status; None where the build was stopped or its time was over.
        """
        if self.was_stopped or time.monotonic() >= deadline:
            return None
        if self._process is None:
            self._start()
        script = self._scratch / "command.sh"
        script.write_text(command, encoding="utf-8")
        with contextlib.suppress(BrokenPipeError):
            os.write(self._commands, f"{script}\n".encode())
        status = self._await(deadline)
        self._flush(is_end=True)
        if status is None:
            self.close()
        return status

    def value_of(self, name: str, deadline: float) -> str | None:
        """The value of a shell variable after the last command.

        Args:
            name: Its name.
            deadline: Until when, on the monotonic clock.

        Returns:
            The value, empty where it is not set; None where the shell has no time any more.
        """
        target = self._scratch / "value"
        status = self.run(f"printf %s \"${{{name}-}}\" > '{target}'", deadline)
        return target.read_text(encoding="utf-8") if status == 0 else None

    def close(self) -> None:
        """Kill the shell with everything it started."""
        self._kill()
        if self._process is not None:
            self._process.wait()
            assert self._process.stdout is not None  # noqa: S101 - asked for in _start
            self._process.stdout.close()
            for descriptor in (self._commands, self._statuses):
                os.close(descriptor)
            self._process = None

    def _start(self) -> None:
        commands, self._commands = os.pipe()
        self._statuses, statuses = os.pipe()
        places = {
            "commands": str(commands),
            "statuses": str(statuses),
            "state": shlex.quote(str(self._scratch / "state.sh")),
            "folder": shlex.quote(str(self._scratch / "folder")),
        }
        driver = re.sub(r"\{(\w+)\}", lambda found: places[found[1]], _DRIVER)
        options = ["--noprofile", "--norc", *(["--posix"] if self._kind == "sh" else [])]
        # A process group of its own, to be killed as a whole, in the endpoint's session, which ends with the endpoint.
        self._process = subprocess.Popen(
            ["bash", *options, "-c", driver, "codebuild"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(commands, statuses),
            process_group=0,
        )
        os.close(commands)
        os.close(statuses)
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        os.set_blocking(self._process.stdout.fileno(), False)
        if self.was_stopped:
            self._kill()

    def _await(self, deadline: float) -> int | None:
        """Read output until the driver answers with a status, or ends."""
        assert self._process is not None  # noqa: S101 - run() has started it
        assert self._process.stdout is not None  # noqa: S101
        output = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(self._statuses, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0 and not self.was_stopped:
                ready = {key.fd for key, _ in selector.select(min(_FLUSH_SECONDS, left))}
                if output in ready and not self._read(output):
                    selector.unregister(output)
                if self._statuses in ready:
                    answer = os.read(self._statuses, 64)
                    # What the command printed came before its status.
                    self._read(output)
                    return int(answer) if answer else self._ended()
                self._flush()
        self._kill()
        self._read(output)
        return None

    def _ended(self) -> int | None:
        """The status of a shell that a command has ended."""
        assert self._process is not None  # noqa: S101 - only called while there is one
        status = self._process.wait()
        self.close()
        if self.was_stopped:
            return None
        return status if status >= 0 else 128 - status

    def _read(self, output: int) -> bool:
        """Take what was printed so far; False at the end of it."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(output, _CHUNK):
                *lines, self._output = (self._output + chunk).split(b"\n")
                self._pending += [line.decode(errors="replace").rstrip("\r")[:_LONGEST_LINE] for line in lines]
            return False
        return True

    def _flush(self, *, is_end: bool = False) -> None:
        if is_end and self._output:
            self._pending.append(self._output.decode(errors="replace")[:_LONGEST_LINE])
            self._output = b""
        # CloudWatch Logs takes no empty message.
        lines, self._pending = [line for line in self._pending if line], []
        if lines:
            self._write(lines)

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
