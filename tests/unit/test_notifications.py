"""Each alert is sent once: whoever else sends it, and whatever dies in between."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lakehouse.alerting.alerts import Alert, Severity
from lakehouse.alerting.notifications import Notifications
from lakehouse.errors import AccessDeniedError, ServiceUnavailableError

ALERT = Alert("file/1/1", Severity.WARNING, "a.parquet failed", "s3://raw/a.parquet", "It is empty.", "Replace it.")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Inbox:
    """The topics, and a queue that is subscribed to all of them."""

    def __init__(self) -> None:
        self.sns, self._sqs = boto3.client("sns"), boto3.client("sqs")
        self._queue = self._sqs.create_queue(QueueName="inbox")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.topics = {severity: self.sns.create_topic(Name=severity.value)["TopicArn"] for severity in Severity}
        for topic in self.topics.values():
            self.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def received(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


class Crashing:
    """An SNS client whose process dies instead of publishing, or right after it."""

    def __init__(self, sns: Any, *, is_published: bool) -> None:
        self._sns, self._is_published = sns, is_published

    def publish(self, **arguments: Any) -> None:
        if self._is_published:
            self._sns.publish(**arguments)
        raise KeyboardInterrupt


class Refusing:
    """An SNS client that is refused."""

    def __init__(self, code: str) -> None:
        self._code = code

    def publish(self, **_arguments: Any) -> None:
        raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, "Publish")


@pytest.fixture
def inbox(aws_account: None) -> Inbox:
    return Inbox()


@pytest.fixture
def sender(dynamodb: Any, notifications_table: str, inbox: Inbox) -> Callable[..., Notifications]:
    def made(sns: Any = None, now: datetime = NOW) -> Notifications:
        return Notifications(dynamodb, notifications_table, sns or inbox.sns, inbox.topics, clock=lambda: now)

    return made


def test_an_alert_goes_to_the_topic_of_its_severity(sender: Callable[..., Notifications], inbox: Inbox) -> None:
    assert sender().send(ALERT)
    (message,) = inbox.received()
    assert message["TopicArn"] == inbox.topics[Severity.WARNING]
    assert message["Subject"] == ALERT.subject
    assert message["Message"] == ALERT.text
    assert message["MessageAttributes"]["severity"]["Value"] == "warning"


def test_an_alert_that_comes_again_is_not_sent_again(sender: Callable[..., Notifications], inbox: Inbox) -> None:
    assert sender().send(ALERT)
    assert not sender(now=NOW + timedelta(days=30)).send(ALERT)
    assert len(inbox.received()) == 1


def test_what_was_sent_is_forgotten_after_ninety_days(
    sender: Callable[..., Notifications], dynamodb: Any, notifications_table: str
) -> None:
    sender().send(ALERT)
    item = dynamodb.get_item(TableName=notifications_table, Key={"notification_id": {"S": ALERT.key}})["Item"]
    assert int(item["expires_at"]["N"]) == int((NOW + timedelta(days=90)).timestamp())
    assert item["status"]["S"] == "SENT"


def test_a_crash_between_claim_and_publishing_loses_nothing(sender: Callable[..., Notifications], inbox: Inbox) -> None:
    with pytest.raises(KeyboardInterrupt):
        sender(Crashing(inbox.sns, is_published=False)).send(ALERT)
    # The next one cannot know whether it was told: it must come again, not take it as told.
    with pytest.raises(ServiceUnavailableError, match="60 seconds"):
        sender(now=NOW + timedelta(seconds=30)).send(ALERT)
    assert inbox.received() == []
    assert sender(now=NOW + timedelta(seconds=61)).send(ALERT)
    assert len(inbox.received()) == 1


def test_a_crash_after_publishing_tells_a_second_time_and_no_third(
    sender: Callable[..., Notifications], inbox: Inbox
) -> None:
    with pytest.raises(KeyboardInterrupt):
        sender(Crashing(inbox.sns, is_published=True)).send(ALERT)
    assert sender(now=NOW + timedelta(seconds=61)).send(ALERT)
    assert not sender(now=NOW + timedelta(seconds=122)).send(ALERT)
    assert len(inbox.received()) == 2


@pytest.mark.parametrize(
    ("code", "kind"), [("InternalError", ServiceUnavailableError), ("AuthorizationError", AccessDeniedError)]
)
def test_an_alert_that_sns_refused_is_sent_at_the_next_try(
    sender: Callable[..., Notifications], inbox: Inbox, code: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=ALERT.key):
        sender(Refusing(code)).send(ALERT)
    assert sender(now=NOW + timedelta(seconds=1)).send(ALERT)
    assert len(inbox.received()) == 1


def test_of_two_who_send_at_once_one_sends(sender: Callable[..., Notifications], inbox: Inbox) -> None:
    class Meanwhile:
        """Somebody else comes while this one publishes."""

        def publish(self, **arguments: Any) -> None:
            with pytest.raises(ServiceUnavailableError):
                sender().send(ALERT)
            inbox.sns.publish(**arguments)

    assert sender(Meanwhile()).send(ALERT)
    assert len(inbox.received()) == 1
