"""The notify function: from changes of records and ends of executions to messages, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from lakehouse.errors import PoisonMessageError
from lakehouse.functions import notify, surroundings
from lakehouse.metadata.attribute_values import serialize
from lakehouse.settings import Settings

CONTEXT = SimpleNamespace(
    function_name="notify",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:notify",
    aws_request_id="1",
)
AT = "2026-01-02T03:04:05.000000Z"
FILE = {
    "file_id": "f" * 64,
    "bucket": "raw",
    "key": "raw-data/trips/a.parquet",
    "dataset": "trips",
    "status": "FAILED",
    "attempt": 1,
    "created_at": AT,
    "updated_at": AT,
    "error_type": "EmptyFileError",
    "reason": "It has no bytes.",
}
RUN = {
    "pipeline_name": "lakehouse-pipeline",
    "execution_date": "2026-01-02",
    "run_id": "run-1",
    "status": "SUCCEEDED",
    "start_time": AT,
    "files_planned": 2,
    "files_succeeded": 2,
}
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:lakehouse-prod-lakehouse-pipeline:one"


class World:
    """The topics, and a queue that is subscribed to all of them."""

    def __init__(self) -> None:
        self._sqs, self._number = boto3.client("sqs"), 0
        sns = boto3.client("sns")
        self._queue = self._sqs.create_queue(QueueName="inbox")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.topics = {name: sns.create_topic(Name=name)["TopicArn"] for name in ("info", "warning", "critical")}
        for topic in self.topics.values():
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def told(self) -> list[tuple[str, str]]:
        """Topic and subject of each message, once."""
        found = []
        for message in self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", []):
            body = json.loads(message["Body"])
            found.append((body["TopicArn"].rpartition(":")[2], body["Subject"]))
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return sorted(found)

    def change(self, table: str, item: dict[str, Any] | None) -> dict[str, Any]:
        """A record of a table's stream."""
        self._number += 1
        image = {} if item is None else {"NewImage": serialize(item)}
        return {
            "eventID": str(self._number),
            "eventName": "REMOVE" if item is None else "MODIFY",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}/stream/2026-01-01T00:00:00.000",
            "dynamodb": {"Keys": {}, "SequenceNumber": f"{self._number:021d}", **image},
        }


def deliver(*changes: dict[str, Any]) -> list[str]:
    answer: Any = notify.handler({"Records": list(changes)}, CONTEXT)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture
def world(
    monkeypatch: pytest.MonkeyPatch, files_table: str, pipeline_runs_table: str, notifications_table: str
) -> Iterator[World]:
    made = World()
    values = {f"LAKEHOUSE_{field.name.upper()}": "unused" for field in fields(Settings)}
    values |= {
        "LAKEHOUSE_FILES_TABLE": files_table,
        "LAKEHOUSE_PIPELINE_RUNS_TABLE": pipeline_runs_table,
        "LAKEHOUSE_NOTIFICATIONS_TABLE": notifications_table,
        **{f"LAKEHOUSE_{name.upper()}_TOPIC_ARN": arn for name, arn in made.topics.items()},
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_METRICS_NAMESPACE": "lakehouse-test",
        "POWERTOOLS_SERVICE_NAME": "notify",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    caches = [one for one in vars(surroundings).values() if hasattr(one, "cache_clear")]
    for cached in caches:
        cached.cache_clear()
    yield made
    for cached in caches:
        cached.cache_clear()


def test_a_failed_file_and_an_ended_run_are_told(world: World, files_table: str, pipeline_runs_table: str) -> None:
    assert deliver(world.change(files_table, FILE), world.change(pipeline_runs_table, RUN)) == []
    assert world.told() == [
        ("info", "[info] lakehouse-pipeline of 2026-01-02 succeeded: 2 of 2 files converted"),
        ("warning", "[warning] a.parquet of trips was not converted: EmptyFileError"),
    ]


def test_what_comes_twice_is_told_once(world: World, files_table: str) -> None:
    change = world.change(files_table, FILE)
    assert deliver(change, change) == []
    assert deliver(change, world.change(files_table, {**FILE, "updated_at": "2026-01-03T00:00:00.000000Z"})) == []
    assert len(world.told()) == 1


def test_each_attempt_is_told_even_when_the_record_has_changed_since(world: World, files_table: str) -> None:
    first, second = world.change(files_table, FILE), world.change(files_table, {**FILE, "attempt": 2})
    assert deliver(second) == []
    assert deliver(first) == []
    assert len(world.told()) == 2


@pytest.mark.parametrize("changed", [{"next_attempt": 2}, {"status": "RUNNING"}, {"status": "SUCCEEDED"}], ids=str)
def test_a_file_that_goes_on_or_succeeded_is_not_told(world: World, files_table: str, changed: dict[str, Any]) -> None:
    assert deliver(world.change(files_table, {**FILE, **changed})) == []
    assert world.told() == []


def test_a_run_that_goes_on_and_a_deleted_record_are_not_told(world: World, pipeline_runs_table: str) -> None:
    going = world.change(pipeline_runs_table, {**RUN, "status": "RUNNING"})
    assert deliver(going, world.change(pipeline_runs_table, None)) == []
    assert world.told() == []


def test_a_record_that_cannot_be_read_fails_alone(world: World, files_table: str) -> None:
    poison = world.change(files_table, {"file_id": "x", "status": "FAILED"})
    stranger = world.change("some-other-table", FILE)
    good = world.change(files_table, FILE)
    assert deliver(poison, good, stranger) == [
        poison["dynamodb"]["SequenceNumber"], stranger["dynamodb"]["SequenceNumber"]
    ]  # fmt: skip
    assert len(world.told()) == 1


def test_a_change_that_sns_refuses_comes_again(world: World, files_table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change = world.change(files_table, FILE)
    monkeypatch.setenv("LAKEHOUSE_WARNING_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:deleted")
    assert deliver(change) == [change["dynamodb"]["SequenceNumber"]]
    monkeypatch.setenv("LAKEHOUSE_WARNING_TOPIC_ARN", world.topics["warning"])
    surroundings.settings.cache_clear()
    surroundings.notifications.cache_clear()
    assert deliver(change) == []
    assert len(world.told()) == 1


def status_change(**detail: Any) -> dict[str, Any]:
    known = {
        "executionArn": EXECUTION,
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:lakehouse-prod-lakehouse-pipeline",
        "name": "one",
        "status": "TIMED_OUT",
        "input": "{}",
        "error": None,
        "cause": None,
    }
    return {
        "version": "0",
        "id": "1",
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {**known, **detail},
    }


def test_an_execution_that_timed_out_is_told_once_however_often_its_event_comes(world: World) -> None:
    answers: list[Any] = [notify.handler(status_change(), CONTEXT) for _ in range(2)]
    assert answers == [{"alert": f"execution/{EXECUTION}/TIMED_OUT"}] * 2
    assert world.told() == [("critical", "[critical] An execution of lakehouse-prod-lakehouse-pipeline timed out")]


@pytest.mark.parametrize("event", [{}, {"detail-type": "Object Created"}, status_change(status=None)])
def test_an_event_of_something_else_is_refused(world: World, event: dict[str, Any]) -> None:
    with pytest.raises(PoisonMessageError, match="event source mappings and its rule"):
        notify.handler(event, CONTEXT)


def test_what_is_sent_is_counted_by_severity(
    world: World, files_table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change = world.change(files_table, FILE)
    deliver(change)
    deliver(change)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    counted = [line for line in lines if "_aws" in line]
    assert [(line["AlertsSent"], line["severity"]) for line in counted] == [([1.0], "warning")]
    assert counted[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "lakehouse-test"
    assert set(counted[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0]) == {"service", "severity"}
