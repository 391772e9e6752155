"""A file's story is gathered from all that keeps a part of it, in the order of time, whatever part is missing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from file_table import create_file_table

from lakehouse.explain.entry import Entry
from lakehouse.explain.story import Sources, Story, tell
from lakehouse.ingestion.dead_letters import DeadLetters
from lakehouse.ingestion.messages import LandedFile
from lakehouse.metadata.attribute_values import utc_now
from lakehouse.metadata.file_record import FileRecord, NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import execution_name, file_id

ROLE = "arn:aws:iam::000000000000:role/any"
REASON = (
    "s3://raw/a.parquet: page 3 of column fare cannot be read, since its checksum is another one than the footer's. "
    * 2
)
FAILING = {
    "StartAt": "Convert",
    "States": {
        "Convert": {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:getItem",
            "Parameters": {"TableName": "no-such-table", "Key": {"id": {"S": "1"}}},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
            "End": True,
        },
        "Failed": {"Type": "Fail", "Error": "CorruptFileError", "Cause": REASON},
    },
}
RESULT = {"rows_total": 3, "rows_read": 3, "rows_written": 2, "rows_quarantined": 1}


class World:
    """The resources of a deployment that tell of files."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        name = f"explain-{uuid4().hex[:8]}"
        self.s3, self.states, self.logs, self.sqs = aws("s3"), aws("stepfunctions"), aws("logs"), aws("sqs")
        self.raw, self.processed = f"{name}-raw", f"{name}-processed"
        for bucket in (self.raw, self.processed):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        create_file_table(aws("dynamodb"), name)
        self.records = FileRecords(aws("dynamodb"), name)
        made = self.states.create_state_machine(name=name, definition=json.dumps(FAILING), roleArn=ROLE)
        self.group = f"/aws/lambda/{name}-convert-file"
        self.logs.create_log_group(logGroupName=self.group)
        self.logs.create_log_stream(logGroupName=self.group, logStreamName="one")
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.sources = Sources(
            records=self.records,
            letters=DeadLetters(self.sqs, self.queue, self.queue),
            s3=self.s3,
            states=self.states,
            glue=aws("glue"),
            logs=self.logs,
            state_machine_arn=made["stateMachineArn"],
            job_name=f"{name}-job",
            functions=(f"{name}-convert-file", f"{name}-never-called"),
            name_prefix=name,
            processed_bucket=self.processed,
        )

    def land(self, name: str = "a") -> FileRecord:
        key = f"raw-data/trips/{name}.parquet"
        version = self.s3.put_object(Bucket=self.raw, Key=key, Body=b"x")["VersionId"]
        identity = file_id(self.raw, key, version_id=version)
        return self.records.register(NewFile(identity, self.raw, key, "trips", version_id=version, size_bytes=1))

    def execute(self, record: FileRecord, attempt: int = 1) -> str:
        """Run an attempt's execution to its failure."""
        arn: str = self.states.start_execution(
            stateMachineArn=self.sources.state_machine_arn, name=execution_name(record.file_id, attempt)
        )["executionArn"]
        deadline = time.monotonic() + 20
        while self.states.describe_execution(executionArn=arn)["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return arn

    def log(self, *lines: dict[str, Any] | str) -> None:
        now = int(time.time() * 1000)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        events = [{"timestamp": now, "message": text} for text in texts]
        self.logs.put_log_events(logGroupName=self.group, logStreamName="one", logEvents=events)

    def tell(self, record: FileRecord, **changes: Any) -> Story:
        return tell(replace(self.sources, **changes), self.records.get(record.file_id))

    def failed(self, name: str = "a") -> FileRecord:
        """A file whose only attempt failed in its execution."""
        record = self.land(name)
        arn = self.execute(record)
        self.records.start(record.file_id, attempt=1, engine="spark", execution_arn=arn, job_run_id="jr_0123")
        return self.records.fail(record.file_id, attempt=1, error_type="CorruptFileError", reason=REASON)


@pytest.fixture
def world(aws: Callable[..., Any]) -> World:
    return World(aws)


def of(story: Story, source: str) -> list[Entry]:
    return [entry for entry in story.entries if entry.source == source]


def test_the_story_goes_from_the_landing_to_the_failure_in_the_order_of_time(world: World) -> None:
    story = world.tell(world.failed())
    times = [entry.time for entry in story.entries if entry.time is not None]
    assert times == sorted(times)
    assert story.entries[0].text.startswith("landed as s3://")
    assert [entry.text.partition(":")[0] for entry in of(story, "record")][-1] == "attempt 1 ended"
    assert REASON in of(story, "record")[-1].text


def test_an_execution_tells_the_state_that_failed_and_a_repeated_reason_once(world: World) -> None:
    story = world.tell(world.failed())
    started, failed, ended = of(story, "execution")
    assert started.text.startswith("attempt 1 started: ")
    assert failed.text.startswith("attempt 1, state Convert: ")
    assert failed.is_bad
    assert ended.text == "attempt 1 ended as FAILED with CorruptFileError"
    assert sum(REASON[:100] in entry.text for entry in story.entries) == 1


def test_a_job_run_that_is_not_kept_any_more_is_said_to_be_so(world: World) -> None:
    (entry,) = of(world.tell(world.failed()), "job run")
    assert entry.text.startswith("jr_0123 of ")
    assert entry.text.endswith("is not kept any more")


def test_each_attempt_is_told_and_one_without_an_execution_too(world: World) -> None:
    record = world.failed()
    world.records.reopen(record.file_id, attempt=2)
    world.execute(record, 2)
    world.records.fail(record.file_id, attempt=2, error_type="X", reason="x")
    world.records.reopen(record.file_id, attempt=3)
    texts = [entry.text for entry in of(world.tell(record), "execution")]
    assert [text for text in texts if " started: " in text] == [
        f"attempt {attempt} started: {world.sources.name_prefix}:{execution_name(record.file_id, attempt)}"
        for attempt in (1, 2)
    ]
    assert any(text.startswith("attempt 3: there is no execution") and "waits in the queue" in text for text in texts)


def test_executions_that_aws_does_not_keep_any_longer_are_said_to_be_gone(world: World) -> None:
    record = world.land()
    (entry,) = of(world.tell(record, clock=lambda: utc_now() + timedelta(days=91)), "execution")
    assert "AWS keeps executions for 90 days" in entry.text


def test_lines_of_the_log_are_told_errors_before_the_rest_and_those_of_other_files_never(world: World) -> None:
    record, other = world.failed(), world.land("b")
    mine = {"file_id": record.file_id, "service": "convert_file"}
    world.log(
        *({"level": "INFO", "message": f"step {number}", **mine} for number in range(40)),
        {"level": "ERROR", "message": "failed", "error_type": "CorruptFileError", "reason": REASON, **mine},
        {"level": "INFO", "message": "started", **mine},
        {"level": "ERROR", "message": "of another file", "file_id": other.file_id, "key": record.key},
        {"level": "ERROR", "message": "of another version", "key": record.key, "event": {"version_id": "other"}},
        {"level": "WARNING", "message": "before it had a record", "key": record.key},
        f"Traceback: {record.file_id}",
        {"level": "ERROR", "message": "a.parquet was not converted", "exception_name": "StatusConflictError", **mine},
        f"lakehouse.errors.StatusConflictError: {record.file_id}: cannot start attempt 1",
    )
    lines = of(world.tell(record), "log")
    texts = [line.text for line in lines]
    assert len(lines) == 20
    assert not [text for text in texts if "cannot start attempt 1" in text]
    assert [line.text.partition(": ")[2] for line in lines if line.is_bad] == [
        "ERROR: failed; error_type: CorruptFileError; reason: (the reason that the record tells)",
        "WARNING: before it had a record",
    ]
    assert not [text for text in texts if "another" in text or "started" in text]


def test_a_dead_letter_about_the_file_is_part_of_its_story(world: World) -> None:
    record = world.failed()
    for landed in (
        LandedFile(record.bucket, record.key, record.version_id, 2),
        LandedFile(record.bucket, record.key, "another version", 2),
    ):
        world.sqs.send_message(QueueUrl=world.queue, MessageBody=landed.message)
    (entry,) = of(world.tell(record), "dead letter")
    assert "asks for attempt 2" in entry.text


def test_every_version_of_the_output_is_told_with_the_file_that_it_came_from(world: World) -> None:
    record = world.land()
    day = record.created_at.strftime("%Y/%m/%d")
    key = f"processed-data/{day}/trips/a.json"
    for source in ("somebody", record.file_id):
        world.s3.put_object(Bucket=world.processed, Key=key, Body=b"{}\n", Metadata={"file-id": source})
    world.records.start(record.file_id, attempt=1, engine="spark", execution_arn="arn:1")
    result = RESULT | {"output_uri": f"s3://{world.processed}/{key}"}
    world.records.succeed(record.file_id, attempt=1, result=result)
    story = world.tell(record)
    written = [entry.text for entry in of(story, "S3") if entry.text.startswith("output written")]
    assert any("from file somebody" in text and "replaced since" in text for text in written)
    assert any(f"from file {record.file_id[:12]}" in text and "the current one" in text for text in written)
    assert story.next_step.startswith(f"Nothing: it is converted to {result['output_uri']}.")
    assert f"lakehouse quarantine {record.file_id[:12]}" in story.next_step


def test_a_source_that_refuses_leaves_a_gap_and_the_rest_is_told(world: World) -> None:
    record = world.failed()
    story = world.tell(record, letters=DeadLetters(world.sqs, f"{world.queue}-gone", world.queue))
    (gap,) = of(story, "dead letter")
    assert gap.text.startswith("could not be read: ")
    assert len(of(story, "execution")) == 3


def test_a_raw_object_that_is_gone_is_said_to_be_so(world: World) -> None:
    record = world.failed()
    world.s3.delete_object(Bucket=record.bucket, Key=record.key, VersionId=record.version_id)
    assert "is not there any more" in of(world.tell(record), "S3")[0].text


def test_what_to_do_fits_where_the_file_stands(world: World) -> None:
    record = world.land()
    short = record.file_id[:12]
    assert world.tell(record).next_step.startswith("Wait")
    assert f"lakehouse reprocess {short}" in world.tell(record, clock=lambda: utc_now() + timedelta(hours=2)).next_step
    world.records.start(record.file_id, attempt=1, engine="spark", execution_arn="arn:1")
    assert "attempt 1 is RUNNING: 0 of" in of(world.tell(record), "record")[-1].text
    world.records.fail(record.file_id, attempt=1, error_type="ThrottledError", reason="not now", next_attempt=2)
    assert "tried again as attempt 2" in world.tell(record).next_step
    newer = world.land()
    assert f"lakehouse explain {newer.file_id[:12]}" in world.tell(record).next_step
    world.records.skip(newer.file_id, duplicate_of=record.file_id)
    assert f"lakehouse explain {short}" in world.tell(newer).next_step
    assert "tried again as attempt 2" in world.tell(record).next_step, "the newer one relies on this one"
