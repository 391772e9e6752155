"""Alarms fire and recover: on what the queues hold, and on metrics that somebody publishes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest
import urllib3
from botocore.parsers import create_parser
from botocore.session import get_session

from lakehouse.local.endpoint import Endpoint

GREATER = "GreaterThanThreshold"


class Alarmed:
    """A queue with an alarm, whose topic tells another queue."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.sqs, self.cloudwatch, sns = aws("sqs"), aws("cloudwatch"), aws("sns")
        self.name = f"alarmed-{uuid4().hex[:8]}"
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.inbox = self.sqs.create_queue(QueueName=f"{self.name}-inbox")["QueueUrl"]
        self.topic = sns.create_topic(Name=self.name)["TopicArn"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})

    def watch(self, metric: str, **settings: Any) -> None:
        options = {
            "Namespace": "AWS/SQS",
            "Dimensions": [{"Name": "QueueName", "Value": self.name}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": GREATER,
            "Threshold": 0,
            "TreatMissingData": "notBreaching",
            "AlarmActions": [self.topic],
            "OKActions": [self.topic],
            **settings,
        }
        self.cloudwatch.put_metric_alarm(AlarmName=self.name, MetricName=metric, **options)

    def told(self, seconds: float = 20) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.sqs.receive_message(QueueUrl=self.inbox, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.inbox, ReceiptHandle=message["ReceiptHandle"])
                found: dict[str, Any] = json.loads(message["Body"])
                return found
        return {}

    def told_of(self, state: str, seconds: float = 20) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.told(seconds=2)
            if found.get("NewStateValue") == state:
                return found
        return {}

    def state(self) -> str:
        return str(self.cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"][0]["StateValue"])


@pytest.fixture
def alarmed(aws) -> Alarmed:
    return Alarmed(aws)


def test_an_alarm_on_a_dead_letter_queue_fires_and_recovers(alarmed: Alarmed):
    alarmed.watch("ApproximateNumberOfMessagesVisible")
    dead = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn_of(alarmed, alarmed.queue), "maxReceiveCount": 1})}
    source = alarmed.sqs.create_queue(
        QueueName=f"{alarmed.name}-source", Attributes={**dead, "VisibilityTimeout": "0"}
    )["QueueUrl"]
    alarmed.sqs.send_message(QueueUrl=source, MessageBody="poison")
    while alarmed.sqs.receive_message(QueueUrl=source).get("Messages"):
        pass

    fired = alarmed.told_of("ALARM")
    assert fired["AlarmName"] == alarmed.name
    assert fired["Trigger"]["MetricName"] == "ApproximateNumberOfMessagesVisible"

    letter = alarmed.sqs.receive_message(QueueUrl=alarmed.queue)["Messages"][0]
    alarmed.sqs.delete_message(QueueUrl=alarmed.queue, ReceiptHandle=letter["ReceiptHandle"])
    assert alarmed.told_of("OK")["OldStateValue"] == "ALARM"


def arn_of(alarmed: Alarmed, url: str) -> str:
    attributes = alarmed.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return str(attributes["QueueArn"])


def test_an_alarm_on_the_age_of_the_oldest_message_fires(alarmed: Alarmed):
    alarmed.watch("ApproximateAgeOfOldestMessage", Threshold=1)
    alarmed.sqs.send_message(QueueUrl=alarmed.queue, MessageBody="waits")
    time.sleep(3)
    alarmed.sqs.send_message(QueueUrl=alarmed.queue, MessageBody="comes")  # a number changes: all are told
    assert "greater than the threshold (1.0)" in alarmed.told_of("ALARM", seconds=75)["NewStateReason"]


def test_a_queue_that_nobody_uses_publishes_nothing(alarmed: Alarmed):
    time.sleep(3)
    listed = alarmed.cloudwatch.list_metrics(
        Namespace="AWS/SQS", Dimensions=[{"Name": "QueueName", "Value": alarmed.name}]
    )["Metrics"]
    assert listed == []


def test_an_alarm_looks_at_its_own_dimensions_only(alarmed: Alarmed, aws):
    other = Alarmed(aws)
    alarmed.watch("ApproximateNumberOfMessagesVisible")
    other.watch("ApproximateNumberOfMessagesVisible")
    other.sqs.send_message(QueueUrl=other.queue, MessageBody="x")
    assert other.told_of("ALARM")
    assert alarmed.state() == "OK"


def put(alarmed: Alarmed, *values: float, ago: float = 0) -> None:
    alarmed.cloudwatch.put_metric_data(
        Namespace=alarmed.name,
        MetricData=[{"MetricName": "errors", "Value": value, "Timestamp": time.time() - ago} for value in values],
    )


def test_m_of_n_periods_must_breach(alarmed: Alarmed):
    own = {"Namespace": alarmed.name, "Dimensions": [], "Statistic": "Sum"}
    alarmed.watch("errors", EvaluationPeriods=3, DatapointsToAlarm=2, **own)
    put(alarmed, 1)
    assert alarmed.state() == "OK"
    put(alarmed, 1, ago=60)
    assert alarmed.state() == "ALARM"


@pytest.mark.parametrize(
    ("treatment", "state"),
    [("missing", "INSUFFICIENT_DATA"), ("notBreaching", "OK"), ("breaching", "ALARM"), ("ignore", "INSUFFICIENT_DATA")],
)
def test_missing_data_is_treated_as_the_alarm_says(alarmed: Alarmed, treatment: str, state: str):
    alarmed.watch("errors", Namespace=alarmed.name, Dimensions=[], TreatMissingData=treatment)
    assert alarmed.state() == state


def test_an_alarm_is_described_whole_to_clients_of_the_query_protocol(alarmed: Alarmed, endpoint: Endpoint):
    alarmed.watch("ApproximateNumberOfMessagesVisible", AlarmDescription="What & why")
    described = described_by_query(endpoint, alarmed.name)
    assert described["Period"] == 60
    assert described["Statistic"] == "Maximum"
    assert described["AlarmActions"] == [alarmed.topic]
    assert described["Dimensions"] == [{"Name": "QueueName", "Value": alarmed.name}]
    assert described["AlarmDescription"] == "What & why"
    assert described["TreatMissingData"] == "notBreaching"
    assert described["ActionsEnabled"] is True


def described_by_query(endpoint: Endpoint, name: str) -> dict[str, Any]:
    """DescribeAlarms as Terraform's provider calls it: its answer is XML."""
    scope = "test/20260101/us-east-1/monitoring/aws4_request"
    answer = urllib3.request(
        "POST",
        endpoint.url,
        body=f"Action=DescribeAlarms&Version=2010-08-01&AlarmNames.member.1={name}",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        },
    )
    shape = get_session().get_service_model("cloudwatch").operation_model("DescribeAlarms").output_shape
    parsed = create_parser("query").parse({"body": answer.data, "headers": {}, "status_code": answer.status}, shape)
    found: dict[str, Any] = parsed["MetricAlarms"][0]
    return found


def test_the_bare_emulator_has_no_metrics_of_queues(bare_emulator: Endpoint):
    options = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    sqs, cloudwatch = (boto3.client(name, endpoint_url=bare_emulator.url, **options) for name in ("sqs", "cloudwatch"))
    sqs.send_message(QueueUrl=sqs.create_queue(QueueName="bare")["QueueUrl"], MessageBody="x")
    time.sleep(3)
    assert cloudwatch.list_metrics(Namespace="AWS/SQS")["Metrics"] == []
