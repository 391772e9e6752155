"""What a statement reads, counted, and where it must stop."""

from __future__ import annotations

from lakehouse.local.athena.failures import StatementFailedError


class ScanLimitError(StatementFailedError):
    """A statement would read more than its workgroup allows; Athena cancels it."""


class Usage:
    """The bytes and files that a statement reads."""

    def __init__(self, most_bytes: int | None = None) -> None:
        """Count nothing yet.

        Args:
            most_bytes: The workgroup's limit.
        """
        self.scanned_bytes = 0
        self.files = 0
        self._most_bytes = most_bytes

    def add(self, size: int, files: int = 1) -> None:
        """Note what is going to be read.

        Args:
            size: Bytes.
            files: Files.

        Raises:
            ScanLimitError: It is too much.
        """
        self.scanned_bytes += size
        self.files += files
        if self._most_bytes is not None and self.scanned_bytes > self._most_bytes:
            raise ScanLimitError("BYTES_SCANNED_LIMIT", "Bytes scanned limit was exceeded")
