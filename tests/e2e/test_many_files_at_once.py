"""Fifty files at once, twenty of them announced twice or uploaded twice: thirty conversions."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import execution_name, file_id

pytestmark = pytest.mark.e2e

DATASET = "many_at_once"
FILES, REPEATED_EVENTS, REPEATED_UPLOADS = 30, 10, 10
ROWS = 1_000
AT_ONCE = 8  # as the pipeline's own Map; each takes a process of a Lambda function
PATIENCE_SECONDS = 300


def content(number: int) -> bytes:
    buffer = io.BytesIO()
    rows = range(number * ROWS, (number + 1) * ROWS)
    pq.write_table(pa.table({"id": pa.array(rows, pa.int64()), "name": [f"n{row}" for row in rows]}), buffer)
    return buffer.getvalue()


class Announcer:
    """Uploads files and starts their conversions, as whoever hears of an upload does."""

    def __init__(self, laptop: Any) -> None:
        deployment = laptop.deployment
        self.raw, self.processed = deployment.buckets["raw"], deployment.buckets["processed"]
        self.machine = laptop.stack.outputs()["state_machines"]["value"]["file_conversion"]
        self.s3, self.step_functions = deployment.client("s3"), deployment.client("stepfunctions")
        self.records = FileRecords(deployment.client("dynamodb"), deployment.tables["files"])

    def upload(self, number: int) -> tuple[str, str]:
        key = f"raw-data/{DATASET}/{number:02d}.parquet"
        return key, self.s3.put_object(Bucket=self.raw, Key=key, Body=content(number))["VersionId"]

    def announce(self, key: str, version: str) -> str:
        """Start the conversion of a version; its execution, also where it was started before."""
        name = execution_name(file_id(self.raw, key, version_id=version), 1)
        event = {"bucket": self.raw, "key": key, "version_id": version, "attempt": 1, "run_id": "many-at-once"}
        with suppress(self.step_functions.exceptions.ExecutionAlreadyExists):
            self.step_functions.start_execution(stateMachineArn=self.machine, name=name, input=json.dumps(event))
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"

    def end_of(self, execution: str) -> str:
        """How an execution ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            status: str = self.step_functions.describe_execution(executionArn=execution)["status"]
            if status != "RUNNING":
                return status
            time.sleep(0.1)
        pytest.fail(f"{execution} still runs")


def test_fifty_files_at_once_of_which_twenty_are_duplicates_are_thirty_conversions(laptop) -> None:
    here = Announcer(laptop)
    landed = [here.upload(number) for number in range(FILES)]

    def announce(number: int, *, is_uploaded_again: bool) -> tuple[str, str]:
        execution = here.announce(*(here.upload(number) if is_uploaded_again else landed[number]))
        return execution, here.end_of(execution)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        announced = []
        for number in range(FILES):
            # A duplicate right behind its original: both are under way together.
            announced.append(pool.submit(announce, number, is_uploaded_again=False))
            if number < REPEATED_EVENTS:
                announced.append(pool.submit(announce, number, is_uploaded_again=False))
            elif number < REPEATED_EVENTS + REPEATED_UPLOADS:
                announced.append(pool.submit(announce, number, is_uploaded_again=True))
        ends = dict(one.result() for one in announced)
    assert len(announced) == FILES + REPEATED_EVENTS + REPEATED_UPLOADS
    assert Counter(ends.values()) == {"SUCCEEDED": FILES + REPEATED_UPLOADS}

    found = list(here.records.iterate(dataset=DATASET))
    converted = {record.key: record for record in found if record.status is FileStatus.SUCCEEDED}
    skipped = [record for record in found if record.status is FileStatus.SKIPPED]
    assert (len(found), len(converted), len(skipped)) == (FILES + REPEATED_UPLOADS, FILES, REPEATED_UPLOADS)
    assert all(record.duplicate_of == converted[record.key].file_id for record in skipped)

    versions = here.s3.list_object_versions(Bucket=here.processed, Prefix="processed-data/").get("Versions", [])
    assert len([one for one in versions if f"/{DATASET}/" in one["Key"]]) == FILES
    for number in range(FILES):
        record = converted[f"raw-data/{DATASET}/{number:02d}.parquet"]
        lines = laptop.object_text(record.output_uri).splitlines()
        assert [json.loads(line)["id"] for line in lines] == list(range(number * ROWS, (number + 1) * ROWS))
        assert record.rows_read == record.rows_written == ROWS
