"""A multipart upload on disk: a file a part, and a journal that says what counts.

A line is appended to the journal once its file is whole, so the journal is true at every moment: a kill leaves at most
a torn last line and files that no line names, and both are dropped when the upload is read again.

Clients send parts of one size, the last one excepted. So a part is written where it will lie in the object, in a file
of all such parts, and completing is a link. What does not fit (another size, a number sent again) gets a file of its
own, and completing copies.
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from lakehouse.local.object_files import Body, keep
from lakehouse.local.received_body import ReceivedBody, Slot, allocate

Record = dict[str, Any]
Part = dict[str, Any]

_JOURNAL = "journal"
# The parts that lie where they belong, and the object made by copying: files of more than one part.
_PLACED = "placed"
_JOINED = "joined"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_LARGEST_OBJECT_BYTES = 5 * 1024**4
# Bigger pieces leave the processor's cache between reading and writing.
_COPY_BYTES = 1024**2
_COPY_THREADS = 2


class UploadFolder:
    """The folder of one upload.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        """Name a folder; nothing is written.

        Args:
            path: The folder.
        """
        self.path = path
        # Parts are added by the event loop and joined by threads.
        self._lock = threading.Lock()
        self._stride = 0
        self._taken: set[int] = set()
        self._awaited: set[int] = set()
        self._is_sealed = False

    def begin(self, record: Record) -> None:
        """Start an upload.

        Args:
            record: What is known of it, without parts.
        """
        self.path.mkdir(mode=0o700, parents=True)
        (self.path / _PLACED).touch()
        self._append(record)

    def slot(self, number: int, size: int) -> Slot | None:
        """Where a part that is about to come can be written, so that nothing has to be copied in the end.

        Args:
            number: The part's number.
            size: Its bytes.

        Returns:
            The place; None where it does not fit.
        """
        with self._lock:
            stride = self._stride or size
            offset = (number - 1) * stride
            is_fit = number > 0 and size <= stride and offset + size <= _LARGEST_OBJECT_BYTES
            if self._is_sealed or number in self._taken or not is_fit or offset % mmap.ALLOCATIONGRANULARITY:
                return None
            self._stride = stride
            self._taken.add(number)
            self._awaited.add(number)
        return Slot(self.path / _PLACED, offset, partial(self._release, number))

    def _release(self, number: int) -> None:
        with self._lock:
            self._taken.discard(number)
            self._awaited.discard(number)

    def add_part(self, number: int, part: Part, body: Body) -> None:
        """Keep a part; one that was sent before under the same number counts no longer.

        Args:
            number: The part's number.
            part: What is known of it; ``file`` and ``offset`` are set: where its bytes lie.
            body: Its bytes.
        """
        with self._lock:
            if isinstance(body, ReceivedBody) and body.slot is not None:
                part["file"], part["offset"] = _PLACED, body.slot.offset
                self._awaited.discard(number)
                body.is_kept = True
            else:
                part["file"], part["offset"] = f"{number}.{secrets.token_hex(4)}", 0
                keep(body, self.path / part["file"])
            self._append({"number": number, **part})

    def _append(self, line: Record) -> None:
        with (self.path / _JOURNAL).open("ab", buffering=0) as journal:
            journal.write(json.dumps(line).encode() + b"\n")

    def read(self) -> Record | None:
        """Read the upload back, and delete files that do not belong to it.

        Returns:
            The record it was begun with, and ``parts`` by number; None where it was never begun.
        """
        try:
            *lines, torn = (self.path / _JOURNAL).read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        if not lines:
            return None
        record: Record
        record, *parts = (json.loads(line) for line in lines)
        record["parts"] = {part.pop("number"): part for part in parts}
        if torn:
            os.truncate(self.path / _JOURNAL, sum(len(line) + 1 for line in lines))
        placed = {number: part for number, part in record["parts"].items() if part["file"] == _PLACED}
        self._taken = set(placed)
        self._stride = max(
            (part["offset"] // (n - 1) if n > 1 else part["size"] for n, part in placed.items()), default=0
        )
        named = {part["file"] for part in record["parts"].values()} | {_JOURNAL, _PLACED}
        for file in self.path.iterdir():
            if file.name not in named:
                file.unlink()
        return record

    def join(self, parts: Sequence[tuple[int, Part]], current: Mapping[int, Part]) -> Path:
        """Make one file of parts.

        Where parts are copied, each part's own file is deleted once it is copied, and the journal names the new place
        of its bytes: the upload stays whole, and takes no more than a few parts of disk on top.

        Args:
            parts: Numbers and parts, in the order of their bytes; ``file`` and ``offset`` may change.
            current: The parts that count, by number: a part that was sent again meanwhile keeps its newer place.

        Returns:
            The file; it is never written again.
        """
        joined = self.path / f"{_JOINED}.{secrets.token_hex(4)}"
        with self._lock:
            self._is_sealed = True
            whole = self._holder_of_all(parts)
            if whole is not None:
                joined.hardlink_to(whole)
            else:
                self._copy_parts(parts, current, joined)
        return joined

    def _holder_of_all(self, parts: Sequence[tuple[int, Part]]) -> Path | None:
        """The file that consists of just these parts, in this order."""
        name, end = parts[0][1]["file"], 0
        for _, part in parts:
            if (part["file"], part["offset"]) != (name, end):
                return None
            end += part["size"]
        holder = self.path / str(name)
        return holder if not self._awaited and holder.stat().st_size == end else None

    def _copy_parts(self, parts: Sequence[tuple[int, Part]], current: Mapping[int, Part], joined: Path) -> None:
        offsets = list(accumulate((part["size"] for _, part in parts), initial=0))
        with joined.open("wb", buffering=0) as target, ThreadPoolExecutor(_COPY_THREADS) as pool:
            allocate(target, 0, offsets[-1])
            copies = [
                pool.submit(_copy, self.path / part["file"], part["offset"], part["size"], target, offset)
                for (_, part), offset in zip(parts, offsets, strict=False)
            ]
            for (number, part), offset, copy in zip(parts, offsets, copies, strict=False):
                copy.result()
                source = self.path / part["file"]
                if current.get(number) is part:
                    part["file"], part["offset"] = joined.name, offset
                    self._append({"number": number, **part})
                if source.name.partition(".")[0] not in {_PLACED, _JOINED}:
                    source.unlink()

    def remove(self) -> None:
        """Forget the upload; a kill in between leaves files without a journal, which are no upload."""
        (self.path / _JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


def _copy(source: Path, start: int, size: int, target: BinaryIO, offset: int) -> None:
    with source.open("rb", buffering=0) as file:
        end = start + size
        while start < end:
            count = _copy_some(file.fileno(), target.fileno(), end - start, start, offset)
            if not count:
                raise EOFError(f"{source} ends {end - start} byte(s) early")
            start += count
            offset += count


def _copy_in_memory(source: int, target: int, count: int, start: int, offset: int) -> int:
    return os.pwrite(target, os.pread(source, min(count, _COPY_BYTES), start), offset)


# The kernel copies 600 MB in 0.2 to 0.5 s, a loop in Python in 0.7 to 1.6 s. Only Linux has it.
_copy_some: Callable[[int, int, int, int, int], int] = getattr(os, "copy_file_range", _copy_in_memory)
