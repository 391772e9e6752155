"""From an upload to its conversion: how soon it starts, how many go through, and what that takes.

    python tests/benchmarks/ingestion.py [--small-files 2000] [--files-of-1-mb 100] [--uploads 30]

Deploys the lakehouse on an endpoint of its own. Peers, in the same run: for the latency, S3's event arriving in a queue
that somebody waits at; for the throughput, the same files converted one after the other in this process, by the
same kernel and without any lakehouse.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from processes import peak_memory

from lakehouse.cli.deployment import Deployment, local_deployment
from lakehouse.cli.laptop import Steps, bring_up
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.convert.kernel import Kernel
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.local.endpoint import Endpoint
from lakehouse.local.stack import Stack
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.sample import generate
from lakehouse.settings import Workplace

MB = 1024**2
# Rows of the sample's trips that make a file of 1 MB.
ROWS_OF_1_MB = 38_000
GOALS = {"started": "150 ms", "1 MB": "30 s"}
_LONGEST_SECONDS = 1800


class Lake:
    """The deployed lakehouse."""

    def __init__(self, target: Deployment, queue: str) -> None:
        self.target = target
        self.raw = target.buckets["raw"]
        self.s3, self.sqs, self.states = (target.client(name) for name in ("s3", "sqs", "stepfunctions"))
        self.records = FileRecords(target.client("dynamodb"), target.tables["files"])
        self.queue = queue

    def upload(self, dataset: str, name: str, body: bytes) -> float:
        """Upload a file; when that was done."""
        self.s3.put_object(Bucket=self.raw, Key=f"raw-data/{dataset}/{name}.parquet", Body=body)
        return time.time()

    def all_ended(self, dataset: str, count: int) -> Counter[str]:
        """Wait until so many files have ended; their statuses."""
        deadline = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < deadline:
            found = Counter(record.status.value for record in self.records.iterate(dataset=dataset))
            if sum(found[one] for one in ("SUCCEEDED", "SKIPPED", "FAILED")) >= count:
                return found
            # The question itself is work for the endpoint, the more the more files there are.
            time.sleep(0.2 if count < 100 else 2.0)
        raise TimeoutError(f"{dataset}: {found}")


def small_file(number: int) -> bytes:
    """A file of a few rows, each another one."""
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": [number, number + 1], "name": ["a", "b"]}), buffer)
    body: bytes = buffer.getvalue().to_pybytes()
    return body


def latency(lake: Lake, uploads: int) -> None:
    """From the end of an upload to the start of its execution, one file at a time."""
    waits = []
    for number in range(uploads + 3):
        uploaded = lake.upload("latency", f"{number}", small_file(number))
        lake.all_ended("latency", number + 1)
        newest = next(iter(lake.records.iterate(dataset="latency")))
        assert newest.execution_arn is not None
        started = lake.states.describe_execution(executionArn=newest.execution_arn)["startDate"].timestamp()
        waits.append(started - uploaded)
    # The first ones start the function's processes.
    _told("upload to execution started", waits[3:], GOALS["started"], arrivals(lake, uploads))


def arrivals(lake: Lake, uploads: int) -> list[float]:
    """From the end of an upload to its event in the hands of who waits at a queue."""
    queue = lake.sqs.create_queue(QueueName="benchmark-arrivals")["QueueUrl"]
    arn = lake.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    lake.s3.create_bucket(Bucket="benchmark-arrivals")
    rules = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    lake.s3.put_bucket_notification_configuration(Bucket="benchmark-arrivals", NotificationConfiguration=rules)
    time.sleep(0.5)
    lake.sqs.purge_queue(QueueUrl=queue)
    waits = []
    with ThreadPoolExecutor(1) as pool:
        for number in range(uploads):
            waiting = pool.submit(lake.sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=5)
            time.sleep(0.05)
            lake.s3.put_object(Bucket="benchmark-arrivals", Key=f"{number}.parquet", Body=small_file(number))
            uploaded = time.time()
            [message] = waiting.result()["Messages"]
            waits.append(time.time() - uploaded)
            lake.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return waits


def _told(what: str, seconds: Sequence[float], goal: str, peer: Sequence[float]) -> None:
    middle, other = statistics.median(seconds), statistics.median(peer)
    slowest = sorted(seconds)[int(len(seconds) * 0.95)]
    print(
        f"{what:<34}median {middle * 1000:,.0f} ms, 95 % {slowest * 1000:,.0f} ms, goal {goal}; "
        f"S3's event alone {other * 1000:,.0f} ms: {middle / max(other, 0.001):.1f} x",
        flush=True,
    )


def at_once(lake: Lake, endpoint: Endpoint, dataset: str, bodies: Sequence[bytes], goal: str) -> float:
    """Drop files all at once, and wait until each is converted; the seconds."""
    memory: list[tuple[float, int]] = []
    start = time.monotonic()
    server = int(json.loads((endpoint.home / "endpoint.json").read_text())["pid"])
    with peak_memory(server) as peak:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: lake.upload(dataset, f"{one[0]:05d}", one[1]), enumerate(bodies)))
        uploaded = time.monotonic() - start
        memory.append((uploaded, peak[0]))
        found = lake.all_ended(dataset, len(bodies))
    seconds = time.monotonic() - start
    size = sum(map(len, bodies))
    assert found == {FileStatus.SUCCEEDED.value: len(bodies)}, found
    once = Counter(record.attempt for record in lake.records.iterate(dataset=dataset))
    print(
        f"{len(bodies):,} files, {size / MB:,.1f} MB{'':<14}{seconds:,.1f} s ({uploaded:,.1f} s of it uploading)"
        f"{f', goal {goal}' if goal else ''}; {len(bodies) / seconds:,.1f} files a second; attempts {dict(once)}; "
        f"endpoint and functions held at most {peak[0] / MB:,.0f} MB, while uploading {memory[0][1] / MB:,.0f} MB",
        flush=True,
    )
    return seconds


def alone(folder: Path, bodies: Sequence[bytes], dataset: str) -> float:
    """Convert the same files in this process, and upload nothing; the seconds."""
    contract = ContractCatalog.packaged().find(dataset)
    start = time.monotonic()
    for body in bodies:
        path = folder / "alone.parquet"
        path.write_bytes(body)
        source = LocalSource(path)
        kernel = Kernel(inspect(source).schema, contract)
        for batch in iter_batches(source):
            kernel.convert(batch.data, batch.first_row)
    return time.monotonic() - start


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small-files", type=int, default=2_000)
    parser.add_argument("--files-of-1-mb", type=int, default=100)
    parser.add_argument("--uploads", type=int, default=30)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workplace = replace(Workplace.from_environment(), home=folder / "home")
        endpoint = Endpoint(workplace.home, 0)
        try:
            bring_up(workplace, Steps(), port=0)
            os.environ.update(endpoint.environment())
            outputs: dict[str, Any] = Stack(endpoint, workplace.terraform, workplace.package).outputs()
            lake = Lake(local_deployment(workplace), outputs["queues"]["value"]["landed"])
            measure(lake, endpoint, folder, wanted)
        finally:
            endpoint.stop()


def measure(lake: Lake, endpoint: Endpoint, folder: Path, wanted: argparse.Namespace) -> None:
    """Measure everything that is wanted."""
    if wanted.uploads:
        latency(lake, wanted.uploads)
    if wanted.files_of_1_mb:
        bodies = []
        for number in range(wanted.files_of_1_mb):
            path = folder / "trips.parquet"
            generate(path, rows=ROWS_OF_1_MB, dirty_share=0.01, seed=number, dataset="green_tripdata")
            bodies.append(path.read_bytes())
        taken = at_once(lake, endpoint, "green_tripdata", bodies, GOALS["1 MB"])
        peer = alone(folder, bodies, "green_tripdata")
        print(f"{'':<34}the same files, converted in one process: {peer:,.1f} s: {taken / peer:.1f} x", flush=True)
    if wanted.small_files:
        bodies = [small_file(number) for number in range(wanted.small_files)]
        taken = at_once(lake, endpoint, "small", bodies, "")
        peer = alone(folder, bodies[:200], "small") * len(bodies) / len(bodies[:200])
        print(f"{'':<34}converted in one process (by a tenth): {peer:,.1f} s: {taken / peer:.1f} x", flush=True)


if __name__ == "__main__":
    main()
