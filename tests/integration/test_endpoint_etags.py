"""ETags as S3 makes them: an MD5 where S3 manages the key, opaque where KMS does."""

import base64
import hashlib
import os
import uuid

import pytest
from botocore.exceptions import ClientError

PART = 5 * 1024**2
SIZES = {"a small body": 1_000, "a body that goes to disk as it comes": 3 * 1024**2}


def md5(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


@pytest.fixture
def s3(aws):
    return aws("s3")


@pytest.fixture
def under_kms(aws, s3):
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    key = aws("kms").create_key()["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket=bucket)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return bucket


@pytest.fixture
def plain(s3):
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    return bucket


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_an_object_under_a_kms_key_has_an_etag_that_tells_nothing_of_its_bytes(s3, under_kms, plain, size):
    body = os.urandom(size)
    first, second = (s3.put_object(Bucket=under_kms, Key="one", Body=body)["ETag"] for _ in range(2))
    assert len({first, second, md5(body)}) == 3
    assert s3.head_object(Bucket=under_kms, Key="one")["ETag"] == second
    assert s3.get_object(Bucket=under_kms, Key="one", IfMatch=second)["Body"].read() == body
    assert s3.put_object(Bucket=plain, Key="one", Body=body)["ETag"] == md5(body)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_an_md5_that_the_client_sends_is_compared_under_a_kms_key_too(s3, under_kms, size):
    body = os.urandom(size)
    upload = s3.create_multipart_upload(Bucket=under_kms, Key="compared")["UploadId"]
    part = {"Bucket": under_kms, "Key": "compared", "UploadId": upload, "PartNumber": 1, "Body": body}
    right = base64.b64encode(hashlib.md5(body).digest()).decode()
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    s3.upload_part(**part, ContentMD5=right)
    with pytest.raises(ClientError, match="BadDigest"):
        s3.upload_part(**part, ContentMD5=wrong)
    s3.abort_multipart_upload(Bucket=under_kms, Key="compared", UploadId=upload)


def test_parts_under_a_kms_key_are_completed_by_their_opaque_etags(s3, under_kms, plain):
    bodies = [os.urandom(PART), os.urandom(1_000)]
    for bucket in (under_kms, plain):
        upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
        target = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
        etags = [s3.upload_part(**target, PartNumber=at + 1, Body=body)["ETag"] for at, body in enumerate(bodies)]
        assert (etags == [md5(body) for body in bodies]) == (bucket == plain)
        listed = [{"PartNumber": at + 1, "ETag": etag} for at, etag in enumerate(etags)]
        with pytest.raises(ClientError, match="InvalidPart"):
            wrong = [{"PartNumber": 1, "ETag": md5(b"other")}, listed[1]]
            s3.complete_multipart_upload(**target, MultipartUpload={"Parts": wrong})
        s3.complete_multipart_upload(**target, MultipartUpload={"Parts": listed})
        assert s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == b"".join(bodies)
