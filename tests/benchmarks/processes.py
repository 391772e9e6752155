"""Runs a contestant in a process of its own and watches what it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SAMPLE_SECONDS = 0.02


def measured(command: Sequence[str]) -> dict[str, Any]:
    """Run a command that prints one JSON object, and add the most memory that its processes held at one time.

    Args:
        command: The command.

    Returns:
        What it printed, with ``peak_bytes``: resident memory of the process and all its children together (a Java
        virtual machine, Spark's Python workers, the reader), sampled 50 times a second. None where there is no /proc.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        stop = threading.Event()
        peak: list[int] = [0]
        sampler = threading.Thread(target=_sample, args=(process.pid, peak, stop))
        sampler.start()
        out, error = process.communicate()
        stop.set()
        sampler.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{error[-3000:]}")
    return {**json.loads(out.splitlines()[-1]), "peak_bytes": peak[0] or None}


@contextmanager
def peak_memory(pid: int) -> Iterator[list[int]]:
    """Watch a process that was started elsewhere, and its children.

    Args:
        pid: The process.

    Yields:
        The most bytes that they held at one time, so far: one number.
    """
    stop, peak = threading.Event(), [0]
    sampler = threading.Thread(target=_sample, args=(pid, peak, stop))
    sampler.start()
    try:
        yield peak
    finally:
        stop.set()
        sampler.join()


def processor_seconds(pid: int) -> float:
    """Processor time that a process and its children have taken, those that have ended among them.

    Args:
        pid: The process.

    Returns:
        Seconds in user and system mode; 0 where there is no /proc.
    """
    ticks = 0
    for one in _tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _sample(pid: int, peak: list[int], stop: threading.Event) -> None:
    while not stop.wait(_SAMPLE_SECONDS):
        peak[0] = max(peak[0], sum(_resident(one) for one in _tree(pid)))


def _tree(pid: int) -> list[int]:
    found, known = [pid], 0
    while known < len(found):
        try:
            for task in Path(f"/proc/{found[known]}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            pass  # it has ended
        known += 1
    return found


def _resident(pid: int) -> int:
    """Proportional set size: pages that several processes share count once."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
