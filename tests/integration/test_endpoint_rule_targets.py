"""Rules hear of executions that died, and a function that they invoke is tried again when it fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

SOURCE = """
import boto3, json, os

def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
    raise ValueError("no")
"""


class Ruled:
    """State machines, and a queue that a rule tells of the ends of their executions."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.sqs, self.events, self.states = aws("sqs"), aws("events"), aws("stepfunctions")
        self.name = f"ruled-{uuid4().hex[:8]}"
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]

    def arn(self, queue: str) -> str:
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        return str(attributes["QueueArn"])

    def machine(self, seconds: int, **settings: Any) -> str:
        waits = {"Type": "Wait", "Seconds": seconds, "End": True}
        definition = {"StartAt": "Waits", "States": {"Waits": waits}, **settings}
        made = self.states.create_state_machine(
            name=f"{self.name}-{uuid4().hex[:4]}",
            definition=json.dumps(definition),
            roleArn="arn:aws:iam::000000000000:role/states",
        )
        return str(made["stateMachineArn"])

    def rule(self, target: str, machine: str, *statuses: str) -> None:
        detail = {"status": statuses, "stateMachineArn": [machine]}
        pattern = {"source": ["aws.states"], "detail": detail}
        self.events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule=self.name, Targets=[{"Id": "1", "Arn": target}])

    def received(self, queue: str, count: int = 1, seconds: float = 20) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < deadline:
            answer = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            found += [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return found


@pytest.fixture
def ruled(aws) -> Ruled:
    return Ruled(aws)


def test_a_rule_hears_of_an_execution_that_timed_out(ruled: Ruled):
    machine = ruled.machine(60, TimeoutSeconds=1)
    ruled.rule(ruled.arn(ruled.queue), machine, "TIMED_OUT", "ABORTED")
    execution = ruled.states.start_execution(stateMachineArn=machine, input='{"key": "a"}')["executionArn"]
    [event] = ruled.received(ruled.queue)
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert (event["detail"]["status"], event["detail"]["executionArn"]) == ("TIMED_OUT", execution)
    assert event["detail"]["input"] == '{"key": "a"}'


def test_a_rule_hears_of_an_execution_that_was_stopped_and_of_no_other_machine(ruled: Ruled):
    machine, other = ruled.machine(60), ruled.machine(60)
    ruled.rule(ruled.arn(ruled.queue), machine, "TIMED_OUT", "ABORTED")
    for each in (other, machine):
        execution = ruled.states.start_execution(stateMachineArn=each)["executionArn"]
        ruled.states.stop_execution(executionArn=execution)
    [event] = ruled.received(ruled.queue, count=2, seconds=3)
    assert (event["detail"]["status"], event["detail"]["stateMachineArn"]) == ("ABORTED", machine)


def test_a_function_that_fails_is_tried_again_and_then_its_destination_hears(ruled: Ruled, aws, zipped, function_role):
    functions = aws("lambda")
    failures = ruled.sqs.create_queue(QueueName=f"{ruled.name}-failures")["QueueUrl"]
    functions.create_function(
        FunctionName=ruled.name,
        Role=function_role(aws("iam"), ruled.name),
        Runtime="python3.11",
        Handler="app.handler",
        Timeout=30,
        Code={"ZipFile": zipped(app=SOURCE)},
        Environment={"Variables": {"QUEUE": ruled.queue}},
        Publish=True,
    )
    alias = functions.create_alias(FunctionName=ruled.name, Name="live", FunctionVersion="1")["AliasArn"]
    functions.put_function_event_invoke_config(
        FunctionName=ruled.name,
        Qualifier="live",
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": ruled.arn(failures)}},
    )
    machine = ruled.machine(60)
    ruled.rule(alias, machine, "ABORTED")
    execution = ruled.states.start_execution(stateMachineArn=machine)["executionArn"]
    ruled.states.stop_execution(executionArn=execution)

    [failure] = ruled.received(failures, seconds=30)
    assert failure["requestPayload"]["detail"]["executionArn"] == execution
    assert failure["responsePayload"]["errorType"] == "ValueError"
    assert len(ruled.received(ruled.queue, count=3, seconds=2)) == 2
