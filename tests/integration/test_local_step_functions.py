"""State machines on the local endpoint behave as on AWS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from lakehouse.local.endpoint import Endpoint

ROLE = "arn:aws:iam::000000000000:role/states"
Run = Callable[..., dict[str, Any]]


def _machine(start: str, states: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"StartAt": start, "States": states, **fields})


def _pass(**fields: Any) -> str:
    return _machine("Only", {"Only": {"Type": "Pass", "End": True, **fields}})


@pytest.fixture
def states(aws: Callable[..., Any]) -> Any:
    return aws("stepfunctions")


@pytest.fixture
def create(states: Any) -> Callable[..., str]:
    def make(definition: str, **fields: Any) -> str:
        name = f"machine-{uuid4().hex[:12]}"
        created = states.create_state_machine(name=name, definition=definition, roleArn=ROLE, **fields)
        return str(created["stateMachineArn"])

    return make


@pytest.fixture
def finish(states: Any) -> Run:
    def wait(arn: str, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            execution: dict[str, Any] = states.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING":
                return execution
            time.sleep(0.05)
        raise AssertionError(f"{arn} still runs after {seconds} s")

    return wait


@pytest.fixture
def run(states: Any, create: Callable[..., str], finish: Run) -> Run:
    def execute(definition: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        machine = create(definition, **fields)
        started = states.start_execution(stateMachineArn=machine, input=json.dumps({} if data is None else data))
        return finish(started["executionArn"])

    return execute


def _output(execution: dict[str, Any]) -> Any:
    assert execution["status"] == "SUCCEEDED", execution
    return json.loads(execution["output"])


# --- data flow ----------------------------------------------------------------------------------------------------


def test_a_missing_path_in_parameters_fails_the_execution_by_name(run: Run) -> None:
    execution = run(_pass(Parameters={"key.$": "$.absent"}), {"present": 1})

    assert execution["status"] == "FAILED"
    assert execution["error"] == "States.ParameterPathFailure"
    assert "'$.absent'" in execution["cause"]
    assert "the state 'Only'" in execution["cause"]


def test_a_missing_path_outside_parameters_is_a_runtime_error_that_no_catch_catches(run: Run) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "InputPath": "$.absent",
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
        "End": True,
    }
    execution = run(_machine("Send", {"Send": task, "Caught": {"Type": "Pass", "End": True}}))

    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")


def test_filters_slices_descent_and_negative_indexes_select(run: Run) -> None:
    files = [{"key": "a", "status": "SUCCEEDED"}, {"key": "b", "status": "FAILED"}, {"key": "c", "status": "FAILED"}]
    execution = run(
        _pass(
            Parameters={
                "failed.$": "$.files[?(@.status == 'FAILED')].key",
                "first_two.$": "$.files[0:2].key",
                "every_key.$": "$..key",
                "last.$": "$.files[-1].key",
                "count.$": "States.ArrayLength($.files[?(@.status == 'FAILED')])",
            }
        ),
        {"files": files},
    )

    assert _output(execution) == {
        "failed": ["b", "c"],
        "first_two": ["a", "b"],
        "every_key": ["a", "b", "c"],
        "last": "c",
        "count": 2,
    }


def test_the_context_object_names_role_input_and_start(run: Run) -> None:
    execution = run(_pass(Parameters={"context.$": "$$", "role.$": "$$.Execution.RoleArn"}), {"a": 1})

    output = _output(execution)
    assert output["role"] == ROLE
    assert output["context"]["Execution"]["Input"] == {"a": 1}
    assert output["context"]["Execution"]["StartTime"]
    assert set(output["context"]) == {"Execution", "State", "StateMachine"}


def test_variables_are_assigned_and_read_in_later_states(run: Run) -> None:
    states = {
        "Keep": {"Type": "Pass", "Assign": {"kept.$": "$.value"}, "Result": {"value": 7}, "Next": "Read"},
        "Read": {"Type": "Pass", "Parameters": {"kept.$": "$kept"}, "End": True},
    }

    assert _output(run(_machine("Keep", states), {"value": 7})) == {"kept": 7}


def test_a_present_null_and_an_absent_field_are_told_apart(run: Run) -> None:
    choice = {
        "Type": "Choice",
        "Choices": [
            {"And": [{"Variable": "$.x", "IsPresent": True}, {"Variable": "$.x", "IsNull": True}], "Next": "Null"},
            {"Variable": "$.x", "IsPresent": False, "Next": "Absent"},
        ],
        "Default": "Value",
    }
    ends = {name: {"Type": "Pass", "Result": name, "End": True} for name in ("Null", "Absent", "Value")}
    definition = _machine("Choose", {"Choose": choice, **ends})

    assert _output(run(definition, {"x": None})) == "Null"
    assert _output(run(definition, {})) == "Absent"
    assert _output(run(definition, {"x": 1})) == "Value"


def test_a_choice_on_a_missing_variable_fails(run: Run) -> None:
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.x", "NumericEquals": 1, "Next": "End"}], "Default": "End"}
    execution = run(_machine("Choose", {"Choose": choice, "End": {"Type": "Succeed"}}))

    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")


def test_an_output_above_the_payload_quota_fails(run: Run) -> None:
    execution = run(_pass(Parameters={"twice.$": "States.Array($.text, $.text)"}), {"text": "x" * 200_000})

    assert execution["error"] == "States.DataLimitExceeded"


def test_jsonata_states_run_in_branches_too(run: Run) -> None:
    def branch(name: str) -> dict[str, Any]:
        add = {"Type": "Pass", "Output": "{% $states.input.n + 1 %}", "End": True}
        return {"StartAt": name, "States": {name: add}}

    parallel = {
        "Type": "Parallel",
        "Arguments": {"n": "{% $states.input.n * 10 %}"},
        "Branches": [branch("Left"), branch("Right")],
        "Output": "{% $sum($states.result) %}",
        "End": True,
    }

    assert _output(run(_machine("Both", {"Both": parallel}, QueryLanguage="JSONata"), {"n": 2})) == 42


# --- retries, failures, limits ------------------------------------------------------------------------------------


def _get_missing_crawler(**fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:glue:getCrawler",
        "Parameters": {"Name": "no-such-crawler"},
        "End": True,
        **fields,
    }


def test_a_service_error_carries_its_name_and_is_caught_with_its_cause(run: Run) -> None:
    catch = [{"ErrorEquals": ["Glue.EntityNotFoundException"], "ResultPath": "$.error", "Next": "Caught"}]
    states = {"Get": _get_missing_crawler(Catch=catch), "Caught": {"Type": "Pass", "End": True}}

    output = _output(run(_machine("Get", states), {"id": 1}))

    assert output["id"] == 1
    assert output["error"]["Error"] == "Glue.EntityNotFoundException"
    assert "no-such-crawler" in output["error"]["Cause"]


def test_a_retry_is_bounded_by_its_attempts_and_its_longest_delay(run: Run, states: Any) -> None:
    retry = [
        {
            "ErrorEquals": ["States.ALL"],
            "IntervalSeconds": 1,
            "BackoffRate": 1000,
            "MaxDelaySeconds": 2,
            "JitterStrategy": "FULL",
            "MaxAttempts": 2,
        }
    ]
    execution = run(_machine("Get", {"Get": _get_missing_crawler(Retry=retry)}))

    events = states.get_execution_history(executionArn=execution["executionArn"])["events"]
    assert execution["status"] == "FAILED"
    assert [event["type"] for event in events].count("TaskScheduled") == 3


def test_a_machine_that_outlives_its_time_limit_is_timed_out(run: Run) -> None:
    wait = {"Type": "Wait", "Seconds": 300, "End": True}

    execution = run(_machine("Sleep", {"Sleep": wait}, TimeoutSeconds=1))

    assert (execution["status"], execution["error"]) == ("TIMED_OUT", "States.Timeout")


def test_the_first_failed_branch_stops_the_others(run: Run, states: Any) -> None:
    def branch(name: str, state: dict[str, Any]) -> dict[str, Any]:
        return {"StartAt": name, "States": {name: state}}

    parallel = {
        "Type": "Parallel",
        "Branches": [
            branch("Sleep", {"Type": "Wait", "Seconds": 300, "End": True}),
            branch("Break", {"Type": "Fail", "Error": "Broken", "Cause": "on purpose"}),
        ],
        "End": True,
    }

    execution = run(_machine("Both", {"Both": parallel}))

    assert (execution["error"], execution["cause"]) == ("Broken", "on purpose")


def test_a_map_keeps_the_order_and_gives_every_iteration_its_item(run: Run) -> None:
    iterate = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "MaxConcurrency": 3,
        "ItemSelector": {"index.$": "$$.Map.Item.Index", "value.$": "$$.Map.Item.Value", "shared.$": "$.shared"},
        "ItemProcessor": {"StartAt": "Keep", "States": {"Keep": {"Type": "Pass", "End": True}}},
        "ResultPath": "$.results",
        "End": True,
    }

    output = _output(run(_machine("Each", {"Each": iterate}), {"items": list("abcdefgh"), "shared": 1}))

    assert output["results"] == [{"index": i, "value": v, "shared": 1} for i, v in enumerate("abcdefgh")]


# --- nested executions --------------------------------------------------------------------------------------------


def _nested(child: str, **fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": child, "Name.$": "$.name", "Input": {"a": 1}},
        "End": True,
        **fields,
    }


def test_a_nested_execution_gives_its_output_as_json(run: Run, create: Callable[..., str]) -> None:
    child = create(_pass(Parameters={"twice.$": "States.MathAdd($.a, $.a)"}))

    output = _output(run(_machine("Run", {"Run": _nested(child)}), {"name": "first"}))

    assert output["Output"] == {"twice": 2}
    assert output["Name"] == "first"


def test_a_failed_nested_execution_is_a_failed_task_with_the_reason_in_the_cause(
    run: Run, create: Callable[..., str]
) -> None:
    child = create(_machine("Break", {"Break": {"Type": "Fail", "Error": "Broken", "Cause": "on purpose"}}))

    execution = run(_machine("Run", {"Run": _nested(child)}), {"name": "fails"})

    assert execution["error"] == "States.TaskFailed"
    cause = json.loads(execution["cause"])
    assert (cause["Status"], cause["Error"], cause["Cause"]) == ("FAILED", "Broken", "on purpose")


def test_a_name_used_before_is_refused_by_the_name_that_aws_gives(run: Run, create: Callable[..., str]) -> None:
    child = create(_pass())
    definition = _machine("Run", {"Run": _nested(child)})

    _output(run(definition, {"name": "once"}))
    execution = run(definition, {"name": "once"})

    assert execution["error"] == "StepFunctions.ExecutionAlreadyExistsException"


def test_stopping_an_execution_stops_the_one_it_waits_for(states: Any, create: Callable[..., str], finish: Run) -> None:
    child = create(_machine("Sleep", {"Sleep": {"Type": "Wait", "Seconds": 300, "End": True}}))
    parent = create(_machine("Run", {"Run": _nested(child)}))
    started = states.start_execution(stateMachineArn=parent, input=json.dumps({"name": "child"}))
    child_arn = f"{child.replace(':stateMachine:', ':execution:')}:child"
    _wait_until_exists(states, child_arn)

    states.stop_execution(executionArn=started["executionArn"], error="Enough", cause="by hand")

    assert finish(started["executionArn"])["status"] == "ABORTED"
    assert finish(child_arn, 10)["status"] == "ABORTED"


def _wait_until_exists(states: Any, arn: str) -> None:
    for _ in range(200):
        try:
            states.describe_execution(executionArn=arn)
        except ClientError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"{arn} was never started")


# --- the API ------------------------------------------------------------------------------------------------------


def test_starting_a_running_execution_again_answers_with_it_unless_the_input_differs(
    states: Any, create: Callable[..., str]
) -> None:
    machine = create(_machine("Sleep", {"Sleep": {"Type": "Wait", "Seconds": 300, "End": True}}))
    first = states.start_execution(stateMachineArn=machine, name="same", input='{"a": 1}')

    again = states.start_execution(stateMachineArn=machine, name="same", input='{"a":1}')
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(stateMachineArn=machine, name="same", input='{"a": 2}')

    assert again["executionArn"] == first["executionArn"]
    states.stop_execution(executionArn=first["executionArn"])


def test_an_input_that_is_not_json_is_refused(states: Any, create: Callable[..., str]) -> None:
    with pytest.raises(states.exceptions.InvalidExecutionInput):
        states.start_execution(stateMachineArn=create(_pass()), input="{")


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        (_machine("Nowhere", {"Only": {"Type": "Pass", "End": True}}), "Nowhere"),
        (_machine("Only", {"Only": {"Type": "Pass", "Next": "Gone"}}), "Gone"),
        (_pass(Resuult="typo"), "Resuult"),
        (
            _machine("T", {"T": {"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync", "End": True}}),
            "batch:submitJob",
        ),
    ],
)
def test_an_invalid_definition_is_refused_when_it_is_created(states: Any, definition: str, problem: str) -> None:
    with pytest.raises(states.exceptions.InvalidDefinition, match=problem):
        states.create_state_machine(name=f"bad-{uuid4().hex[:8]}", definition=definition, roleArn=ROLE)


def test_the_history_links_every_event_to_the_one_before_in_its_branch(run: Run, states: Any) -> None:
    branches = [{"StartAt": name, "States": {name: {"Type": "Pass", "End": True}}} for name in ("Left", "Right")]
    execution = run(_machine("Both", {"Both": {"Type": "Parallel", "Branches": branches, "End": True}}))

    events = states.get_execution_history(executionArn=execution["executionArn"])["events"]
    by_id = {event["id"]: event for event in events}
    assert all(event["previousEventId"] < event["id"] for event in events)
    entered = [event for event in events if event["type"] == "PassStateEntered"]
    assert [by_id[event["previousEventId"]]["type"] for event in entered] == ["ParallelStateStarted"] * 2
    assert events[-1]["type"] == "ExecutionSucceeded"


def test_executions_are_logged_as_the_machine_says(run: Run, aws: Callable[..., Any]) -> None:
    logs = aws("logs")
    group = f"/states/{uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:{group}:*"
    configuration = {
        "level": "ALL",
        "includeExecutionData": True,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}],
    }

    run(_pass(), {"a": 1}, loggingConfiguration=configuration)

    records = [json.loads(event["message"]) for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert [record["type"] for record in records] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    assert json.loads(records[1]["details"]["input"]) == {"a": 1}


def test_ends_of_executions_are_counted_as_metrics(run: Run, aws: Callable[..., Any]) -> None:
    execution = run(_machine("Break", {"Break": {"Type": "Fail", "Error": "Broken"}}))

    metrics = aws("cloudwatch").list_metrics(
        Namespace="AWS/States",
        Dimensions=[{"Name": "StateMachineArn", "Value": execution["stateMachineArn"]}],
    )["Metrics"]
    assert {metric["MetricName"] for metric in metrics} >= {"ExecutionsStarted", "ExecutionsFailed", "ExecutionTime"}


def test_a_redrive_is_refused_by_name(states: Any, run: Run) -> None:
    execution = run(_machine("Break", {"Break": {"Type": "Fail", "Error": "Broken"}}))

    with pytest.raises(ClientError, match="RedriveExecution"):
        states.redrive_execution(executionArn=execution["executionArn"])


# --- job runs and crawlers ----------------------------------------------------------------------------------------


@pytest.fixture
def job(aws: Callable[..., Any]) -> Callable[[str], str]:
    """Creates a Glue job out of a script."""

    def create_job(script: str) -> str:
        s3, glue = aws("s3"), aws("glue")
        name = f"states-{uuid4().hex[:12]}"
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="script.py", Body=script.encode())
        command = {"Name": "glueetl", "ScriptLocation": f"s3://{name}/script.py"}
        glue.create_job(Name=name, Role="arn:aws:iam::000000000000:role/glue", Command=command)
        return name

    return create_job


def _run_job(name: str, **fields: Any) -> dict[str, Any]:
    parameters = {"JobName": name, "Arguments": {"--key.$": "$.key"}}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::glue:startJobRun.sync",
        "Parameters": parameters,
        "End": True,
        **fields,
    }


def test_a_job_run_is_waited_for_and_its_record_is_the_result(run: Run, job: Callable[[str], str]) -> None:
    name = job("import sys\nassert sys.argv[sys.argv.index('--key') + 1] == 'raw/a.parquet'\n")

    output = _output(run(_machine("Run", {"Run": _run_job(name)}), {"key": "raw/a.parquet"}))

    assert (output["JobName"], output["JobRunState"]) == (name, "SUCCEEDED")
    assert output["Arguments"] == {"--key": "raw/a.parquet"}


def test_a_failed_job_run_is_caught_with_its_reason(run: Run, job: Callable[[str], str]) -> None:
    name = job("raise ValueError('row 7')\n")
    catch = [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Caught"}]
    states = {"Run": _run_job(name, Catch=catch), "Caught": {"Type": "Pass", "End": True}}

    output = _output(run(_machine("Run", states), {"key": "k"}))

    assert json.loads(output["error"]["Cause"])["ErrorMessage"] == "ValueError: row 7"


@pytest.mark.parametrize("way", ["stop", "task time limit", "machine time limit"])
def test_a_job_run_ends_with_the_task_that_started_it(
    way: str, states: Any, create: Callable[..., str], finish: Run, job: Callable[[str], str], aws: Callable[..., Any]
) -> None:
    glue = aws("glue")
    name = job("import time\ntime.sleep(300)\n")
    task = _run_job(name, **({"TimeoutSeconds": 2} if way == "task time limit" else {}))
    fields = {"TimeoutSeconds": 2} if way == "machine time limit" else {}
    machine = create(_machine("Run", {"Run": task}, **fields))
    arn = states.start_execution(stateMachineArn=machine, input='{"key": "k"}')["executionArn"]
    deadline = time.monotonic() + 30
    while not (runs := glue.get_job_runs(JobName=name)["JobRuns"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if way == "stop":
        states.stop_execution(executionArn=arn)

    execution = finish(arn)

    expected = {"stop": "ABORTED", "task time limit": "FAILED", "machine time limit": "TIMED_OUT"}
    assert execution["status"] == expected[way]
    while (state := glue.get_job_run(JobName=name, RunId=runs[0]["Id"])["JobRun"]["JobRunState"]) != "STOPPED":
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


def test_concurrent_runs_and_running_crawlers_have_their_aws_error_names(run: Run, job: Callable[[str], str]) -> None:
    name = job("import time\ntime.sleep(3)\n")

    def branch(label: str) -> dict[str, Any]:
        catch = [{"ErrorEquals": ["Glue.ConcurrentRunsExceededException"], "Next": f"{label}Refused"}]
        refused = {"Type": "Pass", "Result": "refused", "End": True}
        return {"StartAt": label, "States": {label: _run_job(name, Catch=catch), f"{label}Refused": refused}}

    parallel = {"Type": "Parallel", "Branches": [branch("Left"), branch("Right")], "End": True}

    output = _output(run(_machine("Both", {"Both": parallel}), {"key": "k"}))

    assert sorted(result if isinstance(result, str) else result["JobRunState"] for result in output) == [
        "SUCCEEDED",
        "refused",
    ]


def test_a_crawler_is_started_and_watched_until_ready(run: Run, aws: Callable[..., Any]) -> None:
    name = f"watched-{uuid4().hex[:10]}"
    aws("s3").create_bucket(Bucket=name)
    targets = {"S3Targets": [{"Path": f"s3://{name}/"}]}
    aws("glue").create_crawler(Name=name, Role="crawler", DatabaseName=name.replace("-", "_"), Targets=targets)
    states = {
        "Start": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:glue:startCrawler",
            "Parameters": {"Name": name},
            "Retry": [{"ErrorEquals": ["Glue.CrawlerRunningException"], "IntervalSeconds": 1}],
            "Next": "Get",
        },
        "Get": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:glue:getCrawler",
            "Parameters": {"Name": name},
            "Next": "Ready",
        },
        "Ready": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.Crawler.State", "StringEquals": "READY", "Next": "Done"}],
            "Default": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Get"},
        "Done": {"Type": "Pass", "InputPath": "$.Crawler.LastCrawl.Status", "End": True},
    }

    assert _output(run(_machine("Start", states))) == "SUCCEEDED"


# --- against the bare emulator, and over restarts -----------------------------------------------------------------


def _client(endpoint: Endpoint) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("stepfunctions", endpoint_url=endpoint.url, **keys)


def test_the_bare_emulator_takes_a_missing_path_for_null(tmp_path: Path) -> None:
    bare = Endpoint(tmp_path / "bare", port=0, unpatched=True)
    bare.start()
    try:
        states = _client(bare)
        machine = states.create_state_machine(
            name="lenient", definition=_pass(Parameters={"key.$": "$.absent"}), roleArn=ROLE
        )["stateMachineArn"]
        arn = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
        deadline = time.monotonic() + 30
        while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert _output(execution) == {"key": None}
    finally:
        bare.stop()


def test_an_execution_that_a_stop_of_the_endpoint_interrupted_is_failed_after_the_restart(tmp_path: Path) -> None:
    home = tmp_path / "restarted"
    first = Endpoint(home, port=0)
    first.start()
    states = _client(first)
    machine = states.create_state_machine(
        name="sleeper",
        definition=_machine("Sleep", {"Sleep": {"Type": "Wait", "Seconds": 300, "End": True}}),
        roleArn=ROLE,
    )["stateMachineArn"]
    arn = states.start_execution(stateMachineArn=machine, input="{}")["executionArn"]
    first.stop()

    second = Endpoint(home, port=0)
    second.start()
    try:
        execution = _client(second).describe_execution(executionArn=arn)
        events = _client(second).get_execution_history(executionArn=arn)["events"]
        assert (execution["status"], execution["error"]) == ("FAILED", "States.ServiceRestart")
        assert "endpoint stopped" in execution["cause"]
        assert events[-1]["type"] == "ExecutionFailed"
    finally:
        second.stop()
