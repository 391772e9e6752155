"""The functions as they are deployed: the real package, on the local endpoint's Lambda."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.package import FUNCTIONS_ZIP, build
from lakehouse.settings import Settings

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]
NAME = "functions-as-lambdas"
RAW, PROCESSED, ARTIFACTS, TABLE = f"{NAME}-raw", f"{NAME}-processed", f"{NAME}-artifacts", f"{NAME}-files"
FUNCTIONS = ("register_file", "convert_file", "plan_files", "record_failure")

Invoke = Callable[..., tuple[Any, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("package")
    build(ROOT, output)
    return output


@pytest.fixture(scope="module")
def s3(aws: Callable[..., Any]) -> Any:
    client = aws("s3")
    for bucket in (RAW, PROCESSED, ARTIFACTS):
        client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=RAW, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture(scope="module")
def records(aws: Callable[..., Any]) -> FileRecords:
    client = aws("dynamodb")
    indexes = ("status", "dataset", "key")
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("file_id", "created_at", *indexes)
        ],
        KeySchema=[{"AttributeName": "file_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": f"{name}-created_at-index",
                "KeySchema": [
                    {"AttributeName": name, "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for name in indexes
        ],
    )
    return FileRecords(client, TABLE)


@pytest.fixture(scope="module")
def invoke(aws: Callable[..., Any], s3: Any, records: FileRecords, package: Path) -> Invoke:
    """Calls a deployed function; its answer or error, and what it logged as JSON."""
    s3.upload_file(str(package / FUNCTIONS_ZIP), ARTIFACTS, FUNCTIONS_ZIP)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*", "dynamodb:*", "logs:*", "xray:*"], "Resource": "*"}],
    }
    iam = aws("iam")
    role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=NAME, PolicyName="work", PolicyDocument=json.dumps(allowed))
    client = aws("lambda")
    for name in FUNCTIONS:
        client.create_function(
            FunctionName=f"{NAME}-{name}",
            Role=role,
            Runtime="python3.11",
            Handler=f"lakehouse.functions.{name}.handler",
            Code={"S3Bucket": ARTIFACTS, "S3Key": FUNCTIONS_ZIP},
            MemorySize=1024,
            Timeout=120,
            Environment={
                "Variables": {
                    **{f"LAKEHOUSE_{setting.name.upper()}": "unused" for setting in fields(Settings)},
                    "LAKEHOUSE_RAW_BUCKET": RAW,
                    "LAKEHOUSE_PROCESSED_BUCKET": PROCESSED,
                    "LAKEHOUSE_FILES_TABLE": TABLE,
                    "POWERTOOLS_SERVICE_NAME": name,
                }
            },
        )

    def call(name: str, **event: Any) -> tuple[Any, list[dict[str, Any]]]:
        answer = client.invoke(FunctionName=f"{NAME}-{name}", Payload=json.dumps(event), LogType="Tail")
        tail = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
        # Lambda gives the last 4 KB: the first line of these is the end of one.
        lines = tail.splitlines()[int(len(tail) >= 4_000) :]
        return json.loads(answer["Payload"].read()), [json.loads(line) for line in lines if line.startswith("{")]

    return call


def parquet(rows: int) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(range(rows), pa.int64()), "name": [f"n{n}" for n in range(rows)]}), buffer)
    return buffer.getvalue()


def put(s3: Any, key: str, body: bytes) -> dict[str, Any]:
    version = s3.put_object(Bucket=RAW, Key=key, Body=body)["VersionId"]
    return {"bucket": RAW, "key": key, "version_id": version, "attempt": 1, "run_id": "run-1", "execution_arn": "arn:1"}


def test_a_file_is_planned_registered_and_converted(invoke: Invoke, s3: Any, records: FileRecords) -> None:
    event = put(s3, "raw-data/whole/a.parquet", parquet(1_000))
    plan, _ = invoke("plan_files", run_id="run-1", datasets=["whole"])
    assert plan["count"] == 1
    planned = plan["files"][0]
    registered, log = invoke("register_file", **event)
    assert (registered["file_id"], registered["status"]) == (planned["file_id"], "REGISTERED")
    assert (registered["engine"], registered["rows_total"]) == ("in_process", 1_000)
    done = next(line for line in log if line["message"] == "done")
    assert (done["run_id"], done["file_id"], done["service"]) == ("run-1", planned["file_id"], "register_file")

    converted, _ = invoke("convert_file", **event | {"file_id": registered["file_id"]})
    assert (converted.get("errorMessage"), converted["rows_written"]) == (None, 1_000)
    record = records.get(registered["file_id"])
    assert (record.status, record.rows_written, record.engine) == (FileStatus.SUCCEEDED, 1_000, "in_process")
    bucket, _, key = converted["output_uri"].removeprefix("s3://").partition("/")
    lines = s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
    assert [json.loads(line) for line in lines] == [{"id": n, "name": f"n{n}"} for n in range(1_000)]

    again, _ = invoke("plan_files", run_id="run-2", datasets=["whole"])
    assert again == {"files": [], "list": None, "count": 0, "more": False, "start_after": None}
    again = put(s3, "raw-data/whole/a.parquet", parquet(1_000))
    assert invoke("register_file", **again)[0]["status"] == "SKIPPED"


def test_an_error_is_known_by_its_class_and_recorded_with_its_reason(
    invoke: Invoke, s3: Any, records: FileRecords
) -> None:
    event = put(s3, "raw-data/broken/a.parquet", parquet(10)[:-20])
    error, log = invoke("register_file", **event)
    assert error["errorType"] == "TruncatedFileError"
    failed = next(line for line in log if line["message"] == "failed")
    assert (failed["run_id"], failed["error_type"]) == ("run-1", "TruncatedFileError")
    caught = {"Error": error["errorType"], "Cause": json.dumps(error)}
    answer, _ = invoke("record_failure", **event, error=caught)
    assert (answer["error_type"], answer["reason"]) == ("TruncatedFileError", error["errorMessage"])
    record = records.get(answer["file_id"])
    assert (record.status, record.reason) == (FileStatus.FAILED, error["errorMessage"])
    assert invoke("plan_files", datasets=["broken"])[0]["count"] == 0
    assert invoke("plan_files", datasets=["broken"], retry_failed=True)[0]["files"][0]["attempt"] == 2


def test_a_missing_setting_is_named(invoke: Invoke, aws: Callable[..., Any]) -> None:
    client = aws("lambda")
    name = f"{NAME}-plan_files"
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    without = {key: value for key, value in variables.items() if key != "LAKEHOUSE_RAW_BUCKET"}
    client.update_function_configuration(FunctionName=name, Environment={"Variables": without})
    try:
        error, _ = invoke("plan_files")
        assert error["errorType"] == "SettingsError"
        assert "LAKEHOUSE_RAW_BUCKET" in error["errorMessage"]
    finally:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
