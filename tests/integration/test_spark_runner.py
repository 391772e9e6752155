"""The Spark runner against the local endpoint, and both runners against each other."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from file_table import create_file_table

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.model import Column, Contract
from lakehouse.convert import spark as spark_module
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.job import ConversionJob, Converter
from lakehouse.convert.plan import plan_tasks
from lakehouse.convert.source import LocalSource, inspect
from lakehouse.convert.spark import SparkRunner
from lakehouse.errors import CorruptFileError, FileVanishedError, QuarantineThresholdError, ServiceUnavailableError
from lakehouse.metadata.file_record import FileStatus, NewFile
from lakehouse.metadata.files import FileRecords

pytestmark = pytest.mark.e2e

RAW, PROCESSED, TABLE = "spark-runner-raw", "spark-runner-processed", "spark-runner-files"
CORES = 2
CONTRACT = Contract(
    dataset="meters",
    version="1.0.0",
    columns=(
        Column("identifier_of_the_electricity_meter", pa.int64(), is_required=True),
        Column("reading_in_kilowatt_hours", pa.float64(), minimum=0),
        # Its name is on every line: few rows make an output of several tasks.
        Column("remark_of_the_person_who_read_the_meter" + "_and_wrote_it_down" * 20, pa.string()),
    ),
    quarantine_threshold=0.9,
)


@pytest.fixture(scope="module")
def lakehouse(endpoint, aws):
    return Lakehouse(aws("s3"), aws("dynamodb"), {"endpoint_url": endpoint.url})


class Lakehouse:
    def __init__(self, s3, dynamodb, client_options):
        self.s3, self.client_options = s3, client_options
        for bucket in (RAW, PROCESSED):
            s3.create_bucket(Bucket=bucket)
        create_file_table(dynamodb, TABLE)
        self.records = FileRecords(dynamodb, TABLE)
        contracts = ContractCatalog([CONTRACT, *ContractCatalog.packaged()])
        self.converter = Converter(s3, self.records, contracts, PROCESSED)

    def convert(self, content, runner, name, dataset="meters"):
        """Land a file and convert it; the result, the output's bytes and the quarantine's."""
        key = f"raw-data/{dataset}/{name}-{runner.engine}.parquet"
        self.s3.put_object(Bucket=RAW, Key=key, Body=content)
        file_id = f"{dataset}-{name}-{runner.engine}"
        self.records.register(NewFile(file_id=file_id, bucket=RAW, key=key, dataset=dataset))
        job = ConversionJob(file_id, RAW, key, None, attempt=1, execution_arn="arn", run_id="run-1")
        result = self.converter.convert(job, runner)
        return result, self.read(result.output_uri), self.read(result.quarantine_uri)

    def read(self, uri):
        if uri is None:
            return b""
        return self.s3.get_object(Bucket=PROCESSED, Key=uri.removeprefix(f"s3://{PROCESSED}/"))["Body"].read()

    def keys(self, part):
        found = self.s3.list_objects_v2(Bucket=PROCESSED).get("Contents", [])
        return [one["Key"] for one in found if part in one["Key"]]

    def uploads(self):
        return self.s3.list_multipart_uploads(Bucket=PROCESSED).get("Uploads", [])


def parquet(table, **options):
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def readings(rows, rejected):
    """A table whose rows are rejected where the mask is true."""
    ids = np.arange(rows)
    values = np.where(rejected, -1.5, ids / 8)
    remarks = pa.array([None, "fine", "dog", "gate locked, neighbour has the key ü"]).take(pa.array(ids % 4))
    return pa.table([pa.array(ids), pa.array(values), remarks], names=[column.name for column in CONTRACT.columns])


def facts_of(content, tmp_path):
    path = tmp_path / "file.parquet"
    path.write_bytes(content)
    return inspect(LocalSource(path))


def both(lakehouse, spark, content, name, dataset="meters"):
    runners = (
        SparkRunner(lambda: spark.sparkContext, lakehouse.s3, client_options=lakehouse.client_options),
        InProcessRunner(lakehouse.s3),
    )
    return [lakehouse.convert(content, runner, name, dataset) for runner in runners]


def test_many_tasks_and_one_process_give_the_same_bytes(lakehouse, spark, tmp_path):
    rows = 300_000
    rejected = np.random.default_rng(3).random(rows) < 0.1
    content = parquet(readings(rows, rejected), row_group_size=20_000)
    assert len(plan_tasks(facts_of(content, tmp_path), CORES)) >= 3
    by_spark, in_process = both(lakehouse, spark, content, "many")
    assert by_spark[1] == in_process[1]
    assert by_spark[2] == in_process[2]
    assert by_spark[0].output_checksum == in_process[0].output_checksum
    assert by_spark[0].rule_results == in_process[0].rule_results
    assert by_spark[0].rows_read == rows
    assert by_spark[0].rows_quarantined == rejected.sum() == by_spark[2].count(b"\n")
    assert by_spark[0].rows_written == by_spark[1].count(b"\n")
    assert lakehouse.uploads() == []


def test_s3_shows_the_checksum_over_the_whole_object_that_tasks_put_together(lakehouse, spark):
    key = lakehouse.keys("many-spark")[0]
    head = lakehouse.s3.head_object(Bucket=PROCESSED, Key=key, ChecksumMode="ENABLED")
    assert lakehouse.records.get("meters-many-spark").output_checksum == f"CRC32={head['ChecksumCRC32']}"


def converted_alone(caplog):
    return any("the driver converts it alone" in record.getMessage() for record in caplog.records)


def test_parts_too_small_because_of_rejected_rows_make_the_driver_convert_the_file_alone(
    lakehouse, spark, tmp_path, caplog
):
    rows = 150_000
    rejected = np.arange(rows) > rows * 0.3  # the last task has nothing to write
    content = parquet(readings(rows, rejected), row_group_size=15_000)
    assert len(plan_tasks(facts_of(content, tmp_path), CORES)) >= 2
    with caplog.at_level("INFO"):
        by_spark, in_process = both(lakehouse, spark, content, "tail")
    assert converted_alone(caplog)
    assert by_spark[1:] == in_process[1:]
    assert lakehouse.uploads() == []


def test_rejected_rows_that_are_too_many_for_the_reports_are_found_once_more(lakehouse, spark, caplog):
    rejected = np.arange(150_000) % 2 == 0
    rejected[:60_000] = False  # the first tasks send theirs along, the others cannot
    content = parquet(readings(150_000, rejected), row_group_size=15_000)
    options = {"client_options": lakehouse.client_options}
    narrow = SparkRunner(lambda: spark.sparkContext, lakehouse.s3, **options, most_rejected_bytes=10_000)
    with caplog.at_level("INFO"):
        within = lakehouse.convert(content, SparkRunner(lambda: spark.sparkContext, lakehouse.s3, **options), "within")
        beyond = lakehouse.convert(content, narrow, "beyond")
    assert not converted_alone(caplog)
    assert beyond[1:] == within[1:]
    assert beyond[0].rows_quarantined == beyond[2].count(b"\n") == rejected.sum()
    assert lakehouse.uploads() == []


def test_a_file_that_vanishes_before_its_rejected_rows_are_found_once_more_is_named_as_the_reason(
    lakehouse, spark, monkeypatch
):
    reports_of = spark_module._reports

    def then_deleted(*arguments):
        found = reports_of(*arguments)
        lakehouse.s3.delete_object(Bucket=RAW, Key="raw-data/meters/vanishing-spark.parquet")
        return found

    monkeypatch.setattr(spark_module, "_reports", then_deleted)
    content = parquet(readings(10_000, np.arange(10_000) % 2 == 0))
    options = {"client_options": lakehouse.client_options}
    narrow = SparkRunner(lambda: spark.sparkContext, lakehouse.s3, **options, most_rejected_bytes=1_000)
    with pytest.raises(FileVanishedError, match=r"vanishing-spark\.parquet"):
        lakehouse.convert(content, narrow, "vanishing")
    record = lakehouse.records.get("meters-vanishing-spark")
    assert (record.status, record.error_type) == (FileStatus.FAILED, "FileVanishedError")
    assert lakehouse.keys("vanishing") == lakehouse.uploads() == []


def test_an_upload_that_somebody_aborts_meanwhile_is_worth_another_try(lakehouse, spark, monkeypatch):
    reports_of = spark_module._reports

    def aborted_before(spark, context, note_progress):
        context.upload.abort(lakehouse.s3)
        return reports_of(spark, context, note_progress)

    monkeypatch.setattr(spark_module, "_reports", aborted_before)
    runner = SparkRunner(lambda: spark.sparkContext, lakehouse.s3, client_options=lakehouse.client_options)
    with pytest.raises(ServiceUnavailableError, match=r"aborted-spark\.parquet.*aborted the upload"):
        lakehouse.convert(parquet(readings(1_000, np.zeros(1_000, dtype=bool))), runner, "aborted")
    assert lakehouse.keys("aborted") == []


@pytest.mark.parametrize(("name", "rows"), [("one", 1), ("none", 0)])
def test_files_of_almost_nothing_give_the_same_bytes(lakehouse, spark, name, rows):
    by_spark, in_process = both(lakehouse, spark, parquet(readings(rows, np.zeros(rows, dtype=bool))), name)
    assert by_spark[1:] == in_process[1:]
    assert by_spark[0].rows_written == rows


def test_rows_that_are_all_rejected_leave_the_file_failed_and_all_of_them_in_quarantine(lakehouse, spark):
    content = parquet(readings(1_000, np.ones(1_000, dtype=bool)))
    runner = SparkRunner(lambda: spark.sparkContext, lakehouse.s3, client_options=lakehouse.client_options)
    with pytest.raises(QuarantineThresholdError):
        lakehouse.convert(content, runner, "rejected")
    (key,) = lakehouse.keys("rejected-spark")
    assert key.startswith("quarantine/")
    assert lakehouse.read(f"s3://{PROCESSED}/{key}").count(b"\n") == 1_000


def test_a_page_that_a_task_cannot_read_fails_the_file_by_its_own_error_and_leaves_nothing(lakehouse, spark):
    content = bytearray(
        parquet(
            readings(200_000, np.zeros(200_000, dtype=bool)),
            row_group_size=20_000,
            write_page_checksum=True,
            use_dictionary=False,
            compression="none",
        )
    )
    content[len(content) // 2] ^= 0xFF
    runner = SparkRunner(lambda: spark.sparkContext, lakehouse.s3, client_options=lakehouse.client_options)
    with pytest.raises(CorruptFileError, match="row group"):
        lakehouse.convert(bytes(content), runner, "corrupt")
    record = lakehouse.records.get("meters-corrupt-spark")
    assert (record.status, record.error_type) == (FileStatus.FAILED, "CorruptFileError")
    assert lakehouse.keys("corrupt-spark") == []
    assert lakehouse.uploads() == []


def test_progress_grows_with_the_tasks_that_are_done(lakehouse, spark):
    seen = []
    runner = SparkRunner(lambda: spark.sparkContext, lakehouse.s3, client_options=lakehouse.client_options)
    content = parquet(readings(200_000, np.zeros(200_000, dtype=bool)), row_group_size=20_000)
    progress = lakehouse.records.progress
    lakehouse.records.progress = lambda *a, rows_read, **k: (
        seen.append(rows_read) or progress(*a, rows_read=rows_read, **k)
    )
    try:
        lakehouse.convert(content, runner, "progress")
    finally:
        del lakehouse.records.progress
    assert seen == sorted(seen)
    assert seen[-1] == 200_000


# --- real files ---------------------------------------------------------------------------------------------------


def as_json(value):
    """A taxi file's value as docs/json-mapping.md has it."""
    return value.isoformat(timespec="microseconds") if hasattr(value, "isoformat") else value


@pytest.mark.parametrize(
    "name",
    ["yellow_tripdata_2022-01", "green_tripdata_2024-01", "green_tripdata_2025-01"],
)
def test_every_value_of_the_real_files_is_in_the_output_or_in_the_quarantine(lakehouse, spark, shared_data, name):
    path = shared_data / "taxi" / f"{name}.parquet"
    expected = [{column: as_json(value) for column, value in row.items()} for row in pq.read_table(path).to_pylist()]
    by_spark, in_process = both(lakehouse, spark, path.read_bytes(), name, dataset=name.rpartition("_")[0])
    assert by_spark[1:] == in_process[1:]
    result, output, quarantine = by_spark
    rejected = {one["row_number"] - 1: one for one in map(json.loads, quarantine.splitlines())}
    written = iter(map(json.loads, output.splitlines()))
    for position, row in enumerate(expected):
        found = rejected[position]["row"] if position in rejected else next(written)
        assert found == row
        assert list(found) == list(row)
        assert position not in rejected or rejected[position]["broken_rules"]
    assert next(written, None) is None
    assert (result.rows_read, result.rows_quarantined) == (len(expected), len(rejected))


def test_the_real_file_many_times_over_is_converted_by_many_tasks(lakehouse, spark, shared_data, tmp_path):
    table = pq.read_table(shared_data / "taxi" / "yellow_tripdata_2022-01.parquet")
    content = parquet(pa.concat_tables([table] * 13), row_group_size=50_000)
    assert len(plan_tasks(facts_of(content, tmp_path), CORES)) >= 4
    by_spark, in_process = both(lakehouse, spark, content, "x13", dataset="yellow_tripdata")
    assert by_spark[1:] == in_process[1:]
