"""DynamoDB streams reach functions: filtered, in order, partly failed, split, given up, and after a kill."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest
from endpoint_kill import kill

from lakehouse.local.endpoint import Endpoint

# Tells each delivery as the names in it; fails at what its name says.
SOURCE = """
import json, os
import boto3

def handler(event, context):
    names = [record["dynamodb"]["Keys"]["name"]["S"] for record in event["Records"]]
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(names))
    if "crash" in names:
        raise ValueError("crash")
    return {"batchItemFailures": [
        {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
        for record in event["Records"] if record["dynamodb"]["Keys"]["name"]["S"].startswith("bad")
    ]}
"""


def clients_of(endpoint: Endpoint) -> Callable[..., Any]:
    options = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return lambda service: boto3.client(service, endpoint_url=endpoint.url, **options)


class Streamed:
    """A table whose stream a function is mapped to, and a queue that tells what the function was given."""

    def __init__(
        self, aws: Callable[..., Any], zipped: Callable[..., bytes], function_role: Callable[..., str]
    ) -> None:
        self.dynamodb, self.functions, self.sqs = aws("dynamodb"), aws("lambda"), aws("sqs")
        self.name = f"streamed-{uuid4().hex[:8]}"
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.failures = self.sqs.create_queue(QueueName=f"{self.name}-failures")["QueueUrl"]
        created = self.dynamodb.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "name", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "name", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        self.stream = created["TableDescription"]["LatestStreamArn"]
        self.functions.create_function(
            FunctionName=self.name,
            Role=function_role(aws("iam"), self.name),
            Runtime="python3.11",
            Handler="app.handler",
            Timeout=30,
            Code={"ZipFile": zipped(app=SOURCE)},
            Environment={"Variables": {"QUEUE": self.queue}},
        )

    def map(self, **settings: Any) -> str:
        options = {"StartingPosition": "TRIM_HORIZON", "FunctionResponseTypes": ["ReportBatchItemFailures"], **settings}
        made = self.functions.create_event_source_mapping(EventSourceArn=self.stream, FunctionName=self.name, **options)
        return str(made["UUID"])

    def put(self, *names: str, status: str = "FAILED") -> None:
        for name in names:
            self.dynamodb.put_item(TableName=self.name, Item={"name": {"S": name}, "status": {"S": status}})

    def received(self, queue: str, until: Callable[[list[Any]], bool], seconds: float = 30) -> list[Any]:
        """What the queue got, when it is enough; whatever it is, when the time is over."""
        found: list[Any] = []
        deadline = time.monotonic() + seconds
        while not until(found) and time.monotonic() < deadline:
            answer = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return found

    def deliveries(self, until: Callable[[list[Any]], bool], seconds: float = 30) -> list[Any]:
        return self.received(self.queue, until, seconds)

    def failure_arn(self) -> str:
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.failures, AttributeNames=["QueueArn"])["Attributes"]
        return str(attributes["QueueArn"])


@pytest.fixture
def streamed(aws, zipped, function_role) -> Streamed:
    return Streamed(aws, zipped, function_role)


def has(name: str, times: int = 1) -> Callable[[list[Any]], bool]:
    return lambda found: sum(name in names for names in found) >= times


def test_a_function_is_given_what_its_filter_lets_through_in_order(streamed):
    streamed.put("a", "b")
    streamed.put("c", status="RUNNING")
    streamed.put("d")
    pattern = {"dynamodb": {"NewImage": {"status": {"S": ["FAILED"]}}}}
    streamed.map(FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    assert streamed.deliveries(has("d")) == [["a", "b", "d"]]


def test_a_mapping_of_the_latest_is_given_only_what_comes_after_it(streamed):
    streamed.put("before")
    streamed.map(StartingPosition="LATEST")
    streamed.put("after")
    assert streamed.deliveries(has("after")) == [["after"]]


def test_what_the_function_reports_comes_again_with_all_that_follows(streamed):
    streamed.put("a", "bad", "c")
    streamed.map()
    found = streamed.deliveries(has("bad", times=3))
    assert found[:3] == [["a", "bad", "c"], ["bad", "c"], ["bad", "c"]]


def test_a_record_that_always_fails_is_given_up_alone(streamed):
    streamed.put("a", "b", "crash", "d", "e")
    destination = {"OnFailure": {"Destination": streamed.failure_arn()}}
    streamed.map(BisectBatchOnFunctionError=True, MaximumRetryAttempts=1, DestinationConfig=destination)

    given_up = streamed.received(streamed.failures, bool)
    streamed.put("f")
    found = streamed.deliveries(has("f"))

    assert [(one["requestContext"]["condition"], one["DDBStreamBatchInfo"]["batchSize"]) for one in given_up] == [
        ("RetryAttemptsExhausted", 1)
    ]
    done = [names for names in found if "crash" not in names]
    assert sorted({name for names in done for name in names}) == ["a", "b", "d", "e", "f"]
    # Alone it was tried, and tried again once.
    assert found.count(["crash"]) == 2


def test_without_splitting_a_batch_is_given_up_whole_after_its_retries(streamed):
    streamed.put("a", "crash")
    destination = {"OnFailure": {"Destination": streamed.failure_arn()}}
    streamed.map(MaximumRetryAttempts=2, DestinationConfig=destination)
    given_up = streamed.received(streamed.failures, bool)
    assert given_up[0]["DDBStreamBatchInfo"]["batchSize"] == 2
    assert streamed.deliveries(has("never"), seconds=2) == [["a", "crash"]] * 3


def test_a_slow_function_holds_up_no_other(streamed, aws, zipped, function_role):
    other = Streamed(aws, zipped, function_role)
    streamed.functions.update_function_code(
        FunctionName=streamed.name,
        ZipFile=zipped(app="import time\ndef handler(event, context):\n    time.sleep(20)\n"),
    )
    streamed.put("slow")
    streamed.map()
    time.sleep(1)
    other.put("a")
    other.map()
    assert other.deliveries(has("a"), seconds=12) == [["a"]]


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_what_was_not_delivered_when_the_endpoint_ended_is_delivered_afterwards(
    own: Endpoint, zipped, function_role, ends: str
):
    streamed = Streamed(clients_of(own), zipped, function_role)
    mapping = streamed.map()
    streamed.put("before")
    assert streamed.deliveries(has("before")) == [["before"]]
    streamed.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    time.sleep(1.5)  # the checkpoint of the mapping
    streamed.put("a", "b")

    if ends == "stop":
        own.stop()
    else:
        kill(own)
    own.start()
    again = clients_of(own)
    streamed.sqs, streamed.dynamodb, streamed.functions = again("sqs"), again("dynamodb"), again("lambda")
    streamed.put("c")
    streamed.functions.update_event_source_mapping(UUID=mapping, Enabled=True)

    found = [name for names in streamed.deliveries(has("c")) for name in names]
    # At least once and in order; what was done with does not come again after an orderly stop.
    assert [name for number, name in enumerate(found) if name not in found[:number]][-3:] == ["a", "b", "c"]
    if ends == "stop":
        assert found == ["a", "b", "c"]


def test_the_bare_emulator_loses_what_a_function_reports(bare_emulator: Endpoint, zipped, function_role):
    streamed = Streamed(clients_of(bare_emulator), zipped, function_role)
    streamed.put("a", "bad")
    streamed.map()
    assert streamed.deliveries(has("bad", times=2), seconds=6) == [["a", "bad"]]
