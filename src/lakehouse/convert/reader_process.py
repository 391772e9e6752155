"""The reading process: decodes parquet files for the process that started it (``isolated_reading``).

A hostile file may abort, hang or bloat it without harm to anybody. It knows no credentials, reads what it is handed,
and ends when its parent does. It starts as fast as pyarrow is imported: nothing else of the package that is heavy.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# pyarrow uses NumPy where it is there; nothing here needs it, and without it the start takes a third less.
sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]

import pyarrow as pa  # noqa: E402

from lakehouse.convert import reader_protocol as protocol  # noqa: E402
from lakehouse.convert.parquet_facts import Batch  # noqa: E402
from lakehouse.convert.parquet_reader import ParquetReader  # noqa: E402
from lakehouse.errors import FileVanishedError, LakehouseError  # noqa: E402

_GATHERED_BYTES = 64 * 2**10
# How often it is looked whether the parent lives.
_PARENT_SECONDS = 5.0


def main(ranges_descriptor: int, memory_bytes: int) -> None:
    """Carry out commands until there are no more.

    Args:
        ranges_descriptor: The socket that answers for ranges of the file.
        memory_bytes: How much the process may take for its work.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    warnings.simplefilter("ignore")
    _limit_memory(memory_bytes)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    results = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints is not taken for a frame
    ranges = socket.socket(fileno=ranges_descriptor)
    frames = _Frames(results)
    frames.send(protocol.READY)
    for line in sys.stdin.buffer:
        _carry_out(json.loads(line), frames, ranges)


def _end_with_parent(parent: int) -> None:
    """End even in the middle of a hang when the parent is gone; where nothing hangs, the closed pipes end it."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)


def _limit_memory(memory_bytes: int) -> None:
    """Let an allocation that is too large fail here, and let the kernel end this process first if memory runs out."""
    used = 0
    if sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        Path("/proc/self/oom_score_adj").write_text("1000")
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + memory_bytes
    if sys.platform == "linux" and (most == resource.RLIM_INFINITY or limit < most):
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _carry_out(command: dict[str, Any], frames: _Frames, ranges: socket.socket) -> None:
    name, size, path = command["name"], command["size"], command["path"]
    remote = None if path else _RemoteFile(ranges, size)

    def file() -> Any:
        return pa.OSFile(path) if remote is None else pa.PythonFile(remote.view(), mode="r")

    answer: dict[str, str] | None = None
    reader = None
    try:
        reader = ParquetReader(name, file, size, lambda place: frames.send(protocol.PLACE, place.encode()))
        if command["do"] == "facts":
            facts = reader.facts
            groups = [(group.rows, group.decoded_bytes) for group in facts.row_groups]
            frames.send(protocol.SCHEMA, facts.schema.serialize())
            frames.send(protocol.FACTS, json.dumps({"rows": facts.rows, "row_groups": groups}).encode())
        else:
            wanted, rows, skipped = command["row_groups"], command["batch_rows"], command["skipped_rows"]
            frames.send_batches(reader.batches(wanted, rows, skipped))
    except MemoryError:
        answer = {"type": protocol.OUT_OF_MEMORY, "message": str(reader.rows_at_once if reader else 1)}
    except FileNotFoundError:
        answer = {"type": FileVanishedError.__name__, "message": f"{name}: was moved or deleted while it was read."}
    except LakehouseError as error:
        answer = {"type": type(error).__name__, "message": str(error)}
    finally:
        if remote is not None:
            remote.finish()
    if answer is None:
        frames.send(protocol.DONE)
    else:
        frames.send(protocol.ERROR, json.dumps(answer).encode())


class _Frames:
    """What is sent to the parent."""

    def __init__(self, descriptor: int) -> None:
        # Small pieces are put together; large ones go from Arrow's memory into the pipe as they are.
        self._pipe = open(descriptor, "wb", buffering=_GATHERED_BYTES)  # noqa: SIM115 - it lives as long as the process

    def send(self, kind: bytes, payload: Any = b"") -> None:
        payload = memoryview(payload).cast("B")
        self._pipe.write(protocol.FRAME.pack(kind, 0, len(payload)))
        self._pipe.write(payload)
        self._pipe.flush()

    def send_batches(self, batches: Iterator[Batch]) -> None:
        """Send an Arrow stream, cut into a frame a batch; the schema is in the first."""
        measured, measure, stream = 0, pa.MockOutputStream(), pa.PythonFile(self._pipe, mode="w")
        measuring = sending = None
        for batch in batches:
            try:
                measuring = measuring or pa.ipc.new_stream(measure, batch.data.schema)
                measuring.write_batch(batch.data)
                self._pipe.write(protocol.FRAME.pack(protocol.BATCH, batch.first_row, measure.size() - measured))
                measured = measure.size()
                sending = sending or pa.ipc.new_stream(stream, batch.data.schema)
                sending.write_batch(batch.data)
                self._pipe.flush()
            except MemoryError:
                # Half a frame may have gone: nothing more can be told this way.
                sys.exit(protocol.SAID_OUT_OF_MEMORY)


class _RemoteFile:
    """The file's bytes, from the parent."""

    def __init__(self, ranges: socket.socket, size: int) -> None:
        self.size = size
        self._ranges = ranges
        self._lock = threading.Lock()
        self._is_finished = False

    def view(self) -> _RemoteView:
        return _RemoteView(self)

    def read(self, offset: int, length: int) -> bytes:
        with self._lock:
            if self._is_finished:
                raise ValueError("The reading is over")
            self._ranges.sendall(protocol.RANGE.pack(offset, length))
            (answered,) = protocol.ANSWER.unpack(self._receive(protocol.ANSWER.size))
            if answered == protocol.REFUSED:
                raise OSError("The file cannot be read: the parent knows why")
            return self._receive(answered)

    def finish(self) -> None:
        with self._lock:
            self._is_finished = True
            self._ranges.sendall(protocol.RANGE.pack(protocol.END, 0))

    def _receive(self, length: int) -> bytes:
        data = bytearray(length)
        left = memoryview(data)
        while left:
            received = self._ranges.recv_into(left)
            if not received:
                raise SystemExit
            left = left[received:]
        return data  # type: ignore[return-value]


class _RemoteView(io.RawIOBase):
    """A position in the remote file: each of pyarrow's readers has one of its own."""

    def __init__(self, file: _RemoteFile) -> None:
        super().__init__()
        self._remote = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._remote.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self._remote.size - self._position)
        size = left if size is None or size < 0 else min(size, left)
        data = self._remote.read(self._position, size) if size else b""
        self._position += len(data)
        return data
