"""What faults happen to: tables, buckets and queues of the endpoint, and our own code in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import botocore.endpoint
import pyarrow.parquet as pq
import pytest
from conversion_machine import ConversionMachine, install
from file_table import create_circuits_table, create_file_table
from injector import FaultPlan
from lake import CIRCUITS, FILES, PROCESSED, RAW, Clock, Content, Lake, connected, converted
from stage import Stage

from lakehouse.aws_errors import client_config
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.functions import ingest, surroundings
from lakehouse.ingestion.retries import Retries
from lakehouse.metadata.circuits import Circuits
from lakehouse.metadata.files import FileRecords
from lakehouse.sample import generate

SERVICES = ("dynamodb", "s3", "sqs", "stepfunctions")
DEFINITION = json.dumps({"StartAt": "Executed", "States": {"Executed": {"Type": "Succeed"}}})
ROLE = "arn:aws:iam::000000000000:role/states"


@pytest.fixture(scope="session")
def contracts() -> ContractCatalog:
    """The packaged contracts of events and users; users are converted by Spark."""
    packaged = {contract.dataset: contract for contract in ContractCatalog.packaged()}
    return ContractCatalog([packaged["events"], replace(packaged["users"], engine="spark")])


@pytest.fixture(scope="session")
def resources(aws: Callable[..., Any]) -> dict[str, str]:
    """Buckets that announce what lands, queues and tables; their names."""
    s3, sqs, dynamodb = aws("s3"), aws("sqs"), aws("dynamodb")
    dead = sqs.create_queue(QueueName="faults-dead-letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    queue = sqs.create_queue(QueueName="faults-landed", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for bucket in (RAW, PROCESSED):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rules = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=RAW, NotificationConfiguration=rules)
    create_file_table(dynamodb, FILES)
    create_circuits_table(dynamodb, CIRCUITS)
    sqs.purge_queue(QueueUrl=queue)
    return {"queue": queue, "dead_letters": dead}


@pytest.fixture(scope="session")
def contents(contracts: ContractCatalog, tmp_path_factory: pytest.TempPathFactory) -> list[Content]:
    """Good files of both engines, large and small, and files that must be refused."""
    folder = tmp_path_factory.mktemp("contents")
    found = []
    for name, dataset, rows, seed in (
        ("few", "events", 40, 1),
        ("more", "events", 300, 2),
        ("other", "events", 40, 3),
        ("spark", "users", 60, 4),
        ("sparks", "users", 200, 5),
    ):
        path = folder / f"{name}.parquet"
        generate(path, rows=rows, dirty_share=0.03, seed=seed, dataset=dataset)
        found.append(converted(path, dataset, contracts))
    whole = (folder / "more.parquet").read_bytes()
    drifted = io.BytesIO()
    pq.write_table(pq.read_table(folder / "few.parquet").drop_columns(["event_type"]), drifted)
    return [
        *found,
        Content("text", "events", b"<?xml version='1.0'?><Error/>" * 5, error_type="NotParquetError"),
        Content("half", "events", whole[: len(whole) // 2], error_type="TruncatedFileError"),
        Content("empty", "events", b"", error_type="EmptyFileError"),
        Content("drift", "events", drifted.getvalue(), error_type="SchemaDriftError"),
    ]


@pytest.fixture
def new_lake(
    aws: Callable[..., Any],
    resources: dict[str, str],
    contracts: ContractCatalog,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[int], Lake]]:
    """Makes the lake of a seed; our functions work on the last one."""
    current: list[Lake] = []

    def lake() -> Lake | None:
        return current[-1] if current else None

    def waits(seconds: float) -> None:
        del seconds  # botocore's own backoff: the others go on meanwhile as it is

    monkeypatch.setattr(botocore.endpoint, "time", type("Time", (), {"sleep": staticmethod(waits)}))
    monkeypatch.setattr(ContractCatalog, "packaged", classmethod(lambda cls: contracts))
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
    caches = [one for one in vars(surroundings).values() if hasattr(one, "cache_clear")]
    caches.append(ingest.intake)
    plain = {service: aws(service) for service in SERVICES}

    def made(seed: int) -> Lake:
        current.clear()
        for cached in caches:
            cached.cache_clear()
        ours = {service: connected(aws(service, config=client_config()), lake) for service in SERVICES}
        clock, stage = Clock(), Stage(seed)
        machine_arn = plain["stepfunctions"].create_state_machine(
            name=f"faults-{seed}", definition=DEFINITION, roleArn=ROLE
        )["stateMachineArn"]
        machine = ConversionMachine(
            machine_arn,
            plain["stepfunctions"],
            FILES,
            connected(aws("dynamodb"), lake),
            lambda: _plan(lake()),
            stage.actor,
        )
        install(monkeypatch, machine)
        records = FileRecords(ours["dynamodb"], FILES, clock)
        circuits = Circuits(ours["dynamodb"], CIRCUITS, clock)
        settings = type("Settings", (), {})
        wanted = {
            "processed_bucket": PROCESSED,
            "file_conversion_arn": machine_arn,
            "landed_queue_url": resources["queue"],
        }
        for name, value in wanted.items():
            setattr(settings, name, value)
        retries = Retries(circuits, ours["sqs"], resources["queue"])
        for name, value in {
            "settings": settings,
            "s3": ours["s3"],
            "sqs": ours["sqs"],
            "states": ours["stepfunctions"],
            "records": records,
            "circuits": circuits,
            "retries": retries,
        }.items():
            monkeypatch.setattr(surroundings, name, lambda value=value: value)
        plain["dynamodb"].delete_item(TableName=CIRCUITS, Key={"dependency": {"S": "glue"}})
        plain["dynamodb"].delete_item(TableName=CIRCUITS, Key={"dependency": {"S": "lambda"}})
        new = Lake(seed, plain, resources["queue"], resources["dead_letters"], machine, stage, clock)
        current.append(new)
        return new

    yield made
    current.clear()
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()


def _plan(lake: Lake | None) -> FaultPlan | None:
    return lake.plan if lake else None
