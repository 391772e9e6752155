"""Outputs that are whole or not there, whatever they are made of: S3 objects, several of them, local files.

They take a stream of bytes of unknown length, hold little of it, and make it visible only on ``complete``. Used as a
context manager, leaving the block in order completes, leaving it by any exception (``KeyboardInterrupt`` too) aborts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from lakehouse.convert.chunks import Chunk
    from lakehouse.convert.multipart import WrittenObject


class Publication(ABC):
    """Output that nobody sees before ``complete``.

    It replaces whatever is there, unless ``expect_unchanged`` was called: then only what was there at that time.
    """

    _is_settled = False
    _written: WrittenObject | None = None

    @abstractmethod
    def expect_unchanged(self) -> None:
        """Look at what ``complete`` would replace, and have it replace nothing that comes later.

        May be called again, to look anew. Means nothing to local files, which no two runs share.
        """

    def complete(self) -> WrittenObject:
        """Make everything visible, at once. Called again, it does only what it could not do before.

        Returns:
            What is now there.

        Raises:
            PublishedMeanwhileError: Somebody else published after ``expect_unchanged``; this output is as it was.
        """
        if self._written is None:
            self._written = self._publish()
            self._is_settled = True
        return self._written

    @abstractmethod
    def _publish(self) -> WrittenObject:
        """Do what ``complete`` promises. Is called again where it raised."""

    @abstractmethod
    def abort(self) -> None:
        """Leave nothing behind. Does nothing after ``complete`` or ``abort``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and not self._is_settled:
            self.complete()
        else:
            self.abort()


class ChunkOutput(Publication):
    """Lines on their way to one object or to several."""

    @abstractmethod
    def take(self, chunk: Chunk) -> None:
        """Append lines.

        Args:
            chunk: The lines, as they are stored.
        """


class OutputWriter(ChunkOutput):
    """A stream of bytes on its way to an S3 object or a local file."""

    @abstractmethod
    def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Args:
            data: The bytes; they must not change afterwards.
        """

    @abstractmethod
    def seal(self) -> None:
        """Say that nothing more will be written. What memory still holds goes where it belongs, invisibly."""

    def take(self, chunk: Chunk) -> None:
        """Append lines, see ``ChunkOutput``."""
        self.write(chunk.data)
