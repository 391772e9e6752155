"""Bodies of big requests: they go from the socket to a file, and their checksums are computed on the way.

A body handed through the server's HTTP parser is copied five times and ends up in memory; this one is copied once, into
a buffer from which it is written and summed by threads while the next piece comes in.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import mmap
import os
import re
import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast

from awscrt import checksums

# Smaller bodies take the usual way: a file and a thread would cost more than they save.
SMALLEST_BYTES = 1024**2
# Big enough that handing it to a thread costs little, small enough that it is still in the processor's cache there.
_PIECE_BYTES = 512 * 1024
# What S3 computes where the client names no checksum.
DEFAULT_ALGORITHM = "CRC64NVME"

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*(?=\r\n)", re.IGNORECASE)
_CONTENT_MD5 = re.compile(rb"\r\ncontent-md5:", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)
# Chunked uploads frame and sign the body in pieces: what lies on the wire is not the object.
_FRAMED = re.compile(rb"\r\n(?:transfer-encoding:|x-amz-content-sha256:[ \t]*STREAMING-|.*aws-chunked)", re.IGNORECASE)
_SIGNED_FOR_S3 = re.compile(rb"(?:/|%2F)s3(?:/|%2F)aws4_request", re.IGNORECASE)
_UPLOAD_ID = re.compile(rb"^\S+ \S*[?&]uploadId=([\w-]+)")
_PART_NUMBER = re.compile(rb"^\S+ \S*[?&]partNumber=(\d+)")
_CHECKSUM = re.compile(
    rb"\r\n(?:x-amz-checksum-(crc\w+|sha\w+):|x-amz-sdk-checksum-algorithm:[ \t]*(\w+))", re.IGNORECASE
)


class _Digest(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic checksum in the form of ``hashlib``'s."""

    def __init__(self, compute: Callable[[memoryview, int], int], width: int) -> None:
        self._compute, self._width, self._value = compute, width, 0

    def update(self, data: memoryview, /) -> None:
        self._value = self._compute(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


_DIGESTS: dict[str, Callable[[], _Digest]] = {
    "CRC32": partial(_Crc, zlib.crc32, 4),
    "CRC32C": partial(_Crc, checksums.crc32c, 4),
    "CRC64NVME": partial(_Crc, checksums.crc64nvme, 8),
    "SHA1": partial(hashlib.sha1, usedforsecurity=False),
    "SHA256": hashlib.sha256,
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that waits for a body in a file of others.

    Attributes:
        path: The file.
        offset: Where the body begins; a multiple of the system's page size.
        release: Called where the body does not come, or is not kept.
    """

    path: Path
    offset: int
    release: Callable[[], None]


class ReceivedBody(mmap.mmap):
    """A body in a file, mapped: it can be read like bytes, and is read by nobody who only wants to keep it.

    Attributes:
        path: The file; whoever keeps the body links it to another name.
        slot: Its place in a file of others; None where the file is its own.
        is_kept: Set by whoever keeps the body in its slot.
        md5: MD5 of the body; None where nobody was going to ask for it.
        checksums: Base64 of its other checksums that were computed on the way, by S3's name of the algorithm.
    """

    path: Path
    slot: Slot | None
    is_kept: bool
    md5: bytes | None
    checksums: dict[str, str]

    @classmethod
    def of(cls, file: BinaryIO, size: int, slot: Slot | None, md5: bytes | None, found: dict[str, str]) -> Self:
        """The body in a file.

        Args:
            file: The file, the body written.
            size: Bytes of the body.
            slot: The body's place in the file; None where the file is its own.
            md5: MD5 of its bytes, where it was computed.
            found: Base64 of other checksums by S3's name of the algorithm.

        Returns:
            The body.
        """
        body = cls(file.fileno(), size, access=mmap.ACCESS_READ, offset=slot.offset if slot else 0)
        body.path, body.slot, body.is_kept, body.md5, body.checksums = Path(file.name), slot, False, md5, found
        return body

    def __deepcopy__(self, _memo: object) -> Self:
        """A copied record of an object keeps the same bytes."""
        return self

    def link(self, target: Path) -> None:
        """Keep the body under another name; it stays when this one is discarded.

        Args:
            target: The name, on the same file system, not taken.
        """
        target.hardlink_to(self.path)

    def discard(self) -> None:
        """Forget the body, unless it was kept in its slot or under another name."""
        # Idle connections remember the context of their last request, so this would not happen by itself soon.
        self.close()
        if self.slot is None:
            self.path.unlink(missing_ok=True)
        elif not self.is_kept:
            self.slot.release()


# The body of the request that is being served, where it was received here.
_current: ContextVar[ReceivedBody | None] = ContextVar("received_body", default=None)


def received_body() -> ReceivedBody | None:
    """The body of the request that is being served.

    Returns:
        The body; None where it came, or comes, through the HTTP parser.
    """
    return _current.get()


@contextmanager
def attached(body: ReceivedBody) -> Iterator[None]:
    """Within it, a request that starts to be served has this body.

    Args:
        body: The body.
    """
    token = _current.set(body)
    try:
        yield
    finally:
        _current.reset(token)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request whose body is received here.

    Attributes:
        size: Bytes of the body.
        algorithms: The checksums that S3 computes for it, by their S3 names.
        part: The upload and the number of the part that it is; None where it is no part.
        has_md5: Whether the client sent an MD5 to compare with.
        awaits_permission: Whether the client waits for ``100 Continue``.
        announced: The head as the HTTP parser gets it: with no body to come.
    """

    size: int
    algorithms: frozenset[str]
    part: tuple[str, int] | None
    has_md5: bool
    awaits_permission: bool
    announced: bytes

    @classmethod
    def of_big_upload(cls, data: bytes) -> tuple[Self, bytes] | None:
        """Recognise the start of a big upload to S3.

        Args:
            data: The first bytes of a request.

        Returns:
            The head and what came of the body with it; None for every other request.
        """
        head, end, start = data.partition(b"\r\n\r\n")
        declared = _CONTENT_LENGTH.search(head + b"\r\n")
        if not (head.startswith(b"PUT ") and end and declared and _SIGNED_FOR_S3.search(head)):
            return None
        size = int(declared[1])
        if size < SMALLEST_BYTES or size < len(start) or _FRAMED.search(head):
            return None
        named = {(each[1] or each[2]).decode().upper() for each in _CHECKSUM.finditer(head)} & _DIGESTS.keys()
        announced, awaits = _EXPECT.subn(b"", _CONTENT_LENGTH.sub(b"\r\nContent-Length: 0", head + b"\r\n"))
        upload, number = _UPLOAD_ID.search(head), _PART_NUMBER.search(head)
        part = (upload[1].decode(), int(number[1])) if upload and number else None
        algorithms, has_md5 = frozenset(named or {DEFAULT_ALGORITHM}), _CONTENT_MD5.search(head) is not None
        return cls(size, algorithms, part, has_md5, bool(awaits), announced + b"\r\n"), start


class BodyReceiver:
    """Receives bodies into a folder."""

    def __init__(self, folder: Path) -> None:
        """Prepare.

        Args:
            folder: Where bodies lie until they are kept or discarded.
        """
        self._folder = folder
        # Summing is all processor: more threads than processors would only delay other answers.
        self._threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="received-body")

    async def receive(
        self,
        head: Head,
        start: bytes,
        writer: asyncio.StreamWriter,
        slot: Slot | None = None,
        *,
        needs_md5: bool = True,
    ) -> ReceivedBody:
        """Receive a body; afterwards the connection is at the byte that follows it.

        The connection's reading is paused, and its stream reader holds nothing.

        Args:
            head: Its head.
            start: What was read of it together with the head.
            writer: The connection.
            slot: Where to write it; a file of its own where None.
            needs_md5: Whether to compute its MD5, which takes longer than all else together.

        Returns:
            The body.

        Raises:
            ConnectionError: The client went away.
            OSError: The disk is full.
        """
        transport = cast("asyncio.Transport", writer.transport)
        with _Pieces(transport, head.size, start) as pieces:
            if head.awaits_permission:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = slot.path if slot else self._folder / secrets.token_hex(8)
            try:
                with path.open("r+b" if slot else "w+b", buffering=0) as file:
                    begin = file.seek(slot.offset if slot else 0)
                    loop = asyncio.get_running_loop()
                    await loop.run_in_executor(self._threads, allocate, file, begin, head.size)
                    md5 = hashlib.md5(usedforsecurity=False) if needs_md5 else None
                    others = {name: _DIGESTS[name]() for name in head.algorithms}
                    await self._fill(file, [*([md5] if md5 else []), *others.values()], pieces)
                    found = {name: base64.b64encode(each.digest()).decode() for name, each in others.items()}
                    return ReceivedBody.of(file, head.size, slot, md5.digest() if md5 else None, found)
            except BaseException:
                if slot:
                    slot.release()
                else:
                    path.unlink(missing_ok=True)
                raise

    async def _fill(self, file: BinaryIO, digests: Iterable[_Digest], pieces: _Pieces) -> None:
        """Write and sum each piece while the next one comes in."""
        loop = asyncio.get_running_loop()
        keeping: asyncio.Future[None] | None = None
        try:
            async for piece in pieces:
                if keeping is not None:
                    await keeping
                keeping = loop.run_in_executor(self._threads, _keep, piece, file, digests)
        finally:
            if keeping is not None:
                await keeping


def allocate(file: BinaryIO, offset: int, size: int) -> None:
    """Reserve blocks for bytes that are about to be written, so that a full disk shows before they come.

    It also makes the rename that publishes the file quick: ext4 writes unallocated blocks out before it renames.

    Args:
        file: The file.
        offset: Where they begin.
        size: How many they are.

    Raises:
        OSError: The disk is full.
    """
    if hasattr(os, "posix_fallocate"):  # not on macOS
        os.posix_fallocate(file.fileno(), offset, size)


def _keep(piece: memoryview, file: BinaryIO, digests: Iterable[_Digest]) -> None:
    for digest in digests:
        digest.update(piece)
    while piece:
        piece = piece[file.write(piece) :]


class _Pieces(asyncio.BufferedProtocol):
    """Takes a connection's bytes until a body is complete, then gives the connection back.

    Two buffers take turns: a piece may be used until the next but one is asked for.
    """

    def __init__(self, transport: asyncio.Transport, size: int, start: bytes) -> None:
        self._transport = transport
        self._displaced = cast("asyncio.Protocol", transport.get_protocol())
        self._start = start
        self._remaining = size - len(start)
        self._room = memoryview(b"")
        self._full: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __enter__(self) -> Self:
        self._transport.set_protocol(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.set_protocol(self._displaced)
        self._transport.resume_reading()

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        if self._start:
            yield memoryview(self._start)
        for buffer in cycle([memoryview(bytearray(_PIECE_BYTES)) for _ in range(2)]):
            if not self._remaining:
                return
            piece = buffer[: self._remaining]
            self._remaining -= len(piece)
            self._room, self._full = piece, asyncio.get_running_loop().create_future()
            if self._transport.is_closing():
                self._fail()
            self._transport.resume_reading()
            await self._full
            yield piece

    def get_buffer(self, _size_hint: int) -> memoryview:
        return self._room

    def buffer_updated(self, size: int) -> None:
        self._room = self._room[size:]
        if not self._room:
            self._transport.pause_reading()
            self._full.set_result(None)

    def _fail(self) -> None:
        if not self._full.done():
            self._full.set_exception(ConnectionResetError("The client went away in the middle of a body"))

    def eof_received(self) -> bool | None:
        self._fail()
        return self._displaced.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail()
        self._displaced.connection_lost(error)

    def pause_writing(self) -> None:
        self._displaced.pause_writing()

    def resume_writing(self) -> None:
        self._displaced.resume_writing()
