"""S3 uploads: big bodies go from the socket to disk, past the HTTP parser and past memory."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import h11
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, RawData
from hypercorn.protocol.h11 import H11Protocol
from ministack.core import iam_evaluator

from lakehouse.local.fixes.s3_etags import needs_md5
from lakehouse.local.fixes.s3_uploads import slot_of
from lakehouse.local.place import current
from lakehouse.local.received_body import BodyReceiver, Head, ReceivedBody, attached, received_body
from lakehouse.local.registry import fixes

Headers = dict[str, str]
Answer = tuple[int, Headers, Any]

_LOG = logging.getLogger(__name__)
_S3 = "ministack.services.s3"
# More than a stream reader ever holds: a read leaves nothing behind in it.
_READ_BYTES = 1024**2


@fixes(
    "s3",
    "UploadPart",
    replaces="hypercorn.asyncio.tcp_server:TCPServer._read_data",
    signature="(self)",
    symptom="an upload is copied five times and summed by the thread that serves every other request: 75 MB/s",
)
def read_data(_original: Callable[..., Any]) -> Callable[..., Any]:
    """The server's loop over a connection, which receives the bodies of big uploads by itself."""
    receiver = BodyReceiver(current().received)

    async def replacement(self: TCPServer) -> None:
        with suppress(ConnectionError):
            while not self.reader.at_eof():
                data = await self.reader.read(_READ_BYTES)
                found = Head.of_big_upload(data) if _is_between_requests(self) else None
                if found is None:
                    await self.protocol.handle(RawData(data))
                    continue
                head, start = found
                # From here on nothing comes into the reader, which is empty.
                cast("asyncio.Transport", self.writer.transport).pause_reading()
                await self.idle_task.stop()
                try:
                    body = await receiver.receive(head, start, self.writer, slot_of(head), needs_md5=needs_md5(head))
                except OSError as error:
                    if not isinstance(error, ConnectionError):
                        _LOG.exception("An upload of %d bytes could not be received", head.size)
                    break
                with attached(body):
                    await self.protocol.handle(RawData(head.announced))
        await self.protocol.handle(Closed())

    return replacement


def _is_between_requests(server: TCPServer) -> bool:
    """Whether the next byte is the first of a request."""
    protocol = server.protocol.protocol
    return (
        isinstance(protocol, H11Protocol)
        and isinstance(protocol.connection, h11.Connection)
        and protocol.connection.their_state in {h11.IDLE, h11.DONE}
        and not protocol.connection.trailing_data[0]
    )


@fixes(
    "s3",
    "UploadPart",
    replaces="ministack.app:_read_request_body",
    signature="(receive, method, headers)",
    symptom="a body is held in memory, up to three times",
)
def read_request_body(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The body that was received already."""

    async def replacement(receive: Callable[[], Awaitable[Any]], method: str, headers: Headers) -> Any:
        body = received_body()
        if body is None:
            return await original(receive, method, headers)
        iam_evaluator.pin_signed_body(body)
        return body

    return replacement


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_compute_s3_checksum",
    signature="(algorithm, body)",
    symptom="the checksum of a big body stalls every other request",
)
def compute_s3_checksum(original: Callable[..., str | None]) -> Callable[..., str | None]:
    """The checksum that was computed while the body came in."""

    def replacement(algorithm: str, body: Any) -> str | None:
        known = body.checksums.get(algorithm.upper()) if isinstance(body, ReceivedBody) else None
        return known or original(algorithm, body)

    return replacement


@fixes(
    "s3",
    "PutObject",
    replaces=f"{_S3}:_validate_content_md5",
    signature="(headers, body)",
    symptom="comparing a big body with its Content-MD5 stalls every other request",
)
def validate_content_md5(original: Callable[..., Answer | None]) -> Callable[..., Answer | None]:
    """Compared with the digest that was computed while the body came in."""

    def replacement(headers: Headers, body: Any) -> Answer | None:
        known = body.md5 if isinstance(body, ReceivedBody) else None
        if known is not None and headers.get("content-md5") == base64.b64encode(known).decode():
            return None
        return original(headers, body)

    return replacement
