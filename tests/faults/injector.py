"""Faults between this project and AWS, decided by a seed: the same seed, the same faults.

They are injected where botocore sends a request, so that its retries, its parsers and our translation of its errors are
those of a deployment.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from stage import Actor


class Fault(StrEnum):
    """What goes wrong with a request."""

    THROTTLED = "throttled"
    SERVER_ERROR = "server error"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out before it arrived"
    ANSWER_LOST = "done, but the answer is lost"
    CRASHED_BEFORE = "the process dies before it"
    CRASHED_AFTER = "the process dies after it"


class ProcessDiedError(SystemExit):
    """The process that sends a request dies: nothing catches it, as nothing catches a SIGKILL."""


@dataclass
class FaultPlan:
    """Decides about each request.

    Attributes:
        seed: What the decisions come from.
        rate: The share of requests that something goes wrong with.
        kinds: What may go wrong.
        operations: What it may go wrong with; None for everything.
        most: The most faults of all.
        happened: The faults so far, as ``actor: operation: fault``.
    """

    seed: int
    rate: float
    kinds: Sequence[Fault] = tuple(Fault)
    operations: Sequence[str] | None = None
    most: int = 200
    happened: list[str] = field(default_factory=list)
    _calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    def fault(self, actor: str, operation: str) -> Fault | None:
        """Decide about the next request.

        It depends on who asks what for how many times, not on which thread is faster.

        Args:
            actor: Who sends it.
            operation: What: ``dynamodb.UpdateItem``.

        Returns:
            The fault, None where it goes well.
        """
        if self.operations is not None and operation not in self.operations:
            return None
        self._calls[actor, operation] += 1
        draw = random.Random(f"{self.seed}/{actor}/{operation}/{self._calls[actor, operation]}")
        if draw.random() >= self.rate or len(self.happened) >= self.most:
            return None
        fault = draw.choice(self.kinds)
        self.happened.append(f"{actor}: {operation} {self._calls[actor, operation]}: {fault}")
        return fault


class _Body:
    """What urllib3 gives botocore to read an answer from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Sequence[bytes]:
        return [self._content]

    def read(self, *_: Any) -> bytes:
        content, self._content = self._content, b""
        return content


# Each service's own name for "not so fast": S3 says 503, the JSON protocols 400.
_THROTTLES = {
    "s3": (503, "SlowDown"),
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "sqs": (403, "RequestThrottled"),
    "sfn": (400, "ThrottlingException"),
}


_NO_ANSWERS: dict[Fault | None, Any] = {
    Fault.UNREACHABLE: EndpointConnectionError,
    Fault.TIMED_OUT: ReadTimeoutError,
    Fault.ANSWER_LOST: ConnectionClosedError,
}


def _refusal(url: str, service: str, fault: Fault) -> AWSResponse:
    error = (500, "InternalError" if service == "s3" else "InternalServerError")
    status, code = _THROTTLES[service] if fault is Fault.THROTTLED else error
    if service == "s3":
        body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        return AWSResponse(url, status, {"content-type": "application/xml"}, _Body(body))
    body = json.dumps({"__type": code, "message": "injected"}).encode()
    return AWSResponse(url, status, {"content-type": "application/x-amz-json-1.0"}, _Body(body))


def inject(client: Any, plan: Callable[[], FaultPlan | None], actor: Callable[[], Actor | None]) -> None:
    """Let faults happen to a client's requests.

    Args:
        client: A boto3 client.
        plan: The plan that holds now, None for no faults.
        actor: Who sends now; None where nobody does whose requests may fail. May pause, so that others go first.
    """
    service = client.meta.service_model.service_id.hyphenize()

    def before_send(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        who, current = actor(), plan()
        if who is None or current is None:
            return None
        operation = f"{service}.{event_name.rpartition('.')[2]}"
        if who.is_dead:
            raise ProcessDiedError(operation)
        fault = current.fault(who.name, operation)
        if fault in {Fault.ANSWER_LOST, Fault.CRASHED_AFTER}:
            client._endpoint.http_session.send(request)
        if fault in {Fault.CRASHED_BEFORE, Fault.CRASHED_AFTER}:
            who.is_dead = True
            raise ProcessDiedError(operation)
        if fault in _NO_ANSWERS:
            raise _NO_ANSWERS[fault](endpoint_url=request.url)
        return _refusal(request.url, service, fault) if fault else None

    client.meta.events.register(f"before-send.{service}", before_send)
