"""Checkpoints: the emulator's state on disk while it runs, not only when it is stopped politely.

Each service's state is a JSON file in the emulator's own format, replaced as a whole: a process that is killed in the
middle of a checkpoint leaves the previous files. Objects of S3 are not part of it: they are written when they are put.
Items of DynamoDB and Glue's catalog are part of it, and until then of their journals.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lakehouse.errors import LocalError
from lakehouse.local.journal import Journal

_LOG = logging.getLogger(__name__)

# A burst of calls is one checkpoint.
_SETTLE_SECONDS = 0.3
# What changes without a call (a waiting execution, a finished job) is looked for ever less often while nothing does.
_FIRST_LOOK_SECONDS = 2.0
_LAST_LOOK_SECONDS = 60.0
# At most this share of the time goes into checkpoints, however big the state is.
_LARGEST_SHARE = 0.1
# Services change their state in threads of their own while it is read.
_ATTEMPTS = 5


class Checkpoints:
    """Saves the emulator's state after it changed."""

    def __init__(self, folder: Path, journals: Iterable[Journal]) -> None:
        """Prepare; nothing is written yet.

        Args:
            folder: Where the state lies, a file a service.
            journals: What a checkpoint of their services makes superfluous.
        """
        self._folder = folder
        self._journals = {journal.service: journal for journal in journals}
        self._changed = asyncio.Event()
        self._saving = threading.Lock()
        self._saved: dict[str, str] = {}

    def note_change(self) -> None:
        """Say that state may have changed; called on the event loop."""
        self._changed.set()

    async def keep_saving(self) -> None:
        """Save soon after every change, until cancelled."""
        look = _FIRST_LOOK_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), look)
                await asyncio.sleep(_SETTLE_SECONDS)
            was_called = self._changed.is_set()
            self._changed.clear()
            started = time.monotonic()
            is_different = await asyncio.to_thread(self.save)
            await asyncio.sleep((time.monotonic() - started) / _LARGEST_SHARE)
            look = _FIRST_LOOK_SECONDS if was_called or is_different else min(2 * look, _LAST_LOOK_SECONDS)

    def save(self, *services: str) -> bool:
        """Write the state of every service whose state changed.

        Args:
            services: Only these, by their names in the emulator; all where none is named.

        Returns:
            Whether anything was written.
        """
        # The emulator reads its settings when it is imported: not before the server has set them.
        from ministack import app

        is_different = False
        with self._saving:
            for service, get_state in app._build_persistence_save_dict().items():  # noqa: SLF001
                if services and service not in services:
                    continue
                journal = self._journals.get(service)
                if journal is not None:
                    is_different |= self._save_journaled(service, get_state, journal)
                else:
                    is_different |= self._save_service(service, get_state)
        return is_different

    def _save_service(self, service: str, get_state: Callable[[], Any]) -> bool:
        content = _read(service, get_state)
        if content is None:
            _LOG.warning("The state of %s kept changing; it is saved with the next checkpoint", service)
            return True
        return self._write(service, content)

    def _save_journaled(self, service: str, get_state: Callable[[], Any], journal: Journal) -> bool:
        superfluous = journal.begin_page()
        content = _read(service, get_state)
        with journal.at_work:
            # No request is half done: what was when the state was read is journaled by now. Where the service left no
            # moment to read its state, it waits.
            if content is None:
                content = _read(service, get_state)
        if content is None:
            _LOG.warning("The state of %s kept changing; it is journaled until the next checkpoint", service)
            return True
        is_different = self._write(service, content)
        journal.forget(superfluous)
        return is_different

    def _write(self, service: str, content: bytes) -> bool:
        """Replace a service's file, unless it holds just that."""
        if not content:
            return False
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / f"{service}.json"
        if self._saved.get(service) == digest and path.exists():
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        self._saved[service] = digest
        return True


def _read(service: str, get_state: Callable[[], Any]) -> bytes | None:
    """A service's state in the emulator's format: empty where it has none, None where it kept changing."""
    from ministack.core import persistence

    for _ in range(_ATTEMPTS):
        try:
            state = get_state()
            if state is None:
                return b""
            wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}  # noqa: SLF001
            return json.dumps(wrapped, default=persistence._json_default).encode()  # noqa: SLF001
        except RuntimeError:
            # "dictionary changed size during iteration": the service is at work.
            continue
    return None


def check(folder: Path) -> None:
    """Refuse to start over state that cannot be read: the emulator would start empty, and then overwrite it.

    Args:
        folder: Where the state lies.

    Raises:
        LocalError: A file is not JSON.
    """
    for path in folder.glob("*.json"):
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            raise LocalError(
                f"The endpoint's state in {path} cannot be read ({error}). "
                "Restore the file, or start afresh: lakehouse reset"
            ) from error
