"""The gate before the emulator's services: what nothing executes is refused by name, for every caller.

It stands in the emulator's table of handlers, so that calls from inside (a state machine's tasks, an event's target)
pass it like those that come over HTTP.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from lakehouse.local.registry import Declaration, Kind
from lakehouse.local.services import SERVED, SIGNING_NAMES

Headers = Mapping[str, str]
Query = Mapping[str, Any]
Answer = tuple[int, dict[str, str], Any]
Handler = Callable[[str, str, Headers, bytes, Query], Awaitable[Answer]]

REFUSED_CODE = "NotExecutedLocally"

# S3 says which operation it is by a query parameter; only those that are refused matter here.
_S3_OPERATIONS = {
    ("POST", "restore"): "RestoreObject",
    ("POST", "select"): "SelectObjectContent",
    ("PUT", "inventory"): "PutBucketInventoryConfiguration",
}
_OF_ITEMS = frozenset(
    (
        *("BatchExecuteStatement", "ExecuteStatement", "ExecuteTransaction", "TransactGetItems", "TransactWriteItems"),
        *("BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem"),
        *("Query", "Scan", "SearchVectors"),
    )
)
_CREDENTIAL = re.compile(r"Credential=[^/\s]+/[^/]+/[^/]+/([^/]+)/")


class Gate:
    """Decides which calls pass."""

    def __init__(
        self, declarations: Iterable[Declaration], note_change: Callable[[], None], save: Callable[[str], object]
    ) -> None:
        """Take the refusals.

        Args:
            declarations: Everything that was declared.
            note_change: Called after every call that passed and may have changed state.
            save: Saves a service's state at once, in a thread, before a call of it is answered.
        """
        self._save = save
        self._refused = {
            (each.service, each.operation): each.note for each in declarations if each.kind is Kind.REFUSED
        }
        self._note_change = note_change

    def guard(self, handlers: dict[str, Handler]) -> None:
        """Stand before every handler of the emulator.

        Args:
            handlers: The emulator's handlers by service; changed in place.
        """
        for service, handler in list(handlers.items()):
            handlers[service] = self._guarded(service, handler)

    def _guarded(self, service: str, handler: Handler) -> Handler:
        async def guarded(method: str, path: str, headers: Headers, body: bytes, query: Query) -> Answer:
            operation = operation_of(service, method, path, headers, body, query)
            if service not in SERVED:
                return refusal(service, operation, _not_served(), headers)
            instead = self._refused.get((service, operation))
            if instead is not None:
                return refusal(service, operation, instead, headers)
            try:
                answer = await handler(method, path, headers, body, query)
                if _is_container_change(service, operation, method, path) and answer[0] < 300:
                    # Objects and items are on disk when they are answered: so must be their buckets and tables.
                    await asyncio.to_thread(self._save, service)
                return answer
            finally:
                if method not in {"GET", "HEAD"}:
                    self._note_change()

        return guarded

    def refuse_stranger(self, headers: Headers, query: Query) -> Answer | None:
        """Refuse a request that is signed for a service that is not served.

        The emulator would route some of them by their path, and take them for S3 requests.

        Args:
            headers: The request's headers, in lower case.
            query: Its query parameters.

        Returns:
            The answer, None where the request may pass.
        """
        signed = _CREDENTIAL.search(headers.get("authorization", ""))
        scope = first(query, "X-Amz-Credential").split("/")
        service = signed[1] if signed else scope[3] if len(scope) == 5 else ""
        if not service or service in SIGNING_NAMES:
            return None
        target = headers.get("x-amz-target", "").rpartition(".")[2]
        return refusal(service, target or "request", _not_served(), headers)


def _not_served() -> str:
    return f"The laptop serves {', '.join(sorted(SERVED))}: use one of these, or run it on AWS."


def _is_container_change(service: str, operation: str, method: str, path: str) -> bool:
    """Whether a request may change a bucket or a table, not only what lies in it."""
    if service == "s3":
        return method in {"PUT", "DELETE"} and "/" not in path.strip("/")
    return service == "dynamodb" and operation not in _OF_ITEMS and not operation.startswith(("Describe", "List"))


def operation_of(service: str, method: str, path: str, headers: Headers, body: bytes, query: Query) -> str:
    """The name of the operation that a request calls.

    Args:
        service: The service it was routed to.
        method: HTTP method.
        path: Path.
        headers: Headers, in lower case.
        body: Body.
        query: Query parameters.

    Returns:
        The operation (``StartQueryExecution``), or the method and path where the protocol does not name it.
    """
    target = headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    if service == "s3":
        named = (_S3_OPERATIONS.get((method, key)) for key in query)
        return next((operation for operation in named if operation), f"{method} {path}")
    rpc = re.fullmatch(r"/service/[^/]+/operation/(\w+)", path)
    if rpc:
        return rpc[1]
    action = first(query, "Action")
    if not action and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        action = first(parse_qs(body.decode(errors="replace")), "Action")
    return action or f"{method} {path}"


def first(query: Query, name: str) -> str:
    """The first value of a query parameter.

    Args:
        query: Parameters, each a value or a list of values.
        name: The parameter.

    Returns:
        The value, empty where there is none.
    """
    value = query.get(name, "")
    return str(value[0] if isinstance(value, list) and value else value or "")


def refusal(service: str, operation: str, instead: str, headers: Headers) -> Answer:
    """A client error in the form that the caller's protocol expects; clients do not retry it.

    Args:
        service: The service called.
        operation: The operation called.
        instead: What to do instead.
        headers: The request's headers: they tell the protocol.

    Returns:
        Status, headers and body.
    """
    message = f"{service} {operation} is not executed on the laptop, so it is refused. {instead}"
    content_type = headers.get("content-type", "")
    is_json = "x-amz-target" in headers or "json" in content_type
    if is_json or not (service == "s3" or content_type.startswith("application/x-www-form-urlencoded")):
        body = json.dumps({"__type": REFUSED_CODE, "message": message, "Message": message}).encode()
        return 400, {"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": REFUSED_CODE}, body
    error = f"<Code>{REFUSED_CODE}</Code><Message>{escape(message)}</Message>"
    request_id = f"<RequestId>{uuid.uuid4()}</RequestId>"
    if service == "s3":
        text = f"<Error>{error}{request_id}</Error>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error>{request_id}</ErrorResponse>"
    return 400, {"Content-Type": "text/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
