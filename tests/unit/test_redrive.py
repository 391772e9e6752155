"""The redrive function: what its event may wish, and that a wish that is not understood sends nothing back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from lakehouse.errors import PermanentError
from lakehouse.functions import redrive, surroundings
from lakehouse.ingestion.dead_letters import Choice

CONTEXT = SimpleNamespace(
    function_name="redrive",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:redrive",
    aws_request_id="1",
)


@pytest.mark.parametrize(
    ("event", "choice"),
    [
        ({}, Choice()),
        ({"older_than_seconds": 3600}, Choice(older_than=timedelta(hours=1))),
        ({"count": 3, "key": "yellow_*"}, Choice(count=3, key="yellow_*")),
        ({"older_than_seconds": None, "count": None, "key": None}, Choice()),
    ],
)
def test_an_event_says_which_go_back(event: dict[str, Any], choice: Choice) -> None:
    assert redrive.chosen(event) == choice


@pytest.mark.parametrize("event", [{"older_than": "2h"}, {"count": "3"}, {"count": -1}, {"key": 3}])
def test_a_wish_that_is_not_understood_sends_nothing_back(event: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="nothing at all sends every dead letter back"):
        redrive.chosen(event)


@pytest.fixture
def queues(aws_account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str, str]]:
    """SQS, the queue of landed files and its dead letters; the function finds them as it does on AWS."""
    sqs = boto3.client("sqs")
    dead = sqs.create_queue(QueueName="landed-dead-letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    landed = sqs.create_queue(QueueName="landed", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    monkeypatch.setattr(surroundings, "settings", lambda: SimpleNamespace(landed_queue_url=landed))
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    surroundings.sqs.cache_clear()
    yield sqs, landed, dead
    surroundings.sqs.cache_clear()


def test_the_function_sends_the_chosen_ones_back_and_counts_them(queues: tuple[Any, str, str]) -> None:
    sqs, landed, dead = queues
    for number in range(3):
        retry = {"bucket": "raw", "key": f"raw-data/trips/{number}.parquet", "version_id": None, "attempt": 1}
        sqs.send_message(QueueUrl=dead, MessageBody=json.dumps({"retry": retry}))
    assert redrive.handler({"key": "[01].parquet"}, CONTEXT) == {"redriven": 2}
    messages = sqs.receive_message(QueueUrl=landed, MaxNumberOfMessages=10)["Messages"]
    assert sorted(json.loads(one["Body"])["retry"]["key"][-9:-8] for one in messages) == ["0", "1"]
