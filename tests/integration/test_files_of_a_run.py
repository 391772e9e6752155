"""What the pipeline's state machine makes of each planned file, in a short plan and in a long one.

The states are the deployed ones, from the plan to its counts. The conversion is another state machine, which takes the
same input; the file's key says what it does to the file's record.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

ROLE = "arn:aws:iam::000000000000:role/states"
TEMPLATE = Path(__file__).resolve().parents[2] / "terraform" / "modules" / "workflow" / "state_machine.json"
TAKEN = (
    *("IsPlanListed", "ConvertFiles", "CountResults", "ConvertListedFiles", "CountListedFiles", "ListFailedFiles"),
    *("DescribeFailedFiles", "CountListedResults", "IsEverythingPlanned"),
)
WAYS = ("short", "long")


def conversion(table: str) -> str:
    """Takes a second, and ends as the file's key says."""

    def ends(word: str, following: str) -> dict[str, Any]:
        return {"Variable": "$.key", "StringMatches": f"*/{word}*", "Next": following}

    def record(changes: str, following: str, **values: Any) -> dict[str, Any]:
        parameters = {
            "TableName": table,
            "Key": {"file_id": {"S.$": "States.ArrayGetItem(States.StringSplit($$.Execution.Name, '-'), 0)"}},
            "UpdateExpression": changes,
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": values,
        }
        task = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:updateItem", "Parameters": parameters}
        return {**task, "ResultPath": None, "Next": following}

    failed = {
        ":status": {"S": "FAILED"},
        ":type": {"S": "CorruptFileError"},
        ":reason": {"S": "r" * 2_000},
        ":first": {"N": "1"},
    }
    states = {
        "Work": {"Type": "Wait", "Seconds": 1, "Next": "End"},
        "End": {
            "Type": "Choice",
            "Choices": [ends("bad", "RecordFailure"), ends("dies", "Die"), ends("refused", "Refuse")],
            "Default": "RecordSuccess",
        },
        "RecordSuccess": record("SET #status = :status", "Converted", **{":status": {"S": "SUCCEEDED"}}),
        "Converted": {"Type": "Pass", "Result": {"status": "SUCCEEDED"}, "End": True},
        "RecordFailure": record(
            "SET #status = :status, error_type = :type, reason = :reason, attempt = if_not_exists(attempt, :first)",
            "Die",
            **failed,
        ),
        "Refuse": {"Type": "Fail", "Error": "StatusConflictError", "Cause": "another execution has it"},
        "Die": {"Type": "Fail", "Error": "Dead", "Cause": "killed"},
    }
    return json.dumps({"StartAt": "Work", "States": states})


class Pipeline:
    """The pipeline's states from a plan to its counts."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.states, self.dynamodb, self.s3 = aws("stepfunctions"), aws("dynamodb"), aws("s3")
        self.name = f"run-{uuid4().hex[:10]}"
        self.s3.create_bucket(Bucket=self.name)
        self.dynamodb.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "file_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "file_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.conversion = self.machine("conversion", conversion(self.name))
        self.pipeline = self.machine("pipeline", self.definition())

    def machine(self, name: str, definition: str) -> str:
        created = self.states.create_state_machine(name=f"{self.name}-{name}", definition=definition, roleArn=ROLE)
        return str(created["stateMachineArn"])

    def definition(self) -> str:
        text = TEMPLATE.read_text(encoding="utf-8")
        for placeholder, value in {
            "plans_bucket_name": self.name,
            "files_table": self.name,
            "file_conversion_arn": self.conversion,
            "file_conversion_executions_arn": self.conversion.replace(":stateMachine:", ":execution:"),
        }.items():
            text = text.replace(f"${{{placeholder}}}", value)
        states = {name: state for name, state in json.loads(text)["States"].items() if name in TAKEN}
        states["AreTransformationsWanted"] = {"Type": "Succeed"}
        states["PlanFiles"] = {"Type": "Fail", "Error": "Again"}
        states["RecordPipelineFailure"] = {
            "Type": "Fail",
            "ErrorPath": "$.failure.Error",
            "CausePath": "$.failure.Cause",
        }
        return json.dumps({"StartAt": "IsPlanListed", "States": states})

    def file(self, name: str, attempt: int = 1, **record: Any) -> dict[str, Any]:
        """A planned file, with a record where one is given."""
        file_id = uuid4().hex
        if record:
            record.setdefault("attempt", attempt)
            values = {name: {"N" if isinstance(value, int) else "S": str(value)} for name, value in record.items()}
            self.dynamodb.put_item(TableName=self.name, Item={"file_id": {"S": file_id}, **values})
        key = f"raw-data/trips/{name}.parquet"
        return {"file_id": file_id, "bucket": "raw", "key": key, "version_id": "v", "attempt": attempt}

    def begun(self, file: dict[str, Any], attempt: int | None = None) -> str:
        """An event started the file's conversion."""
        started = self.states.start_execution(
            stateMachineArn=self.conversion,
            name=f"{file['file_id']}-{attempt or file['attempt']}",
            input=json.dumps({"key": file["key"], "run_id": "an event"}),
        )
        return str(started["executionArn"])

    def run(self, way: str, *files: dict[str, Any]) -> dict[str, Any]:
        plan: dict[str, Any] = {"files": list(files), "list": None}
        if way == "long":
            lines = "".join(f"{json.dumps(file)}\n" for file in files)
            self.s3.put_object(Bucket=self.name, Key="0.jsonl", Body=lines.encode())
            plan = {"files": [], "list": {"bucket": self.name, "key": "0.jsonl"}}
        given = {
            "plan": {**plan, "count": len(files), "more": False, "start_after": None},
            "counts": {"plans": 0, "files_planned": 0, "files_succeeded": 0, "files_failed": 0},
            "failed_files": [],
        }
        arn = self.states.start_execution(stateMachineArn=self.pipeline, input=json.dumps(given))["executionArn"]
        deadline = time.monotonic() + 120
        while (execution := self.states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert execution["status"] == "SUCCEEDED", execution
        output: dict[str, Any] = json.loads(execution["output"])
        return output

    def conversions(self) -> list[str]:
        listed = self.states.list_executions(stateMachineArn=self.conversion)["executions"]
        return [execution["name"] for execution in listed]


@pytest.fixture
def pipeline(aws: Callable[..., Any]) -> Pipeline:
    return Pipeline(aws)


def counts(output: dict[str, Any]) -> tuple[int, int, int]:
    found = output["counts"]
    return found["files_planned"], found["files_succeeded"], found["files_failed"]


def failures(output: dict[str, Any]) -> list[dict[str, str]]:
    return [{name: value["S"] for name, value in one["M"].items()} for one in output["failed_files"]]


@pytest.mark.parametrize("way", WAYS)
def test_files_are_converted_and_those_that_fail_are_counted_and_named(pipeline: Pipeline, way: str) -> None:
    files = [*(pipeline.file(f"good-{n}") for n in range(12)), pipeline.file("bad")]

    output = pipeline.run(way, *files)

    assert counts(output) == (13, 12, 1)
    (failed,) = failures(output)
    assert failed["key"] == "raw-data/trips/bad.parquet"
    assert failed["file_id"] == files[-1]["file_id"]
    assert (failed["error_type"], failed["reason"]) == ("CorruptFileError", "r" * 500)


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_an_event_is_converting_is_waited_for_and_converted_once(pipeline: Pipeline, way: str) -> None:
    good, bad = pipeline.file("good", status="REGISTERED"), pipeline.file("bad", status="RUNNING")
    for file in (good, bad):
        pipeline.begun(file)

    output = pipeline.run(way, good, bad)

    assert counts(output) == (2, 1, 1)
    assert failures(output)[0]["error_type"] == "CorruptFileError"
    assert sorted(pipeline.conversions()) == sorted(f"{file['file_id']}-1" for file in (good, bad))


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_parked_in_the_queue_is_started_with_its_own_attempt(pipeline: Pipeline, way: str) -> None:
    parked = pipeline.file("parked", attempt=2, status="REGISTERED", attempts=2)

    assert counts(pipeline.run(way, parked)) == (1, 1, 0)
    assert pipeline.conversions() == [f"{parked['file_id']}-2"]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_whose_retry_waits_counts_as_failed_with_its_reason(pipeline: Pipeline, way: str) -> None:
    waiting = pipeline.file("dies", status="FAILED", error_type="ThrottledError", reason="again soon", next_attempt=2)
    arn = pipeline.begun(waiting)
    while pipeline.states.describe_execution(executionArn=arn)["status"] == "RUNNING":
        time.sleep(0.1)

    output = pipeline.run(way, waiting)

    assert counts(output) == (1, 0, 1)
    assert (failures(output)[0]["error_type"], failures(output)[0]["reason"]) == ("ThrottledError", "again soon")


@pytest.mark.parametrize("way", WAYS)
def test_nobody_waits_for_an_execution_that_died_without_recording(pipeline: Pipeline, way: str) -> None:
    dead = pipeline.file("dies", status="RUNNING")
    pipeline.begun(dead)

    output = pipeline.run(way, dead)

    assert counts(output) == (1, 0, 1)
    (failed,) = failures(output)
    assert failed["error_type"] == "ConversionAbandoned"
    assert f"{dead['file_id']}-1 is FAILED" in failed["reason"]
    assert "without recording how it ended" in failed["reason"]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_another_attempt_has_is_followed_by_what_its_record_says(pipeline: Pipeline, way: str) -> None:
    arn = pipeline.begun(pipeline.file("good"), attempt=7)
    refused = pipeline.file("refused", status="RUNNING", execution_arn=arn)
    # The other execution converts this very file: what it records is here.
    other = arn.rpartition(":")[2].partition("-")[0]
    refused["file_id"] = other
    pipeline.dynamodb.put_item(
        TableName=pipeline.name,
        Item={
            "file_id": {"S": other},
            "status": {"S": "RUNNING"},
            "attempt": {"N": "7"},
            "execution_arn": {"S": arn},
        },
    )

    assert counts(pipeline.run(way, refused)) == (1, 1, 0)


@pytest.mark.parametrize("way", WAYS)
def test_of_very_many_failures_the_first_are_named_and_all_are_counted(pipeline: Pipeline, way: str) -> None:
    files = [pipeline.file(f"bad-{n:03}") for n in range(60)]

    output = pipeline.run(way, *files)

    assert counts(output) == (60, 0, 60)
    assert len(failures(output)) == 50
    assert len({failed["key"] for failed in failures(output)}) == 50


def test_an_empty_plan_counts_nothing(pipeline: Pipeline) -> None:
    output = pipeline.run("short")

    assert counts(output) == (0, 0, 0)
    assert output["failed_files"] == []
