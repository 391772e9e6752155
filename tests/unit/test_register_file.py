"""Registering a file: what is refused, what is skipped, what goes on and how."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.aws_errors import client_config
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.difference import Difference, DriftKind
from lakehouse.contracts.model import Column, Contract
from lakehouse.errors import (
    AccessDeniedError,
    EmptyFileError,
    FileVanishedError,
    InputFileError,
    NotParquetError,
    PermanentError,
    SchemaDriftError,
    StatusConflictError,
    TruncatedFileError,
)
from lakehouse.functions.record_failure import record as record_failure
from lakehouse.functions.register_file import Registration, register
from lakehouse.ingestion.retries import Retries
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.files import FileRecords

BUCKET = "lakehouse-test-raw"
KEY = "raw-data/trips/trips_1.parquet"
TRIPS = Contract(
    dataset="trips",
    version="1.0.0",
    columns=(
        Column(name="id", type=pa.int64(), is_required=True),
        Column(name="fare", type=pa.float64()),
    ),
    allowed_drift=frozenset({"added_column"}),
    spark_threshold_bytes=10_000,
)
RESULT = {"rows_read": 3, "rows_written": 3, "rows_quarantined": 0, "output_uri": "s3://processed/x.json"}


@pytest.fixture
def s3(aws_account: None) -> Any:
    client = boto3.client("s3", config=client_config())
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def records(dynamodb: Any, files_table: str) -> FileRecords:
    return FileRecords(dynamodb, files_table)


@pytest.fixture
def contracts() -> ContractCatalog:
    return ContractCatalog([TRIPS])


def parquet(rows: int = 3, **more: pa.Array) -> bytes:
    columns = {"id": pa.array(range(rows), pa.int64()), "fare": pa.array([1.5] * rows)} | more
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def put(s3: Any, body: bytes, key: str = KEY, **options: Any) -> Registration:
    version = s3.put_object(Bucket=BUCKET, Key=key, Body=body, **options)["VersionId"]
    return Registration(BUCKET, key, version, run_id="run-1", execution_arn="arn:one")


def convert(records: FileRecords, file_id: str, attempt: int = 1) -> None:
    records.start(file_id, attempt=attempt, engine="spark", execution_arn="arn:one")
    records.succeed(file_id, attempt=attempt, result=RESULT)


def test_a_new_file_is_registered_with_what_s3_and_its_footer_say(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    body = parquet()
    wanted = put(s3, body, ChecksumAlgorithm="SHA256")
    answer = register(wanted, s3, records, contracts)
    record = records.get(answer["file_id"])
    assert answer == {
        "file_id": record.file_id,
        "bucket": BUCKET,
        "key": KEY,
        "version_id": wanted.version_id,
        "attempt": 1,
        "dataset": "trips",
        "engine": "in_process",
        "rows_total": 3,
        "status": "REGISTERED",
    }
    assert (record.status, record.size_bytes, record.rows_total) == (FileStatus.REGISTERED, len(body), 3)
    assert (record.run_id, record.execution_arn) == ("run-1", "arn:one")
    assert record.checksum is not None
    assert record.checksum.startswith("SHA256=")


def test_registering_again_goes_on_with_the_same_record(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    wanted = put(s3, parquet())
    assert register(wanted, s3, records, contracts) == register(wanted, s3, records, contracts)


def test_without_a_version_the_latest_one_is_registered(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    put(s3, parquet(1))
    latest = put(s3, parquet(2))
    answer = register(Registration(BUCKET, KEY), s3, records, contracts)
    assert (answer["version_id"], answer["rows_total"]) == (latest.version_id, 2)


def test_an_object_without_a_version_is_known_by_its_etag(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    s3.create_bucket(Bucket="unversioned")
    s3.put_object(Bucket="unversioned", Key=KEY, Body=parquet(1))
    event = {"bucket": "unversioned", "key": KEY, "version_id": "null"}
    first = register(Registration.from_event(event), s3, records, contracts)
    s3.put_object(Bucket="unversioned", Key=KEY, Body=parquet(2))
    second = register(Registration("unversioned", KEY), s3, records, contracts)
    assert first["version_id"] == second["version_id"] == "null"
    assert first["file_id"] != second["file_id"]


def test_a_large_file_goes_to_spark_and_one_of_an_unknown_dataset_by_the_default(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    large = register(put(s3, parquet(5_000)), s3, records, contracts)
    unknown = register(put(s3, parquet(5_000), "raw-data/other/a.parquet"), s3, records, contracts)
    assert (large["engine"], unknown["engine"], unknown["dataset"]) == ("spark", "in_process", "other")


def test_allowed_drift_is_noted_on_the_record(s3: Any, records: FileRecords, contracts: ContractCatalog) -> None:
    answer = register(put(s3, parquet(tip=pa.array([1, 2, 3]))), s3, records, contracts)
    record = records.get(answer["file_id"])
    assert record.drift == (Difference(DriftKind.ADDED_COLUMN, "tip", is_allowed=True, found="int64"),)
    assert record.drift_count == 1


def test_the_same_attempt_does_not_read_the_file_again(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    wanted = put(s3, parquet())
    answer = register(wanted, s3, records, contracts)
    reads: list[str] = []
    s3.meta.events.register("before-call.s3.GetObject", lambda **_: reads.append("GetObject"))
    assert register(wanted, s3, records, contracts) == answer
    assert reads == []
    # Of another attempt, the contract may be another one.
    records.fail(answer["file_id"], attempt=1, error_type="ThrottledError", reason="slow down")
    register(replace(wanted, attempt=2), s3, records, contracts)
    assert reads != []


def test_drift_that_the_contract_does_not_allow_is_refused_column_by_column(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    with pytest.raises(SchemaDriftError, match=r"trips: .*fare"):
        register(put(s3, parquet(fare=pa.array(["a", "b", "c"]), tip=pa.array([1, 2, 3]))), s3, records, contracts)
    (record,) = records.iterate(key=KEY)
    assert record.drift == (
        Difference(DriftKind.INCOMPATIBLE_TYPE, "fare", is_allowed=False, found="string", expected="double"),
        Difference(DriftKind.ADDED_COLUMN, "tip", is_allowed=True, found="int64"),
    )


def test_a_failed_files_record_keeps_what_differs(
    s3: Any, records: FileRecords, contracts: ContractCatalog, retries: Retries
) -> None:
    wanted = put(s3, parquet(fare=pa.array(["a", "b", "c"])))
    with pytest.raises(SchemaDriftError) as refused:
        register(wanted, s3, records, contracts)
    caught = {"Error": "SchemaDriftError", "Cause": json.dumps({"errorMessage": str(refused.value)})}
    event = {"bucket": BUCKET, "key": KEY, "version_id": wanted.version_id, "error": caught}
    answer = record_failure(event, records, retries)
    failed = records.get(answer["file_id"])
    assert failed.status is FileStatus.FAILED
    assert [difference.column for difference in failed.drift] == ["fare"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", EmptyFileError),
        (b"<html><body>503</body></html>" * 10, NotParquetError),
        (parquet()[:-50], TruncatedFileError),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_and_its_record_waits_for_the_reason(
    s3: Any, records: FileRecords, contracts: ContractCatalog, body: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"trips_1\.parquet"):
        register(put(s3, body), s3, records, contracts)
    (record,) = records.iterate(key=KEY)
    assert record.status is FileStatus.REGISTERED


def test_a_file_that_vanished_is_told_from_one_that_is_forbidden(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    wanted = put(s3, parquet())
    s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=wanted.version_id)
    with pytest.raises(FileVanishedError, match="deleted between landing and conversion"):
        register(wanted, s3, records, contracts)
    with pytest.raises(FileVanishedError):
        register(Registration(BUCKET, "raw-data/trips/never.parquet"), s3, records, contracts)
    s3.meta.events.register_first("before-send.s3.HeadObject", _forbid)
    with pytest.raises(AccessDeniedError, match="Grant the permission"):
        register(wanted, s3, records, contracts)


def _forbid(**_: Any) -> Any:
    from botocore.awsrequest import AWSResponse

    class Nothing:
        def stream(self, **_: Any) -> Any:
            return iter([b""])

    return AWSResponse("https://s3", 403, {}, Nothing())


def test_a_delete_marker_is_a_vanished_file(s3: Any, records: FileRecords, contracts: ContractCatalog) -> None:
    put(s3, parquet())
    marker = s3.delete_object(Bucket=BUCKET, Key=KEY)["VersionId"]
    with pytest.raises(FileVanishedError):
        register(Registration(BUCKET, KEY, marker), s3, records, contracts)


def test_a_key_outside_the_raw_layer_is_refused(s3: Any, records: FileRecords, contracts: ContractCatalog) -> None:
    with pytest.raises(InputFileError, match=r"elsewhere/a\.parquet: not a key of the raw layer"):
        register(put(s3, parquet(), "elsewhere/a.parquet"), s3, records, contracts)


# --- attempts and duplicates --------------------------------------------------------------------------------------


def test_a_converted_file_is_not_converted_again(s3: Any, records: FileRecords, contracts: ContractCatalog) -> None:
    wanted = put(s3, parquet())
    convert(records, register(wanted, s3, records, contracts)["file_id"])
    assert register(wanted, s3, records, contracts)["status"] == "SUCCEEDED"
    assert register(replace(wanted, attempt=2), s3, records, contracts)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("algorithm", [None, "SHA256", "CRC32"])
def test_the_same_bytes_again_under_the_same_key_are_skipped(
    s3: Any, records: FileRecords, contracts: ContractCatalog, algorithm: str | None
) -> None:
    options = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    first = register(put(s3, parquet(), **options), s3, records, contracts)
    convert(records, first["file_id"])
    second = put(s3, parquet(), **options)
    skipped = register(second, s3, records, contracts)
    assert skipped["status"] == "SKIPPED"
    assert skipped["file_id"] != first["file_id"]
    assert records.get(skipped["file_id"]).duplicate_of == first["file_id"]
    assert register(second, s3, records, contracts)["status"] == "SKIPPED"


def test_other_bytes_under_the_same_key_are_converted(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    convert(records, register(put(s3, parquet()), s3, records, contracts)["file_id"])
    changed = parquet(fare=pa.array([9.5, 9.5, 9.5]))
    assert register(put(s3, changed), s3, records, contracts)["status"] == "REGISTERED"


def test_the_same_bytes_are_not_skipped_while_the_first_is_not_converted(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    register(put(s3, parquet()), s3, records, contracts)
    assert register(put(s3, parquet()), s3, records, contracts)["status"] == "REGISTERED"


def test_a_failed_attempt_is_not_made_again_but_a_higher_one_is(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    wanted = put(s3, parquet())
    identity = register(wanted, s3, records, contracts)["file_id"]
    records.fail(identity, attempt=1, error_type="X", reason="x")
    with pytest.raises(StatusConflictError, match=r"FAILED at attempt 1.*attempt 2"):
        register(wanted, s3, records, contracts)
    again = register(replace(wanted, attempt=2), s3, records, contracts)
    assert (again["status"], again["attempt"]) == ("REGISTERED", 2)


def test_a_file_that_another_execution_converts_is_left_to_it(
    s3: Any, records: FileRecords, contracts: ContractCatalog
) -> None:
    wanted = put(s3, parquet())
    identity = register(wanted, s3, records, contracts)["file_id"]
    records.start(identity, attempt=1, engine="spark", execution_arn="arn:one")
    assert register(wanted, s3, records, contracts)["status"] == "REGISTERED"
    with pytest.raises(StatusConflictError, match="RUNNING at attempt 1 of arn:one"):
        register(replace(wanted, execution_arn="arn:two"), s3, records, contracts)


# --- the event ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [{}, {"bucket": BUCKET}, {"bucket": "", "key": KEY}, {"bucket": BUCKET, "key": None}])
def test_an_event_without_bucket_or_key_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="The event lacks"):
        Registration.from_event(event)


def test_an_event_may_leave_out_everything_else() -> None:
    least = {"bucket": BUCKET, "key": KEY}
    assert Registration.from_event(least) == Registration(BUCKET, KEY, None, 1, None, None)
    full = least | {"version_id": "null", "attempt": 3, "run_id": "r", "execution_arn": "a", "more": 1}
    assert Registration.from_event(full) == Registration(BUCKET, KEY, None, 3, "r", "a")


def test_nothing_that_registers_needs_polars() -> None:
    _import_without(
        "polars",
        """
import lakehouse.functions.register_file, lakehouse.functions.plan_files, lakehouse.functions.record_failure
from lakehouse.contracts.catalog import ContractCatalog
assert len(ContractCatalog.packaged()) > 0
""",
    )


def test_what_only_reads_and_writes_records_needs_no_arrow() -> None:
    _import_without("pyarrow", "import lakehouse.functions.plan_files, lakehouse.functions.record_failure")


def _import_without(package: str, script: str) -> None:
    source = str(Path(__file__).resolve().parents[2] / "src")
    start = f"import sys; sys.path.insert(0, {source!r}); sys.modules[{package!r}] = None  # an import of it fails\n"
    done = subprocess.run(
        [sys.executable, "-c", start + script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
