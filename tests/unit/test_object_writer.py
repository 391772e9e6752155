from __future__ import annotations

import base64
import random
import zlib

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lakehouse.convert import multipart, object_writer, part_upload
from lakehouse.convert.local_file_writer import LocalFileWriter
from lakehouse.convert.multipart import MIN_PART_BYTES, MultipartUpload, uploads_in_progress
from lakehouse.convert.object_writer import ObjectWriter
from lakehouse.convert.part_upload import PartBuffer
from lakehouse.convert.precondition import Precondition
from lakehouse.errors import ConversionError, PublishedMeanwhileError, ServiceUnavailableError

BUCKET = "out"
KEY = "processed-data/2024/01/31/trips/a.json"
PART = multipart.part_bytes(1)


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def stored(s3, key=KEY):
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def keys(s3):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def uploads(s3):
    return list(uploads_in_progress(s3, BUCKET, KEY))


def checksum_of(data):
    return "CRC32=" + base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def part_of(s3, upload, number, data):
    buffer = PartBuffer()
    buffer.append(data)
    return buffer.put(s3, upload, number)


@pytest.fixture(scope="module")
def content():
    return random.Random(7).randbytes(2 * PART + 123_457)


def test_what_was_written_in_pieces_of_any_size_is_the_object(s3, content):
    sizes = random.Random(1)
    with ObjectWriter(s3, BUCKET, KEY) as writer:
        position = 0
        while position < len(content):
            end = position + sizes.choice([0, 1, 1_000, 3_000_000, 20_000_000])
            writer.write(content[position:end])
            position = min(end, len(content))
        written = writer.complete()
    assert stored(s3) == content
    assert written.uri == f"s3://{BUCKET}/{KEY}"
    assert written.size_bytes == len(content)
    assert written.checksum == checksum_of(content)


def test_s3_itself_shows_the_full_object_checksum_that_is_reported(s3, content):
    with ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(content)
        written = writer.complete()
    head = s3.head_object(Bucket=BUCKET, Key=KEY, ChecksumMode="ENABLED")
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert "CRC32=" + head["ChecksumCRC32"] == written.checksum


@pytest.mark.parametrize("size", [0, 1, PART - 1])
def test_an_output_smaller_than_a_part_is_one_atomic_put(s3, content, size):
    with ObjectWriter(s3, BUCKET, KEY, metadata={"file-id": "f"}) as writer:
        writer.write(content[:size])
        assert keys(s3) == []
        assert uploads(s3) == []
        written = writer.complete()
    assert stored(s3) == content[:size]
    assert written.checksum == checksum_of(content[:size])
    assert s3.head_object(Bucket=BUCKET, Key=KEY)["Metadata"] == {"file-id": "f"}


def test_an_output_of_exactly_one_part_is_whole(s3, content):
    with ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(content[:PART])
    assert stored(s3) == content[:PART]


def test_the_object_says_what_it_is_and_where_it_comes_from(s3, content):
    with ObjectWriter(s3, BUCKET, KEY, metadata={"source": "s3://raw/a"}) as writer:
        writer.write(content)
    head = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert head["ContentType"] == "application/x-ndjson"
    assert head["Metadata"] == {"source": "s3://raw/a"}


def test_nothing_is_visible_before_completion(s3, content):
    with ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(content)
        assert keys(s3) == []
        assert len(uploads(s3)) == 1
    assert keys(s3) == [KEY]
    assert uploads(s3) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_any_exception_leaves_nothing_behind(s3, content, error):
    with pytest.raises(error), ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(content)
        raise error
    assert keys(s3) == []
    assert uploads(s3) == []


def test_a_failed_rewrite_leaves_the_older_object_as_it_was(s3, content):
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"older")
    with pytest.raises(ValueError, match="no"), ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(content)
        raise ValueError("no")
    assert stored(s3) == b"older"


def test_a_part_that_s3_refuses_surfaces_and_leaves_nothing_behind(s3, content):
    def refuse(**_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "UploadPart")

    s3.meta.events.register("before-call.s3.UploadPart", refuse)
    with pytest.raises(ClientError, match="AccessDenied"), ObjectWriter(s3, BUCKET, KEY) as writer:
        for _ in range(10):
            writer.write(content[:PART])
    assert keys(s3) == []
    assert uploads(s3) == []


def test_memory_stays_bounded_because_writing_waits_for_the_uploads(s3, content, monkeypatch):
    held, most = set(), 0
    append, discard = PartBuffer.append, PartBuffer.discard

    def watched(self, data):
        nonlocal most
        append(self, data)
        held.add(id(self))
        most = max(most, len(held))

    def let_go(self):
        discard(self)
        held.discard(id(self))

    monkeypatch.setattr(PartBuffer, "append", watched)
    monkeypatch.setattr(PartBuffer, "discard", let_go)
    with ObjectWriter(s3, BUCKET, KEY, threads=2) as writer:
        for _ in range(6):
            writer.write(content[:PART])
    assert 2 <= most <= 3
    assert len(stored(s3)) == 6 * PART


def test_a_part_too_large_for_memory_waits_on_disk(s3, content, monkeypatch):
    monkeypatch.setattr(part_upload, "_MAX_BYTES_IN_MEMORY", 1_000)
    with ObjectWriter(s3, BUCKET, KEY) as writer:
        for start in range(0, len(content), 999_999):
            writer.write(content[start : start + 999_999])
        written = writer.complete()
    assert stored(s3) == content
    assert written.checksum == checksum_of(content)


def test_more_than_ten_thousand_parts_are_refused_by_name(s3, monkeypatch):
    monkeypatch.setattr(object_writer, "part_bytes", lambda _: MIN_PART_BYTES)
    monkeypatch.setattr(object_writer, "MAX_PARTS", 2)
    with (
        pytest.raises(ConversionError, match="2 parts can hold"),
        ObjectWriter(s3, BUCKET, KEY) as writer,
    ):
        writer.write(bytes(3 * MIN_PART_BYTES))
    assert uploads(s3) == []


# --- parts put from elsewhere -------------------------------------------------------------------------------------


def test_parts_put_in_any_order_make_the_object_in_the_order_of_their_numbers(s3, content):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    cuts = [content[:MIN_PART_BYTES], content[MIN_PART_BYTES : 3 * MIN_PART_BYTES], content[3 * MIN_PART_BYTES :]]
    parts = [part_of(s3, upload, number, cuts[number - 1]) for number in (3, 1, 2)]
    written = upload.complete(s3, parts)
    assert stored(s3) == content
    assert written.checksum == checksum_of(content)


def test_a_part_put_again_replaces_the_first(s3):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    part_of(s3, upload, 1, b"lost with its task")
    upload.complete(s3, [part_of(s3, upload, 1, b"again")])
    assert stored(s3) == b"again"


def test_a_part_reported_but_not_in_s3_is_refused(s3):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    first = part_of(s3, upload, 1, bytes(MIN_PART_BYTES))
    never = multipart.UploadedPart(number=2, size_bytes=10, crc32=0)
    with pytest.raises(ConversionError, match=r"does not hold part\(s\) 2 of 2"):
        upload.complete(s3, [first, never])
    assert keys(s3) == []


def test_a_part_in_s3_that_nobody_reported_is_refused(s3):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    first = part_of(s3, upload, 1, bytes(MIN_PART_BYTES))
    part_of(s3, upload, 2, b"stray")
    with pytest.raises(ConversionError, match="holds part 2 with 5 bytes, reported were none"):
        upload.complete(s3, [first])


def test_a_part_of_another_size_than_reported_is_refused(s3):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    part_of(s3, upload, 1, b"four")
    with pytest.raises(ConversionError, match="4 bytes, reported were 5"):
        upload.complete(s3, [multipart.UploadedPart(number=1, size_bytes=5, crc32=0)])


def test_a_gap_in_the_part_numbers_is_refused_since_s3_refuses_it(s3):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    parts = [part_of(s3, upload, number, bytes(MIN_PART_BYTES)) for number in (1, 3)]
    with pytest.raises(ConversionError, match="1, 3, expected consecutive numbers from 1"):
        upload.complete(s3, parts)


def test_a_small_part_that_is_not_the_last_is_refused_before_s3_is_asked(s3):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    parts = [part_of(s3, upload, number, b"small") for number in (1, 2)]
    with pytest.raises(ConversionError, match="part 1 has 5 bytes"):
        upload.complete(s3, parts)


@pytest.mark.e2e
def test_more_parts_than_one_page_lists_are_all_found(s3, monkeypatch):
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", 0)
    monkeypatch.setattr("moto.settings.S3_UPLOAD_PART_MIN_SIZE", 0, raising=False)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 0, raising=False)
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    parts = [part_of(s3, upload, number, b"%d\n" % number) for number in range(1, 1_203)]
    upload.complete(s3, parts)
    assert stored(s3) == b"".join(b"%d\n" % number for number in range(1, 1_203))


@pytest.mark.parametrize("code", ["NoSuchUpload", "PreconditionFailed", "ConditionalRequestConflict"])
def test_a_completion_whose_answer_was_lost_counts_when_s3_holds_that_very_object(s3, content, code):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {"file-id": "f"})
    parts = [part_of(s3, upload, 1, content[:1_000])]
    complete = s3.complete_multipart_upload

    def answer_lost(**arguments):
        complete(**arguments)
        raise ClientError({"Error": {"Code": code, "Message": "gone"}}, "CompleteMultipartUpload")

    s3.complete_multipart_upload = answer_lost
    written = upload.complete(s3, parts, Precondition.of(s3, BUCKET, KEY))
    assert written.checksum == checksum_of(content[:1_000])


def test_an_upload_that_somebody_aborted_is_no_success(s3):
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"abcd", ChecksumAlgorithm="CRC32")
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    parts = [part_of(s3, upload, 1, b"efgh")]
    upload.abort(s3)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        upload.complete(s3, parts)


def test_aborting_twice_is_harmless(s3):
    upload = MultipartUpload.start(s3, BUCKET, KEY, {})
    upload.abort(s3)
    upload.abort(s3)
    assert uploads(s3) == []


def test_uploads_of_longer_keys_are_not_taken_for_ours(s3):
    other = MultipartUpload.start(s3, BUCKET, KEY + ".bak", {})
    ours = MultipartUpload.start(s3, BUCKET, KEY, {})
    assert uploads(s3) == [ours]
    assert list(uploads_in_progress(s3, BUCKET, other.key)) == [other]


# --- under a condition --------------------------------------------------------------------------------------------


def refuse_once(s3, operation, code):
    """Have S3 refuse the first of these requests."""
    codes = [code]

    def refuse(**_):
        if codes:
            raise ClientError({"Error": {"Code": codes.pop(), "Message": "no"}}, operation)

    s3.meta.events.register(f"before-call.s3.{operation}", refuse)


@pytest.mark.parametrize("size", [1_000, PART + 1])
def test_an_object_that_was_refused_is_whole_when_it_is_completed_after_another_look(s3, content, size):
    with ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(content[:size])
        writer.expect_unchanged()
        refuse_once(s3, "PutObject" if size < PART else "CompleteMultipartUpload", "PreconditionFailed")
        with pytest.raises(PublishedMeanwhileError, match=KEY):
            writer.complete()
        writer.expect_unchanged()
        written = writer.complete()
        assert writer.complete() is written
    assert stored(s3) == content[:size]
    assert uploads(s3) == []


@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "NoSuchKey", "OperationAborted"])
def test_a_put_that_met_another_change_of_the_key_may_be_sent_again(s3, code):
    refuse_once(s3, "PutObject", code)
    with ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(b"ours")
        writer.expect_unchanged()
        with pytest.raises(PublishedMeanwhileError):
            writer.complete()
    assert stored(s3) == b"ours"


def test_an_upload_whose_completion_met_another_change_of_the_key_has_to_be_done_again(s3, content):
    refuse_once(s3, "CompleteMultipartUpload", "ConditionalRequestConflict")
    with pytest.raises(ServiceUnavailableError, match="all parts again"), ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(content)
        writer.expect_unchanged()
        writer.complete()
    assert keys(s3) == []
    assert uploads(s3) == []


@pytest.mark.parametrize("code", ["403", "404"])
def test_a_key_that_may_not_be_seen_counts_as_one_without_an_object_until_s3_judges(s3, code):
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"theirs")
    refuse_once(s3, "HeadObject", code)
    with pytest.raises(PublishedMeanwhileError), ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(b"ours")
        writer.expect_unchanged()
        writer.complete()
    assert stored(s3) == b"theirs"


def test_without_a_look_an_object_replaces_whatever_is_there(s3):
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"older")
    with ObjectWriter(s3, BUCKET, KEY) as writer:
        writer.write(b"ours")
    assert stored(s3) == b"ours"


# --- local files --------------------------------------------------------------------------------------------------


def test_a_local_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "out.json"
    with LocalFileWriter(target) as writer:
        writer.write(b'{"a":1}\n')
        assert not target.exists()
        writer.write(b'{"a":2}\n')
        written = writer.complete()
    assert target.read_bytes() == b'{"a":1}\n{"a":2}\n'
    assert written.checksum is None
    assert list(tmp_path.iterdir()) == [target]


def test_a_local_file_that_failed_leaves_the_older_one(tmp_path):
    target = tmp_path / "out.json"
    target.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt), LocalFileWriter(target) as writer:
        writer.write(b"half")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [target]
