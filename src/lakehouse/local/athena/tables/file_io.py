"""PyIceberg's access to objects: the same as the engine's own.

PyIceberg makes a ``FileIO`` from properties by a class's name, in its own threads; so the objects are set once a
process.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from lakehouse.local.athena.tables.objects import size_of

if TYPE_CHECKING:
    from lakehouse.local.athena.tables.objects import Objects

_objects: list[Objects] = []


def use(objects: Objects) -> None:
    """Set the objects that tables are made of.

    Args:
        objects: Of the statement that runs in this process.
    """
    _objects[:] = [objects]


class _Input(InputFile):
    def __len__(self) -> int:
        return size_of(_objects[0].path(self.location))

    def exists(self) -> bool:
        return _objects[0].exists(self.location)

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 - PyIceberg's signature
        if not self.exists():
            raise FileNotFoundError(self.location)
        return _objects[0].path(self.location).open("rb")


class _Written(io.BytesIO):
    """Bytes that become an object when they are closed, unless an error left the block."""

    def __init__(self, location: str) -> None:
        super().__init__()
        self._location = location

    def close(self) -> None:
        if not self.closed:
            _objects[0].put(self._location, self.getvalue())
        super().close()

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if kind is not None:
            super().close()
        else:
            self.close()


class _Output(OutputFile):
    def __len__(self) -> int:
        return size_of(_objects[0].path(self.location))

    def exists(self) -> bool:
        return _objects[0].exists(self.location)

    def to_input_file(self) -> InputFile:
        return _Input(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        return _Written(self.location)


class ObjectFileIO(FileIO):
    """Metadata and manifests of Iceberg tables."""

    def new_input(self, location: str) -> InputFile:
        """A file to read.

        Args:
            location: The object.

        Returns:
            The file.
        """
        return _Input(location)

    def new_output(self, location: str) -> OutputFile:
        """A file to write.

        Args:
            location: The object.

        Returns:
            The file.
        """
        return _Output(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete an object.

        Args:
            location: The object.
        """
        _objects[0].delete([location if isinstance(location, str) else location.location])
