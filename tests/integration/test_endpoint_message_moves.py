"""Dead letters go back to their queues through SQS's own move tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

Queues = tuple[Any, str, str]


@pytest.fixture
def queues(aws: Callable[..., Any]) -> Queues:
    """SQS, a queue whose messages are dead after one receive, and its dead-letter queue."""
    sqs = aws("sqs")
    name = f"moves-{uuid4().hex[:8]}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": 1}
    attributes = {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "0"}
    return sqs, sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], dead


def arn_of(sqs: Any, url: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def waiting(sqs: Any, url: str) -> int:
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def die(sqs: Any, url: str, *bodies: str) -> None:
    """Send messages and receive each until it is a dead letter."""
    for body in bodies:
        sqs.send_message(QueueUrl=url, MessageBody=body)
    while sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        pass


def ended(sqs: Any, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while (task := sqs.list_message_move_tasks(SourceArn=arn)["Results"][0])["Status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found: dict[str, Any] = task
    return found


def test_dead_letters_come_back_as_new_messages(queues: Queues) -> None:
    sqs, url, dead = queues
    die(sqs, url, "a", "b")
    assert (waiting(sqs, url), waiting(sqs, dead)) == (0, 2)
    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead))
    task = ended(sqs, arn_of(sqs, dead))
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
    assert (waiting(sqs, url), waiting(sqs, dead)) == (2, 0)
    received = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"][0]
    assert received["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_destination_of_its_own_can_be_named(queues: Queues) -> None:
    sqs, url, dead = queues
    die(sqs, url, "a")
    other = sqs.create_queue(QueueName=f"other-{uuid4().hex[:8]}")["QueueUrl"]
    sqs.start_message_move_task(SourceArn=arn_of(sqs, dead), DestinationArn=arn_of(sqs, other))
    assert ended(sqs, arn_of(sqs, dead))["Status"] == "COMPLETED"
    assert waiting(sqs, other) == 1


def test_a_slow_move_can_be_cancelled_and_a_second_one_is_refused_meanwhile(queues: Queues) -> None:
    sqs, url, dead = queues
    die(sqs, url, *"abcdef")
    arn = arn_of(sqs, dead)
    handle = sqs.start_message_move_task(SourceArn=arn, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    with pytest.raises(ClientError, match="already a task running"):
        sqs.start_message_move_task(SourceArn=arn)
    sqs.cancel_message_move_task(TaskHandle=handle)
    deadline = time.monotonic() + 20
    while sqs.list_message_move_tasks(SourceArn=arn)["Results"][0]["Status"] != "CANCELLED":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert 0 < waiting(sqs, dead) < 6
    assert waiting(sqs, dead) + waiting(sqs, url) == 6


def test_a_queue_that_nobody_sends_dead_letters_to_is_refused(queues: Queues) -> None:
    sqs, url, _ = queues
    with pytest.raises(ClientError, match="configured as a Dead Letter Queue"):
        sqs.start_message_move_task(SourceArn=arn_of(sqs, url))
