"""Athena's statements as tasks of a state machine."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import uuid4

import pytest

# Rows enough for minutes.
LONG = (
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 10000)) b(y) "
    "CROSS JOIN UNNEST(sequence(1, 10000)) c(z) WHERE x * y % 7 = z % 5"
)
ROLE = "arn:aws:iam::000000000000:role/states"


@pytest.fixture
def execute(aws, sql):
    """Starts an execution of one task; the client and the execution's ARN."""

    def started(text: str, *, is_waited: bool = True, **fields: Any) -> tuple[Any, str]:
        client = aws("stepfunctions")
        task = {
            "Type": "Task",
            "Resource": f"arn:aws:states:::athena:startQueryExecution{'.sync' if is_waited else ''}",
            "Parameters": {
                "QueryString": text,
                "ResultConfiguration": {"OutputLocation": f"s3://{sql.bucket}/results/"},
            },
            "End": True,
            **fields,
        }
        definition = json.dumps({"StartAt": "Query", "States": {"Query": task}})
        name = f"query-{uuid4().hex[:8]}"
        machine = client.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]
        return client, client.start_execution(stateMachineArn=machine, input="{}")["executionArn"]

    return started


def ended(client: Any, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (found := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    execution: dict[str, Any] = found
    return execution


def test_a_task_waits_for_its_statement_and_has_its_record(execute) -> None:
    execution = ended(*execute("SELECT 1"))
    assert execution["status"] == "SUCCEEDED", execution
    record = json.loads(execution["output"])["QueryExecution"]
    assert (record["Query"], record["Status"]["State"]) == ("SELECT 1", "SUCCEEDED")


def test_a_task_that_does_not_wait_has_the_statements_number(execute, sql) -> None:
    number = json.loads(ended(*execute("SELECT 2", is_waited=False))["output"])["QueryExecutionId"]
    assert sql.ended(number)["Query"] == "SELECT 2"


def test_a_statement_that_fails_fails_the_task_with_its_reason(execute) -> None:
    execution = ended(*execute("SELECT nothing"))
    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    assert "COLUMN_NOT_FOUND" in execution["cause"]


def test_a_statement_that_is_refused_at_the_door_has_athenas_error_name(execute) -> None:
    assert ended(*execute(" "))["error"] == "Athena.InvalidRequestException"


@pytest.mark.parametrize("way", ["stop", "time limit"])
def test_a_statement_ends_with_the_task_that_started_it(execute, sql, way) -> None:
    text = f"{LONG} -- {uuid4().hex}"
    client, arn = execute(text, **({"TimeoutSeconds": 2} if way == "time limit" else {}))

    def started() -> list[str]:
        numbers = sql.athena.list_query_executions(MaxResults=10)["QueryExecutionIds"]
        found = sql.athena.batch_get_query_execution(QueryExecutionIds=numbers)["QueryExecutions"]
        return [one["QueryExecutionId"] for one in found if one["Query"] == text]

    deadline = time.monotonic() + 20
    while not started():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [number] = started()
    if way == "stop":
        client.stop_execution(executionArn=arn)
    assert ended(client, arn)["status"] == ("ABORTED" if way == "stop" else "FAILED")
    assert sql.ended(number)["Status"]["State"] == "CANCELLED"
