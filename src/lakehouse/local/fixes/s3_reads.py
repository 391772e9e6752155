"""S3 reads: ranges by offset, big objects streamed, versions read like current objects."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import StreamingResponse
from ministack.services import s3

from lakehouse.local.fixes.s3_storage import FileBody, bodies_as_files
from lakehouse.local.registry import fixes

Headers = dict[str, str]
Answer = tuple[int, Headers, Any]

# Smaller bodies go out in one piece; a bigger one is read while it is sent.
_STREAMED_FROM_BYTES = 8 * 1024**2
_CHUNK_BYTES = 1024**2


@fixes(
    "s3",
    "GetObject",
    replaces="ministack.services.s3:_get_object",
    signature="(bucket_name, key, headers, query_params=None)",
    symptom="a range of a version is answered with the whole body, and big objects are held in memory while sent",
)
def get_object(original: Callable[..., Any]) -> Callable[..., Any]:
    """The emulator decides what to answer; the bytes stay on disk until they are sent."""

    def replacement(bucket_name: str, key: str, headers: Headers, query_params: dict[str, Any] | None = None) -> Answer:
        query = query_params or {}
        with bodies_as_files():
            status, answer, body = original(bucket_name, key, headers, query)
        if not isinstance(body, FileBody):
            return status, answer, body
        if status == 200 and s3._qp(query, "versionId"):
            s3._apply_response_overrides(answer, query)
            if headers.get("range"):
                status, answer, body = _range(bucket_name, key, headers["range"], answer, body)
        return _send(status, answer, body)

    return replacement


def _range(bucket: str, key: str, wanted: str, answer: Headers, body: FileBody) -> Answer:
    """The range of a version that the emulator found but answered whole."""
    size = len(body)
    found = s3._parse_range(wanted, size)
    if found is None:
        refusal = {"Content-Type": "application/xml", "Content-Range": f"bytes */{size}"}
        return 416, refusal, s3._xml_body(s3._range_error_xml(bucket, key))
    first, last = found
    # A checksum is of the whole object: clients would hold it against the range.
    ranged = {name: value for name, value in answer.items() if not name.lower().startswith("x-amz-checksum-")}
    ranged["Content-Length"] = str(last - first + 1)
    ranged["Content-Range"] = f"bytes {first}-{last}/{size}"
    return 206, ranged, body[first : last + 1]


def _send(status: int, answer: Headers, body: FileBody | bytes) -> Answer:
    if isinstance(body, bytes):
        return status, answer, body
    if len(body) < _STREAMED_FROM_BYTES:
        content = body.read(len(body))
        body.close()
        return status, answer, content
    return status, {**answer, "Content-Length": str(len(body))}, StreamingResponse(_stream(body))


def _stream(body: FileBody) -> Callable[..., Awaitable[None]]:
    async def runner(send: Callable[[dict[str, Any]], Awaitable[None]], _receive: Callable[[], Awaitable[Any]]) -> None:
        try:
            offset = 0
            while offset < len(body):
                chunk = await asyncio.to_thread(body.read, _CHUNK_BYTES, offset)
                if not chunk:
                    # The final frame stays unsent, so that the client sees a cut answer rather than a short object.
                    raise EOFError(f"{body.name} ends {len(body) - offset} byte(s) early")
                offset += len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            body.close()

    return runner
