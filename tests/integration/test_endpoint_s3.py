"""What S3 answers on the endpoint, and beside each fix that the bare emulator still answers otherwise."""

from __future__ import annotations

import base64
import importlib
import os
import re
import timeit
import uuid
import zlib
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
from awscrt import checksums
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

MIB = 1024**2


@pytest.fixture
def s3(aws):
    return aws("s3")


@pytest.fixture
def bare_s3(bare_aws):
    return bare_aws("s3")


@pytest.fixture
def bucket(s3):
    return new_bucket(s3, versioned=True)


def new_bucket(client, *, versioned=False):
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def crc64nvme(body):
    return base64.b64encode(checksums.crc64nvme(body).to_bytes(8, "big")).decode()


def code_of(caught):
    return caught.value.response["Error"]["Code"]


def memory_of(endpoint):
    pid = int(re.search(r'"pid": (\d+)', (endpoint.home / "endpoint.json").read_text())[1])
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


class Uploaded:
    """A multipart upload in progress."""

    def __init__(self, client, bucket, key="big", **options):
        self.client, self.target = client, {"Bucket": bucket, "Key": key}
        self.options = options
        self.id = client.create_multipart_upload(**self.target, **options)["UploadId"]
        self.parts = []

    def add(self, body):
        algorithm = self.options.get("ChecksumAlgorithm")
        extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
        number = len(self.parts) + 1
        sent = self.client.upload_part(**self.target, UploadId=self.id, PartNumber=number, Body=body, **extra)
        named = {name: value for name, value in sent.items() if re.fullmatch(r"Checksum(CRC|SHA)\w+", name)}
        self.parts.append({"PartNumber": number, "ETag": sent["ETag"], **named})
        return self

    def complete(self, **options):
        return self.client.complete_multipart_upload(
            **self.target, UploadId=self.id, MultipartUpload={"Parts": self.parts}, **options
        )


# --- reads --------------------------------------------------------------------------------------------------------


def test_a_range_of_a_version_is_that_range(s3, bucket):
    version = s3.put_object(Bucket=bucket, Key="key", Body=b"0123456789")["VersionId"]
    s3.put_object(Bucket=bucket, Key="key", Body=b"abcdefghij")
    read = s3.get_object(Bucket=bucket, Key="key", VersionId=version, Range="bytes=2-4")
    assert read["Body"].read() == b"234"
    assert (read["ContentRange"], read["ContentLength"]) == ("bytes 2-4/10", 3)
    assert read["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_the_bare_emulator_answers_a_range_of_a_version_with_the_whole_of_it(bare_s3):
    bucket = new_bucket(bare_s3, versioned=True)
    version = bare_s3.put_object(Bucket=bucket, Key="key", Body=b"0123456789")["VersionId"]
    read = bare_s3.get_object(Bucket=bucket, Key="key", VersionId=version, Range="bytes=2-4")
    assert read["Body"].read() == b"0123456789"


@pytest.mark.parametrize(
    ("wanted", "found"), [("bytes=-3", b"789"), ("bytes=8-", b"89"), ("bytes=0-0", b"0"), ("bytes=5-100", b"56789")]
)
@pytest.mark.parametrize("by_version", [True, False])
def test_ranges_of_all_forms(s3, bucket, wanted, found, by_version):
    version = s3.put_object(Bucket=bucket, Key="key", Body=b"0123456789")["VersionId"]
    which = {"VersionId": version} if by_version else {}
    assert s3.get_object(Bucket=bucket, Key="key", Range=wanted, **which)["Body"].read() == found


@pytest.mark.parametrize("by_version", [True, False])
def test_a_range_beyond_the_end_is_refused(s3, bucket, by_version):
    version = s3.put_object(Bucket=bucket, Key="key", Body=b"0123456789")["VersionId"]
    which = {"VersionId": version} if by_version else {}
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key", Range="bytes=10-11", **which)
    assert code_of(caught) == "InvalidRange"


@pytest.mark.parametrize("size", [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB + 7])
def test_every_size_comes_back_whole(s3, bucket, size):
    body = os.urandom(1021) * (size // 1021) + b"x" * (size % 1021)
    s3.put_object(Bucket=bucket, Key="key", Body=body)
    read = s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert read["ContentLength"] == size
    assert read["Body"].read() == body


@pytest.fixture(params=["endpoint", "bare_emulator"])
def measured(request):
    """Both emulators in turn: client, whether it is mended, and how much it grew since it was asked last."""
    emulator = request.getfixturevalue(request.param)
    client = request.getfixturevalue("aws" if request.param == "endpoint" else "bare_aws")("s3")
    last = [memory_of(emulator)]

    def grown():
        last.append(memory_of(emulator))
        return last[-1] - last[-2]

    return client, request.param == "endpoint", grown


def test_a_big_read_does_not_grow_the_endpoint_by_the_object(measured):
    client, is_mended, grown = measured
    bucket = new_bucket(client)
    client.put_object(Bucket=bucket, Key="key", Body=b"x" * (96 * MIB))
    grown()
    # Several at a time: one may be read into memory that writing had taken and not yet given back.
    streams = [client.get_object(Bucket=bucket, Key="key")["Body"] for _ in range(3)]
    for stream in streams:
        stream.read(1)
    assert (grown() < 32 * MIB) is is_mended
    for stream in streams:
        stream.close()


def test_an_object_that_is_overwritten_while_it_is_read_is_read_to_its_end(s3, bucket):
    body = os.urandom(1024) * (24 * 1024)
    s3.put_object(Bucket=bucket, Key="key", Body=body)
    stream = s3.get_object(Bucket=bucket, Key="key")["Body"]
    start = stream.read(1024)
    s3.put_object(Bucket=bucket, Key="key", Body=b"new")
    assert start + stream.read() == body


def test_an_object_whose_file_is_gone_is_an_error_and_not_empty(s3, bucket, endpoint):
    s3.put_object(Bucket=bucket, Key="key", Body=b"something")
    (endpoint.home / "s3" / "000000000000" / bucket / "key").unlink()
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key", Range="bytes=0-3")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_the_bare_emulator_answers_with_an_empty_object(bare_s3, bare_emulator):
    bucket = new_bucket(bare_s3)
    bare_s3.put_object(Bucket=bucket, Key="key", Body=b"something")
    (bare_emulator.home / "s3" / "000000000000" / bucket / "key").unlink()
    assert bare_s3.get_object(Bucket=bucket, Key="key", Range="bytes=0-3")["Body"].read() == b""


# --- versions on disk ---------------------------------------------------------------------------------------------


def test_versions_do_not_stay_in_memory(measured):
    client, is_mended, grown = measured
    bucket = new_bucket(client, versioned=True)
    client.put_object(Bucket=bucket, Key="key", Body=b"warm" * (4 * MIB))
    grown()
    for number in range(8):
        client.put_object(Bucket=bucket, Key="key", Body=bytes([number]) * (16 * MIB))
    assert (grown() < 64 * MIB) is is_mended


def test_what_was_there_before_versioning_does_not_stay_in_memory(measured):
    client, is_mended, grown = measured
    bucket = new_bucket(client)
    for number in range(6):
        client.put_object(Bucket=bucket, Key=f"{number}", Body=bytes([number]) * (16 * MIB))
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    grown()
    for number in range(6):
        client.put_object(Bucket=bucket, Key=f"{number}", Body=b"small")
    assert (grown() < 48 * MIB) is is_mended


def test_all_versions_of_a_key_keep_their_own_bytes(s3, bucket):
    versions = [s3.put_object(Bucket=bucket, Key="key", Body=f"{n}".encode())["VersionId"] for n in range(4)]
    s3.delete_object(Bucket=bucket, Key="key")
    s3.put_object(Bucket=bucket, Key="key", Body=b"after the marker")
    read = [s3.get_object(Bucket=bucket, Key="key", VersionId=each)["Body"].read() for each in versions]
    assert read == [b"0", b"1", b"2", b"3"]
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"after the marker"


def test_deleting_the_newest_version_uncovers_the_one_before(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"first")
    newest = s3.put_object(Bucket=bucket, Key="key", Body=b"second")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="key", VersionId=newest)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"first"


def test_an_object_from_before_versioning_stays_as_the_null_version(s3):
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="key", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="key", Body=b"after")
    assert s3.get_object(Bucket=bucket, Key="key", VersionId="null")["Body"].read() == b"before"
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"after"


# --- checksums ----------------------------------------------------------------------------------------------------


def test_an_upload_is_answered_with_its_checksum(s3, bucket):
    answer = s3.put_object(Bucket=bucket, Key="key", Body=b"text", ChecksumAlgorithm="CRC64NVME")
    assert (answer["ChecksumCRC64NVME"], answer["ChecksumType"]) == (crc64nvme(b"text"), "FULL_OBJECT")
    found = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert (found["ChecksumCRC64NVME"], found["ChecksumType"]) == (crc64nvme(b"text"), "FULL_OBJECT")


def test_the_bare_emulator_answers_an_upload_without_its_checksum(bare_s3):
    bucket = new_bucket(bare_s3)
    answer = bare_s3.put_object(Bucket=bucket, Key="key", Body=b"text", ChecksumAlgorithm="CRC32")
    assert "ChecksumCRC32" not in answer


def test_a_wrong_checksum_is_refused(s3, bucket):
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="key", Body=b"text", ChecksumCRC32=crc32(b"other"))
    assert code_of(caught) == "BadDigest"


def test_an_upload_without_a_checksum_gets_crc64nvme_and_none_from_the_bare_emulator(aws, bare_aws):
    for clients, expected in ((aws, crc64nvme(b"text")), (bare_aws, None)):
        client = clients("s3", config=Config(request_checksum_calculation="when_required"))
        bucket = new_bucket(client)
        client.put_object(Bucket=bucket, Key="key", Body=b"text")
        found = client.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
        assert found.get("ChecksumCRC64NVME") == expected


@pytest.mark.parametrize(("name", "native"), [("_crc64nvme", checksums.crc64nvme), ("_crc32c", checksums.crc32c)])
def test_the_bare_emulators_checksums_are_the_same_and_far_slower(name, native):
    theirs = getattr(importlib.import_module("ministack.services.s3"), name)
    body = os.urandom(MIB)
    assert native(body) == theirs(body)
    assert timeit.timeit(lambda: theirs(body), number=1) > 20 * timeit.timeit(lambda: native(body), number=1)


def test_an_object_in_parts_without_a_checksum_of_the_clients_gets_crc64nvme(s3, bucket):
    upload = Uploaded(s3, bucket).add(b"a" * (5 * MIB)).add(b"b")
    answer = upload.complete()
    assert (answer["ChecksumCRC64NVME"], answer["ChecksumType"]) == (
        crc64nvme(b"a" * (5 * MIB) + b"b"),
        "FULL_OBJECT",
    )


# --- multipart ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("algorithm", "compute"), [("CRC32", crc32), ("CRC64NVME", crc64nvme)])
def test_a_full_object_checksum_is_that_of_all_bytes(s3, bucket, algorithm, compute):
    pieces = [os.urandom(5 * MIB), os.urandom(6 * MIB + 3), b"tail"]
    upload = Uploaded(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    for piece in pieces:
        upload.add(piece)
    whole = b"".join(pieces)
    answer = upload.complete(**{f"Checksum{algorithm}": compute(whole)}, MpuObjectSize=len(whole))
    assert (answer[f"Checksum{algorithm}"], answer["ChecksumType"]) == (compute(whole), "FULL_OBJECT")
    found = s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert (found[f"Checksum{algorithm}"], found["ChecksumType"]) == (compute(whole), "FULL_OBJECT")
    attributes = s3.get_object_attributes(Bucket=bucket, Key="big", ObjectAttributes=["Checksum"])
    assert attributes["Checksum"] == {f"Checksum{algorithm}": compute(whole), "ChecksumType": "FULL_OBJECT"}
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == whole


def test_the_bare_emulator_ignores_the_full_object_checksum(bare_s3):
    upload = Uploaded(bare_s3, new_bucket(bare_s3), ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    answer = upload.add(b"a" * (5 * MIB)).add(b"b").complete()
    assert answer["ChecksumType"] == "COMPOSITE"


def test_a_wrong_full_object_checksum_publishes_nothing(s3, bucket):
    upload = Uploaded(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT").add(b"right")
    with pytest.raises(ClientError) as caught:
        upload.complete(ChecksumCRC32=crc32(b"wrong"), ChecksumType="FULL_OBJECT")
    assert code_of(caught) == "BadDigest"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert upload.complete(ChecksumCRC32=crc32(b"right"), ChecksumType="FULL_OBJECT")["ETag"]


def test_a_composite_checksum_says_how_many_parts(s3, bucket):
    answer = Uploaded(s3, bucket, ChecksumAlgorithm="CRC32").add(b"a" * (5 * MIB)).add(b"b").complete()
    assert answer["ChecksumType"] == "COMPOSITE"
    assert answer["ChecksumCRC32"].endswith("-2")
    attributes = s3.get_object_attributes(Bucket=bucket, Key="big", ObjectAttributes=["Checksum"])
    assert attributes["Checksum"]["ChecksumType"] == "COMPOSITE"


def test_a_pair_of_algorithm_and_type_that_s3_lacks_is_refused(s3, bucket):
    with pytest.raises(ClientError) as caught:
        Uploaded(s3, bucket, ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")
    assert code_of(caught) == "InvalidRequest"


def test_a_declared_size_that_is_not_the_parts_is_refused(s3, bucket):
    with pytest.raises(ClientError) as caught:
        Uploaded(s3, bucket).add(b"12345").complete(MpuObjectSize=6)
    assert code_of(caught) == "InvalidRequest"


def test_a_part_under_five_mebibytes_is_refused_unless_it_is_the_last(s3, bucket):
    with pytest.raises(ClientError) as caught:
        Uploaded(s3, bucket).add(b"a" * (5 * MIB - 1)).add(b"b").complete()
    assert code_of(caught) == "EntityTooSmall"
    assert Uploaded(s3, bucket).add(b"a" * (5 * MIB)).add(b"b").complete()["ETag"].endswith('-2"')


def test_the_bare_emulator_accepts_parts_of_any_size(bare_s3):
    assert Uploaded(bare_s3, new_bucket(bare_s3)).add(b"a").add(b"b").complete()["ETag"]


def test_parts_out_of_order_are_refused(s3, bucket):
    upload = Uploaded(s3, bucket).add(b"a" * (5 * MIB)).add(b"b")
    upload.parts.reverse()
    with pytest.raises(ClientError) as caught:
        upload.complete()
    assert code_of(caught) == "InvalidPartOrder"


def test_a_part_that_was_not_sent_is_refused(s3, bucket):
    upload = Uploaded(s3, bucket).add(b"a")
    upload.parts[0]["ETag"] = '"00000000000000000000000000000000"'
    with pytest.raises(ClientError) as caught:
        upload.complete()
    assert code_of(caught) == "InvalidPart"


def test_an_upload_of_no_parts_is_refused(s3, bucket):
    with pytest.raises(ClientError) as caught:
        Uploaded(s3, bucket).complete()
    assert code_of(caught) == "MalformedXML"


def test_a_part_sent_twice_counts_as_sent_last(s3, bucket):
    upload = Uploaded(s3, bucket).add(b"old")
    upload.parts.clear()
    upload.add(b"new").complete()
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == b"new"


def test_a_copied_part_is_part_of_the_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    upload = Uploaded(s3, bucket)
    copied = s3.upload_part_copy(
        **upload.target,
        UploadId=upload.id,
        PartNumber=1,
        CopySource={"Bucket": bucket, "Key": "source"},
        CopySourceRange="bytes=2-5",
    )
    upload.parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    upload.complete()
    assert s3.get_object(Bucket=bucket, Key="big")["Body"].read() == b"2345"


def test_completing_again_after_a_lost_answer_gives_the_same_answer(s3, bucket):
    upload = Uploaded(s3, bucket).add(b"once")
    assert upload.complete()["VersionId"] == upload.complete()["VersionId"]
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_parts_lie_on_disk_and_leave_with_the_upload(s3, bucket, endpoint):
    parts = endpoint.home / "s3" / ".versions" / ".uploads"
    finished, aborted = Uploaded(s3, bucket).add(b"1"), Uploaded(s3, bucket).add(b"2")
    assert [file.read_bytes() for file in (parts / finished.id).glob("1.*")] == [b"1"]
    finished.complete()
    s3.abort_multipart_upload(**aborted.target, UploadId=aborted.id)
    assert not (parts / finished.id).exists()
    assert not (parts / aborted.id).exists()


TAGS = {"Component": "functions", "empty": "", "spaced out": "a&b"}


def tags_after_an_upload(client, bucket):
    upload = Uploaded(client, bucket, Tagging=urlencode(TAGS))
    upload.add(b"1").complete()
    tagging = client.get_object_tagging(Bucket=bucket, Key=upload.target["Key"])
    return {tag["Key"]: tag["Value"] for tag in tagging["TagSet"]}


def test_an_object_in_parts_has_the_tags_it_was_started_with(s3, bucket):
    assert tags_after_an_upload(s3, bucket) == TAGS


def test_the_bare_emulator_loses_the_tags_of_an_object_in_parts(bare_s3):
    assert tags_after_an_upload(bare_s3, new_bucket(bare_s3)) == {}


def test_more_tags_than_an_object_may_have_are_refused_at_the_start(s3, bucket):
    with pytest.raises(ClientError, match="BadRequest"):
        s3.create_multipart_upload(Bucket=bucket, Key="key", Tagging=urlencode({str(n): "" for n in range(11)}))


def test_uploads_in_progress_do_not_fill_the_memory(measured):
    client, is_mended, grown = measured
    upload = Uploaded(client, new_bucket(client))
    grown()
    for number in range(8):
        upload.add(bytes([number]) * (16 * MIB))
    assert (grown() < 64 * MIB) is is_mended


# --- encryption ---------------------------------------------------------------------------------------------------


def test_the_buckets_default_encryption_is_reported_with_its_key(s3, bucket, aws):
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
        "BucketKeyEnabled": True,
    }
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    Uploaded(s3, bucket, "parts").add(b"x").complete()
    s3.put_object(Bucket=bucket, Key="single", Body=b"x")
    for name in ("parts", "single"):
        found = s3.head_object(Bucket=bucket, Key=name)
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"], found["BucketKeyEnabled"]) == (
            "aws:kms",
            key,
            True,
        )


def test_a_bucket_without_a_setting_encrypts_with_s3s_own_keys(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert s3.head_object(Bucket=bucket, Key="key")["ServerSideEncryption"] == "AES256"


def test_the_bare_emulator_says_nothing_of_s3s_own_encryption(bare_s3):
    bucket = new_bucket(bare_s3)
    bare_s3.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert "ServerSideEncryption" not in bare_s3.head_object(Bucket=bucket, Key="key")


# --- a bigger picture ---------------------------------------------------------------------------------------------


def test_a_reader_that_goes_away_leaves_the_endpoint_well(s3, bucket):
    s3.put_object(Bucket=bucket, Key="key", Body=b"x" * (24 * MIB))
    for _ in range(3):
        stream = s3.get_object(Bucket=bucket, Key="key")["Body"]
        stream.read(10)
        with suppress(BotoCoreError):
            stream.close()
    assert s3.head_object(Bucket=bucket, Key="key")["ContentLength"] == 24 * MIB
