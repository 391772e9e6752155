"""The outermost layer of the endpoint: health, and requests as AWS's own front ends would see them."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from lakehouse.local.gate import Gate
from lakehouse.local.place import Place
from lakehouse.local.received_body import received_body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Front:
    """An ASGI application around the emulator's."""

    def __init__(
        self,
        app: Application,
        place: Place,
        *,
        on_ready: Callable[[], None],
        gate: Gate | None,
    ) -> None:
        """Wrap an application.

        Args:
            app: The emulator.
            place: What the health answer names.
            on_ready: Called once, when the emulator has loaded its state and can serve.
            gate: Refuses services that are not served; None for the bare emulator.
        """
        self._app = app
        self._place = place
        self._on_ready = on_ready
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._announcing(send))
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = received_body()
        if body is None:
            await self._request(scope, receive, send)
            return
        try:
            await self._request(with_length(scope, len(body)), receive, send)
        finally:
            body.discard()

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/_lakehouse/health":
            await self._health(send)
            return
        if self._gate is not None:
            scope = as_seen_by_aws(scope)
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            refused = self._gate.refuse_stranger(headers, parse_qs(scope.get("query_string", b"").decode("latin-1")))
            if refused is not None:
                await _answer(send, *refused)
                return
        await self._app(scope, receive, send)

    def _announcing(self, send: Send) -> Send:
        async def announcing(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._on_ready()
            await send(message)

        return announcing

    async def _health(self, send: Send) -> None:
        body = json.dumps({"home": str(self._place.home), "pid": os.getpid()}).encode()
        await _answer(send, 200, {"Content-Type": "application/json"}, body)


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    sent.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


def as_seen_by_aws(scope: Scope) -> Scope:
    """A request in the form that AWS's own front ends hand on.

    A client that uses the endpoint as its HTTP proxy sends absolute targets; and every request counts as having come
    over TLS, as on AWS, so that policies on ``aws:SecureTransport`` decide as they do there.

    Args:
        scope: The ASGI scope of a request.

    Returns:
        The scope with an origin-form path and ``x-forwarded-proto``.
    """
    seen = dict(scope)
    if scope["path"].startswith("http://"):
        seen["path"] = "/" + scope["path"].removeprefix("http://").partition("/")[2]
        seen["raw_path"] = b"/" + scope["raw_path"].split(b"://", 1)[-1].partition(b"/")[2]
    headers = scope["headers"]
    if not any(name == b"x-forwarded-proto" for name, _ in headers):
        seen["headers"] = [*headers, (b"x-forwarded-proto", b"https")]
    return seen


def with_length(scope: Scope, size: int) -> Scope:
    """A request as its client sent it, where the HTTP parser was told of no body.

    Args:
        scope: The ASGI scope of a request.
        size: Bytes of its body.

    Returns:
        The scope with the body's length.
    """
    length = str(size).encode()
    headers = [(name, length if name == b"content-length" else value) for name, value in scope["headers"]]
    return {**scope, "headers": headers}
