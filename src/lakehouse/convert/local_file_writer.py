"""Writes a local file that is whole or not there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lakehouse.convert.multipart import WrittenObject
from lakehouse.convert.output_writer import OutputWriter
from lakehouse.convert.temporary_file import open_beside

if TYPE_CHECKING:
    from pathlib import Path


class LocalFileWriter(OutputWriter):
    """Writes one local file: to a temporary file beside it, renamed over it when it is whole.

    Whoever is killed leaves the older file or none. What a power cut leaves is the file system's business, as it is
    for ``cp``: waiting for the disk would add a fifth to a conversion, which can be done again.
    """

    def __init__(self, path: Path) -> None:
        """Create the temporary file.

        Args:
            path: The file to be; its folder must exist.

        Raises:
            OSError: The folder is missing or cannot be written.
        """
        self._path = path
        self._file, self._temporary = open_beside(path)
        self._size_bytes = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Args:
            data: The bytes.
        """
        self._size_bytes += len(data)
        self._file.write(data)

    def seal(self) -> None:
        """Hand over to the disk what memory holds."""
        self._file.flush()

    def expect_unchanged(self) -> None:
        """Expect nothing: the last to write a local file wins."""

    def _publish(self) -> WrittenObject:
        """Put the file in its place, replacing an older one at once."""
        self._file.flush()
        # mkstemp makes the file private; a finished output has the rights that open() would have given it.
        mask = os.umask(0)
        os.umask(mask)
        self._temporary.chmod(0o666 & ~mask)
        self._temporary.replace(self._path)
        self._file.close()  # not before: an unlocked temporary file may be deleted by the next writer
        return WrittenObject(uri=str(self._path), size_bytes=self._size_bytes, checksum=None)

    def abort(self) -> None:
        """Remove the temporary file. Does nothing after ``complete`` or ``abort``."""
        if self._is_settled:
            return
        self._is_settled = True
        self._file.close()
        self._temporary.unlink(missing_ok=True)
