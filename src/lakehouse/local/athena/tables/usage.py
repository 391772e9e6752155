"""What a statement reads, counted, and where it must stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager

from lakehouse.local.athena.failures import StatementFailedError


class ScanLimitError(StatementFailedError):
    """A statement would read more than its workgroup allows; Athena cancels it."""


class Usage:
    """The bytes that a statement reads.

    A statement that changes rows looks at its tables several times where Athena does once: each time is a pass, and
    what passes over the same part of the statement have in common counts once. A table that is named twice is read
    twice in every pass, and counts twice, as in Athena.
    """

    def __init__(self, most_bytes: int | None = None) -> None:
        """Count nothing yet.

        Args:
            most_bytes: The workgroup's limit.
        """
        self.scanned_bytes = 0
        self._most_bytes = most_bytes
        self._is_counted = True
        self._parts: dict[str, Counter[Hashable]] = {}
        self._before: Counter[Hashable] | None = None
        self._now: Counter[Hashable] = Counter()

    def add(self, sizes: Iterable[tuple[Hashable, int]]) -> None:
        """Note what is going to be read.

        Args:
            sizes: What, as a file's column, and its bytes.

        Raises:
            ScanLimitError: It is too much.
        """
        if not self._is_counted:
            return
        self.scanned_bytes += sum(size for what, size in sizes if self._is_new(what))
        if self._most_bytes is not None and self.scanned_bytes > self._most_bytes:
            raise ScanLimitError("BYTES_SCANNED_LIMIT", "Bytes scanned limit was exceeded")

    def begin_pass(self, part: str) -> None:
        """Begin to read what earlier passes over a part of the statement may have read.

        Args:
            part: The part, as ``target``.
        """
        self._before = self._parts.setdefault(part, Counter())
        self._now = Counter()

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Read what Athena would not."""
        self._is_counted = False
        try:
            yield
        finally:
            self._is_counted = True

    def _is_new(self, what: Hashable) -> bool:
        if self._before is None:
            return True
        self._now[what] += 1
        is_new = self._now[what] > self._before[what]
        if is_new:
            self._before[what] = self._now[what]
        return is_new
