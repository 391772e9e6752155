"""Builds on the local endpoint run the buildspec of the project's source, as CodeBuild does."""

from __future__ import annotations

import io
import json
import os
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from lakehouse.local.endpoint import Endpoint

ROLE = "arn:aws:iam::000000000000:role/build-role"
IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
ENVIRONMENT = {"type": "LINUX_CONTAINER", "image": IMAGE, "computeType": "BUILD_GENERAL1_SMALL"}


def _spec(*commands: str, **phases: list[str]) -> str:
    bodies = {name: {"commands": body} for name, body in {"build": list(commands), **phases}.items()}
    return json.dumps({"version": "0.2", "phases": bodies})


class Builds:
    """Makes projects out of buildspecs and runs builds of them."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.s3, self.codebuild, self.logs = aws("s3"), aws("codebuild"), aws("logs")
        self.bucket = f"builds-{uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def upload(self, **files: str) -> str:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        key = f"{uuid4().hex}/source.zip"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content.getvalue())
        return f"{self.bucket}/{key}"

    def create(self, buildspec: str, files: dict[str, str] | None = None, **fields: Any) -> str:
        name = f"project-{uuid4().hex[:12]}"
        location = self.upload(**{"buildspec.yml": buildspec, **(files or {})})
        options = {
            "source": {"type": "S3", "location": location},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": ENVIRONMENT,
            "serviceRole": ROLE,
        }
        self.codebuild.create_project(name=name, **{**options, **fields})
        return name

    def start(self, name: str, **overrides: Any) -> str:
        return str(self.codebuild.start_build(projectName=name, **overrides)["build"]["id"])

    def get(self, build_id: str) -> dict[str, Any]:
        build: dict[str, Any] = self.codebuild.batch_get_builds(ids=[build_id])["builds"][0]
        return build

    def wait(self, build_id: str, seconds: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not (build := self.get(build_id))["buildComplete"]:
            assert time.monotonic() < deadline, build
            time.sleep(0.05)
        return build

    def run(self, buildspec: str, files: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        return self.wait(self.start(self.create(buildspec, files, **fields)))

    def log(self, build: dict[str, Any]) -> list[str]:
        """What the commands printed: the lines that are not the build environment's own."""
        where = build["logs"]
        found = self.logs.get_log_events(
            logGroupName=where["groupName"], logStreamName=where["streamName"], startFromHead=True
        )
        return [event["message"] for event in found["events"] if not event["message"].startswith("[Container]")]


@pytest.fixture
def builds(aws: Callable[..., Any]) -> Builds:
    return Builds(aws)


def _phases(build: dict[str, Any]) -> dict[str, str | None]:
    return {phase["phaseType"]: phase.get("phaseStatus") for phase in build["phases"]}


def test_a_build_runs_the_buildspec_of_its_source_and_logs_what_it_prints(builds: Builds) -> None:
    build = builds.run(_spec("cat data/greeting.txt", "pwd"), {"data/greeting.txt": "hello from the source\n"})

    assert (build["buildStatus"], build["currentPhase"], build["buildComplete"]) == ("SUCCEEDED", "COMPLETED", True)
    greeting, folder = builds.log(build)
    assert (greeting, Path(folder).name) == ("hello from the source", "src")
    assert _phases(build) == {
        **dict.fromkeys(("SUBMITTED", "QUEUED", "PROVISIONING", "DOWNLOAD_SOURCE"), "SUCCEEDED"),
        **dict.fromkeys(("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"), "SUCCEEDED"),
        **dict.fromkeys(("UPLOAD_ARTIFACTS", "FINALIZING"), "SUCCEEDED"),
        "COMPLETED": None,
    }
    assert build["logs"]["groupName"] == f"/aws/codebuild/{build['projectName']}"
    assert build["logs"]["streamName"] == build["id"].partition(":")[2]
    assert build["buildNumber"] == 1
    assert not Path(folder).exists(), "nothing of a build is left on disk"


def test_a_failed_command_fails_the_build_and_post_build_still_runs(builds: Builds) -> None:
    build = builds.run(_spec("exit 3", post_build=["echo succeeding=$CODEBUILD_BUILD_SUCCEEDING"]))

    assert build["buildStatus"] == "FAILED"
    assert builds.log(build) == ["succeeding=0"]
    phase = next(phase for phase in build["phases"] if phase["phaseType"] == "BUILD")
    assert phase["contexts"] == [
        {
            "statusCode": "COMMAND_EXECUTION_ERROR",
            "message": "Error while executing command: exit 3. Reason: exit status 3",
        }
    ]
    assert _phases(build)["POST_BUILD"] == "SUCCEEDED"


def test_variables_come_from_the_buildspec_the_project_and_the_call_and_the_last_wins(builds: Builds) -> None:
    text = {
        "version": "0.2",
        "env": {"variables": {"A": "spec", "B": "spec", "C": "spec"}, "exported-variables": ["RESULT"]},
        "phases": {"build": {"commands": ["echo $A $B $C $D", "RESULT=done"]}},
    }
    variables = [{"name": name, "value": "project"} for name in "BC"]
    name = builds.create(json.dumps(text), environment={**ENVIRONMENT, "environmentVariables": variables})
    overrides = [{"name": name, "value": "call"} for name in "CD"]
    build = builds.wait(builds.start(name, environmentVariablesOverride=overrides))

    assert builds.log(build) == ["spec project call call"]
    assert build["exportedEnvironmentVariables"] == [{"name": "RESULT", "value": "done"}]
    given = {each["name"]: each["value"] for each in build["environment"]["environmentVariables"]}
    assert given == {"B": "project", "C": "call", "D": "call"}


def test_codebuilds_own_variables_are_there_and_nothing_of_the_laptop(builds: Builds, endpoint: Endpoint) -> None:
    build = builds.run(_spec("env"))

    variables = dict(line.split("=", 1) for line in builds.log(build) if "=" in line)
    assert variables["CODEBUILD_BUILD_ID"] == build["id"]
    assert variables["CODEBUILD_BUILD_ARN"] == build["arn"]
    assert variables["CODEBUILD_BUILD_NUMBER"] == "1"
    assert variables["CODEBUILD_BUILD_SUCCEEDING"] == "1"
    assert variables["CODEBUILD_BUILD_IMAGE"] == IMAGE
    assert variables["CODEBUILD_SOURCE_REPO_URL"] == f"s3://{build['source']['location']}"
    assert variables["AWS_DEFAULT_REGION"] == variables["AWS_REGION"] == "us-east-1"
    assert variables["AWS_ENDPOINT_URL"] == endpoint.url
    assert ".venv" not in variables["PATH"]
    assert not {"VIRTUAL_ENV", "PYTHONPATH", "LAKEHOUSE_HOME"} & set(variables)


def test_a_build_calls_aws_as_the_projects_role(builds: Builds, aws: Callable[..., Any]) -> None:
    packages = Path(boto3.__file__).parents[1]
    code = (
        f"import sys; sys.path.append({str(packages)!r}); import boto3; "
        "print(boto3.client('sts').get_caller_identity()['Arn'])"
    )
    build = builds.run(_spec(f'python -c "{code}"'))

    (arn,) = builds.log(build)
    assert arn.startswith("arn:aws:sts::000000000000:assumed-role/build-role/AWSCodeBuild-")


def test_the_runtime_is_a_python_without_this_projects_packages(builds: Builds) -> None:
    text = {
        "version": "0.2",
        "phases": {
            "install": {"runtime-versions": {"python": "3.11"}, "commands": ["python -m venv --without-pip .venv"]},
            "build": {
                "commands": [
                    "python --version",
                    ".venv/bin/python -c \"import importlib.util as u; print(u.find_spec('lakehouse'))\"",
                ]
            },
        },
    }
    build = builds.run(json.dumps(text))

    version, found = builds.log(build)
    assert version.startswith("Python 3.11.")
    assert found == "None"


def test_an_old_version_of_the_source_can_be_built(builds: Builds) -> None:
    builds.s3.put_bucket_versioning(Bucket=builds.bucket, VersioningConfiguration={"Status": "Enabled"})
    name = builds.create(_spec("echo old"))
    bucket, _, key = builds.codebuild.batch_get_projects(names=[name])["projects"][0]["source"]["location"].partition(
        "/"
    )
    old = builds.s3.head_object(Bucket=bucket, Key=key)["VersionId"]
    new = builds.upload(**{"buildspec.yml": _spec("echo new")})
    builds.s3.copy_object(Bucket=bucket, Key=key, CopySource=new)

    assert builds.log(builds.wait(builds.start(name))) == ["new"]
    assert builds.log(builds.wait(builds.start(name, sourceVersion=old))) == ["old"]


def test_a_buildspec_can_be_given_with_the_call(builds: Builds) -> None:
    name = builds.create(_spec("echo source"), {"other.yml": _spec("echo other file")})

    assert builds.log(builds.wait(builds.start(name, buildspecOverride=_spec("echo call")))) == ["call"]
    assert builds.log(builds.wait(builds.start(name, buildspecOverride="other.yml"))) == ["other file"]


@pytest.mark.parametrize(
    ("buildspec", "code", "named"),
    [
        ("no: phases\nversion: 0.2", "YAML_FILE_ERROR", "no phases"),
        ("version: 0.2\nreports: {r: {files: [a]}}\nphases: {build: {commands: [ls]}}", "YAML_FILE_ERROR", "reports"),
    ],
)
def test_a_buildspec_of_the_source_that_cannot_be_run_fails_before_any_command(
    builds: Builds, buildspec: str, code: str, named: str
) -> None:
    build = builds.run(buildspec)

    phase = next(phase for phase in build["phases"] if phase["phaseType"] == "DOWNLOAD_SOURCE")
    assert (build["buildStatus"], phase["contexts"][0]["statusCode"]) == ("FAILED", code)
    assert named in phase["contexts"][0]["message"]
    assert "INSTALL" not in _phases(build)


def test_a_missing_source_fails_the_build_and_names_it(builds: Builds) -> None:
    name = builds.create(_spec("ls"), source={"type": "S3", "location": f"{builds.bucket}/nowhere.zip"})
    build = builds.wait(builds.start(name))

    phase = next(phase for phase in build["phases"] if phase["phaseType"] == "DOWNLOAD_SOURCE")
    assert (build["buildStatus"], phase["phaseStatus"]) == ("FAILED", "FAILED")
    assert f"s3://{builds.bucket}/nowhere.zip" in phase["contexts"][0]["message"]


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"imageOverride": "python:3.11"}, "image python:3.11"),
        ({"environmentTypeOverride": "ARM_CONTAINER"}, "environment type ARM_CONTAINER"),
        ({"artifactsOverride": {"type": "S3", "location": "b"}}, "artifacts type S3"),
        ({"cacheOverride": {"type": "S3", "location": "b"}}, "cache type S3"),
        ({"cacheOverride": {"type": "LOCAL", "modes": ["LOCAL_DOCKER_LAYER_CACHE"]}}, "LOCAL_DOCKER_LAYER_CACHE"),
        ({"privilegedModeOverride": True}, "privilegedMode"),
        ({"sourceTypeOverride": "GITHUB"}, "source type GITHUB"),
        ({"debugSessionEnabled": True}, "debugSessionEnabled"),
        ({"timeoutInMinutesOverride": 2161}, "timeoutInMinutes: 2161"),
        ({"buildspecOverride": "version: 0.2\nproxy: {logs: yes}\nphases: {build: {commands: [ls]}}"}, "proxy"),
        (
            {"environmentVariablesOverride": [{"name": "A", "value": "/a", "type": "PARAMETER_STORE"}]},
            "environment variable A of type PARAMETER_STORE",
        ),
        (
            {"environmentVariablesOverride": [{"name": "A", "value": "a", "type": "SECRETS_MANAGER"}]},
            "environment variable A of type SECRETS_MANAGER",
        ),
    ],
)
def test_what_the_laptop_cannot_honour_is_refused_by_name(
    builds: Builds, overrides: dict[str, Any], named: str
) -> None:
    name = builds.create(_spec("ls"))

    with pytest.raises(ClientError, match=named) as refused:
        builds.start(name, **overrides)
    assert refused.value.response["Error"]["Code"] == "InvalidInputException"
    assert builds.codebuild.list_builds_for_project(projectName=name)["ids"] == []


def test_a_stopped_build_is_killed_with_what_it_started(builds: Builds, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    name = builds.create(_spec(f"(while :; do touch '{mark}'; sleep 0.05; done) & wait", post_build=["echo never"]))
    build_id = builds.start(name)
    _wait_for(mark)

    builds.codebuild.stop_build(id=build_id)
    build = builds.wait(build_id)

    assert (build["buildStatus"], _phases(build)["BUILD"]) == ("STOPPED", "STOPPED")
    assert "POST_BUILD" not in _phases(build)
    mark.unlink()
    time.sleep(0.3)
    assert not mark.exists()


def test_the_log_is_there_while_the_build_still_runs(builds: Builds) -> None:
    build_id = builds.start(builds.create(_spec("echo started", "sleep 300")))
    deadline = time.monotonic() + 30

    def printed() -> list[str]:
        try:
            return builds.log(builds.get(build_id))
        except builds.logs.exceptions.ResourceNotFoundException:
            return []

    while printed() != ["started"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert builds.get(build_id)["buildStatus"] == "IN_PROGRESS"
    builds.codebuild.stop_build(id=build_id)


def test_more_builds_than_the_project_allows_are_refused(builds: Builds) -> None:
    name = builds.create(_spec("sleep 300"), concurrentBuildLimit=1)
    first = builds.start(name)

    with pytest.raises(ClientError) as refused:
        builds.start(name)
    assert refused.value.response["Error"]["Code"] == "AccountLimitExceededException"
    builds.codebuild.stop_build(id=first)
    builds.wait(first)
    second = builds.start(name)
    builds.codebuild.stop_build(id=second)


def test_a_build_beyond_what_the_machine_runs_at_once_is_queued_and_can_be_stopped_there(builds: Builds) -> None:
    name = builds.create(_spec("sleep 300"))
    running = [builds.start(name) for _ in range(max(2, os.cpu_count() or 2))]
    deadline = time.monotonic() + 30
    while {builds.get(each)["currentPhase"] for each in running} != {"BUILD"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    queued = builds.start(name)

    time.sleep(0.5)
    assert builds.get(queued)["currentPhase"] == "QUEUED"
    builds.codebuild.stop_build(id=queued)
    assert _phases(builds.wait(queued)) == {"SUBMITTED": "SUCCEEDED", "QUEUED": "STOPPED", "COMPLETED": None}
    next_one = builds.start(name, buildspecOverride=_spec("echo at last"))
    builds.codebuild.stop_build(id=running[0])
    assert builds.log(builds.wait(next_one)) == ["at last"]
    for build_id in running:
        builds.codebuild.stop_build(id=build_id)


def test_the_same_token_starts_one_build(builds: Builds) -> None:
    name = builds.create(_spec("echo once"))

    first, second = (builds.start(name, idempotencyToken="a-token") for _ in range(2))

    assert first == second
    with pytest.raises(ClientError, match="idempotency token"):
        builds.start(name, idempotencyToken="a-token", sourceVersion="other")
    builds.wait(first)


def test_logs_go_where_the_project_says(builds: Builds) -> None:
    group = f"/lakehouse/{uuid4().hex[:8]}"
    config = {"cloudWatchLogs": {"status": "ENABLED", "groupName": group, "streamName": "dbt"}}
    build = builds.run(_spec("echo here"), logsConfig=config)

    assert build["logs"]["groupName"] == group
    assert build["logs"]["streamName"].startswith("dbt/")
    assert builds.log(build) == ["here"]


def test_a_cached_folder_outlives_the_build(builds: Builds) -> None:
    text = {
        "version": "0.2",
        "phases": {"build": {"commands": ["cat kept/file 2>/dev/null || echo empty", "echo filled > kept/file"]}},
        "cache": {"paths": ["kept/**/*"]},
    }
    name = builds.create(json.dumps(text), cache={"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]})

    assert [builds.log(builds.wait(builds.start(name))) for _ in range(2)] == [["empty"], ["filled"]]


def test_the_start_and_the_end_of_a_build_are_events(builds: Builds, aws: Callable[..., Any]) -> None:
    sqs, events = aws("sqs"), aws("events")
    name = f"builds-{uuid4().hex[:12]}"
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    project = builds.create(_spec("false"))
    pattern = {
        "source": ["aws.codebuild"],
        "detail-type": ["CodeBuild Build State Change"],
        "detail": {"project-name": [project]},
    }
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

    build = builds.wait(builds.start(project))

    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + 20
    while len(found) < 2 and time.monotonic() < deadline:
        received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", [])
        found += [json.loads(message["Body"]) for message in received]
    events.remove_targets(Rule=name, Ids=["queue"])
    events.delete_rule(Name=name)
    assert {event["detail"]["build-status"] for event in found} == {"IN_PROGRESS", "FAILED"}
    assert {event["detail"]["build-id"] for event in found} == {build["arn"]}


def test_a_project_is_read_as_it_was_written(builds: Builds) -> None:
    settings: dict[str, Any] = {
        "cache": {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]},
        "concurrentBuildLimit": 1,
        "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": "/x"}},
        "queuedTimeoutInMinutes": 30,
        "timeoutInMinutes": 45,
    }
    name = builds.create(_spec("ls"), **settings)
    builds.codebuild.update_project(name=name, timeoutInMinutes=50)

    (project,) = builds.codebuild.batch_get_projects(names=[name])["projects"]

    assert {key: project[key] for key in settings} == {**settings, "timeoutInMinutes": 50}
    assert (project["serviceRole"], project["projectVisibility"]) == (ROLE, "PRIVATE")
    with pytest.raises(ClientError, match="timeoutInMinutes: 2161"):
        builds.codebuild.update_project(name=name, timeoutInMinutes=2161)


def test_a_project_is_deleted_by_its_arn_too(builds: Builds) -> None:
    name = builds.create(_spec("ls"))
    arn = builds.codebuild.batch_get_projects(names=[name])["projects"][0]["arn"]

    for _ in range(2):
        builds.codebuild.delete_project(name=arn)
        assert builds.codebuild.batch_get_projects(names=[name])["projectsNotFound"] == [name]


# --- state machines -----------------------------------------------------------------------------------------------


def _execute(aws: Callable[..., Any], task: dict[str, Any], **states: Any) -> tuple[Any, str]:
    client = aws("stepfunctions")
    definition = {"StartAt": "Build", "States": {"Build": task, **states}}
    role = "arn:aws:iam::000000000000:role/states"
    name = f"machine-{uuid4().hex[:12]}"
    machine = client.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)["stateMachineArn"]
    return client, client.start_execution(stateMachineArn=machine, input="{}")["executionArn"]


def _ended(client: Any, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (execution := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found: dict[str, Any] = execution
    return found


def _task(name: str, **fields: Any) -> dict[str, Any]:
    parameters = {"ProjectName": name, "EnvironmentVariablesOverride": [{"Name": "A", "Value": "from the task"}]}
    resource = "arn:aws:states:::codebuild:startBuild.sync"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **fields}


def test_a_state_machine_waits_for_a_build_and_has_its_record(builds: Builds, aws: Callable[..., Any]) -> None:
    execution = _ended(*_execute(aws, _task(builds.create(_spec("echo $A")))))

    assert execution["status"] == "SUCCEEDED", execution
    build = json.loads(execution["output"])["Build"]
    assert (build["BuildStatus"], build["BuildComplete"]) == ("SUCCEEDED", True)
    assert builds.log(builds.get(build["Id"])) == ["from the task"]


def test_a_failed_build_fails_the_task_with_its_record_as_the_cause(builds: Builds, aws: Callable[..., Any]) -> None:
    execution = _ended(*_execute(aws, _task(builds.create(_spec("false")))))

    assert (execution["status"], execution["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(execution["cause"])["Build"]["BuildStatus"] == "FAILED"


def test_a_build_that_cannot_start_has_codebuilds_error_name(builds: Builds, aws: Callable[..., Any]) -> None:
    catch = [{"ErrorEquals": ["CodeBuild.ResourceNotFoundException"], "Next": "Caught"}]
    execution = _ended(*_execute(aws, _task("nowhere", Catch=catch), Caught={"Type": "Pass", "End": True}))

    assert execution["status"] == "SUCCEEDED", execution


@pytest.mark.parametrize("way", ["stop", "time limit"])
def test_a_build_ends_with_the_task_that_started_it(builds: Builds, aws: Callable[..., Any], way: str) -> None:
    name = builds.create(_spec("sleep 300"))
    client, arn = _execute(aws, _task(name, **({"TimeoutSeconds": 2} if way == "time limit" else {})))
    deadline = time.monotonic() + 30
    while not (ids := builds.codebuild.list_builds_for_project(projectName=name)["ids"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if way == "stop":
        client.stop_execution(executionArn=arn)

    assert _ended(client, arn)["status"] == ("ABORTED" if way == "stop" else "FAILED")
    assert builds.wait(ids[0])["buildStatus"] == "STOPPED"


def test_a_batch_of_builds_is_refused(builds: Builds, aws: Callable[..., Any]) -> None:
    task = _task(builds.create(_spec("ls")), Resource="arn:aws:states:::codebuild:startBuildBatch")

    with pytest.raises(ClientError, match="startBuildBatch is not executed"):
        _execute(aws, task)


# --- the bare emulator, and crashes -------------------------------------------------------------------------------


def test_the_bare_emulator_says_succeeded_without_running_a_command(bare_aws: Callable[..., Any]) -> None:
    builds = Builds(bare_aws)
    name = builds.create(_spec("false"), queuedTimeoutInMinutes=30)

    assert builds.get(builds.start(name))["buildStatus"] == "SUCCEEDED"
    assert "queuedTimeoutInMinutes" not in builds.codebuild.batch_get_projects(names=[name])["projects"][0]
    arn = builds.get(builds.start(name))["arn"]
    assert builds.codebuild.batch_get_builds(ids=[arn])["buildsNotFound"] == [arn]
    project = builds.codebuild.batch_get_projects(names=[name])["projects"][0]["arn"]
    with pytest.raises(ClientError, match="Project not found"):
        builds.codebuild.delete_project(name=project)


def _wait_for(mark: Path) -> None:
    deadline = time.monotonic() + 30
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _clients(endpoint: Endpoint) -> Callable[..., Any]:
    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return client


@pytest.mark.e2e
@pytest.mark.parametrize("way", ["crash", "stop"])
def test_a_build_that_the_endpoints_end_interrupted_is_failed_after_the_restart(tmp_path: Path, way: str) -> None:
    home, mark = tmp_path / "home", tmp_path / "alive"
    first = Endpoint(home, port=0)
    first.start()
    builds = Builds(_clients(first))
    name = builds.create(_spec(f"while :; do touch '{mark}'; sleep 0.05; done"))
    build_id = builds.start(name)
    _wait_for(mark)
    if way == "stop":
        first.stop()
    else:
        time.sleep(5)  # until a checkpoint has seen the build
        os.kill(json.loads((home / "endpoint.json").read_text())["pid"], signal.SIGKILL)

    second = Endpoint(home, port=0)
    second.start()
    try:
        build = Builds(_clients(second)).get(build_id)
        assert (build["buildStatus"], build["buildComplete"]) == ("FAILED", True)
        reasons = [context["message"] for phase in build["phases"] for context in phase.get("contexts", [])]
        assert any("endpoint stopped during this build" in reason for reason in reasons)
        mark.unlink(missing_ok=True)
        time.sleep(0.5)
        assert not mark.exists()
        assert not list((home / "builds" / "running").glob("*"))
    finally:
        second.stop()
