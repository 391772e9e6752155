"""Starts a reading process (``reader_process``) and talks with it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.convert import reader_protocol as protocol

# A batch that a reasonable file needs is a hundredth of this; a single value may come to hundreds of megabytes.
_MOST_MEMORY_BYTES = 2 * 2**30
_LEAST_MEMORY_BYTES = 512 * 2**20
# A reading process that neither asks for bytes nor sends any for so long is taken to hang.
SILENCE_SECONDS = 300.0
_PIPE_BYTES = 2**20
_OWN_MAPPING_BYTES = 4 * 2**20
_SAID_BYTES = 64 * 2**10

# No site-packages, user folder or variables of its own (-I -S): the parent's sys.path is what both import from.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from lakehouse.convert.reader_process import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class ChildError(Exception):
    """A reading process that did not do what it was told."""


class ChildToldError(ChildError):
    """It says what is wrong.

    Attributes:
        kind: Name of the error's class, or ``reader_protocol.OUT_OF_MEMORY``.
        message: The error's message.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


class ChildEndedError(ChildError):
    """The process ended before its answer was complete.

    Attributes:
        status: Its exit status; the negative number of a signal.
        said: What it or a library wrote last.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(status, said)
        self.status = status
        self.said = said


class ChildSilentError(ChildError):
    """The process neither asked for bytes nor sent any for ``SILENCE_SECONDS``.

    Attributes:
        seconds: How long that was.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class ReadingChild:
    """A reading process of this one.

    Attributes:
        pid: Its process id.
        is_ready: True once it has sent a frame: from then on it is the file that it may fail at.
    """

    def __init__(self) -> None:
        self.is_ready = False
        self._ranges, theirs = socket.socketpair()
        self._said, their_words = os.pipe()
        # Nobody reads what it says until it is dead: a full pipe must not stop it.
        os.set_blocking(their_words, False)
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-c", _START),
                    *(json.dumps([str(entry) for entry in sys.path]), str(theirs.fileno()), str(_memory_bytes())),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=their_words,
                pass_fds=[theirs.fileno()],
                env=_environment(),
                bufsize=0,
            )
        except BaseException:
            self._ranges.close()
            os.close(self._said)
            raise
        finally:
            theirs.close()
            os.close(their_words)
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._commands, self._frames = self._process.stdin, self._process.stdout
        self.pid = self._process.pid
        os.set_blocking(self._frames.fileno(), False)
        self._arrivals = select.poll()
        self._arrivals.register(self._frames, select.POLLIN)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):  # over the user's limit: the usual size does as well
                fcntl.fcntl(self._frames, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def send(self, command: dict[str, Any]) -> None:
        """Give it a command.

        Raises:
            ChildEndedError: It is dead.
        """
        try:
            left = memoryview(json.dumps(command).encode() + b"\n")
            while left:
                left = left[self._commands.write(left) :]
        except BrokenPipeError as error:
            raise self._ended() from error

    def receive(self, ranges: RangeServer | None) -> tuple[bytes, int, Any]:
        """Wait for a frame.

        Args:
            ranges: Who answers for its ranges meanwhile: its work is a sign of life.

        Returns:
            Kind, number and payload, a ``pa.Buffer``.

        Raises:
            ChildToldError: It says what is wrong.
            ChildEndedError: It ended.
            ChildSilentError: It hangs.
        """
        kind, number, length = protocol.FRAME.unpack(self._receive(protocol.FRAME.size, ranges))
        payload = self._receive(length, ranges)
        self.is_ready = True
        if kind == protocol.ERROR:
            told = json.loads(payload.to_pybytes())
            raise ChildToldError(told["type"], told["message"])
        return kind, number, payload

    def serve(self, file: Any) -> RangeServer:
        """Answer for ranges of a file from now on, until the child needs no more."""
        return RangeServer(self._ranges, file)

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it and let its pipes go."""
        self.kill()
        self._commands.close()
        self._frames.close()
        self._ranges.close()
        os.close(self._said)

    def _receive(self, length: int, ranges: RangeServer | None) -> Any:
        buffer = pa.allocate_buffer(length)
        left = memoryview(buffer).cast("B") if length else memoryview(b"")
        while left:
            try:
                received = os.readv(self._frames.fileno(), [left])
            except BlockingIOError:
                self._await_bytes(ranges)
                continue
            if not received:
                raise self._ended()
            left = left[received:]
        return buffer

    def _await_bytes(self, ranges: RangeServer | None) -> None:
        since = time.monotonic()
        while not self._arrivals.poll(SILENCE_SECONDS * 1000 / 10):
            last = max(since, ranges.last_active if ranges else since)
            if time.monotonic() - last >= SILENCE_SECONDS:
                raise ChildSilentError(SILENCE_SECONDS)

    def _ended(self) -> ChildEndedError:
        # Its pipe is closed: it is dead, or about to be.
        try:
            status = self._process.wait(timeout=SILENCE_SECONDS / 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        os.set_blocking(self._said, False)
        try:
            said = os.read(self._said, _SAID_BYTES)
        except BlockingIOError:
            said = b""
        return ChildEndedError(status, said.decode(errors="replace"))


class RangeServer(threading.Thread):
    """Reads ranges of a file for the reading process, one after the other, while the file's rows are consumed.

    Args:
        ranges: The socket on which they are asked for.
        file: The open file; used by this thread alone while it runs.

    Attributes:
        failure: The error that the file raised, if any: it explains why the reading process gave up.
    """

    def __init__(self, ranges: socket.socket, file: Any) -> None:
        super().__init__(name="parquet-ranges", daemon=True)
        self.failure: BaseException | None = None
        self._ranges = ranges
        self._file = file
        self._is_reading = False
        self._last_active = time.monotonic()
        self.start()

    @property
    def last_active(self) -> float:
        """When something was last asked or answered; now, while the file is being read."""
        return time.monotonic() if self._is_reading else self._last_active

    def run(self) -> None:
        """Answer until the reading process needs no more, or is dead."""
        with contextlib.suppress(OSError):
            while self._answer():
                self._last_active = time.monotonic()

    def _answer(self) -> bool:
        asked = self._ranges.recv(protocol.RANGE.size, socket.MSG_WAITALL)
        if len(asked) < protocol.RANGE.size:
            return False
        offset, length = protocol.RANGE.unpack(asked)
        if offset == protocol.END:
            return False
        self._is_reading = True
        try:
            self._file.seek(offset)
            data = self._file.read(length)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the rows are consumed
            self.failure = error
            self._ranges.sendall(protocol.ANSWER.pack(protocol.REFUSED))
        else:
            self._ranges.sendall(protocol.ANSWER.pack(len(data)))
            self._ranges.sendall(data)
        finally:
            self._is_reading = False
        return True


def _memory_bytes() -> int:
    """What a reading process may take: half of what this machine, container or function has, within bounds."""
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # no such file outside of containers, "max" without a limit
        has = min(has, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return max(_LEAST_MEMORY_BYTES, min(_MOST_MEMORY_BYTES, has // 2))


def _environment() -> dict[str, str]:
    """The variables of this process, without credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # malloc, told to take large buffers from the system one by one, gives them back at once, and it reserves little
    # address space, which is what is limited. jemalloc and mimalloc are no faster here and keep hundreds of megabytes.
    return kept | {
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        "MALLOC_ARENA_MAX": "4",
        "MALLOC_MMAP_THRESHOLD_": str(_OWN_MAPPING_BYTES),
    }
