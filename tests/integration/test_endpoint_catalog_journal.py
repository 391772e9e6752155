"""What Glue's catalog answered is there after the endpoint was killed, however soon."""

from __future__ import annotations

import boto3
import pytest
from endpoint_kill import kill

DATABASE = "sales"


@pytest.fixture
def glue(own):
    def client():
        return boto3.client(
            "glue",
            endpoint_url=own.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    client().create_database(DatabaseInput={"Name": DATABASE})
    return client


def killed_and_started(endpoint):
    kill(endpoint)
    endpoint.start()


def definition(name="orders", **members):
    keys = [{"Name": "dt", "Type": "string"}]
    return {"Name": name, "PartitionKeys": keys, "StorageDescriptor": {"Columns": []}, "Parameters": {}, **members}


def partitions(client):
    pages = client.get_paginator("get_partitions").paginate(DatabaseName=DATABASE, TableName="orders")
    return {one["Values"][0]: one["Parameters"] for page in pages for one in page["Partitions"]}


def test_a_table_its_versions_and_partitions_survive_a_kill_right_after_each_answer(own, glue):
    glue().create_table(DatabaseName=DATABASE, TableInput=definition())
    killed_and_started(own)
    first = glue().get_table(DatabaseName=DATABASE, Name="orders")["Table"]
    glue().update_table(
        DatabaseName=DATABASE, TableInput=definition(Parameters={"is": "new"}), VersionId=first["VersionId"]
    )
    killed_and_started(own)
    second = glue().get_table(DatabaseName=DATABASE, Name="orders")["Table"]
    assert second["Parameters"] == {"is": "new"}
    versions = glue().get_table_versions(DatabaseName=DATABASE, TableName="orders")["TableVersions"]
    assert [one["VersionId"] for one in versions] == [second["VersionId"], first["VersionId"]]
    inputs = [{"Values": [f"2024-01-{day:02}"]} for day in range(1, 31)]
    glue().batch_create_partition(DatabaseName=DATABASE, TableName="orders", PartitionInputList=inputs)
    changed = {"Values": ["2024-01-02"], "Parameters": {"is": "changed"}}
    place = {"DatabaseName": DATABASE, "TableName": "orders"}
    glue().update_partition(**place, PartitionValueList=["2024-01-02"], PartitionInput=changed)
    glue().delete_partition(**place, PartitionValues=["2024-01-01"])
    killed_and_started(own)
    found = partitions(glue())
    assert len(found) == 29
    assert found["2024-01-02"] == {"is": "changed"}
    assert "2024-01-01" not in found


def test_what_was_deleted_stays_deleted(own, glue):
    for name in ("orders", "returns"):
        glue().create_table(DatabaseName=DATABASE, TableInput=definition(name))
    glue().delete_table(DatabaseName=DATABASE, Name="orders")
    killed_and_started(own)
    assert [one["Name"] for one in glue().get_tables(DatabaseName=DATABASE)["TableList"]] == ["returns"]
    glue().delete_database(Name=DATABASE)
    killed_and_started(own)
    assert glue().get_databases()["DatabaseList"] == []
