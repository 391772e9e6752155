"""A lakehouse whose parts take turns and fail by a seed, and what must hold of it whatever happened."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from conversion_machine import CONTEXT, ConversionMachine
from injector import FaultPlan, ProcessDiedError, inject
from ministack.services.stepfunctions import _ExecutionError as StateError
from stage import Actor, Stage

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.convert.kernel import Kernel
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.functions import ingest
from lakehouse.ingestion.dead_letters import Choice, DeadLetters
from lakehouse.ingestion.planning import Plan
from lakehouse.ingestion.standings import FileStandings
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import file_id

RAW, PROCESSED = "faults-raw", "faults-processed"
FILES, CIRCUITS = "faults-files", "faults-circuits"
# Rounds in which something fails, then those in which nothing does.
STORM_ROUNDS, CALM_ROUNDS = 6, 60
# How far the clock goes from round to round: longer than a circuit's first cool-down.
ROUND = timedelta(seconds=45)


class Clock:
    """A time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        """The time."""
        self.now += timedelta(microseconds=1)
        return self.now


@dataclass(frozen=True)
class Content:
    """What a file holds, and what must become of it.

    Attributes:
        name: What it is called.
        dataset: Its dataset.
        body: Its bytes.
        output: The bytes of its output, None where it is refused.
        quarantine: The bytes of its quarantine.
        rows: Its rows.
        error_type: What it is refused with.
    """

    name: str
    dataset: str
    body: bytes
    output: bytes | None = None
    quarantine: bytes = b""
    rows: int = 0
    error_type: str | None = None


def converted(path: Path, dataset: str, contracts: ContractCatalog) -> Content:
    """A file that is accepted, and its output as the kernel alone makes it."""
    source = LocalSource(path)
    facts = inspect(source)
    kernel = Kernel(facts.schema, contracts.find(dataset))
    made = [kernel.convert(batch.data, batch.first_row) for batch in iter_batches(source)]
    output, quarantine = b"".join(one.ndjson for one in made), b"".join(one.rejected for one in made)
    return Content(path.stem, dataset, path.read_bytes(), output, quarantine, facts.rows)


@dataclass
class Landed:
    """A version of an object that was uploaded.

    Attributes:
        key: Its key.
        version_id: Its version.
        content: What it holds.
    """

    key: str
    version_id: str
    content: Content

    @property
    def file_id(self) -> str:
        """Its identity."""
        return file_id(RAW, self.key, version_id=self.version_id)


@dataclass
class Lake:
    """The lake of one run.

    Attributes:
        seed: What the run comes from.
        clients: Clients that nothing happens to.
        queue: URL of the landed queue.
        dead_letters: URL of its dead-letter queue.
        machine: What executes conversions.
        plan: The faults that hold now.
        stage: Whose turn it is.
        clock: The time of the run.
        landed: What was uploaded, in order.
    """

    seed: int
    clients: Mapping[str, Any]
    queue: str
    dead_letters: str
    machine: ConversionMachine
    stage: Stage
    clock: Clock
    plan: FaultPlan | None = None
    landed: list[Landed] = field(default_factory=list)
    _planned: list[dict[str, Any]] = field(default_factory=list)
    _whole: dict[str, str] = field(default_factory=dict)
    _actors: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.records = FileRecords(self.clients["dynamodb"], FILES, self.clock)

    # --- what the world does ---------------------------------------------------------------------------------------

    def land(self, content: Content, name: str) -> Landed:
        """Upload a file: S3 announces it."""
        key = f"raw-data/{content.dataset}/{self.seed}-{name}.parquet"
        version = self.clients["s3"].put_object(Bucket=RAW, Key=key, Body=content.body)["VersionId"]
        self.landed.append(Landed(key, version, content))
        return self.landed[-1]

    def drop_an_event(self) -> None:
        """S3's announcement of some file is never heard of."""
        for message in self._received(1):
            self.clients["sqs"].delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    def play_round(self) -> bool:
        """Deliver what waits and execute what was started, all at the same time.

        Returns:
            Whether there was anything to do.
        """
        batches = [batch for _ in range(2) if (batch := self._received(self.random.choice([1, 2, 10])))]
        deliveries = [self._delivery(batch) for batch in batches]
        if batches and self.plan and self.random.random() < 0.3:
            # It took longer than the queue hides what is worked on.
            deliveries.append(self._delivery(batches[0]))
        executions = [self._actor("execution", partial(self._execute, name)) for name in self.machine.started()]
        converting = [self._actor("run", partial(self.machine.convert_in_run, file)) for file in self._planned]
        self._planned = []
        self.stage.play([*deliveries, *executions, *converting])
        self.clock.now += ROUND
        return bool(deliveries or executions or converting)

    def reconcile(self, *, retry_failed: bool) -> None:
        """The daily run plans: in the next round it converts what landed and is not converted."""
        standings = FileStandings(self.clients["dynamodb"], FILES)
        datasets = sorted({one.content.dataset for one in self.landed})
        plan = Plan(self.clients["s3"], standings, RAW, datasets=datasets, retry_failed=retry_failed, now=self.clock())
        self._planned = [asdict(file) for file in plan]

    def redrive(self) -> None:
        """Somebody sends the dead letters back."""
        letters = DeadLetters(self.clients["sqs"], self.dead_letters, self.queue)
        if letters.count():
            letters.redrive(Choice())

    def come_to_rest(self) -> None:
        """Let everything come to its end, with no fault and nobody's help.

        Raises:
            AssertionError: It goes on for ever.
        """
        self.plan = None
        for _ in range(CALM_ROUNDS):
            if not self.play_round():
                return
        raise AssertionError(f"Seed {self.seed}: the lake does not come to rest")

    def settle(self) -> None:
        """Let everything come to its end, with what the person on call does."""
        self.come_to_rest()
        self.redrive()
        self.come_to_rest()
        # Longer than any conversion lives: what has not moved since then is dead.
        self.clock.now += timedelta(hours=3)
        self.reconcile(retry_failed=False)
        self.come_to_rest()
        self.reconcile(retry_failed=True)
        self.come_to_rest()

    # --- its actors ------------------------------------------------------------------------------------------------

    def _actor(self, kind: str, work: Callable[[], object]) -> Actor:
        self._actors += 1
        return Actor(f"{kind} {self._actors}", work)

    def _execute(self, name: str) -> None:
        if name not in self.machine.executed:
            with suppress(StateError):
                self.machine.execute(name)

    def _delivery(self, batch: list[dict[str, Any]]) -> Actor:
        """Lambda: receive, call, delete what has not failed; of a process that died, nothing is deleted."""
        sqs = self.clients["sqs"]

        def deliver() -> None:
            records = [
                {
                    "messageId": one["MessageId"],
                    "body": one["Body"],
                    "receiptHandle": one["ReceiptHandle"],
                    "attributes": one["Attributes"],
                    "eventSource": "aws:sqs",
                }
                for one in batch
            ]
            try:
                failures = ingest.handler({"Records": records}, CONTEXT)["batchItemFailures"]
                failed = {one["itemIdentifier"] for one in failures}
            except ProcessDiedError:
                failed = {one["MessageId"] for one in batch}
            for one in batch:
                # The other delivery of a message may have deleted it.
                with suppress(sqs.exceptions.ClientError):
                    if one["MessageId"] not in failed:
                        sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
                    else:
                        # Its time out of sight is over.
                        sqs.change_message_visibility(
                            QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0
                        )

        return self._actor("delivery", deliver)

    def clean_up(self) -> None:
        """Take away what the run has left, so that the next ones are as fast."""
        for bucket in (RAW, PROCESSED):
            pages = self.clients["s3"].get_paginator("list_object_versions").paginate(Bucket=bucket)
            found = [
                {"Key": one["Key"], "VersionId": one["VersionId"]} for page in pages for one in page.get("Versions", [])
            ]
            if found:
                self.clients["s3"].delete_objects(Bucket=bucket, Delete={"Objects": found[:1000]})

    def _received(self, most: int) -> list[dict[str, Any]]:
        answer = self.clients["sqs"].receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=most, AttributeNames=["All"], VisibilityTimeout=600
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        self.random.shuffle(found)
        return found

    # --- what must hold --------------------------------------------------------------------------------------------

    def require_only_whole_objects(self) -> None:
        """Whatever is listed is the whole output or quarantine of some version of its file."""
        whole: dict[str, set[bytes]] = {}
        for one in self.landed:
            name = one.key.rpartition("/")[2].removesuffix(".parquet")
            if one.content.output is not None:
                whole.setdefault(name, set()).update({one.content.output, one.content.quarantine})
        for key, etag in self._listed().items():
            if self._whole.get(key) == etag:
                continue
            name = key.rpartition("/")[2].removesuffix(".json")
            body = self._body(key)
            assert body in whole.get(name, set()), f"{key} is listed, and holds {body[:200]!r}"
            self._whole[key] = etag

    def published(self) -> dict[str, bytes]:
        """The objects of this run's files in the processed bucket."""
        return {key: self._body(key) for key in self._listed()}

    def _listed(self) -> dict[str, str]:
        pages = self.clients["s3"].get_paginator("list_objects_v2").paginate(Bucket=PROCESSED)
        found = {one["Key"]: one["ETag"] for page in pages for one in page.get("Contents", [])}
        return {key: etag for key, etag in found.items() if f"/{self.seed}-" in key}

    def _body(self, key: str) -> bytes:
        body: bytes = self.clients["s3"].get_object(Bucket=PROCESSED, Key=key)["Body"].read()
        return body

    def require_everything_in_order(self) -> None:
        """Nothing is lost, nothing is there twice, nothing is half there, nothing waits, everything is explained."""
        self.require_only_whole_objects()
        published = self.published()
        for key in {one.key for one in self.landed}:
            versions = [one for one in self.landed if one.key == key]
            for landed in versions:
                self._require_explained(landed, is_last=landed is versions[-1], others=versions)
            self._require_published(versions[-1], published)
        sqs = self.clients["sqs"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        for url in (self.queue, self.dead_letters):
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            assert set(counts.values()) == {"0"}, f"{url.rpartition('/')[2]} holds {counts}"
        uploads = self.clients["s3"].list_multipart_uploads(Bucket=PROCESSED).get("Uploads", [])
        assert not [one["Key"] for one in uploads if f"/{self.seed}-" in one["Key"]]

    def _require_explained(self, landed: Landed, *, is_last: bool, others: list[Landed]) -> None:
        record = self.records.find(landed.file_id)
        content = landed.content
        if not is_last and (record is None or record.status is FileStatus.FAILED):
            # Nobody looks for a version that another one has replaced.
            assert record is None or record.reason
            return
        assert record is not None, f"{landed.key} has no record"
        told = f"{landed.key} is {record.status} at attempt {record.attempt}: {record.error_type}: {record.reason}"
        if content.error_type is not None:
            assert (record.status, record.error_type) == (FileStatus.FAILED, content.error_type), told
            assert record.reason, told
        elif record.status is FileStatus.SUCCEEDED:
            assert record.rows_read == content.rows
            assert record.rows_read == (record.rows_written or 0) + (record.rows_quarantined or 0)
            assert record.rows_written == len((content.output or b"").splitlines())
        else:
            assert record.status is FileStatus.SKIPPED, told
            assert record.duplicate_of in {other.file_id for other in others}, told

    def _require_published(self, last: Landed, published: Mapping[str, bytes]) -> None:
        """What was uploaded last is what the output says."""
        if last.content.output is None:
            return
        name = f"/{last.key.rpartition('/')[2].removesuffix('.parquet')}.json"
        found = {key: body for key, body in published.items() if key.endswith(name)}
        outputs = [body for key, body in found.items() if key.startswith("processed-data/")]
        quarantined = [body for key, body in found.items() if not key.startswith("processed-data/")]
        assert outputs == [last.content.output], f"{last.key}: {outputs}"
        assert quarantined == ([last.content.quarantine] if last.content.quarantine else []), (
            f"{last.key}: {quarantined}"
        )


def connected(client: Any, lake: Callable[[], Lake | None]) -> Any:
    """A client whose requests meet the lake's faults, and whose messages do not wait.

    Args:
        client: A boto3 client.
        lake: The lake of the current run.

    Returns:
        The same client.
    """

    def actor() -> Actor | None:
        current = lake()
        return current.stage.actor() if current else None

    def plan() -> FaultPlan | None:
        current = lake()
        return current.plan if current else None

    inject(client, plan, actor)
    if client.meta.service_model.service_name == "sqs":
        for operation, name in (("SendMessage", "DelaySeconds"), ("ChangeMessageVisibility", "VisibilityTimeout")):
            client.meta.events.register(
                f"provide-client-params.sqs.{operation}", lambda params, name=name, **_: {**params, name: 0}
            )
    return client
