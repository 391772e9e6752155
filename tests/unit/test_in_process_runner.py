"""A conversion from record to record, under the in-process runner."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from file_table import create_file_table
from moto import mock_aws

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.model import Column, Contract
from lakehouse.convert import claim as claim_module
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.job import ConversionJob, Converter
from lakehouse.convert.kernel import Counts
from lakehouse.convert.multipart import MultipartUpload, uploads_in_progress
from lakehouse.convert.object_writer import ObjectWriter
from lakehouse.convert.runner import Draft
from lakehouse.errors import (
    FileVanishedError,
    NotParquetError,
    QuarantineThresholdError,
    RowConservationError,
    SchemaDriftError,
    StatusConflictError,
    ThrottledError,
)
from lakehouse.metadata.file_record import FileStatus, NewFile
from lakehouse.metadata.files import FileRecords

RAW, PROCESSED, TABLE = "raw", "processed", "files"
KEY = "raw-data/meters/2024/readings.parquet"
ARN = "arn:aws:states:us-east-1:000000000000:execution:file-conversion:f-1"
CONTRACT = Contract(
    dataset="meters",
    version="1.0.0",
    columns=(Column("id", pa.int64(), is_required=True), Column("value", pa.int64(), minimum=0)),
    quarantine_threshold=0.5,
)
READINGS = pa.table({"id": list(range(10)), "value": [5, -1, 0, 7, -3, None, 2, 1, 9, 4]})
SCHEMA = READINGS.schema


def parquet(table, **options):
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


class Lakehouse:
    """The buckets, the table and the converter that a test works with."""

    def __init__(self):
        self.s3 = boto3.client("s3", region_name="us-east-1")
        for bucket in (RAW, PROCESSED):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        dynamodb = boto3.client("dynamodb", region_name="us-east-1")
        create_file_table(dynamodb, TABLE)
        self.records = FileRecords(dynamodb, TABLE)
        self.converter = Converter(self.s3, self.records, ContractCatalog([CONTRACT]), PROCESSED)

    def land(self, content, key=KEY, file_id="f", dataset="meters"):
        version = self.s3.put_object(Bucket=RAW, Key=key, Body=content)["VersionId"]
        self.records.register(NewFile(file_id=file_id, bucket=RAW, key=key, dataset=dataset, version_id=version))
        return ConversionJob(file_id, RAW, key, version, attempt=1, execution_arn=ARN, run_id="run-1")

    def convert(self, job, runner=None):
        return self.converter.convert(job, runner or InProcessRunner(self.s3))

    def published(self):
        return [one["Key"] for one in self.s3.list_objects_v2(Bucket=PROCESSED).get("Contents", [])]

    def rows(self, prefix):
        (key,) = [key for key in self.published() if key.startswith(prefix)]
        body = self.s3.get_object(Bucket=PROCESSED, Key=key)["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    def versions(self):
        return self.s3.list_object_versions(Bucket=PROCESSED).get("Versions", [])

    def landing_day(self):
        return self.s3.head_object(Bucket=RAW, Key=KEY)["LastModified"].strftime("%Y/%m/%d")

    def uploads(self):
        return self.s3.list_multipart_uploads(Bucket=PROCESSED).get("Uploads", [])


@pytest.fixture
def lakehouse(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield Lakehouse()


class BrokenRunner:
    """A runner that uploads a good object and then does what a test wants of it."""

    engine = "in_process"

    def __init__(self, s3, then, counts=None):
        self._s3, self._then, self._counts = s3, then, counts or Counts()

    @contextlib.contextmanager
    def draft(self, assignment, note_progress):
        with (
            ObjectWriter(self._s3, PROCESSED, assignment.output_key) as output,
            ObjectWriter(self._s3, PROCESSED, assignment.quarantine_key) as quarantine,
        ):
            output.write(bytes(17 * 1024**2))
            self._then(note_progress)
            yield Draft(self._counts, output, quarantine)


def nothing(_):
    pass


def test_every_row_is_in_the_output_or_in_the_quarantine(lakehouse):
    result = lakehouse.convert(lakehouse.land(parquet(READINGS)))
    rows = READINGS.to_pylist()
    bad = [position for position, row in enumerate(rows) if row["value"] is not None and row["value"] < 0]
    assert lakehouse.rows("processed-data/") == [row for position, row in enumerate(rows) if position not in bad]
    quarantined = lakehouse.rows("quarantine/")
    assert [(one["row_number"], one["row"]) for one in quarantined] == [(bad[n] + 1, rows[bad[n]]) for n in (0, 1)]
    assert (result.rows_total, result.rows_read, result.rows_written, result.rows_quarantined) == (10, 10, 8, 2)


def test_the_record_tells_what_was_made(lakehouse):
    job = lakehouse.land(parquet(READINGS))
    result = lakehouse.convert(job)
    record = lakehouse.records.get("f")
    head = lakehouse.s3.head_object(Bucket=PROCESSED, Key=lakehouse.published()[0], ChecksumMode="ENABLED")
    today = lakehouse.landing_day()
    assert record.status is FileStatus.SUCCEEDED
    assert record.engine == "in_process"
    assert record.run_id == "run-1"
    assert record.output_uri == f"s3://processed/processed-data/{today}/meters/2024/readings.json"
    assert record.quarantine_uri == f"s3://processed/quarantine/{today}/meters/2024/readings.json"
    assert record.output_checksum == f"CRC32={head['ChecksumCRC32']}"
    assert record.bytes_written == head["ContentLength"]
    assert sum(record.rule_results.values()) == 2
    assert record.duration_seconds == result.duration_seconds > 0


def test_the_object_says_where_it_comes_from(lakehouse):
    job = lakehouse.land(parquet(READINGS), key="raw-data/meters/größe.parquet")
    lakehouse.convert(job)
    head = lakehouse.s3.head_object(Bucket=PROCESSED, Key=lakehouse.published()[0])
    assert head["Metadata"] == {
        "file-id": "f",
        "source": "s3://raw/raw-data/meters/gr%C3%B6%C3%9Fe.parquet",
        "source-version": job.version_id,
        "source-rows": "10",
    }


def test_a_file_without_rejected_rows_has_no_quarantine_object(lakehouse):
    result = lakehouse.convert(lakehouse.land(parquet(READINGS.slice(2, 2))))
    assert result.quarantine_uri is None
    assert [key.split("/")[0] for key in lakehouse.published()] == ["processed-data"]


def test_a_file_of_an_unknown_dataset_converts_by_its_own_schema_without_rules(lakehouse):
    job = lakehouse.land(parquet(READINGS), key="raw-data/unknown/a.parquet", dataset="unknown")
    result = lakehouse.convert(job)
    assert lakehouse.rows("processed-data/") == READINGS.to_pylist()
    assert result.rule_results == {}


def test_a_file_without_rows_becomes_an_empty_object(lakehouse):
    result = lakehouse.convert(lakehouse.land(parquet(READINGS.slice(0, 0))))
    assert lakehouse.rows("processed-data/") == []
    assert (result.rows_written, result.bytes_written, result.output_checksum) == (0, 0, "CRC32=AAAAAA==")


def test_rows_keep_their_order_and_number_over_many_row_groups_and_batches(lakehouse):
    rows = 200_000
    table = pa.table({"id": pa.array(range(rows)), "value": pa.array([-1 if n % 997 == 0 else n for n in range(rows)])})
    lakehouse.convert(lakehouse.land(parquet(table, row_group_size=70_000)))
    assert [row["id"] for row in lakehouse.rows("processed-data/")] == [n for n in range(rows) if n % 997]
    assert [one["row_number"] for one in lakehouse.rows("quarantine/")] == list(range(1, rows + 1, 997))


# --- refused files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", NotParquetError, "XML"),
        (parquet(READINGS.rename_columns(["id", "amount"])), SchemaDriftError, "value"),
    ],
)
def test_a_file_that_cannot_be_converted_is_recorded_with_its_reason(lakehouse, content, error, reason):
    with pytest.raises(error):
        lakehouse.convert(lakehouse.land(content))
    record = lakehouse.records.get("f")
    assert record.status is FileStatus.FAILED
    assert record.error_type == error.__name__
    assert reason in record.reason
    assert lakehouse.published() == []


@pytest.mark.parametrize("has_version", [True, False])
def test_a_file_that_vanished_after_landing_is_recorded_as_such(lakehouse, has_version):
    job = lakehouse.land(parquet(READINGS))
    lakehouse.s3.delete_object(Bucket=RAW, Key=KEY, VersionId=job.version_id)
    with pytest.raises(FileVanishedError):
        lakehouse.convert(job if has_version else replace(job, version_id=None))
    assert lakehouse.records.get("f").error_type == "FileVanishedError"


def test_above_the_threshold_the_file_fails_and_the_rejected_rows_can_be_looked_at(lakehouse):
    table = pa.table({"id": [1, 2, 3], "value": [-1, -1, 1]})
    with pytest.raises(QuarantineThresholdError, match=r"rejected rows are in s3://processed/quarantine/"):
        lakehouse.convert(lakehouse.land(parquet(table)))
    assert [key.split("/")[0] for key in lakehouse.published()] == ["quarantine"]
    assert len(lakehouse.rows("quarantine/")) == 2
    record = lakehouse.records.get("f")
    assert record.status is FileStatus.FAILED
    assert lakehouse.published()[0] in record.reason


def test_rows_that_a_runner_lost_are_noticed_and_nothing_is_published(lakehouse):
    job = lakehouse.land(parquet(READINGS))
    runner = BrokenRunner(lakehouse.s3, nothing, Counts(rows_read=10, rows_written=7, rows_rejected=2))
    with pytest.raises(RowConservationError):
        lakehouse.convert(job, runner)
    assert lakehouse.published() == []
    assert lakehouse.uploads() == []
    assert lakehouse.records.get("f").error_type == "RowConservationError"


# --- crashes, retries, rivals -------------------------------------------------------------------------------------


def test_converting_again_after_success_does_nothing_and_gives_the_same_answer(lakehouse):
    job = lakehouse.land(parquet(READINGS))
    first = lakehouse.convert(job)
    before = lakehouse.versions()
    assert lakehouse.convert(job) == first
    assert lakehouse.versions() == before


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_run_that_was_stopped_leaves_no_trace_and_its_execution_may_do_it_again(lakehouse, end):
    job = lakehouse.land(parquet(READINGS))

    def stop(_):
        raise end

    with pytest.raises(end):
        lakehouse.convert(job, BrokenRunner(lakehouse.s3, stop))
    assert lakehouse.published() == []
    assert lakehouse.uploads() == []
    assert lakehouse.records.get("f").status is FileStatus.RUNNING
    lakehouse.convert(job)
    assert lakehouse.records.get("f").status is FileStatus.SUCCEEDED
    assert len(lakehouse.rows("processed-data/")) == 8


def test_a_transient_error_leaves_the_attempt_to_the_next_try(lakehouse):
    job = lakehouse.land(parquet(READINGS))

    def throttle(_):
        answer = {"Error": {"Code": "SlowDown", "Message": "later"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
        raise ClientError(answer, "UploadPart")

    with pytest.raises(ThrottledError, match="SlowDown"):
        lakehouse.convert(job, BrokenRunner(lakehouse.s3, throttle))
    assert lakehouse.records.get("f").status is FileStatus.RUNNING
    assert lakehouse.uploads() == []
    assert lakehouse.convert(job).rows_written == 8


def test_an_error_nobody_foresaw_is_recorded_even_if_it_is_no_exception(lakehouse):
    class PanicException(BaseException):
        """As Polars raises it."""

    def panic(_):
        raise PanicException("index out of bounds")

    with pytest.raises(PanicException):
        lakehouse.convert(lakehouse.land(parquet(READINGS)), BrokenRunner(lakehouse.s3, panic))
    record = lakehouse.records.get("f")
    assert (record.status, record.error_type, record.reason) == ("FAILED", "PanicException", "index out of bounds")
    assert lakehouse.uploads() == []


def test_a_rival_that_took_over_wins_and_the_first_one_publishes_nothing(lakehouse):
    job = lakehouse.land(parquet(READINGS))

    def take_over(_):
        lakehouse.records.start("f", attempt=2, engine="spark", execution_arn="other")

    with pytest.raises(StatusConflictError):
        lakehouse.convert(job, BrokenRunner(lakehouse.s3, take_over, Counts(10, 10)))
    assert lakehouse.published() == []
    assert lakehouse.uploads() == []
    record = lakehouse.records.get("f")
    assert (record.status, record.attempt) == (FileStatus.RUNNING, 2)


def test_a_file_that_another_execution_converts_is_left_to_it(lakehouse):
    job = lakehouse.land(parquet(READINGS))
    lakehouse.records.start("f", attempt=1, engine="spark", execution_arn="other")
    with pytest.raises(StatusConflictError):
        lakehouse.convert(job)
    assert lakehouse.records.get("f").status is FileStatus.RUNNING
    assert lakehouse.published() == []


def stale_uploads(lakehouse):
    today = lakehouse.landing_day()
    keys = [f"{prefix}/{today}/meters/2024/readings.json" for prefix in ("processed-data", "quarantine")]
    return [MultipartUpload.start(lakehouse.s3, PROCESSED, key, {}) for key in keys]


def test_uploads_left_by_a_run_that_died_are_aborted(lakehouse):
    job = lakehouse.land(parquet(READINGS))
    stale_uploads(lakehouse)
    other = MultipartUpload.start(lakehouse.s3, PROCESSED, "processed-data/other.json", {})
    lakehouse.convert(job)
    assert [one["UploadId"] for one in lakehouse.uploads()] == [other.upload_id]


def test_uploads_of_another_version_of_the_file_that_is_being_converted_are_left_alone(lakehouse):
    job = lakehouse.land(parquet(READINGS))
    lakehouse.land(parquet(READINGS), file_id="newer")
    lakehouse.records.start("newer", attempt=1, engine="spark", execution_arn="other")
    theirs = stale_uploads(lakehouse)
    lakehouse.convert(job)
    for upload in theirs:
        assert list(uploads_in_progress(lakehouse.s3, PROCESSED, upload.key)) == [upload]


def test_progress_is_recorded_while_the_work_goes_on(lakehouse, monkeypatch):
    monkeypatch.setattr(claim_module, "_PROGRESS_SECONDS", 0)
    job = lakehouse.land(parquet(READINGS))
    seen = []

    def note(note_progress):
        for rows in (3, 6):
            note_progress(rows)
            seen.append(lakehouse.records.get("f").rows_read)

    with pytest.raises(RowConservationError):
        lakehouse.convert(job, BrokenRunner(lakehouse.s3, note))
    assert seen == [3, 6]


def test_progress_is_recorded_at_most_every_two_seconds(lakehouse):
    job = lakehouse.land(parquet(READINGS))

    def note(note_progress):
        for rows in range(1, 11):
            note_progress(rows)
        assert lakehouse.records.get("f").rows_read == 0

    with pytest.raises(RowConservationError):
        lakehouse.convert(job, BrokenRunner(lakehouse.s3, note))
