"""The Glue job's script, as Glue starts it: a process of its own with nothing but arguments."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.local import glue_jobs
from lakehouse.metadata.file_record import FileStatus, NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.settings import Settings

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
RAW, PROCESSED, TABLE = "job-script-raw", "job-script-processed", "job-script-files"
SETTINGS = {
    **{setting.name.upper(): "unused" for setting in fields(Settings)},
    "RAW_BUCKET": RAW,
    "PROCESSED_BUCKET": PROCESSED,
    "FILES_TABLE": TABLE,
}


@pytest.fixture(scope="module")
def records(aws):
    s3, dynamodb = aws("s3"), aws("dynamodb")
    for bucket in (RAW, PROCESSED):
        s3.create_bucket(Bucket=bucket)
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "file_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "file_id", "KeyType": "HASH"}],
    )
    return FileRecords(dynamodb, TABLE)


def run_job(endpoint, aws, records, name, content, **variables):
    key = f"raw-data/trees/{name}.parquet"
    aws("s3").put_object(Bucket=RAW, Key=key, Body=content)
    records.register(NewFile(file_id=name, bucket=RAW, key=key, dataset="trees"))
    arguments = {
        "JOB_NAME": "parquet_to_json",
        "JOB_RUN_ID": "jr_1",
        "file_id": name,
        "bucket": RAW,
        "key": key,
        "version_id": "null",
        "attempt": "1",
        "execution_arn": "arn",
        "run_id": "run-1",
        **{f"LAKEHOUSE_{setting}": value for setting, value in SETTINGS.items()},
    }
    shim = Path(glue_jobs.__file__).parent / "awsglue_shim"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAKEHOUSE_", "PYTHON"))
    }
    environment |= endpoint.environment() | {"PYTHONPATH": str(shim), "PYSPARK_PYTHON": sys.executable} | variables
    command = [sys.executable, str(ROOT / "glue_jobs" / "parquet_to_json.py")]
    for argument, value in arguments.items():
        command += [f"--{argument}", value]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_script_converts_the_file_that_its_arguments_name_and_logs_json(endpoint, aws, records):
    buffer = io.BytesIO()
    pq.write_table(pa.table({"species": ["oak", "elm"], "height": [12.5, None]}), buffer)
    ended = run_job(endpoint, aws, records, "good", buffer.getvalue())
    assert ended.returncode == 0, ended.stderr
    record = records.get("good")
    assert record.status is FileStatus.SUCCEEDED
    assert (record.engine, record.job_run_id, record.rows_written) == ("spark", "jr_1", 2)
    output = aws("s3").get_object(Bucket=PROCESSED, Key=record.output_uri.removeprefix(f"s3://{PROCESSED}/"))
    assert output["Body"].read() == b'{"species":"oak","height":12.5}\n{"species":"elm","height":null}\n'
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {(event["run_id"], event["file_id"], event["job_run_id"]) for event in events} == {("run-1", "good", "jr_1")}


def test_a_refused_file_ends_the_script_by_its_own_error_before_spark_is_started(endpoint, aws, records, tmp_path):
    ended = run_job(endpoint, aws, records, "bad", b"<html>not found</html>", JAVA_HOME=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("lakehouse.errors.NotParquetError: s3://")
    (event,) = [event for event in map(json.loads, ended.stdout.splitlines()) if event["level"] == "ERROR"]
    assert event["exception_name"] == "NotParquetError"
    record = records.get("bad")
    assert (record.status, record.error_type) == (FileStatus.FAILED, "NotParquetError")
