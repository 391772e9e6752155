"""Tables as the Terraform module ``metadata`` makes them, for tests that need no Terraform."""

from __future__ import annotations

from typing import Any


def create_file_table(dynamodb: Any, name: str) -> None:
    """Create the table of file records, with its indexes.

    Args:
        dynamodb: A boto3 DynamoDB client.
        name: The table's name.
    """
    attributes = ("file_id", "status", "dataset", "key", "created_at")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        KeySchema=[{"AttributeName": "file_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": f"{attribute}-created_at-index",
                "KeySchema": [
                    {"AttributeName": attribute, "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for attribute in ("status", "dataset", "key")
        ],
    )


def create_circuits_table(dynamodb: Any, name: str) -> None:
    """Create the table of circuit breakers.

    Args:
        dynamodb: A boto3 DynamoDB client.
        name: The table's name.
    """
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "dependency", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "dependency", "KeyType": "HASH"}],
    )
