"""A proxy in front of the endpoint that knows which request it carries, and stops the world at a chosen one."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, urlsplit

MOMENTS = ("before", "during", "unanswered", "after")
_PIECE_BYTES = 256 * 1024
_HEAD_BYTES = 64 * 1024
# An update of a file's record, told by the attribute that only this change sets.
_UPDATES = {b'"started_at"': "start", b'"rows_written"': "succeed", b'"error_type"': "fail"}
_RENAME = re.compile(rb"alter table \S+ rename to ", re.IGNORECASE)


@dataclass(frozen=True)
class Point:
    """Where the world stops.

    Attributes:
        kind: The request, such as ``UploadPart``.
        number: The how-manieth of its kind, from 1.
        moment: ``before`` the endpoint gets it; ``during`` its body; ``unanswered``, when the endpoint has answered but
            nobody heard it; ``after`` the answer was passed on.
    """

    kind: str
    number: int
    moment: str

    def __str__(self) -> str:
        return f"{self.moment} {self.kind} {self.number}"


class _StoppedError(Exception):
    """The world stopped: the connection is dropped."""


class RequestProxy:
    """Carries HTTP requests to the endpoint, one connection for one.

    Attributes:
        seen: How many requests of each kind came in since ``watch``.
        reached: Whether the point was reached.
    """

    def __init__(self, upstream_port: Callable[[], int]) -> None:
        self._upstream_port = upstream_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._point: Point | None = None
        self._stop_world: Callable[[], bool] = lambda: False
        self._connections: set[object] = set()
        self.seen: Counter[str] = Counter()
        self.reached = False
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._connection, "127.0.0.1", 0, limit=_HEAD_BYTES), self._loop
        ).result()
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def watch(self, point: Point | None, stop_world: Callable[[], bool]) -> None:
        """Count anew, and stop the world once when the point is reached; it says whether the connection is lost."""
        self._point, self._stop_world, self.reached = point, stop_world, False
        self.seen = Counter()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        self._connections.add(asyncio.current_task())  # the loop itself holds tasks weakly
        with suppress(OSError, EOFError, _StoppedError, asyncio.CancelledError):
            answers, upstream = await asyncio.open_connection("127.0.0.1", self._upstream_port(), limit=_HEAD_BYTES)
            while True:
                await self._request(_Side(reader, upstream), _Side(answers, writer))
        for side in (writer, upstream):
            if side is not None:
                side.transport.abort()
        self._connections.discard(asyncio.current_task())

    async def _request(self, there: _Side, back: _Side) -> None:
        head = await there.reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        size = _length(head)
        if _has(head, b"expect"):
            back.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = re.sub(rb"(?i)\r\nexpect:[^\r]*", b"", head)
        action = _header(head, b"x-amz-target")
        # The requests of DynamoDB are small, and their bodies say what they change.
        body = await there.reader.readexactly(size) if action else None
        kind = _kind(method.decode(), target.decode(), action.rpartition(".")[2], body)
        self.seen[kind] += 1
        point = self._point
        moment = point.moment if point and (point.kind, point.number) == (kind, self.seen[kind]) else None
        if moment == "before":
            self._stop()
        there.writer.write(head)
        if body is not None:
            there.writer.write(body)
        else:
            half = size // 2 if moment == "during" else 0
            await there.carry(half)
            if half:
                self._stop()
            await there.carry(size - half)
        await there.writer.drain()
        await self._answer(back, method, moment)

    async def _answer(self, back: _Side, method: bytes, moment: str | None) -> None:
        head = await back.reader.readuntil(b"\r\n\r\n")
        if moment == "unanswered":
            self._stop()
        back.writer.write(head)
        status = int(head.split(b" ", 2)[1])
        if method != b"HEAD" and status not in {204, 304}:
            await back.carry_body(head)
        await back.writer.drain()
        if moment == "after":
            self._stop()

    def _stop(self) -> None:
        """Stop the world, once: a request that is sent again finds it moving."""
        self._point = None
        self.reached = True
        if self._stop_world():
            raise _StoppedError


@dataclass
class _Side:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def carry(self, size: int) -> None:
        while size:
            piece = await self.reader.read(min(size, _PIECE_BYTES))
            if not piece:
                raise EOFError
            size -= len(piece)
            self.writer.write(piece)
            await self.writer.drain()

    async def carry_body(self, head: bytes) -> None:
        if not _has(head, b"transfer-encoding"):
            await self.carry(_length(head))
            return
        while True:
            line = await self.reader.readline()
            self.writer.write(line)
            size = int(line.split(b";")[0], 16)
            await self.carry(size + 2)
            if not size:
                return


def _header(head: bytes, name: bytes) -> str:
    found = re.search(rb"(?i)\r\n" + name + rb":[ \t]*([^\r]*)", head)
    return found[1].decode().strip() if found else ""


def _has(head: bytes, name: bytes) -> bool:
    return bool(_header(head, name))


def _length(head: bytes) -> int:
    return int(_header(head, b"content-length") or 0)


def _kind(method: str, target: str, action: str, body: bytes | None) -> str:
    if action:
        change = next((name for mark, name in _UPDATES.items() if mark in (body or b"")), "progress")
        if action == "StartQueryExecution" and _RENAME.search(body or b""):
            return f"{action} rename"
        return f"UpdateItem {change}" if action == "UpdateItem" else action
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    has_key = "/" in parts.path.strip("/")
    if "uploadId" in query:
        return {
            "PUT": "UploadPart",
            "POST": "CompleteMultipartUpload",
            "DELETE": "AbortMultipartUpload",
            "GET": "ListParts",
        }[method]
    if "uploads" in query:
        return "CreateMultipartUpload" if method == "POST" else "ListMultipartUploads"
    return f"{method.title()}Object" if has_key else "ListObjects"
