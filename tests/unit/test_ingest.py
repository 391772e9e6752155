"""The ingest function: from a batch of messages to executions, once for each file, whatever comes twice or broken."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.functions import ingest, surroundings
from lakehouse.metadata.circuits import FAILURES
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import file_id
from lakehouse.settings import Settings

RAW = "lakehouse-test-raw"
CONTEXT = SimpleNamespace(
    function_name="ingest",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:ingest",
    aws_request_id="1",
)
DEFINITION = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


class World:
    """The deployed resources that the function works on."""

    def __init__(self) -> None:
        self.s3, self.sqs, self.states = (boto3.client(name) for name in ("s3", "sqs", "stepfunctions"))
        self.s3.create_bucket(Bucket=RAW)
        self.s3.put_bucket_versioning(Bucket=RAW, VersioningConfiguration={"Status": "Enabled"})
        self.queue = self.sqs.create_queue(QueueName="landed")["QueueUrl"]
        self.machine = self.states.create_state_machine(
            name="file-conversion", definition=DEFINITION, roleArn="arn:aws:iam::123456789012:role/states"
        )["stateMachineArn"]

    def land(self, name: str = "a.parquet", body: bytes | None = None) -> str:
        """Put an object into the raw layer; the message that S3 sends of it."""
        key = f"raw-data/trips/{name}"
        version = self.s3.put_object(Bucket=RAW, Key=key, Body=parquet() if body is None else body)["VersionId"]
        described = {"key": quote_plus(key, safe="/"), "versionId": version, "size": 1}
        record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": RAW}, "object": described}}
        return json.dumps({"Records": [record]})

    def started(self) -> list[dict[str, Any]]:
        """The inputs of the executions, by name."""
        listed = self.states.list_executions(stateMachineArn=self.machine)["executions"]
        described = [self.states.describe_execution(executionArn=one["executionArn"]) for one in listed]
        return [{"name": one["name"], **json.loads(one["input"])} for one in described]

    def received(self) -> list[dict[str, Any]]:
        """What the queue delivers now."""
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"])
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def deliver(self) -> list[str]:
        """Deliver a batch as Lambda does; the texts of the messages that stay."""
        found = self.received()
        records = [
            {
                "messageId": one["MessageId"],
                "body": one["Body"],
                "receiptHandle": one["ReceiptHandle"],
                "attributes": one["Attributes"],
                "eventSource": "aws:sqs",
            }
            for one in found
        ]
        answer = ingest.handler({"Records": records}, CONTEXT)
        stay = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for one in found:
            if one["MessageId"] not in stay:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
        return [one["Body"] for one in found if one["MessageId"] in stay]


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2, 3]}), file)
    return file.getvalue()


@pytest.fixture
def world(dynamodb: Any, files_table: str, circuits_table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()
    for name, value in {
        **{setting.name.upper(): "unused" for setting in fields(Settings)},
        "RAW_BUCKET": RAW,
        "FILES_TABLE": files_table,
        "CIRCUITS_TABLE": circuits_table,
        "FILE_CONVERSION_ARN": made.machine,
        "LANDED_QUEUE_URL": made.queue,
        "NOTIFICATIONS_TABLE": "lakehouse-test-notifications",
        "INFO_TOPIC_ARN": "unused",
        "WARNING_TOPIC_ARN": "unused",
        "CRITICAL_TOPIC_ARN": "unused",
    }.items():
        monkeypatch.setenv(f"LAKEHOUSE_{name}", value)
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    caches = [one for one in vars(surroundings).values() if hasattr(one, "cache_clear")] + [ingest.intake]
    for cached in caches:
        cached.cache_clear()
    yield made
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def records(dynamodb: Any, files_table: str) -> FileRecords:
    return FileRecords(dynamodb, files_table)


@pytest.fixture
def deliver(world: World) -> Callable[..., list[str]]:
    """Delivers messages as Lambda does: received, given to the function, deleted but for those that it names."""

    def delivered(*bodies: str) -> list[str]:
        for body in bodies:
            world.sqs.send_message(QueueUrl=world.queue, MessageBody=body)
        return world.deliver()

    return delivered


def test_a_file_that_landed_is_registered_and_its_conversion_started(
    world: World, deliver: Callable[..., list[str]], records: FileRecords
) -> None:
    message = world.land("a b+c.parquet")
    assert deliver(message) == []
    [started] = world.started()
    record = records.get(started["name"].removesuffix("-1"))
    assert (record.key, record.status, record.rows_total) == (
        "raw-data/trips/a b+c.parquet", FileStatus.REGISTERED, 3,
    )  # fmt: skip
    assert started == {
        "name": f"{record.file_id}-1",
        "bucket": RAW,
        "key": record.key,
        "version_id": record.version_id,
        "attempt": 1,
        "run_id": f"{record.file_id}-1",
    }


def test_events_that_come_twice_start_one_execution(world: World, deliver: Callable[..., list[str]]) -> None:
    message = world.land()
    assert deliver(message, message) == []
    assert deliver(message) == []
    assert len(world.started()) == 1


def test_each_version_of_an_object_is_a_file(world: World, deliver: Callable[..., list[str]]) -> None:
    first, second = world.land(), world.land()
    assert deliver(second, first) == []
    assert len(world.started()) == 2


def test_a_broken_file_is_recorded_with_its_reason_and_not_delivered_again(
    world: World, deliver: Callable[..., list[str]], records: FileRecords
) -> None:
    broken = world.land("broken.parquet", b"<html>404</html>" * 10)
    good = world.land("good.parquet")
    assert deliver(broken, good) == []
    assert len(world.started()) == 1
    version = json.loads(broken)["Records"][0]["s3"]["object"]["versionId"]
    record = records.get(file_id(RAW, "raw-data/trips/broken.parquet", version_id=version))
    assert (record.status, record.error_type) == (FileStatus.FAILED, "NotParquetError")
    # It comes once more: nothing changes.
    assert deliver(broken) == []
    assert records.get(record.file_id) == record


def test_a_file_that_vanished_is_recorded(
    world: World, deliver: Callable[..., list[str]], records: FileRecords
) -> None:
    message = world.land()
    version = json.loads(message)["Records"][0]["s3"]["object"]["versionId"]
    world.s3.delete_object(Bucket=RAW, Key="raw-data/trips/a.parquet", VersionId=version)
    assert deliver(message) == []
    record = records.get(file_id(RAW, "raw-data/trips/a.parquet", version_id=version))
    assert record.error_type == "FileVanishedError"


def test_a_poison_message_alone_is_delivered_again(world: World, deliver: Callable[..., list[str]]) -> None:
    assert deliver(world.land(), "poison", world.land("b.parquet")) == ["poison"]
    assert len(world.started()) == 2
    # Waiting does not make it any better.
    assert world.deliver() == ["poison"]


def test_while_the_circuit_is_open_files_wait_in_the_queue_and_none_is_started(
    world: World, deliver: Callable[..., list[str]], records: FileRecords
) -> None:
    for _ in range(FAILURES):
        surroundings.circuits().refused("lambda", "Rate exceeded")
    message = world.land()
    assert deliver(message) == []
    assert world.started() == []
    assert [record.status for record in records.iterate(key="raw-data/trips/a.parquet")] == [FileStatus.REGISTERED]
    queue = world.sqs.get_queue_attributes(QueueUrl=world.queue, AttributeNames=["All"])["Attributes"]
    assert queue["ApproximateNumberOfMessagesDelayed"] == "1"


def test_a_retry_starts_the_next_attempt_of_a_failed_file(
    world: World, deliver: Callable[..., list[str]], records: FileRecords
) -> None:
    message = world.land()
    deliver(message)
    [record] = records.iterate(key="raw-data/trips/a.parquet")
    records.fail(record.file_id, attempt=1, error_type="ThrottledError", reason="slow down")
    again = json.dumps({"retry": {"bucket": RAW, "key": record.key, "version_id": record.version_id, "attempt": 2}})
    assert deliver(again, again) == []
    assert sorted(one["name"] for one in world.started()) == [f"{record.file_id}-1", f"{record.file_id}-2"]


def test_a_service_that_does_not_answer_has_the_message_delivered_again(
    world: World, deliver: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = world.land()
    world.states.delete_state_machine(stateMachineArn=world.machine)
    # The jitter says when: at once, not when the queue would show it.
    monkeypatch.setattr("random.randint", lambda least, _: least)
    assert deliver(message) == [message]
    assert world.deliver() == [message]
