"""Glue job runs on the local endpoint run the script, with real Spark."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lakehouse.local.endpoint import Endpoint

ROLE = "arn:aws:iam::000000000000:role/glue"
FINAL = {"SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"}


class Jobs:
    """Creates jobs out of script texts and runs them."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.s3, self.glue, self.logs = aws("s3"), aws("glue"), aws("logs")
        self.bucket = f"jobs-{uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def upload(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def create(self, script: str, **fields: Any) -> str:
        name = f"job-{uuid4().hex[:12]}"
        command = {"Name": "glueetl", "ScriptLocation": self.upload(f"scripts/{name}.py", script.encode())}
        self.glue.create_job(**{"Name": name, "Role": ROLE, "Command": command, "GlueVersion": "5.0", **fields})
        return name

    def start(self, name: str, **fields: Any) -> str:
        return str(self.glue.start_job_run(JobName=name, **fields)["JobRunId"])

    def get(self, name: str, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
        return run

    def wait(self, name: str, run_id: str, states: set[str] = FINAL, seconds: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (run := self.get(name, run_id))["JobRunState"] not in states:
            assert time.monotonic() < deadline, run
            time.sleep(0.05)
        return run

    def run(self, script: str, arguments: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        name = self.create(script, **fields)
        return self.wait(name, self.start(name, Arguments=arguments or {}))

    def log(self, kind: str, run_id: str) -> list[str]:
        group = f"/aws-glue/jobs/{kind}"
        try:
            found = self.logs.get_log_events(logGroupName=group, logStreamName=run_id, startFromHead=True)
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in found["events"]]


@pytest.fixture
def jobs(aws: Callable[..., Any]) -> Jobs:
    return Jobs(aws)


def _wheel(package: str, source: str, requires: str = "") -> bytes:
    """A wheel of one module, of version 1.0."""
    info = f"{package}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
    if requires:
        metadata += f"Requires-Dist: {requires}\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr(f"{package}/__init__.py", source)
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    return archive.getvalue()


# --- a script without Spark ---------------------------------------------------------------------------------------


def test_a_script_runs_with_its_merged_arguments_and_its_output_in_the_logs(jobs: Jobs) -> None:
    script = """
import sys
from awsglue.utils import getResolvedOptions
options = getResolvedOptions(sys.argv, ["JOB_NAME", "default", "given"])
print("options", options["default"], options["given"], options["JOB_NAME"])
print("to the error log", file=sys.stderr)
"""
    defaults = {"--default": "kept", "--given": "replaced"}
    run = jobs.run(script, {"--given": "by the run"}, DefaultArguments=defaults)

    assert run["JobRunState"] == "SUCCEEDED", run
    assert jobs.log("output", run["Id"]) == [f"options kept by the run {run['JobName']}"]
    assert jobs.log("error", run["Id"]) == ["to the error log"]
    assert "DPUSeconds" not in run


def test_a_failed_script_names_its_exception(jobs: Jobs) -> None:
    script = """
class BadInputError(Exception):
    pass
try:
    1 / 0
except ZeroDivisionError as error:
    raise BadInputError("row 7: not a number") from error
"""
    run = jobs.run(script)

    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "BadInputError: row 7: not a number")


def test_a_missing_argument_fails_as_on_glue(jobs: Jobs) -> None:
    run = jobs.run("import sys\nfrom awsglue.utils import getResolvedOptions\ngetResolvedOptions(sys.argv, ['x'])\n")

    assert run["ErrorMessage"] == "GlueArgumentError: the following arguments are required: --x"


def test_the_log_is_there_while_the_script_still_runs(jobs: Jobs) -> None:
    name = jobs.create("import time\nprint('started')\ntime.sleep(300)\n")
    run_id = jobs.start(name)

    jobs.wait(name, run_id, {"RUNNING"})
    deadline = time.monotonic() + 30
    while not jobs.log("output", run_id) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert jobs.log("output", run_id) == ["started"]
    assert jobs.get(name, run_id)["JobRunState"] == "RUNNING"
    jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
    jobs.wait(name, run_id)


def test_a_stopped_run_is_killed_with_what_it_started(jobs: Jobs, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    script = f"""
import subprocess, sys, time
code = "import time, pathlib\\nwhile True:\\n    pathlib.Path({str(mark)!r}).touch()\\n    time.sleep(0.05)"
subprocess.Popen([sys.executable, "-c", code])
time.sleep(300)
"""
    name = jobs.create(script)
    run_id = jobs.start(name)
    _wait_for(mark)

    answer = jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id, "jr_unknown"])
    run = jobs.wait(name, run_id)

    assert run["JobRunState"] == "STOPPED"
    assert [error["ErrorDetail"]["ErrorCode"] for error in answer["Errors"]] == ["EntityNotFoundException"]
    mark.unlink(missing_ok=True)
    time.sleep(0.5)
    assert not mark.exists()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


def test_a_second_run_at_the_same_time_is_refused_by_default_and_allowed_where_the_job_says_so(jobs: Jobs) -> None:
    single = jobs.create("import time\ntime.sleep(300)\n")
    double = jobs.create("import time\ntime.sleep(300)\n", ExecutionProperty={"MaxConcurrentRuns": 2})
    runs = {single: [jobs.start(single)], double: [jobs.start(double), jobs.start(double)]}

    with pytest.raises(jobs.glue.exceptions.ConcurrentRunsExceededException):
        jobs.start(single)

    for name, ids in runs.items():
        jobs.glue.batch_stop_job_run(JobName=name, JobRunIds=ids)
        for run_id in ids:
            jobs.wait(name, run_id)
    assert [run["Id"] for run in jobs.glue.get_job_runs(JobName=double)["JobRuns"]] == runs[double][::-1]


def test_a_failed_run_is_retried_as_often_as_the_job_says(jobs: Jobs) -> None:
    name = jobs.create("raise ValueError('no')\n", MaxRetries=2)
    first = jobs.start(name)

    last = jobs.wait(name, f"{first}_attempt_2", seconds=60) if _appears(jobs, name, f"{first}_attempt_2") else {}

    runs = jobs.glue.get_job_runs(JobName=name)["JobRuns"]
    assert sorted(run["Attempt"] for run in runs) == [0, 1, 2]
    assert {run["JobRunState"] for run in runs} == {"FAILED"}
    assert last["PreviousRunId"] == f"{first}_attempt_1"


def _appears(jobs: Jobs, name: str, run_id: str) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(run["Id"] == run_id for run in jobs.glue.get_job_runs(JobName=name)["JobRuns"]):
            return True
        time.sleep(0.05)
    return False


def test_the_end_of_a_run_is_an_event(jobs: Jobs, aws: Callable[..., Any]) -> None:
    events, sqs = aws("events"), aws("sqs")
    url = sqs.create_queue(QueueName=f"ends-{uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = f"ends-{uuid4().hex[:8]}"
    name = jobs.create("raise ValueError('no')\n")
    pattern = {"source": ["aws.glue"], "detail-type": ["Glue Job State Change"], "detail": {"jobName": [name]}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])

    run_id = jobs.start(name)
    jobs.wait(name, run_id)

    message = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]
    detail = json.loads(message["Body"])["detail"]
    assert (detail["jobRunId"], detail["state"], detail["message"]) == (run_id, "FAILED", "ValueError: no")
    events.remove_targets(Rule=rule, Ids=["queue"])
    events.delete_rule(Name=rule)


@pytest.mark.parametrize(
    ("fields", "arguments", "named"),
    [
        ({"Command": {"Name": "pythonshell", "ScriptLocation": "s3://b/s.py"}}, {}, "pythonshell"),
        ({}, {"--extra-jars": "s3://b/x.jar"}, "--extra-jars"),
        ({}, {"--additional-python-modules": "requests==2.0"}, "requests==2.0"),
        ({}, {"--enable-glue-datacatalog": "true"}, "--enable-glue-datacatalog"),
    ],
)
def test_what_the_laptop_cannot_honour_is_refused_by_name(
    jobs: Jobs, fields: dict[str, Any], arguments: dict[str, str], named: str
) -> None:
    name = jobs.create("", **fields)

    with pytest.raises(jobs.glue.exceptions.InvalidInputException, match=named):
        jobs.start(name, Arguments=arguments)


def test_a_missing_script_fails_the_run_and_names_it(jobs: Jobs) -> None:
    location = f"s3://{jobs.bucket}/scripts/gone.py"
    run = jobs.run("", Command={"Name": "glueetl", "ScriptLocation": location})

    assert run["JobRunState"] == "FAILED"
    assert location in run["ErrorMessage"]


# --- isolation and wheels -----------------------------------------------------------------------------------------


def test_a_job_sees_its_wheels_and_glues_packages_but_not_this_projects(jobs: Jobs) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as wheels:
        wheels.writestr("wheels/alpha-1.0-py3-none-any.whl", _wheel("alpha", "NAME = 'alpha'", requires="beta>=1"))
        wheels.writestr("wheels/beta-1.0-py3-none-any.whl", _wheel("beta", "NAME = 'beta'"))
    location = jobs.upload("wheels/all.gluewheels.zip", archive.getvalue())
    script = """
import importlib.util, os
import alpha, beta, boto3, numpy, pandas, pyspark
print(alpha.NAME, beta.NAME)
print([name for name in ("lakehouse", "ministack", "polars", "pytest") if importlib.util.find_spec(name)])
print([name for name in os.environ if name.startswith(("LAKEHOUSE_", "GATEWAY_", "S3_"))])
"""
    arguments = {"--additional-python-modules": location, "--python-modules-installer-option": "--no-index"}
    run = jobs.run(script, arguments)

    assert run["JobRunState"] == "SUCCEEDED", run
    assert jobs.log("output", run["Id"]) == ["alpha beta", "[]", "[]"]


def test_wheels_that_lack_a_requirement_fail_the_run_before_it_starts(jobs: Jobs) -> None:
    location = jobs.upload("wheels/alpha-1.0-py3-none-any.whl", _wheel("alpha", "", requires="not_there>=2"))
    run = jobs.run("print('never')", {"--additional-python-modules": location})

    assert run["JobRunState"] == "FAILED"
    assert "not_there>=2" in run["ErrorMessage"]
    assert jobs.log("output", run["Id"]) == []


def test_wheels_are_unpacked_before_the_first_run_asks_for_them(jobs: Jobs, endpoint: Endpoint) -> None:
    name = f"early_{uuid4().hex[:12]}"
    location = jobs.upload(f"wheels/{name}-1.0-py3-none-any.whl", _wheel(name, "NAME = 'early'"))
    jobs.create("print('never')", DefaultArguments={"--additional-python-modules": location})

    deadline = time.monotonic() + 60
    while not (found := list(endpoint.home.glob(f"glue/modules-*/{name}/__pycache__/*.pyc"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(found) == 1


def test_a_job_of_missing_wheels_can_be_created_and_run_once_they_are_there(jobs: Jobs) -> None:
    location = f"s3://{jobs.bucket}/wheels/later-1.0-py3-none-any.whl"
    name = jobs.create("import later", DefaultArguments={"--additional-python-modules": location})
    run = jobs.wait(name, jobs.start(name))
    assert "Upload it" in run["ErrorMessage"]

    jobs.upload("wheels/later-1.0-py3-none-any.whl", _wheel("later", ""))
    assert jobs.wait(name, jobs.start(name))["JobRunState"] == "SUCCEEDED"


def test_a_wheel_of_another_python_is_refused(jobs: Jobs) -> None:
    location = jobs.upload("wheels/alpha-1.0-cp38-cp38-win32.whl", _wheel("alpha", ""))
    run = jobs.run("print('never')", {"--additional-python-modules": location})

    assert "not a supported wheel" in run["ErrorMessage"]


def test_the_script_calls_aws_as_the_jobs_role(jobs: Jobs) -> None:
    script = "import boto3\nprint(boto3.client('sts').get_caller_identity()['Arn'])\n"
    run = jobs.run(script)

    assert jobs.log("output", run["Id"]) == [f"arn:aws:sts::000000000000:assumed-role/glue/{run['Id']}"]


# --- Spark --------------------------------------------------------------------------------------------------------

SPARK_SCRIPT = """
import sys
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from pyspark.sql import functions as F

options = getResolvedOptions(sys.argv, ["JOB_NAME", "source", "target"])
context = GlueContext(SparkContext.getOrCreate())
spark = context.spark_session
job = Job(context)
job.init(options["JOB_NAME"], options)

def with_wheel(batches):
    import alpha, importlib.util
    assert importlib.util.find_spec("ministack") is None
    for batch in batches:
        yield batch.assign(by=alpha.NAME)

rows = spark.read.json(options["source"])
doubled = rows.withColumn("twice", F.col("n") * 2)
doubled.coalesce(1).write.mode("overwrite").json(options["target"])
pickled = rows.rdd.map(lambda row: __import__("alpha").NAME).distinct().collect()
print("rows", doubled.count(), pickled)
job.commit()
"""


@pytest.mark.e2e
def test_spark_reads_and_writes_s3_and_its_workers_see_the_wheels(jobs: Jobs) -> None:
    lines = b"".join(b'{"n": %d}\n' % n for n in range(10))
    jobs.upload("in/a.json", lines)
    jobs.upload("out/stale.json", b'{"n": -1}\n')
    wheel = jobs.upload("wheels/alpha-1.0-py3-none-any.whl", _wheel("alpha", "NAME = 'alpha'"))
    arguments = {
        "--source": f"s3://{jobs.bucket}/in/",
        "--target": f"s3a://{jobs.bucket}/out/",
        "--additional-python-modules": wheel,
    }

    run = jobs.run(SPARK_SCRIPT, arguments)

    assert run["JobRunState"] == "SUCCEEDED", "\n".join(jobs.log("error", run["Id"]))
    assert jobs.log("output", run["Id"]) == ["rows 10 ['alpha']"]
    keys = [item["Key"] for item in jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="out/")["Contents"]]
    assert "out/stale.json" not in keys
    assert "out/_SUCCESS" in keys
    part = next(key for key in keys if key.endswith(".json"))
    written = jobs.s3.get_object(Bucket=jobs.bucket, Key=part)["Body"].read().splitlines()
    assert [json.loads(line)["twice"] for line in written] == [2 * n for n in range(10)]
    assert jobs.s3.get_object(Bucket=jobs.bucket, Key="in/a.json")["Body"].read() == lines


# --- against the bare emulator, and over restarts -----------------------------------------------------------------


def _own_client(endpoint: Endpoint) -> Callable[..., Any]:
    import boto3

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    return client


@pytest.fixture
def bare_emulator(tmp_path: Path) -> Iterator[Endpoint]:
    running = Endpoint(tmp_path / "bare", port=0, unpatched=True)
    running.start()
    yield running
    running.stop()


def test_the_bare_emulator_says_succeeded_without_running_the_script(bare_emulator: Endpoint) -> None:
    run = Jobs(_own_client(bare_emulator)).run("raise ValueError('never raised')\n")

    assert run["JobRunState"] == "SUCCEEDED"


@pytest.mark.e2e
def test_a_run_that_a_crash_of_the_endpoint_interrupted_is_failed_after_the_restart(tmp_path: Path) -> None:
    import os
    import signal

    home = tmp_path / "crashing"
    first = Endpoint(home, port=0)
    first.start()
    jobs = Jobs(_own_client(first))
    mark = tmp_path / "alive"
    loop = "import time, pathlib\nwhile True:\n    pathlib.Path({!r}).touch()\n    time.sleep(0.05)\n"
    name = jobs.create(loop.format(str(mark)))
    run_id = jobs.start(name)
    jobs.wait(name, run_id, {"RUNNING"})
    _wait_for(mark)
    time.sleep(5)  # until a checkpoint has seen the run
    os.kill(json.loads((home / "endpoint.json").read_text())["pid"], signal.SIGKILL)

    second = Endpoint(home, port=0)
    second.start()
    try:
        run = Jobs(_own_client(second)).get(name, run_id)
        assert run["JobRunState"] == "FAILED"
        assert "endpoint stopped during this run" in run["ErrorMessage"]
        mark.unlink(missing_ok=True)
        time.sleep(0.5)
        assert not mark.exists()
    finally:
        second.stop()
