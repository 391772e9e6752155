"""What S3 holds after the endpoint was killed: what was answered, whole; nothing half; uploads as they were."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import socket
import threading
import time
import zlib
from contextlib import suppress

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from endpoint_kill import kill

from lakehouse.local import object_files
from lakehouse.local.endpoint import Endpoint

MIB = 1024**2
BUCKET = "bucket"


def client(endpoint):
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1, "mode": "standard"}, s3={"addressing_style": "path"}),
    )


def new_bucket(endpoint):
    s3 = client(endpoint)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def etag_of(pieces):
    digests = [hashlib.md5(piece).digest() for piece in pieces]
    return f'"{hashlib.md5(b"".join(digests)).hexdigest()}-{len(pieces)}"'


def leftovers(endpoint):
    received = endpoint.home / "s3" / ".versions" / ".received"
    return [*received.glob("*"), *(endpoint.home / "s3").rglob("*.tmp")]


class Writer(threading.Thread):
    """Puts objects and uploads in parts until the endpoint is gone; remembers what was sent and what was answered."""

    def __init__(self, endpoint, seed):
        super().__init__(daemon=True)
        self.s3, self.random = client(endpoint), random.Random(seed)
        self.sent, self.answered, self.uploads = {}, {}, {}

    def run(self):
        with suppress(BotoCoreError, ClientError):
            for number in range(1000):
                self.write(f"key-{number % 3}", number)

    def write(self, key, number):
        target = {"Bucket": BUCKET, "Key": key}
        metadata = {"number": str(number)}
        if self.random.random() < 0.5:
            body = self.random.randbytes(self.random.choice([100, 3 * MIB]))
            self.sent[number] = ([body], f'"{hashlib.md5(body).hexdigest()}"')
            self.s3.put_object(**target, Body=body, Metadata=metadata, ChecksumAlgorithm="CRC32")
        else:
            pieces = [self.random.randbytes(5 * MIB), self.random.randbytes(5 * MIB), b"tail"]
            self.sent[number] = (pieces, etag_of(pieces))
            upload = self.s3.create_multipart_upload(**target, Metadata=metadata, ChecksumAlgorithm="CRC32")["UploadId"]
            parts = self.uploads[upload] = (target, pieces, [])
            for index, piece in enumerate(pieces, 1):
                part = {"UploadId": upload, "PartNumber": index, "ChecksumAlgorithm": "CRC32"}
                tag = self.s3.upload_part(**target, **part, Body=piece)["ETag"]
                parts[2].append({"PartNumber": index, "ETag": tag, "ChecksumCRC32": crc32(piece)})
            self.s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts[2]})
            del self.uploads[upload]
        self.answered[key] = number


def check_versions(s3, writer):
    """Every version is one that was sent, whole; what was answered is there."""
    found = {}
    for version in s3.list_object_versions(Bucket=BUCKET).get("Versions", []):
        key, version_id = version["Key"], version["VersionId"]
        read = s3.get_object(Bucket=BUCKET, Key=key, VersionId=version_id, ChecksumMode="ENABLED")
        number = int(read["Metadata"]["number"])
        pieces, etag = writer.sent[number]
        assert read["Body"].read() == b"".join(pieces)
        assert read["ETag"] == version["ETag"] == etag
        if len(pieces) == 1:
            assert read["ChecksumCRC32"] == crc32(pieces[0])
        else:
            assert read["ChecksumCRC32"].endswith(f"-{len(pieces)}")
        assert number not in found
        found[number] = version["IsLatest"]
    for number in writer.answered.values():
        assert number in found
    return found


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.e2e) for seed in range(2, 6))])
def test_a_kill_at_any_moment_leaves_whole_objects_and_uploads_that_go_on(own, seed):
    s3 = new_bucket(own)
    writer = Writer(own, seed)
    writer.start()
    time.sleep(random.Random(seed).uniform(0.05, 0.8))
    kill(own)
    writer.join()
    own.start()
    s3 = client(own)
    assert leftovers(own) == []
    found = check_versions(s3, writer)
    listed = {each["UploadId"]: each["Key"] for each in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])}
    for upload in writer.uploads.keys() - listed.keys():
        # It was published, and only the answer was lost: asked again, S3 gives it.
        target, pieces, parts = writer.uploads[upload]
        answer = s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
        assert answer["ETag"] == etag_of(pieces)
        assert check_versions(s3, writer) == found
    for upload in listed.keys() & writer.uploads.keys():
        target, pieces, parts = writer.uploads[upload]
        kept = s3.list_parts(**target, UploadId=upload).get("Parts", [])
        assert [part["ETag"] for part in kept][: len(parts)] == [part["ETag"] for part in parts]
        for index, piece in enumerate(pieces[len(parts) :], len(parts) + 1):
            part = {"UploadId": upload, "PartNumber": index, "ChecksumAlgorithm": "CRC32"}
            tag = s3.upload_part(**target, **part, Body=piece)["ETag"]
            parts.append({"PartNumber": index, "ETag": tag, "ChecksumCRC32": crc32(piece)})
        s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
        assert s3.get_object(**target)["Body"].read() == b"".join(pieces)
    for upload in listed.keys() - writer.uploads.keys():
        # Its creation was not answered: nobody knows of it, but it can be found and aborted, as on S3.
        s3.abort_multipart_upload(Bucket=BUCKET, Key=listed[upload], UploadId=upload)
    assert list((own.home / "s3" / ".versions" / ".uploads").glob("*")) == []


@pytest.mark.parametrize(("unpatched", "survive"), [(False, True), (True, False)])
def test_uploads_in_progress_survive_a_kill_unlike_on_the_bare_emulator(tmp_path, unpatched, survive):
    endpoint = Endpoint(tmp_path / "home", 0, unpatched=unpatched)
    endpoint.home.mkdir()
    endpoint.start()
    try:
        target = {"Bucket": BUCKET, "Key": "key"}
        s3 = new_bucket(endpoint)
        upload = s3.create_multipart_upload(**target, Metadata={"name": "value"}, Tagging="a=b")["UploadId"]
        part = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"old")
        part = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"new")
        state = endpoint.home / "state" / "s3.json"
        while not (state.exists() and "Enabled" in state.read_text()):
            time.sleep(0.05)
        kill(endpoint)
        endpoint.start()
        s3 = client(endpoint)
        listed = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        assert [each["UploadId"] for each in listed] == ([upload] if survive else [])
        if survive:
            parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
            s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
            read = s3.get_object(**target)
            assert (read["Body"].read(), read["Metadata"]) == (b"new", {"name": "value"})
            assert s3.get_object_tagging(**target)["TagSet"] == [{"Key": "a", "Value": "b"}]
    finally:
        endpoint.stop()


def test_an_upload_aborted_after_a_kill_leaves_nothing(own):
    s3, target = new_bucket(own), {"Bucket": BUCKET, "Key": "key"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"part")
    kill(own)
    own.start()
    s3 = client(own)
    s3.abort_multipart_upload(**target, UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    assert list((own.home / "s3" / ".versions" / ".uploads").glob("*")) == []


def test_an_upload_killed_between_its_publication_and_its_end_is_published_once(own, tmp_path):
    s3, target = new_bucket(own), {"Bucket": BUCKET, "Key": "key"}
    upload = s3.create_multipart_upload(**target)["UploadId"]
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**target, UploadId=upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in ((1, b"a" * (5 * MIB)), (2, b"b"))
    ]
    folder = own.home / "s3" / ".versions" / ".uploads" / upload
    shutil.copytree(folder, tmp_path / "before")
    answer = s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    kill(own)
    (tmp_path / "before").rename(folder)
    own.start()
    s3 = client(own)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    assert not folder.exists()
    again = s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    assert [again[name] for name in ("ETag", "VersionId")] == [answer[name] for name in ("ETag", "VersionId")]
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 1


def test_what_was_answered_is_there_however_soon_the_kill_comes(own):
    s3 = new_bucket(own)
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"first")
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"second", Metadata={"name": "value"}, ContentType="text/plain")
    kill(own)
    own.start()
    s3 = client(own)
    read = s3.get_object(Bucket=BUCKET, Key="key")
    assert (read["Body"].read(), read["Metadata"], read["ContentType"]) == (b"second", {"name": "value"}, "text/plain")
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 2
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"


def test_a_body_half_received_leaves_the_disk_with_the_next_start(own):
    new_bucket(own)
    credential = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    head = f"PUT /{BUCKET}/key HTTP/1.1\r\nHost: x\r\nContent-Length: {8 * MIB}\r\nAuthorization: {credential}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", own.port)) as connection:
        connection.sendall(head.encode() + b"x" * (4 * MIB))
        while not any(path.stat().st_size > MIB for path in leftovers(own)):
            time.sleep(0.01)
        kill(own)
    own.start()
    assert leftovers(own) == []
    assert "Contents" not in client(own).list_objects_v2(Bucket=BUCKET)


def test_a_body_whose_client_goes_away_leaves_the_disk_at_once(own):
    s3 = new_bucket(own)
    credential = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    head = f"PUT /{BUCKET}/key HTTP/1.1\r\nHost: x\r\nContent-Length: {8 * MIB}\r\nAuthorization: {credential}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", own.port)) as connection:
        connection.sendall(head.encode() + b"x" * (4 * MIB))
        while not leftovers(own):
            time.sleep(0.01)
    deadline = time.monotonic() + 10
    while leftovers(own) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert leftovers(own) == []
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


@pytest.fixture
def killed_write(tmp_path, monkeypatch):
    """Overwrites an object with another, as far as a kill lets it; returns what is there after recovery."""

    def overwrite(renames):
        path = tmp_path / "key"
        object_files.replace(path, b"old", b'{"of": "old"}')
        rename, done = type(path).replace, []

        def replace(self, target):
            if len(done) == renames:
                raise KeyboardInterrupt
            done.append(self)
            return rename(self, target)

        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            patched.setattr(type(path), "replace", replace)
            object_files.replace(path, b"new", b'{"of": "new"}')
        object_files.recover(tmp_path)
        assert {file.name for file in tmp_path.iterdir()} == {"key", "key.meta.json"}
        return path.read_bytes().decode(), json.loads((tmp_path / "key.meta.json").read_text())["of"]

    return overwrite


@pytest.mark.parametrize(("renames", "found"), [(0, "old"), (1, "new"), (2, "new")])
def test_a_body_and_its_metadata_belong_together_after_a_kill_between_them(killed_write, renames, found):
    assert killed_write(renames) == (found, found)


def test_metadata_that_a_kill_tore_is_dropped(tmp_path):
    object_files.replace(tmp_path / "key", b"body", b'{"of": "body"}')
    (tmp_path / "key.00000000.metadata.tmp").write_bytes(b'{"of": "bo')
    object_files.recover(tmp_path)
    assert json.loads((tmp_path / "key.meta.json").read_text()) == {"of": "body"}
    assert not list(tmp_path.glob("*.tmp"))
