"""Fixtures of the unit tests: an AWS account in memory, with the tables as Terraform makes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lakehouse.aws_errors import client_config
from lakehouse.ingestion.retries import Retries
from lakehouse.metadata.circuits import Circuits

FILES_TABLE = "lakehouse-test-etl-pipeline-metadata"
PIPELINE_RUNS_TABLE = "lakehouse-test-pipeline-runs"
WATERMARKS_TABLE = "lakehouse-test-watermarks"
CIRCUITS_TABLE = "lakehouse-test-circuits"
NOTIFICATIONS_TABLE = "lakehouse-test-notifications"


@pytest.fixture
def aws_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS account in memory, for this test alone."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def dynamodb(aws_account: None) -> Any:
    """A DynamoDB client, with the metadata tables deployed."""
    client = boto3.client("dynamodb", config=client_config())
    _table(client, FILES_TABLE, ["file_id"], {"status": "created_at", "dataset": "created_at", "key": "created_at"})
    _table(client, PIPELINE_RUNS_TABLE, ["pipeline_name", "execution_date"], {"status": "start_time"})
    _table(client, WATERMARKS_TABLE, ["source"], {})
    _table(client, CIRCUITS_TABLE, ["dependency"], {})
    _table(client, NOTIFICATIONS_TABLE, ["notification_id"], {})
    return client


def _table(client: Any, name: str, key: list[str], indexes: dict[str, str]) -> None:
    attributes = dict.fromkeys([*key, *indexes, *indexes.values()])
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": one, "AttributeType": "S"} for one in attributes],
        KeySchema=_key_schema(key),
        **(
            {
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": f"{hash_key}-{range_key}-index",
                        "KeySchema": _key_schema([hash_key, range_key]),
                        "Projection": {"ProjectionType": "ALL"},
                    }
                    for hash_key, range_key in indexes.items()
                ]
            }
            if indexes
            else {}
        ),
    )


def _key_schema(names: list[str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]


@pytest.fixture
def files_table(dynamodb: Any) -> str:
    return FILES_TABLE


@pytest.fixture
def pipeline_runs_table(dynamodb: Any) -> str:
    return PIPELINE_RUNS_TABLE


@pytest.fixture
def watermarks_table(dynamodb: Any) -> str:
    return WATERMARKS_TABLE


@pytest.fixture
def circuits_table(dynamodb: Any) -> str:
    return CIRCUITS_TABLE


@pytest.fixture
def notifications_table(dynamodb: Any) -> str:
    return NOTIFICATIONS_TABLE


@pytest.fixture
def queue(aws_account: None) -> Any:
    """The queue of landed files: its client and its URL."""
    client = boto3.client("sqs")
    return client, client.create_queue(QueueName="landed")["QueueUrl"]


@pytest.fixture
def retries(dynamodb: Any, circuits_table: str, queue: Any) -> Retries:
    """Sends files back to that queue."""
    return Retries(Circuits(dynamodb, circuits_table), *queue)
