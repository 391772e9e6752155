"""Lambda on the endpoint: real functions in processes of their own."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
import urllib.request
import uuid
import zipfile
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lakehouse.local.endpoint import Endpoint

FAILING = """
class TornFileError(Exception):
    pass

def handler(event, context):
    raise TornFileError("the file is torn")
"""


@pytest.fixture
def invoke(aws, functions):
    return functions(aws("iam"), aws("lambda", config=Config(read_timeout=120, retries={"max_attempts": 0})))


@pytest.fixture
def bare_invoke(bare_aws, functions):
    return functions(bare_aws("iam"), bare_aws("lambda"))


def test_the_error_type_is_the_exceptions_class(invoke):
    (answer,) = invoke(FAILING, {})
    assert (answer["errorType"], answer["errorMessage"]) == ("TornFileError", "the file is torn")
    assert "in handler" in answer["stackTrace"][0]
    assert "raise TornFileError" in answer["stackTrace"][0]


def test_the_bare_emulator_calls_every_error_a_handler_error(bare_invoke):
    (answer,) = bare_invoke(FAILING, {})
    assert answer["errorType"] == "Runtime.HandlerError"


@pytest.mark.parametrize("module", ["lakehouse", "pyarrow", "polars", "ministack", "click"])
def test_nothing_of_this_environment_can_be_imported(invoke, module):
    (answer,) = invoke("def handler(event, context): __import__(event)", module)
    assert answer["errorType"] == "ModuleNotFoundError"


def test_the_bare_emulator_lets_functions_import_this_environment(bare_invoke):
    assert bare_invoke("def handler(event, context): __import__('pyarrow'); return 'imported'", {}) == ["imported"]


@pytest.mark.parametrize("module", ["boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six"])
def test_lambdas_own_runtime_is_there(invoke, module):
    assert invoke("def handler(event, context): __import__(event); return 'imported'", module) == ["imported"]


def test_a_package_in_the_zip_goes_before_the_runtimes(invoke, zipped):
    code = zipped(app="import boto3\ndef handler(event, context): return boto3.OURS", boto3="OURS = 'ours'")
    assert invoke("", {}, Code={"ZipFile": code}) == ["ours"]


def test_a_function_acts_as_its_role(invoke):
    source = """
import boto3
def handler(event, context):
    return boto3.client("sts").get_caller_identity()["Arn"]
"""
    (arn,) = invoke(source, {})
    name = invoke.name()
    assert arn == f"arn:aws:sts::000000000000:assumed-role/{name}/{name}"


def test_the_endpoints_own_environment_does_not_reach_a_function(invoke):
    source = "import os\ndef handler(event, context): return dict(os.environ)"
    (found,) = invoke(source, {}, Environment={"Variables": {"OURS": "yes"}})
    assert found["OURS"] == "yes"
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == invoke.name()
    assert found["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert not {"S3_DATA_DIR", "STATE_DIR", "PYTHONPATH", "VIRTUAL_ENV"} & set(found)
    assert str(Path(sys.executable).parent) not in found["PATH"]


def test_a_function_that_outlives_its_timeout_is_stopped(invoke):
    source = "import time\ndef handler(event, context): time.sleep(event); return 'done'"
    slow, fast = invoke(source, 30, 0, Timeout=1)
    assert slow["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in slow["errorMessage"]
    assert fast == "done"


def test_a_function_that_outgrows_its_memory_is_stopped(invoke):
    source = """
import time
def handler(event, context):
    taken = b"x" * (event << 20)
    time.sleep(0.5)
    return len(taken)
"""
    fat, slim = invoke(source, 400, 1, MemorySize=128)
    assert fat["errorType"] == "Runtime.OutOfMemory"
    assert slim == 1 << 20


def test_the_bare_emulator_enforces_no_memory(bare_invoke):
    source = "def handler(event, context): return len(b'x' * (event << 20))"
    assert bare_invoke(source, 400, MemorySize=128) == [400 << 20]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import nothing_of_that_name", "Runtime.ImportModuleError"),
        ("def handler(:", "Runtime.UserCodeSyntaxError"),
        ("def another(event, context): pass", "Runtime.HandlerNotFound"),
        ("raise RuntimeError('at import')", "RuntimeError"),
        ("def handler(event, context): return {1}", "Runtime.MarshalError"),
        ("import os\ndef handler(event, context): os._exit(3)", "Runtime.ExitError"),
    ],
)
def test_other_failures_have_lambdas_own_names(invoke, source, kind):
    (answer,) = invoke(source, {})
    assert answer["errorType"] == kind


def test_what_a_function_prints_is_its_log_and_never_its_answer(invoke, aws):
    source = """
import os, sys
def handler(event, context):
    print('{"result": "printed"}')
    os.write(1, b"written by the system\\n")
    print("to the error stream", file=sys.stderr)
    return "answered"
"""
    assert invoke(source, {}) == ["answered"]
    logged = aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{invoke.name()}")["events"]
    lines = [event["message"] for event in logged]
    assert lines[0].startswith("START RequestId: ")
    assert {'{"result": "printed"}', "written by the system", "to the error stream"} <= set(lines)


def test_a_warm_function_keeps_its_module(invoke):
    source = "calls = []\ndef handler(event, context):\n    calls.append(event)\n    return calls"
    assert invoke(source, 1, 2, 3) == [[1], [1, 2], [1, 2, 3]]


def test_a_failure_does_not_cost_the_warm_module(invoke):
    source = """
calls = []
def handler(event, context):
    calls.append(event)
    if event == "fail":
        raise ValueError
    return calls
"""
    assert invoke(source, "fail", "go on")[1] == ["fail", "go on"]


def test_another_runtime_is_refused_by_name(invoke):
    (answer,) = invoke("def handler(event, context): return 1", {}, Runtime="python3.13")
    assert answer["errorType"] == "Runtime.NotExecutedLocally"
    assert "python3.13" in answer["errorMessage"]


def test_code_that_is_not_in_s3_makes_no_function(aws, function_role):
    bucket, name = f"bucket-{uuid.uuid4().hex[:8]}", f"function-{uuid.uuid4().hex[:8]}"
    aws("s3").create_bucket(Bucket=bucket)
    role = function_role(aws("iam"), name)
    settings = {"FunctionName": name, "Role": role, "Runtime": "python3.11", "Handler": "app.handler"}
    with pytest.raises(ClientError, match="does not exist"):
        aws("lambda").create_function(Code={"S3Bucket": bucket, "S3Key": "gone.zip"}, **settings)
    with pytest.raises(ClientError, match="Function not found"):
        aws("lambda").get_function(FunctionName=name)


def test_the_bare_emulator_answers_for_a_function_without_code(bare_aws, bare_invoke):
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    bare_aws("s3").create_bucket(Bucket=bucket)
    (answer,) = bare_invoke("", {}, Code={"S3Bucket": bucket, "S3Key": "gone.zip"})
    assert "Mock response" in answer["body"]


def test_a_big_package_from_s3_runs_and_stays_out_of_the_checkpoints(invoke, aws, endpoint, zipped):
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    aws("s3").create_bucket(Bucket=bucket)
    code = zipped(app="def handler(event, context): return 'ran'", ballast=f"B = {'x' * (40 << 20)!r}")
    aws("s3").put_object(Bucket=bucket, Key="functions.zip", Body=code)
    assert invoke("", {}, Code={"S3Bucket": bucket, "S3Key": "functions.zip"}) == ["ran"]
    digest = aws("lambda").get_function(FunctionName=invoke.name())["Configuration"]["CodeSha256"]
    assert digest
    state = endpoint.home / "state" / "lambda.json"
    deadline = time.monotonic() + 20
    while not (state.exists() and invoke.name() in state.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert state.stat().st_size < len(code) / 10


def test_a_package_that_no_function_has_any_more_leaves_the_disk_with_the_next_start(tmp_path, functions, zipped):
    endpoint = Endpoint(tmp_path / "home", 0)
    endpoint.home.mkdir()
    endpoint.start()
    try:
        variables = endpoint.environment()
        session = boto3.Session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_REGION"],
        )
        client = session.client("lambda", endpoint_url=endpoint.url)
        call = functions(session.client("iam", endpoint_url=endpoint.url), client)
        assert call("def handler(event, context): return 'old'", {}) == ["old"]
        client.update_function_code(
            FunctionName=call.name(), ZipFile=zipped(app="def handler(event, context): return 'new'")
        )
        assert len(list((endpoint.home / "state" / "lambda-blobs").iterdir())) == 2
        endpoint.stop()
        endpoint.start()
        (kept,) = (endpoint.home / "state" / "lambda-blobs").iterdir()
        assert {folder.name for folder in (endpoint.home / "functions" / "code").iterdir()} <= {kept.stem}
        client = session.client("lambda", endpoint_url=endpoint.url)
        assert json.loads(client.invoke(FunctionName=call.name(), Payload="{}")["Payload"].read()) == "new"
    finally:
        endpoint.stop()


def test_new_code_is_run_by_the_next_invocation(invoke, aws, zipped):
    client = aws("lambda")
    assert invoke("def handler(event, context): return 'old'", {}) == ["old"]
    client.update_function_code(
        FunctionName=invoke.name(), ZipFile=zipped(app="def handler(event, context): return 'new'")
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=invoke.name(), WaiterConfig={"Delay": 0.1})
    answer = client.invoke(FunctionName=invoke.name(), Payload="{}")
    assert json.loads(answer["Payload"].read()) == "new"


def test_the_bare_emulator_runs_functions_as_the_account(bare_invoke):
    source = "import boto3\ndef handler(event, context): return boto3.client('sts').get_caller_identity()['Arn']"
    (arn,) = bare_invoke(source, {})
    assert arn.endswith(":root")


def test_the_deployed_package_can_be_downloaded(invoke, aws, zipped):
    package = zipped(app="def handler(event, context): return 1")
    invoke("", Code={"ZipFile": package})
    location = aws("lambda").get_function(FunctionName=invoke.name())["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == package


def test_a_layers_modules_can_be_imported_and_the_functions_own_go_first(invoke, aws):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as layer:
        layer.writestr("python/shared.py", "NAME = 'of the layer'")
        layer.writestr("python/app.py", "def handler(event, context): return 'wrong'")
    published = aws("lambda").publish_layer_version(
        LayerName=f"layer-{uuid.uuid4().hex[:8]}", Content={"ZipFile": content.getvalue()}
    )
    source = "import shared\ndef handler(event, context): return shared.NAME"
    assert invoke(source, {}, Layers=[published["LayerVersionArn"]]) == ["of the layer"]


def memory_of(endpoint):
    pid = json.loads((endpoint.home / "endpoint.json").read_text())["pid"]
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


@pytest.mark.parametrize("name", ["endpoint", "bare_emulator"])
def test_packages_stay_out_of_memory(request, functions, zipped, name):
    emulator = request.getfixturevalue(name)
    clients = request.getfixturevalue("aws" if name == "endpoint" else "bare_aws")
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    clients("s3").create_bucket(Bucket=bucket)
    size = 48 << 20
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("app.py", "def handler(event, context): return 1")
        package.writestr("ballast", os.urandom(size))
    clients("s3").put_object(Bucket=bucket, Key="code.zip", Body=content.getvalue())
    # The body of the upload leaves the memory with the next requests.
    clients("s3").put_object(Bucket=bucket, Key="other", Body=b"")
    before = memory_of(emulator)
    functions(clients("iam"), clients("lambda"))("", {}, Code={"S3Bucket": bucket, "S3Key": "code.zip"})
    is_kept = memory_of(emulator) - before > size / 2
    assert is_kept is (name == "bare_emulator")
