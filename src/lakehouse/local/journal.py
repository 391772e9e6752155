"""A journal of what was answered since the last checkpoint: it outlives the process, however that ends.

An entry is a line, handed to the kernel before the answer is sent: that survives a kill, though not a power cut. A
checkpoint begins a new page, which is a file, and deletes the earlier pages once it is on disk. A kill between the two
leaves pages of what the checkpoint holds already, so entries must say what became of a thing, not what was done to it:
the last one wins, however often they are read.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lakehouse.errors import LocalError


class Journal:
    """What became of a service's state since its last checkpoint.

    Attributes:
        service: The service, by its name in the emulator.
        at_work: Held while a request changes the state and until its entry is written. Who has read the state, and then
            held this for a moment, knows that the entries of all that was read are written.
    """

    def __init__(self, folder: Path, service: str) -> None:
        """Prepare; nothing is written yet.

        Args:
            folder: Where the pages lie.
            service: The service, by its name in the emulator.
        """
        self.service = service
        self.at_work = threading.Lock()
        self._folder = folder
        self._page: int | None = None
        self._last = max((int(path.name.split(".")[1]) for path in self._pages()), default=0)
        self._writing = threading.Lock()

    def read(self) -> list[Any]:
        """Every entry that is not known to be in a checkpoint, in order.

        The last line of a page may be torn by a kill: its request was not answered, and it is left out.

        Returns:
            The entries.

        Raises:
            LocalError: Another line is not JSON.
        """
        entries = []
        for path in self._pages():
            whole, _, _ = path.read_bytes().rpartition(b"\n")
            for number, line in enumerate(whole.splitlines(), 1):
                try:
                    entries.append(json.loads(line))
                except ValueError as error:
                    raise LocalError(
                        f"Line {number} of the endpoint's journal {path} cannot be read ({error}). "
                        "Restore the file, or start afresh: lakehouse reset"
                    ) from error
        return entries

    def append(self, entry: Any) -> None:
        """Write an entry.

        Args:
            entry: What can be JSON.

        Raises:
            OSError: It could not be written, and will not be read.
        """
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            if self._page is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                path = self._folder / f"{self.service}.{self._last + 1:08d}.journal"
                self._page = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
                self._last += 1
            written = 0
            try:
                written = os.write(self._page, line)
            finally:
                if written < len(line):
                    # Half a line may only be the last of its page.
                    self._close()
            if written < len(line):
                raise OSError(f"The disk took {written} of {len(line)} bytes of the endpoint's journal")

    def begin_page(self) -> list[Path]:
        """Write what comes from now on to another file.

        Returns:
            The pages so far: to be forgotten when a state that was read after this call is on disk.
        """
        with self._writing:
            self._close()
            return self._pages()

    @staticmethod
    def forget(pages: Iterable[Path]) -> None:
        """Delete pages that a checkpoint made superfluous.

        Args:
            pages: Their files.
        """
        for path in pages:
            path.unlink(missing_ok=True)

    def _pages(self) -> list[Path]:
        return sorted(self._folder.glob(f"{self.service}.*.journal"))

    def _close(self) -> None:
        if self._page is not None:
            os.close(self._page)
            self._page = None
