"""The processes that an endpoint starts: none is left behind, and who holds a port is said by name.

The endpoint's server leads a session of its own. Whatever it starts stays in that session (a job may lead its own
process *group*, never its own session), so that a stop ends all of it. A guard outside the session ends it also where
the server itself is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"


def session_members(session: int) -> Iterator[int]:
    """The processes of a session that still run.

    Args:
        session: The session's id: the process id of its leader.

    Yields:
        Process ids.
    """
    for pid in _all_processes():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == session and is_alive(pid):
                yield pid


def _all_processes() -> Iterator[int]:
    if _PROC.is_dir():
        yield from (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
        return
    listed = subprocess.run(["ps", "-axo", "pid="], capture_output=True, text=True, check=True).stdout
    yield from (int(pid) for pid in listed.split())


def kill_session(session: int, *, spare: int | None = None, grace_seconds: float = 2.0) -> int:
    """End every process of a session: asked first, then killed.

    Args:
        session: The session's id.
        spare: A process that is left alone (the caller itself).
        grace_seconds: How long they may take to end by themselves.

    Returns:
        How many processes there were.
    """
    members = [pid for pid in session_members(session) if pid != spare]
    for number in (signal.SIGTERM, signal.SIGKILL):
        remaining = [pid for pid in session_members(session) if pid != spare]
        _signal(remaining, number)
        deadline = time.monotonic() + grace_seconds
        while remaining and time.monotonic() < deadline:
            time.sleep(0.02)
            remaining = [pid for pid in remaining if is_alive(pid)]
    return len(members)


def guard_session() -> int:
    """Have every process of this session end with this process, however it ends: the session's leader.

    A pipe tells: the kernel closes this end of it with the process, and nobody else has it. The kernel's own
    PR_SET_PDEATHSIG would reach children only, not what they start: a Spark driver's Java machine would live on.

    Returns:
        This end of the pipe; it stays open for the process's life.
    """
    other_end, this_end = os.pipe()
    command = [sys.executable, "-I", "-S", __file__, str(os.getpid())]
    subprocess.Popen(
        command, stdin=other_end, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.close(other_end)
    return this_end


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def is_alive(pid: int) -> bool:
    """Whether a process exists and still runs (a zombie does not).

    Args:
        pid: Its id.

    Returns:
        True while it runs.
    """
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return not _PROC.is_dir()
    return status.rpartition(")")[2].split()[0] != "Z"


def holder_of_port(port: int) -> str:
    """Which process listens on a TCP port of this machine.

    Args:
        port: The port.

    Returns:
        ``name (process 123)``, or an empty string where the system does not tell.
    """
    inodes = set(_listening_sockets(port))
    if not inodes:
        return ""
    for pid in _all_processes():
        with suppress(OSError):
            for descriptor in (_PROC / str(pid) / "fd").iterdir():
                if descriptor.readlink().name in inodes:
                    return f"{(_PROC / str(pid) / 'comm').read_text().strip()} (process {pid})"
    return ""


def _listening_sockets(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    yield f"socket:[{fields[9]}]"


if __name__ == "__main__":
    # The guard: nothing is ever written to the pipe, so reading ends when the guarded process does.
    sys.stdin.buffer.read()
    kill_session(int(sys.argv[1]))
