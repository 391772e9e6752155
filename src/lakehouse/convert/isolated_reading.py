"""Reads parquet files in a process of their own, so that no file takes this one down.

pyarrow can abort, hang or ask for all memory on a broken or hostile file. The reading process decodes; this one fetches
the bytes, holds the credentials and judges how the other ended. A reading process that did its work well waits for the
next file; one that met an error is not used again.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse import errors
from lakehouse.convert import reader_protocol as protocol
from lakehouse.convert.parquet_facts import Batch, ParquetFacts, row_groups_of
from lakehouse.convert.reading_child import (
    ChildEndedError,
    ChildError,
    ChildSilentError,
    ChildToldError,
    RangeServer,
    ReadingChild,
)
from lakehouse.errors import LakehouseError, ReaderCrashedError, ReaderMemoryError, ReaderStartError

if TYPE_CHECKING:
    from lakehouse.convert.source import ParquetSource

# Reading processes that wait for the next file, about 60 MB each.
_MOST_IDLE = 2
# What a broken file does to a process. Other signals come from outside: a person, or the kernel short of memory.
_OF_THE_FILE = frozenset(
    {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP}
)
# How often a reading process may be killed from outside before its file is blamed.
_MOST_KILLS = 2
# Batches are made smaller by this factor where memory did not suffice.
_SHRINK = 256


def start_early() -> None:
    """Start a reading process now, so that it is ready when the first file is opened.

    For commands that have something else to import or ask for meanwhile.
    """
    pool = _pool()
    pool.give_back(pool.take())


def read_facts(source: ParquetSource, file: Any, size: int) -> ParquetFacts:
    """Read a file's footer in a reading process.

    Args:
        source: The file.
        file: It, open: seekable and binary.
        size: Its size in bytes.

    Returns:
        What the footer states.

    Raises:
        LakehouseError: As ``source.inspect`` says.
    """
    frames = {kind: payload for kind, _, payload in _read(source, file, size, {"do": "facts"}, batch_rows=1)}
    schema = pa.ipc.read_schema(frames[protocol.SCHEMA])
    stated = json.loads(frames[protocol.FACTS].to_pybytes())
    return ParquetFacts(size, stated["rows"], schema, row_groups_of(size, stated["row_groups"]))


def read_batches(
    source: ParquetSource, file: Any, size: int, row_groups: Sequence[int] | None, batch_rows: int
) -> Iterator[Batch]:
    """Read rows in file order in a reading process.

    Args:
        source: The file.
        file: It, open: seekable and binary.
        size: Its size in bytes.
        row_groups: The row groups wanted, rising; None for all.
        batch_rows: The most rows of a batch.

    Yields:
        The batches. Their memory is the frame that they came in.

    Raises:
        LakehouseError: As ``source.iter_batches`` says.
    """
    command = {"do": "batches", "row_groups": None if row_groups is None else list(row_groups)}
    for kind, first_row, payload in _read(source, file, size, command, batch_rows):
        if kind == protocol.BATCH:
            yield Batch(first_row, payload)


_Frame = tuple[bytes, int, Any]


def _read(source: ParquetSource, file: Any, size: int, command: dict[str, Any], batch_rows: int) -> Iterator[_Frame]:
    """Carry out a command, again where the file is not to blame: from the first row that was not given yet."""
    path = source.local_path
    command = command | {"name": source.name, "size": size, "path": None if path is None else str(path.absolute())}
    rows_given = kills = 0
    while True:
        stream = _BatchStream()
        reading = _Reading(source, file, command | {"batch_rows": batch_rows, "skipped_rows": rows_given})
        try:
            with closing(reading.frames()) as frames:
                for kind, number, payload in frames:
                    if kind == protocol.BATCH:
                        data = stream.batch(payload)
                        rows_given += data.num_rows
                        yield kind, number, data
                    else:
                        yield kind, number, payload
        except _OutOfMemoryError as error:
            batch_rows = min(batch_rows, error.rows)
            if batch_rows == 1:
                raise ReaderMemoryError(str(error)) from error
            batch_rows = max(1, batch_rows // _SHRINK)
        except _KilledError as error:
            kills += 1
            if kills == _MOST_KILLS:
                raise ReaderCrashedError(str(error)) from error
        else:
            return


class _BatchStream(io.RawIOBase):
    """Puts the frames of an Arrow stream in a row again. Batches keep the memory that their frames came in."""

    def __init__(self) -> None:
        super().__init__()
        self._frame: Any = None
        self._position = 0
        self._batches: Any = None

    def batch(self, frame: Any) -> pa.RecordBatch:
        """The batch that a frame holds."""
        self._frame, self._position = frame, 0
        if self._batches is None:
            self._batches = pa.ipc.open_stream(pa.PythonFile(self, mode="r"))
        return self._batches.read_next_batch()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> Any:
        piece = self._frame.slice(self._position, size)
        self._position += len(piece)
        return piece


class _KilledError(Exception):
    """Somebody ended the reading process; the message is for the case that it happens again."""


class _OutOfMemoryError(Exception):
    """A batch did not fit; the message is for the case that a single row does not fit either.

    Attributes:
        rows: The most rows that the batch had.
    """

    def __init__(self, message: str, rows: int) -> None:
        super().__init__(message)
        self.rows = rows


class _Reading:
    """One command, carried out by one reading process."""

    def __init__(self, source: ParquetSource, file: Any, command: dict[str, Any]) -> None:
        self._source = source
        self._file = file
        self._command = command
        self._place = "its footer"

    def frames(self) -> Generator[_Frame, None, None]:
        pool = _pool()
        child = pool.take()
        ranges = child.serve(self._file) if self._command["path"] is None else None
        is_done = False
        try:
            child.send(self._command)
            yield from self._answer(child, ranges)
            is_done = True
        except ChildError as error:
            if ranges is not None and ranges.failure is not None:
                raise ranges.failure from error
            raise self._judged(child, error) from error
        finally:
            if not is_done:
                child.kill()
            if ranges is not None:
                ranges.join()
            if is_done:
                pool.give_back(child)
            else:
                child.close()

    def _answer(self, child: ReadingChild, ranges: RangeServer | None) -> Iterator[_Frame]:
        while True:
            kind, number, payload = child.receive(ranges)
            if kind == protocol.DONE:
                return
            if kind == protocol.PLACE:
                self._place = payload.to_pybytes().decode()
            elif kind != protocol.READY:
                yield kind, number, payload

    def _judged(self, child: ReadingChild, error: ChildError) -> Exception:
        """Who is to blame for a reading process that came to no good end."""
        if isinstance(error, ChildEndedError):
            return self._judged_end(child, error)
        if isinstance(error, ChildSilentError):
            return ReaderCrashedError(
                f"{self._source.name}: reading {self._place}, the reader made no progress for {error.seconds:.0f} s "
                "and was stopped. Write the file again at its source."
            )
        assert isinstance(error, ChildToldError)  # noqa: S101 - there is no fourth kind
        if error.kind == protocol.OUT_OF_MEMORY:
            return self._out_of_memory(int(error.message))
        kind: type[LakehouseError] = getattr(errors, error.kind)
        return kind(error.message)

    def _judged_end(self, child: ReadingChild, error: ChildEndedError) -> Exception:
        said = " ".join(error.said.split())[-300:]
        if protocol.SAID_OUT_OF_MEMORY in said:
            return self._out_of_memory(self._command["batch_rows"])
        how = f"ended with status {error.status}"
        if error.status < 0:
            how = f"was ended by {signal.Signals(-error.status).name}"
        reader = f"reading {self._place}, the reader {how}" + (f" ({said})" if said else "")
        if error.status < 0 and -error.status not in _OF_THE_FILE:
            return _KilledError(
                f"{self._source.name}: {reader}, {_MOST_KILLS} times. The machine may be short of memory: give it "
                "more, or write the file again with smaller row groups."
            )
        if not child.is_ready:
            return ReaderStartError(
                f"{self._source.name}: {reader}, before it could start. Check that this Python can import pyarrow."
            )
        return ReaderCrashedError(
            f"{self._source.name}: {reader}: the file is broken in a way that it does not survive. "
            "Write the file again at its source."
        )

    def _out_of_memory(self, rows: int) -> _OutOfMemoryError:
        return _OutOfMemoryError(
            f"{self._source.name}: reading {self._place} takes more memory than the reader may use, even one row at a "
            "time. Write the file again with smaller pages and values, or give the machine more memory.",
            rows,
        )


# --- reading processes that wait ----------------------------------------------------------------------------------


class _Pool:
    """The reading processes of this process. Each is taken by one reading at a time."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[ReadingChild] = []
        atexit.register(self.close)

    def take(self) -> ReadingChild:
        """One that waits, or a new one."""
        while True:
            with self._lock:
                child = self._idle.pop() if self._idle else None
            if child is None:
                return _started()
            if child.is_alive:
                return child
            child.close()

    def give_back(self, child: ReadingChild) -> None:
        """Keep one for the next file, unless enough wait already."""
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append(child)
                return
        child.close()

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        if os.getpid() == self.owner:
            for child in idle:
                child.close()


def _started() -> ReadingChild:
    try:
        return ReadingChild()
    except OSError as error:
        raise ReaderStartError(f"The process that reads parquet files could not be started: {error}.") from error


_pools: list[_Pool] = []
_pools_lock = threading.Lock()


def _pool() -> _Pool:
    """This process's pool: a process that was forked has none of its parent's reading processes."""
    with _pools_lock:
        if not _pools or _pools[0].owner != os.getpid():
            _pools[:] = [_Pool()]
        return _pools[0]
