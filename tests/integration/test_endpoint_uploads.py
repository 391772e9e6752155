"""Parts of an upload: in whatever order, size and number of tries they come, the object is what was listed."""

from __future__ import annotations

import base64
import hashlib
import mmap
import os
import random
import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.local.received_body import ReceivedBody
from lakehouse.local.upload_folder import UploadFolder

MIB = 1024**2
PAGE = mmap.ALLOCATIONGRANULARITY


@pytest.fixture
def s3(aws):
    return aws("s3")


@pytest.fixture
def target(s3):
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    return {"Bucket": bucket, "Key": "key"}


@pytest.mark.parametrize(
    "sizes",
    [
        {1: 5 * MIB, 2: 5 * MIB, 3: 2 * MIB},
        {3: 2 * MIB, 2: 5 * MIB, 1: 5 * MIB},
        {2: 5 * MIB, 1: 6 * MIB, 3: 1},
        {2: 5 * MIB, 4: 5 * MIB, 10_000: 5 * MIB},
        {1: 5 * MIB + 1, 2: 5 * MIB + 1, 3: 5 * MIB + 1},
    ],
    ids=["in order", "last first", "of several sizes", "with gaps", "not of whole pages"],
)
@pytest.mark.parametrize("again", [False, True], ids=["once", "one again"])
def test_parts_make_the_object_in_the_order_of_their_numbers(s3, target, sizes, again):
    upload = s3.create_multipart_upload(**target)["UploadId"]
    sent = {}
    for number, size in [*sizes.items(), *(list(sizes.items())[:1] if again else [])]:
        body = os.urandom(size)
        tag = s3.upload_part(**target, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        sent[number] = (body, {"PartNumber": number, "ETag": tag})
    parts = [sent[number][1] for number in sorted(sent)]
    s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    whole = b"".join(sent[number][0] for number in sorted(sent))
    assert s3.get_object(**target)["Body"].read() == whole
    assert s3.head_object(**target)["ContentLength"] == len(whole)


def test_a_part_that_is_not_listed_is_not_in_the_object(s3, target):
    upload = s3.create_multipart_upload(**target)["UploadId"]
    bodies = {number: bytes([number]) * (5 * MIB) for number in (1, 2, 3)}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**target, UploadId=upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in bodies.items()
    ]
    s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": [parts[0], parts[2]]})
    assert s3.get_object(**target)["Body"].read() == bodies[1] + bodies[3]


def test_a_refused_part_leaves_the_one_before_it(s3, target):
    upload = s3.create_multipart_upload(**target)["UploadId"]
    right = s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"r" * (2 * MIB))["ETag"]
    for number in (1, 2):
        with pytest.raises(s3.exceptions.ClientError, match="BadDigest"):
            s3.upload_part(
                **target, UploadId=upload, PartNumber=number, Body=b"w" * (2 * MIB), ChecksumCRC32="AAAAAA=="
            )
    s3.complete_multipart_upload(
        **target, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": right}]}
    )
    assert s3.get_object(**target)["Body"].read() == b"r" * (2 * MIB)


def test_a_refused_completion_leaves_the_upload_to_be_completed(s3, target):
    s3.put_object(**target, Body=b"there already")
    upload = s3.create_multipart_upload(**target)["UploadId"]
    bodies = {1: b"a" * (6 * MIB), 2: b"b" * (5 * MIB)}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**target, UploadId=upload, PartNumber=n, Body=body)["ETag"]}
        for n, body in reversed(bodies.items())
    ][::-1]
    for _ in range(2):
        with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
            s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    again = s3.upload_part(**target, UploadId=upload, PartNumber=2, Body=b"c" * (5 * MIB))["ETag"]
    parts[1] = {"PartNumber": 2, "ETag": again}
    s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(**target)["Body"].read() == bodies[1] + b"c" * (5 * MIB)


def test_a_big_object_has_its_etag_and_is_what_was_put(s3, target):
    body = os.urandom(MIB) * 9
    answer = s3.put_object(**target, Body=body, ContentMD5=base64.b64encode(hashlib.md5(body).digest()).decode())
    assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert s3.get_object(**target)["Body"].read() == body


class Upload:
    """An upload folder without an endpoint: parts arrive as the server writes them."""

    def __init__(self, path):
        self.path, self.parts, self.bodies = path, {}, {}
        self.folder = UploadFolder(path)
        self.folder.begin({"key": "key"})

    def send(self, number, body, *, is_received):
        part = {"size": len(body)}
        slot = self.folder.slot(number, len(body)) if is_received else None
        if slot is None:
            self.parts[number] = part
            self.folder.add_part(number, part, body)
        else:
            with slot.path.open("r+b") as file:
                file.seek(slot.offset)
                file.write(body)
                file.flush()
                received = ReceivedBody.of(file, len(body), slot, b"", {})
            self.parts[number] = part
            self.folder.add_part(number, part, received)
            received.discard()
        self.bodies[number] = body

    def cut(self, number, body):
        """A body of which half came."""
        slot = self.folder.slot(number, len(body))
        if slot is not None:
            with slot.path.open("r+b") as file:
                file.seek(slot.offset)
                file.write(body[: len(body) // 2])
            slot.release()

    def restart(self):
        self.folder = UploadFolder(self.path)
        self.parts = self.folder.read()["parts"]

    def joined(self, numbers):
        return self.folder.join([(number, self.parts[number]) for number in numbers], self.parts)


steps = st.lists(
    st.tuples(
        st.sampled_from(["receive", "receive", "receive", "copy", "cut", "restart", "join"]),
        st.integers(1, 4),
        st.sampled_from([PAGE, PAGE, PAGE, 2 * PAGE, 100, PAGE + 1]),
    ),
    max_size=14,
)


@given(steps=steps, seed=st.integers(0, 2**32))
def test_whatever_happens_to_parts_joining_gives_their_last_bytes_and_they_stay(steps, seed):
    bytes_of = random.Random(seed).randbytes
    with tempfile.TemporaryDirectory() as folder:
        upload, objects = Upload(Path(folder) / "upload"), []
        for what, number, size in [*steps, ("join", 4, 0)]:
            if what in {"receive", "copy"}:
                upload.send(number, bytes_of(size), is_received=what == "receive")
            elif what == "cut":
                upload.cut(number, bytes_of(size))
            elif what == "restart":
                upload.restart()
                objects.clear()
            elif numbers := sorted(upload.parts)[:number]:
                objects.append((upload.joined(numbers), b"".join(upload.bodies[each] for each in numbers)))
            for path, content in objects:
                assert path.read_bytes() == content
        assert {number: part["size"] for number, part in upload.parts.items()} == {
            number: len(body) for number, body in upload.bodies.items()
        }
