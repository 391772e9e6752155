"""Many files at once, some announced twice and some uploaded twice: each is converted once, by its event."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.files import FileRecords

pytestmark = pytest.mark.e2e

DATASET = "many at once+"
FILES, REPEATED_EVENTS, REPEATED_UPLOADS = 30, 10, 10
ROWS = 1_000
PATIENCE_SECONDS = 300


def content(number: int) -> bytes:
    buffer = io.BytesIO()
    rows = range(number * ROWS, (number + 1) * ROWS)
    pq.write_table(pa.table({"id": pa.array(rows, pa.int64()), "name": [f"n{row}" for row in rows]}), buffer)
    return buffer.getvalue()


def key_of(number: int) -> str:
    # S3 encodes its events' keys as forms do.
    return f"raw-data/{DATASET}/{number:02d} ä.parquet"


class Lake:
    """The deployed lakehouse, as who uploads and who looks sees it."""

    def __init__(self, laptop: Any) -> None:
        deployment, outputs = laptop.deployment, laptop.stack.outputs()
        self.raw, self.processed = deployment.buckets["raw"], deployment.buckets["processed"]
        self.machine = deployment.state_machines["file_conversion"]
        self.queues = outputs["queues"]["value"]
        self.s3, self.sqs, self.states = (deployment.client(name) for name in ("s3", "sqs", "stepfunctions"))
        self.records = FileRecords(deployment.client("dynamodb"), deployment.tables["files"])

    def upload(self, number: int) -> str:
        """Upload a file: its version."""
        version: str = self.s3.put_object(Bucket=self.raw, Key=key_of(number), Body=content(number))["VersionId"]
        return version

    def announce(self, number: int, version: str) -> None:
        """Deliver the event of an upload once more, as S3 may."""
        described = {"key": quote_plus(key_of(number), safe="/"), "versionId": version, "size": 1}
        record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": self.raw}, "object": described}}
        self.sqs.send_message(QueueUrl=self.queues["landed"], MessageBody=json.dumps({"Records": [record]}))

    def ended(self, count: int) -> list[FileRecord]:
        """The records, once there are so many and all of them are final."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found = list(self.records.iterate(dataset=DATASET))
            if len(found) == count and all(record.status.is_final for record in found) and not any(self.waiting()):
                return found
            time.sleep(0.2)
        pytest.fail(f"After {PATIENCE_SECONDS} s: {Counter(record.status for record in found)}, {self.waiting()}")

    def waiting(self) -> list[int]:
        """The messages that are in the queues, seen or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = [self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names) for url in self.queues.values()]
        return [int(one["Attributes"][name]) for one in found for name in names]

    def executions(self) -> list[str]:
        """The names of all executions of file-conversion."""
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        return [one["name"] for page in pages for one in page["executions"]]


def test_thirty_files_of_which_ten_are_announced_and_ten_uploaded_twice_are_converted_once_each(laptop) -> None:
    lake = Lake(laptop)
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lake.upload, range(FILES)))
        list(pool.map(lake.announce, range(REPEATED_EVENTS), versions))
        list(pool.map(lake.upload, range(REPEATED_EVENTS, REPEATED_EVENTS + REPEATED_UPLOADS)))
    found = lake.ended(FILES + REPEATED_UPLOADS)

    # Which of two versions is the faster one, nobody says: the same bytes are converted once.
    converted = {record.key: record for record in found if record.status is FileStatus.SUCCEEDED}
    skipped = [record for record in found if record.status is FileStatus.SKIPPED]
    assert (len(converted), len(skipped)) == (FILES, REPEATED_UPLOADS)
    assert all(record.duplicate_of == converted[record.key].file_id for record in skipped)
    assert Counter(record.attempt for record in found) == {1: len(found)}
    started = Counter(lake.executions())
    assert all(started[f"{record.file_id}-1"] == 1 for record in converted.values())

    listed = lake.s3.list_object_versions(Bucket=lake.processed, Prefix="processed-data/").get("Versions", [])
    assert len([one for one in listed if " ä." in one["Key"]]) == FILES
    for number in range(FILES):
        record = converted[key_of(number)]
        assert record.output_uri is not None
        lines = laptop.object_text(record.output_uri).splitlines()
        assert [json.loads(line)["id"] for line in lines] == list(range(number * ROWS, (number + 1) * ROWS))
        assert record.rows_read == record.rows_written == ROWS
