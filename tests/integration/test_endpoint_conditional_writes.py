"""Writes under a condition: S3 judges it and publishes in one step, however many come at a time."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1024**2
# A body of this size goes to disk past the HTTP parser, before the emulator judges the condition.
BIG = 9 * MIB
WRITERS = 8


@pytest.fixture(scope="module")
def s3(aws):
    return aws("s3", config=Config(max_pool_connections=2 * WRITERS, retries={"max_attempts": 1}))


@pytest.fixture
def bucket(s3):
    return versioned_bucket(s3)


def versioned_bucket(client):
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def put(client, bucket, body, **condition):
    return client.put_object(Bucket=bucket, Key="key", Body=body, **condition)["ETag"]


def put_big(client, bucket, body, **condition):
    return put(client, bucket, body + bytes(BIG), **condition)


def complete(client, bucket, body, **condition):
    return uploaded(client, bucket, body)(**condition)["ETag"]


def uploaded(client, bucket, body):
    """An upload of one part; what completes it."""
    target = {"Bucket": bucket, "Key": "key"}
    upload = client.create_multipart_upload(**target)["UploadId"]
    part = client.upload_part(**target, UploadId=upload, PartNumber=1, Body=body)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part}]}
    return lambda **condition: client.complete_multipart_upload(
        **target, UploadId=upload, MultipartUpload=parts, **condition
    )


def read(client, bucket):
    return client.get_object(Bucket=bucket, Key="key")["Body"].read().rstrip(b"\0")


def refused(write, *arguments, **condition):
    """The status and code of a refused write."""
    with pytest.raises(ClientError) as caught:
        write(*arguments, **condition)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


writers = pytest.mark.parametrize("write", [put, put_big, complete])


@writers
def test_an_object_is_made_only_where_there_is_none(s3, bucket, write):
    write(s3, bucket, b"first", IfNoneMatch="*")
    assert refused(write, s3, bucket, b"second", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert read(s3, bucket) == b"first"


@writers
def test_an_object_is_replaced_only_where_it_is_the_one_that_was_seen(s3, bucket, write):
    seen = write(s3, bucket, b"first")
    other = write(s3, bucket, b"second", IfMatch=seen)
    assert refused(write, s3, bucket, b"third", IfMatch=seen) == (412, "PreconditionFailed")
    assert read(s3, bucket) == b"second"
    write(s3, bucket, b"fourth", IfMatch=other.strip('"'))
    assert read(s3, bucket) == b"fourth"


@writers
def test_where_there_is_no_object_or_a_delete_marker_nothing_can_be_replaced(s3, bucket, write):
    assert refused(write, s3, bucket, b"first", IfMatch='"0123"') == (404, "NoSuchKey")
    seen = write(s3, bucket, b"first")
    s3.delete_object(Bucket=bucket, Key="key")
    assert refused(write, s3, bucket, b"second", IfMatch=seen) == (404, "NoSuchKey")
    write(s3, bucket, b"third", IfNoneMatch="*")
    assert read(s3, bucket) == b"third"


@writers
@pytest.mark.parametrize("condition", [{"IfNoneMatch": '"0123"'}, {"IfNoneMatch": "*", "IfMatch": '"0123"'}])
def test_a_condition_that_s3_does_not_know_is_refused(s3, bucket, write, condition):
    assert refused(write, s3, bucket, b"first", **condition) == (501, "NotImplemented")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_bare_emulator_takes_a_condition_that_s3_does_not_know(bare_aws):
    client = bare_aws("s3")
    assert put(client, versioned_bucket(client), b"first", IfNoneMatch='"0123"')


def test_a_write_is_judged_when_it_is_complete_not_when_it_began(s3, bucket):
    finish = uploaded(s3, bucket, b"began first")
    put(s3, bucket, b"was faster", IfNoneMatch="*")
    assert refused(finish, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert read(s3, bucket) == b"was faster"


@pytest.mark.parametrize("condition", [{"IfNoneMatch": "*"}, {"IfMatch": '"0123"'}])
def test_an_upload_whose_completion_was_refused_can_still_be_completed(s3, bucket, condition):
    seen = put(s3, bucket, b"there already")
    finish = uploaded(s3, bucket, b"later")
    assert refused(finish, **condition) == (412, "PreconditionFailed")
    finish(IfMatch=seen)
    assert read(s3, bucket) == b"later"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@writers
@pytest.mark.parametrize("is_there", [False, True], ids=["none there", "one there"])
def test_of_writers_that_come_together_and_saw_the_same_exactly_one_wins(s3, bucket, write, is_there):
    condition = {"IfMatch": put(s3, bucket, b"seen by all")} if is_there else {"IfNoneMatch": "*"}
    barrier = threading.Barrier(WRITERS)

    def attempt(number):
        body = b"writer %d" % number
        finish = uploaded(s3, bucket, body) if write is complete else None
        barrier.wait()
        try:
            _ = finish(**condition) if finish else write(s3, bucket, body, **condition)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return body

    with ThreadPoolExecutor(WRITERS) as pool:
        ended = list(pool.map(attempt, range(WRITERS)))
    (winner,) = [each for each in ended if isinstance(each, bytes)]
    assert [each for each in ended if each != winner] == ["PreconditionFailed"] * (WRITERS - 1)
    assert read(s3, bucket) == winner
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == (2 if is_there else 1)


def test_nobody_loses_what_another_counted_where_each_replaces_only_what_it_saw(s3, bucket):
    each = 5
    put(s3, bucket, b"0")

    def count(_):
        done = 0
        while done < each:
            seen = s3.get_object(Bucket=bucket, Key="key")
            try:
                put(s3, bucket, b"%d" % (int(seen["Body"].read()) + 1), IfMatch=seen["ETag"])
                done += 1
            except ClientError as error:
                if error.response["Error"]["Code"] != "PreconditionFailed":
                    raise

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert read(s3, bucket) == b"%d" % (4 * each)
