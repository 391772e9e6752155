"""A conversion to a local file that is killed leaves no half file, and its temporary file only until the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.convert.local_file_writer import LocalFileWriter

WRITER = """
import sys, time
from pathlib import Path
from lakehouse.convert.local_file_writer import LocalFileWriter
with LocalFileWriter(Path(sys.argv[1])) as writer:
    writer.write(b"half a ")
    writer.seal()
    print("half", flush=True)
    sys.stdin.readline()
    writer.write(b"line")
"""


def half_way(path: Path) -> subprocess.Popen[bytes]:
    """A process that has written half of its file."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"half\n"
    return writer


@pytest.mark.parametrize("name", ["out.json", "[out]*.json"])
def test_what_a_killed_writer_left_is_gone_after_the_next_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with half_way(path) as killed:
        os.kill(killed.pid, signal.SIGKILL)
    assert not path.exists()
    assert len(list(tmp_path.iterdir())) == 1
    with LocalFileWriter(path) as writer:
        writer.write(b"whole")
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"whole"


def test_a_writer_leaves_the_temporary_file_of_one_that_lives_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with half_way(path) as other:
        with LocalFileWriter(path) as writer:
            writer.write(b"first")
        assert path.read_bytes() == b"first"
        other.communicate(b"\n")
    assert path.read_bytes() == b"half a line"
    assert list(tmp_path.iterdir()) == [path]
