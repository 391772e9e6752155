"""A temporary file beside the one that it will become, which does not outlive a killed writer for long.

Its writer holds a lock on it, which the kernel takes back however the process ends. So the next writer of the same file
knows what is left of a dead one, and deletes it.
"""

from __future__ import annotations

import fcntl
import glob
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".part"


def open_beside(path: Path) -> tuple[BinaryIO, Path]:
    """Create a temporary file in the folder of a file, after deleting what killed writers of that file left.

    Args:
        path: The file to be; its folder must exist. Several writers of it may work at the same time.

    Returns:
        The temporary file, open and locked until it is closed, and its path.

    Raises:
        OSError: The folder is missing or cannot be written.
    """
    _remove_leftovers(path)
    while True:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_SUFFIX)
        file = os.fdopen(descriptor, "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return file, Path(name)
        file.close()  # another writer took it for a leftover before it was locked


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{_SUFFIX}"):
        # Locked: its writer lives. Not there, or not ours to open: not ours to delete.
        with suppress(OSError), leftover.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()
