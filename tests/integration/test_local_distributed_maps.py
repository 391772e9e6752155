"""Distributed Maps on the local endpoint behave as on AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config

from lakehouse.local.endpoint import Endpoint

ROLE = "arn:aws:iam::000000000000:role/states"
KEEP = {"Keep": {"Type": "Pass", "End": True}}
# Fails where the item says so.
JUDGE = {
    "Judge": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.is_bad", "BooleanEquals": True, "Next": "Bad"}],
        "Default": "Good",
    },
    "Good": {"Type": "Pass", "Parameters": {"name.$": "$.name"}, "End": True},
    "Bad": {"Type": "Fail", "Error": "Broken", "CausePath": "$.name"},
}
SLEEP = {"Sleep": {"Type": "Wait", "Seconds": 300, "End": True}}


def distributed(states: dict[str, Any], **fields: Any) -> dict[str, Any]:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": next(iter(states)),
        "States": states,
    }
    return {"Type": "Map", "Label": "Each", "ItemProcessor": processor, "End": True, **fields}


def machine(each: dict[str, Any], **others: Any) -> str:
    return json.dumps({"StartAt": "Each", "States": {"Each": each, **others}})


def reader(bucket: str, key: str = "items.jsonl", kind: str = "JSONL") -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": kind},
        "Parameters": {"Bucket": bucket, "Key": key},
    }


def judged(*bad: int, total: int = 5) -> list[dict[str, Any]]:
    return [{"name": f"n{number}", "is_bad": number in bad} for number in range(total)]


class Machines:
    """Makes state machines and runs them."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.states = aws("stepfunctions")
        self.s3 = aws("s3")
        self.bucket = f"maps-{uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def create(self, definition: str, **fields: Any) -> str:
        name = f"machine-{uuid4().hex[:12]}"
        created = self.states.create_state_machine(name=name, definition=definition, roleArn=ROLE, **fields)
        return str(created["stateMachineArn"])

    def start(self, definition: str, data: Any = None, **fields: Any) -> str:
        arn = self.create(definition, **fields)
        started = self.states.start_execution(stateMachineArn=arn, input=json.dumps({} if data is None else data))
        return str(started["executionArn"])

    def ended(self, arn: str, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            execution: dict[str, Any] = self.states.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING":
                return execution
            time.sleep(0.05)
        raise AssertionError(f"{arn} still runs after {seconds} s")

    def run(self, definition: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        return self.ended(self.start(definition, data, **fields))

    def map_run(self, execution: str) -> dict[str, Any]:
        (listed,) = self.states.list_map_runs(executionArn=execution)["mapRuns"]
        described: dict[str, Any] = self.states.describe_map_run(mapRunArn=listed["mapRunArn"])
        return described

    def children(self, map_run: str, **criteria: Any) -> list[dict[str, Any]]:
        listed = self.states.list_executions(mapRunArn=map_run, **criteria)["executions"]
        return [self.states.describe_execution(executionArn=each["executionArn"]) for each in listed]

    def put(self, items: list[Any], key: str = "items.jsonl") -> None:
        lines = "".join(f"{json.dumps(item)}\n" for item in items)
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=lines.encode())

    def get(self, key: str) -> Any:
        return json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())


@pytest.fixture
def machines(aws: Callable[..., Any]) -> Machines:
    return Machines(aws)


def output(execution: dict[str, Any]) -> Any:
    assert execution["status"] == "SUCCEEDED", execution
    return json.loads(execution["output"])


def test_every_line_of_an_object_is_an_item_and_a_child_execution(machines: Machines) -> None:
    machines.put([{"n": n} for n in range(25)])
    selector = {"n.$": "$$.Map.Item.Value.n", "index.$": "$$.Map.Item.Index", "shared.$": "$.shared"}
    each = distributed(KEEP, ItemReader=reader(machines.bucket), ItemSelector=selector, MaxConcurrency=3)

    execution = machines.run(machine(each), {"shared": "s"})

    assert output(execution) == [{"n": n, "index": n, "shared": "s"} for n in range(25)]
    run = machines.map_run(execution["executionArn"])
    assert (run["status"], run["maxConcurrency"]) == ("SUCCEEDED", 3)
    assert (run["itemCounts"]["total"], run["itemCounts"]["succeeded"], run["itemCounts"]["pending"]) == (25, 25, 0)
    assert len(machines.children(run["mapRunArn"], statusFilter="SUCCEEDED")) == 25


def test_an_array_and_the_input_itself_give_items_too(machines: Machines) -> None:
    machines.s3.put_object(Bucket=machines.bucket, Key="items.json", Body=b"[1, 2]")

    listed = machines.run(machine(distributed(KEEP, ItemReader=reader(machines.bucket, "items.json", "JSON"))))
    given = machines.run(machine(distributed(KEEP, ItemsPath="$.items")), {"items": [3]})

    assert (output(listed), output(given)) == ([1, 2], [3])


def test_the_object_is_named_by_the_input(machines: Machines) -> None:
    machines.put([1], "lists/one.jsonl")
    named = reader(machines.bucket) | {"Parameters": {"Bucket.$": "$.at.bucket", "Key.$": "$.at.key"}}

    execution = machines.run(
        machine(distributed(KEEP, ItemReader=named)), {"at": {"bucket": machines.bucket, "key": "lists/one.jsonl"}}
    )

    assert output(execution) == [1]


def test_a_child_has_a_context_and_a_history_of_its_own(machines: Machines) -> None:
    child = {
        "Keep": {
            "Type": "Pass",
            "Parameters": {"id.$": "$$.Execution.Id", "input.$": "$$.Execution.Input"},
            "End": True,
        }
    }

    execution = machines.run(machine(distributed(child, ItemsPath="$.items")), {"items": [7]})

    (kept,) = output(execution)
    assert kept["input"] == 7
    assert kept["id"] != execution["executionArn"]
    described = machines.states.describe_execution(executionArn=kept["id"])
    assert (described["status"], described["mapRunArn"]) == (
        "SUCCEEDED",
        machines.map_run(execution["executionArn"])["mapRunArn"],
    )
    events = machines.states.get_execution_history(executionArn=kept["id"])["events"]
    assert [event["type"] for event in events] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    parents = machines.states.get_execution_history(executionArn=execution["executionArn"])["events"]
    assert [event["type"] for event in parents] == [
        *("ExecutionStarted", "MapStateEntered", "MapStateStarted", "MapRunStarted", "MapRunSucceeded"),
        *("MapStateSucceeded", "MapStateExited", "ExecutionSucceeded"),
    ]


def test_children_are_logged_where_their_machine_is(machines: Machines, aws: Callable[..., Any]) -> None:
    group = f"/states/{uuid4().hex[:8]}"
    aws("logs").create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    configuration = {"level": "ALL", "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}]}

    machines.run(machine(distributed(KEEP, ItemsPath="$")), [1], loggingConfiguration=configuration)

    records = [json.loads(event["message"]) for event in aws("logs").filter_log_events(logGroupName=group)["events"]]
    assert [record["type"] for record in records].count("ExecutionStarted") == 2


# --- failures -----------------------------------------------------------------------------------------------------


def test_tolerated_failures_are_counted_and_say_why(machines: Machines) -> None:
    each = distributed(JUDGE, ItemsPath="$", ToleratedFailurePercentage=100)

    execution = machines.run(machine(each), judged(0, 3))

    assert output(execution) == [None, {"name": "n1"}, {"name": "n2"}, None, {"name": "n4"}]
    run = machines.map_run(execution["executionArn"])
    assert (run["status"], run["itemCounts"]["succeeded"], run["itemCounts"]["failed"]) == ("SUCCEEDED", 3, 2)
    failed = machines.children(run["mapRunArn"], statusFilter="FAILED")
    assert sorted((child["error"], child["cause"]) for child in failed) == [("Broken", "n0"), ("Broken", "n3")]
    assert json.loads(failed[0]["input"])["is_bad"]


@pytest.mark.parametrize(
    ("tolerance", "bad", "status"),
    [
        ({}, (0,), "FAILED"),
        ({"ToleratedFailureCount": 2}, (0, 1), "SUCCEEDED"),
        ({"ToleratedFailureCount": 2}, (0, 1, 2), "FAILED"),
        ({"ToleratedFailurePercentage": 40}, (0, 1), "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 39}, (0, 1), "FAILED"),
        ({"ToleratedFailurePercentage": 100, "ToleratedFailureCount": 0}, (4,), "FAILED"),
        ({"ToleratedFailurePercentagePath": "$.most"}, (0, 1), "SUCCEEDED"),
        ({"ToleratedFailurePercentagePath": "$.most"}, (0, 1, 2), "FAILED"),
    ],
)
def test_a_map_fails_where_more_fail_than_is_tolerated(
    machines: Machines, tolerance: dict[str, Any], bad: tuple[int, ...], status: str
) -> None:
    each = distributed(JUDGE, ItemsPath="$.items", **tolerance)

    execution = machines.run(machine(each), {"items": judged(*bad), "most": 40})

    assert execution["status"] == status
    if status == "FAILED":
        assert execution["error"] == "States.ExceedToleratedFailureThreshold"


def test_a_map_that_fails_is_caught_and_what_was_not_begun_never_is(machines: Machines) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Caught"}]
    each = distributed(JUDGE, ItemsPath="$.items", MaxConcurrency=1, Catch=catch)

    execution = machines.run(machine(each, Caught={"Type": "Pass", "End": True}), {"items": judged(1, total=50)})

    assert output(execution)["error"]["Error"] == "States.ExceedToleratedFailureThreshold"
    counts = machines.map_run(execution["executionArn"])["itemCounts"]
    assert (counts["succeeded"], counts["failed"], counts["aborted"], counts["total"]) == (1, 1, 48, 50)


@pytest.mark.parametrize(("key", "problem"), [("nothing.jsonl", "nothing.jsonl"), ("broken.jsonl", "JSONDecodeError")])
def test_items_that_cannot_be_read_fail_the_map_by_name(machines: Machines, key: str, problem: str) -> None:
    machines.s3.put_object(Bucket=machines.bucket, Key="broken.jsonl", Body=b'{"a": ')

    execution = machines.run(machine(distributed(KEEP, ItemReader=reader(machines.bucket, key))))

    assert (execution["status"], execution["error"]) == ("FAILED", "States.ItemReaderFailed")
    assert problem in execution["cause"]


def test_stopping_an_execution_stops_its_children(machines: Machines) -> None:
    arn = machines.start(machine(distributed(SLEEP, ItemsPath="$")), [1, 2, 3])
    deadline = time.monotonic() + 30
    while not (runs := machines.states.list_map_runs(executionArn=arn)["mapRuns"]) or (
        len(machines.children(runs[0]["mapRunArn"])) < 3
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    machines.states.stop_execution(executionArn=arn)

    assert machines.ended(arn)["status"] == "ABORTED"
    while (run := machines.map_run(arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (run["status"], run["itemCounts"]["aborted"]) == ("ABORTED", 3)
    assert [child["status"] for child in machines.children(run["mapRunArn"])] == ["ABORTED"] * 3


def test_a_child_that_is_stopped_alone_counts_as_aborted(machines: Machines) -> None:
    arn = machines.start(machine(distributed(SLEEP, ItemsPath="$", ToleratedFailurePercentage=100)), [1])
    deadline = time.monotonic() + 30
    while not (runs := machines.states.list_map_runs(executionArn=arn)["mapRuns"]) or (
        not machines.children(runs[0]["mapRunArn"])
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (child,) = machines.children(runs[0]["mapRunArn"])

    machines.states.stop_execution(executionArn=child["executionArn"])

    assert machines.ended(arn)["status"] == "SUCCEEDED"
    assert machines.map_run(arn)["itemCounts"]["aborted"] == 1


# --- results in S3 ------------------------------------------------------------------------------------------------


def writer(machines: Machines, prefix: str = "results") -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": machines.bucket, "Prefix": prefix},
    }


def test_results_are_written_to_a_folder_and_the_output_says_where(machines: Machines) -> None:
    each = distributed(JUDGE, ItemsPath="$", ToleratedFailurePercentage=100, ResultWriter=writer(machines))

    execution = machines.run(machine(each), judged(1))

    run = machines.map_run(execution["executionArn"])
    number = run["mapRunArn"].rpartition(":")[2]
    key = f"results/{number}/manifest.json"
    assert output(execution) == {
        "MapRunArn": run["mapRunArn"],
        "ResultWriterDetails": {"Bucket": machines.bucket, "Key": key},
    }
    manifest = machines.get(key)
    assert {status: len(files) for status, files in manifest["ResultFiles"].items()} == {
        "FAILED": 1,
        "PENDING": 0,
        "SUCCEEDED": 1,
    }
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    assert machines.s3.head_object(Bucket=machines.bucket, Key=file["Key"])["ContentLength"] == file["Size"]
    assert [json.loads(one["Output"])["name"] for one in machines.get(file["Key"])] == ["n0", "n2", "n3", "n4"]
    (failed,) = machines.get(f"results/{number}/FAILED_0.json")
    assert (failed["Status"], failed["Error"], failed["Cause"]) == ("FAILED", "Broken", "n1")
    assert run["itemCounts"]["resultsWritten"] == 5


def test_results_are_written_also_where_the_map_fails(machines: Machines) -> None:
    each = distributed(JUDGE, ItemsPath="$", ResultWriter=writer(machines))

    execution = machines.run(machine(each), judged(0))

    assert execution["error"] == "States.ExceedToleratedFailureThreshold"
    number = machines.map_run(execution["executionArn"])["mapRunArn"].rpartition(":")[2]
    assert machines.get(f"results/{number}/FAILED_0.json")[0]["Cause"] == "n0"


def test_a_bucket_that_is_not_there_fails_the_map_by_name(machines: Machines) -> None:
    place = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "no-such-bucket", "Prefix": "p"}}

    execution = machines.run(machine(distributed(KEEP, ItemsPath="$", ResultWriter=place)), [1])

    assert execution["error"] == "States.ResultWriterFailed"
    assert "NoSuchBucket" in execution["cause"]


def test_results_too_long_for_a_state_need_a_writer(machines: Machines) -> None:
    long = [{"text": "x" * 1_000} for _ in range(300)]
    machines.put(long)
    each = distributed(KEEP, ItemReader=reader(machines.bucket))

    assert machines.run(machine(each))["error"] == "States.DataLimitExceeded"
    assert "MapRunArn" in output(machines.run(machine(each | {"ResultWriter": writer(machines)})))


def test_a_state_machine_counts_and_describes_what_its_map_run_did(machines: Machines) -> None:
    def call(action: str, parameters: dict[str, Any], **fields: Any) -> dict[str, Any]:
        resource = f"arn:aws:states:::aws-sdk:sfn:{action}"
        return {"Type": "Task", "Resource": resource, "Parameters": parameters, **fields}

    each = distributed(JUDGE, ItemsPath="$.items", ToleratedFailurePercentage=100, ResultWriter=writer(machines))
    each = {**each, "ResultPath": "$.run", "Next": "Count"}
    del each["End"]
    failed = {"MapRunArn.$": "$.run.MapRunArn", "StatusFilter": "FAILED", "MaxResults": 1}
    others = {
        "Count": call("describeMapRun", {"MapRunArn.$": "$.run.MapRunArn"}, ResultPath="$.described", Next="Failed"),
        "Failed": call("listExecutions", failed, ResultPath="$.listed", End=True),
    }

    found = output(machines.run(machine(each, **others), {"items": judged(1, 2)}))

    counts = found["described"]["ItemCounts"]
    assert (counts["Total"], counts["Succeeded"], counts["Failed"]) == (5, 3, 2)
    assert len(found["listed"]["Executions"]) == 1
    assert found["listed"]["Executions"][0]["ExecutionArn"]


# --- what is not executed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"ItemBatcher": {"MaxItemsPerBatch": 2}}, "ItemBatcher is not executed"),
        ({"ItemReader": reader("b", kind="PARQUET")}, "InputType PARQUET is not executed"),
        ({"ItemReader": reader("b") | {"Resource": "arn:aws:states:::s3:headObject"}}, "headObject is not executed"),
        (
            {"ItemReader": reader("b") | {"Parameters": {"Bucket": "b", "Key": "k", "VersionId": "v"}}},
            "VersionId is not executed",
        ),
        (
            {
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
                    "Parameters": {"Bucket": "b", "Prefix": "p"},
                }
            },
            "WriterConfig is executed .* with OutputType JSON",
        ),
    ],
)
def test_what_is_not_executed_is_refused_by_name(machines: Machines, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(machines.states.exceptions.InvalidDefinition, match=problem):
        machines.create(machine(distributed(KEEP, **fields)))


def test_express_children_and_a_reader_of_an_inline_map_are_refused(machines: Machines) -> None:
    express = distributed(KEEP)
    express["ItemProcessor"]["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    inline = distributed(KEEP, ItemReader=reader("b"))
    inline["ItemProcessor"]["ProcessorConfig"] = {"Mode": "INLINE"}
    del inline["Label"]

    for each, problem in ((express, "ExecutionType EXPRESS"), (inline, "ItemReader belongs to")):
        with pytest.raises(machines.states.exceptions.InvalidDefinition, match=problem):
            machines.create(machine(each))


# --- restarts -----------------------------------------------------------------------------------------------------


def client_of(endpoint: Endpoint, service: str) -> Any:
    variables = endpoint.environment()
    return boto3.client(
        service,
        endpoint_url=endpoint.url,
        region_name=variables["AWS_DEFAULT_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )


def test_after_a_restart_a_map_run_and_its_children_are_failed(own: Endpoint) -> None:
    machines = Machines(lambda service: client_of(own, service))
    arn = machines.start(machine(distributed(SLEEP, ItemsPath="$")), [1, 2])
    deadline = time.monotonic() + 30
    while not (runs := machines.states.list_map_runs(executionArn=arn)["mapRuns"]) or (
        len(machines.children(runs[0]["mapRunArn"])) < 2
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    own.stop()
    own.start()

    machines.states = client_of(own, "stepfunctions")
    assert machines.ended(arn)["error"] == "States.ServiceRestart"
    run = machines.map_run(arn)
    assert (run["status"], run["itemCounts"]["running"]) == ("FAILED", 0)
    assert [child["status"] for child in machines.children(run["mapRunArn"])] == ["FAILED"] * 2
