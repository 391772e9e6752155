"""State survives the end of the endpoint, however it ends."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import boto3
import pytest
from endpoint_kill import kill

from lakehouse.errors import LocalError
from lakehouse.local.endpoint import Endpoint

DEFINITION = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


def client(endpoint, service):
    return boto3.client(
        service,
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def fill(endpoint):
    s3, dynamodb = client(endpoint, "s3"), client(endpoint, "dynamodb")
    role = client(endpoint, "iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client(endpoint, "stepfunctions").create_state_machine(name="machine", definition=DEFINITION, roleArn=role)
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    dynamodb.create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(25):
        dynamodb.put_item(TableName="table", Item={"key": {"S": str(number)}})
        s3.put_object(Bucket="bucket", Key="key", Body=str(number).encode())


def saved(endpoint, service, text):
    path = endpoint.home / "state" / f"{service}.json"
    return path.exists() and text in path.read_text()


def inventory(endpoint):
    s3 = client(endpoint, "s3")
    versions = s3.list_object_versions(Bucket="bucket")["Versions"]
    bodies = [
        s3.get_object(Bucket="bucket", Key="key", VersionId=each["VersionId"])["Body"].read() for each in versions
    ]
    scanned = client(endpoint, "dynamodb").get_paginator("scan").paginate(TableName="table", Select="COUNT")
    return {
        "items": sum(page["Count"] for page in scanned),
        "current": s3.get_object(Bucket="bucket", Key="key")["Body"].read(),
        "versions": sorted(bodies),
        "machines": [each["name"] for each in client(endpoint, "stepfunctions").list_state_machines()["stateMachines"]],
        "roles": [each["RoleName"] for each in client(endpoint, "iam").list_roles()["Roles"]],
    }


EXPECTED = {
    "items": 25,
    "current": b"24",
    "versions": sorted(str(number).encode() for number in range(25)),
    "machines": ["machine"],
    "roles": ["role"],
}


def test_everything_is_there_after_a_stop_and_a_start(own):
    fill(own)
    own.stop()
    own.start()
    assert inventory(own) == EXPECTED


def test_everything_that_was_saved_is_there_after_a_kill(own):
    fill(own)
    wait_until(lambda: saved(own, "dynamodb", '"24"') and saved(own, "stepfunctions", "machine"))
    kill(own)
    own.start()
    assert inventory(own) == EXPECTED


@pytest.mark.parametrize(("unpatched", "kind"), [(False, "COMPOSITE"), (True, "FULL_OBJECT")])
def test_the_kind_of_a_checksum_survives_a_restart_unlike_on_the_bare_emulator(tmp_path, unpatched, kind):
    endpoint = Endpoint(tmp_path / "home", 0, unpatched=unpatched)
    endpoint.home.mkdir()
    endpoint.start()
    try:
        s3, target = client(endpoint, "s3"), {"Bucket": "bucket", "Key": "key"}
        s3.create_bucket(Bucket="bucket")
        upload = s3.create_multipart_upload(**target, ChecksumAlgorithm="CRC32")["UploadId"]
        part = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32")
        listed = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
        s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": listed})
        endpoint.stop()
        endpoint.start()
        found = client(endpoint, "s3").head_object(**target, ChecksumMode="ENABLED")
        assert found["ChecksumType"] == kind
    finally:
        endpoint.stop()


def test_a_change_is_saved_soon_after_it_was_made(own):
    table = client(own, "dynamodb")
    fill(own)
    table.put_item(TableName="table", Item={"key": {"S": "the last one"}})
    wait_until(lambda: saved(own, "dynamodb", "the last one"), seconds=10)


@pytest.mark.e2e
def test_kills_at_any_moment_leave_state_that_can_be_read_and_every_item(own):
    fill(own)
    for number in range(4):
        wait_until(lambda: saved(own, "dynamodb", '"24"'))
        table = client(own, "dynamodb")
        for item in range(40):
            table.put_item(TableName="table", Item={"key": {"S": f"{number}-{item}"}, "ballast": {"S": "x" * 20_000}})
        time.sleep(0.1 * number)
        kill(own)
        own.start()
        assert inventory(own)["items"] == 25 + 40 * (number + 1)


def test_a_put_that_a_kill_interrupted_leaves_no_object(own):
    fill(own)
    wait_until(lambda: saved(own, "s3", "bucket"))
    folder = own.home / "s3" / "000000000000" / "bucket"
    kill(own)
    (folder / "torn.12345678.tmp").write_bytes(b"half of a bo")
    own.start()
    keys = [each["Key"] for each in client(own, "s3").list_objects_v2(Bucket="bucket")["Contents"]]
    assert keys == ["key"]


def test_state_that_cannot_be_read_is_refused_and_kept(own):
    fill(own)
    own.stop()
    torn = own.home / "state" / "dynamodb.json"
    torn.write_text(torn.read_text()[:100])
    with pytest.raises(LocalError, match=r"dynamodb\.json cannot be read.*lakehouse reset"):
        own.start()
    assert len(torn.read_text()) == 100


@pytest.mark.e2e
def test_an_idle_endpoint_uses_next_to_no_processor(own):
    fill(own)
    pid = json.loads((own.home / "endpoint.json").read_text())["pid"]

    def used():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    time.sleep(4)
    before = used()
    time.sleep(5)
    assert used() - before < 0.5
