"""The notify function as it is deployed: from a record in a streamed table to a subscriber of a topic."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.metadata.file_record import NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.pipeline_runs import PipelineRuns, RunStatus
from lakehouse.package import FUNCTIONS_ZIP, build
from lakehouse.settings import Settings

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
NAME = "notify-function"
FILES, RUNS, NOTIFICATIONS = f"{NAME}-files", f"{NAME}-runs", f"{NAME}-notifications"
MANY = 40


class Deployed:
    """The function, its tables, topics and event sources; a queue hears of all topics."""

    def __init__(self, aws: Callable[..., Any], package: Path, role: str) -> None:
        self.dynamodb, self.sqs, self.states = aws("dynamodb"), aws("sqs"), aws("stepfunctions")
        self._functions, self._events, sns = aws("lambda"), aws("events"), aws("sns")
        self._inbox = self.sqs.create_queue(QueueName=NAME)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self._inbox, AttributeNames=["QueueArn"])["Attributes"]
        topics = {name: sns.create_topic(Name=f"{NAME}-{name}")["TopicArn"] for name in ("info", "warning", "critical")}
        for topic in topics.values():
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
        streams = [self._table(FILES, "file_id"), self._table(RUNS, "pipeline_name", "execution_date")]
        self._table(NOTIFICATIONS, "notification_id")
        values = {f"LAKEHOUSE_{field.name.upper()}": "unused" for field in fields(Settings)}
        values |= {
            "LAKEHOUSE_FILES_TABLE": FILES,
            "LAKEHOUSE_PIPELINE_RUNS_TABLE": RUNS,
            "LAKEHOUSE_NOTIFICATIONS_TABLE": NOTIFICATIONS,
            **{f"LAKEHOUSE_{name.upper()}_TOPIC_ARN": arn for name, arn in topics.items()},
            "POWERTOOLS_SERVICE_NAME": "notify",
            "POWERTOOLS_METRICS_NAMESPACE": NAME,
        }
        aws("s3").create_bucket(Bucket=NAME)
        aws("s3").upload_file(str(package / FUNCTIONS_ZIP), NAME, FUNCTIONS_ZIP)
        self._arn = self._functions.create_function(
            FunctionName=NAME,
            Role=role,
            Runtime="python3.11",
            Handler="lakehouse.functions.notify.handler",
            Code={"S3Bucket": NAME, "S3Key": FUNCTIONS_ZIP},
            MemorySize=512,
            Timeout=30,
            Environment={"Variables": values},
        )["FunctionArn"]
        # Twice: whatever the streams tell is delivered two times, at once.
        for stream in streams * 2:
            self._functions.create_event_source_mapping(
                EventSourceArn=stream,
                FunctionName=NAME,
                StartingPosition="TRIM_HORIZON",
                BatchSize=10,
                FunctionResponseTypes=["ReportBatchItemFailures"],
                MaximumRetryAttempts=100,
            )

    def _table(self, name: str, *key: str) -> str:
        kinds = zip(key, ("HASH", "RANGE"), strict=False)
        created = self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in key],
            KeySchema=[{"AttributeName": one, "KeyType": kind} for one, kind in kinds],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        return str(created["TableDescription"]["LatestStreamArn"])

    def watch(self, machine: str, *statuses: str) -> None:
        detail = {"status": statuses, "stateMachineArn": [machine]}
        self._events.put_rule(Name=NAME, EventPattern=json.dumps({"source": ["aws.states"], "detail": detail}))
        self._events.put_targets(Rule=NAME, Targets=[{"Id": "1", "Arn": self._arn}])

    def told(self, count: int, seconds: float = 60, quiet: float = 3) -> Sequence[dict[str, Any]]:
        """The messages of the topics: as many as are awaited, and what still comes afterwards."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = self.sqs.receive_message(QueueUrl=self._inbox, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self._inbox, ReceiptHandle=message["ReceiptHandle"])
            if len(found) >= count:
                deadline = min(deadline, time.monotonic() + quiet)
        return found


@pytest.fixture(scope="module")
def deployed(aws, function_role, tmp_path_factory) -> Deployed:
    package = tmp_path_factory.mktemp("package")
    build(ROOT, package)
    return Deployed(aws, package, function_role(aws("iam"), NAME))


def fail(deployed: Deployed, name: str, attempt: int = 1, next_attempt: int | None = None) -> None:
    records = FileRecords(deployed.dynamodb, FILES)
    identity = f"{name}-{'0' * 40}"
    if records.find(identity) is None:
        key = f"raw-data/trips/{name}.parquet"
        records.register(NewFile(identity, "raw", key, "trips", attempt=attempt))
    records.fail(
        identity,
        attempt=attempt,
        error_type="EmptyFileError",
        reason="It has no bytes.",
        next_attempt=next_attempt,
    )


def test_a_file_that_failed_reaches_a_subscriber_once_although_the_stream_tells_it_twice(deployed: Deployed):
    fail(deployed, "tried-again", next_attempt=2)
    fail(deployed, "empty")
    [message] = deployed.told(1)
    assert message["Subject"] == "[warning] empty.parquet of trips was not converted: EmptyFileError"
    assert message["TopicArn"].endswith("-warning")
    assert "Why: It has no bytes." in message["Message"]
    assert "Next: Replace the file at its source" in message["Message"]


def test_of_many_failures_each_is_told_once(deployed: Deployed):
    for number in range(MANY):
        fail(deployed, f"file{number}")
    subjects = [message["Subject"] for message in deployed.told(MANY)]
    assert sorted(subjects) == sorted(
        f"[warning] file{number}.parquet of trips was not converted: EmptyFileError" for number in range(MANY)
    )


def test_a_run_that_succeeded_is_told_for_information(deployed: Deployed):
    runs = PipelineRuns(deployed.dynamodb, RUNS, clock=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    runs.start("lakehouse-pipeline", "2026-01-02", run_id="one")
    ended = {"files_planned": 2, "files_succeeded": 2}
    runs.finish("lakehouse-pipeline", "2026-01-02", run_id="one", status=RunStatus.SUCCEEDED, **ended)
    [message] = deployed.told(1)
    assert message["Subject"] == "[info] lakehouse-pipeline of 2026-01-02 succeeded: 2 of 2 files converted"


def test_an_execution_that_timed_out_is_critical(deployed: Deployed):
    definition = {
        "StartAt": "Waits",
        "TimeoutSeconds": 1,
        "States": {"Waits": {"Type": "Wait", "Seconds": 60, "End": True}},
    }
    machine = deployed.states.create_state_machine(
        name=f"{NAME}-file-conversion",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::000000000000:role/states",
    )["stateMachineArn"]
    deployed.watch(machine, "ABORTED", "TIMED_OUT")
    deployed.states.start_execution(stateMachineArn=machine, input='{"key": "raw-data/trips/a.parquet"}')
    [message] = deployed.told(1)
    assert message["Subject"] == f"[critical] An execution of {NAME}-file-conversion timed out"
    assert "raw-data/trips/a.parquet" in message["Message"]
    assert "lakehouse reprocess FILE_ID" in message["Message"]
