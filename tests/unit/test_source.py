"""The reader: what is no parquet file is refused for what it is, and every row comes once."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from random import Random

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.errors import (
    AccessDeniedError,
    CorruptFileError,
    EmptyFileError,
    EncryptedFileError,
    FileVanishedError,
    InputFileError,
    NotParquetError,
    TruncatedFileError,
)


@pytest.fixture
def make_file(tmp_path: Path):
    def make(content: bytes) -> LocalSource:
        path = tmp_path / "file.parquet"
        path.write_bytes(content)
        return LocalSource(path)

    return make


def parquet_bytes(rows: int = 1_000, row_group_size: int = 300, **options) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({"n": list(range(rows)), "text": [f"row {number}" for number in range(rows)]})
    pq.write_table(table, buffer, row_group_size=row_group_size, **options)
    return buffer.getvalue()


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "look"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "an HTML page"),
        (b"\n  <HTML>", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', r"an XML document \(error AccessDenied\)"),
        (b'\xef\xbb\xbf{"a": 1}', "JSON"),
        (b"VendorID,fare\n1,2.5\n" * 100, "CSV beginning with 'VendorID,fare'"),
        (b"a\tb\n", "tab-separated text"),
        (b"not a table at all", "text beginning with 'not a table at all'"),
        (b"\n", r"blank text of 1 byte\(s\)"),
        (gzip.compress(b"x", mtime=0), "gzip"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"ORC\x01\x02", "ORC"),
        (b"\x00" * 700, "700 zero bytes"),
        (b"\x01\x02\x03\xff", "unknown binary data beginning with 01 02 03 ff"),
    ],
    ids=lambda value: value[:12].hex() if isinstance(value, bytes) else value,
)
def test_a_file_of_another_format_is_refused_with_what_it_looks_like(make_file, content, look) -> None:
    with pytest.raises(NotParquetError, match=f"looks like {look}"):
        inspect(make_file(content))


def test_an_empty_file_is_refused_as_empty(make_file) -> None:
    with pytest.raises(EmptyFileError, match=r"file\.parquet: the file is empty"):
        inspect(make_file(b""))


@pytest.mark.parametrize("kept", [4, 11, 500, -1])
def test_a_file_cut_short_is_refused_as_truncated(make_file, kept) -> None:
    with pytest.raises(TruncatedFileError, match="cut short"):
        inspect(make_file(parquet_bytes()[:kept]))


def test_an_encrypted_file_is_refused_as_encrypted(make_file) -> None:
    with pytest.raises(EncryptedFileError, match="without encryption"):
        inspect(make_file(b"PARE" + b"x" * 100 + b"PARE"))


def test_a_footer_longer_than_the_file_is_refused_as_corrupt(make_file) -> None:
    with pytest.raises(CorruptFileError, match="footer's length"):
        inspect(make_file(b"PAR1" + b"x" * 20 + (10**6).to_bytes(4, "little") + b"PAR1"))


def test_a_footer_of_noise_is_refused_as_corrupt(make_file) -> None:
    content = bytearray(parquet_bytes())
    content[-108:-8] = bytes(range(100))

    with pytest.raises(CorruptFileError, match="its footer cannot be read"):
        inspect(make_file(bytes(content)))


def test_a_broken_page_is_refused_with_its_row_group_and_column(make_file) -> None:
    content = bytearray(parquet_bytes(compression="none", use_dictionary=False, write_page_checksum=True))
    start = content.index(b"row 650")
    content[start] ^= 0xFF

    with pytest.raises(CorruptFileError, match="row group 2, column 'text' cannot be read"):
        list(iter_batches(make_file(bytes(content))))


def test_a_file_that_is_not_there_has_vanished(tmp_path) -> None:
    with pytest.raises(FileVanishedError, match="no such file"):
        inspect(LocalSource(tmp_path / "gone.parquet"))


@pytest.mark.parametrize("seed", range(30))
def test_a_file_with_bytes_changed_is_read_whole_or_refused(make_file, seed) -> None:
    random = Random(seed)
    content = bytearray(parquet_bytes(rows=60, row_group_size=20, write_page_checksum=True))
    footer_bytes = int.from_bytes(content[-8:-4], "little")
    for _ in range(random.choice([1, 2, 5])):
        content[-9 - random.randrange(footer_bytes)] = random.randrange(256)
    source = make_file(bytes(content))

    try:
        rows = sum(batch.data.num_rows for batch in iter_batches(source))
    except InputFileError:
        return
    assert rows == inspect(source).rows


@pytest.mark.parametrize("depth", ["flat", "list"])
def test_int96_timestamps_that_nanoseconds_cannot_hold_are_refused_not_wrapped(tmp_path, depth) -> None:
    far = pa.array([0, 253_402_300_799_000_000], pa.timestamp("us"))
    column = far if depth == "flat" else pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), far)
    path = tmp_path / "int96.parquet"
    pq.write_table(pa.table({"until": column}), path, use_deprecated_int96_timestamps=True)

    with pytest.raises(InputFileError, match=r"column 'until'.*1677 to 2262"):
        list(iter_batches(LocalSource(path)))


def test_every_broken_real_file_is_refused_with_its_reason(shared_data) -> None:
    expected = {
        "ARROW-GH-41321.parquet": CorruptFileError,
        "ARROW-GH-45185.parquet": CorruptFileError,
        "fact_trips.one-newline.parquet": NotParquetError,
        "yellow_tripdata_2021-01.truncated.parquet": TruncatedFileError,
        "yellow_tripdata_2024-01.s3-accessdenied-xml.parquet": NotParquetError,
    }
    assert {path.name for path in (shared_data / "bad").glob("*.parquet")} == set(expected)
    for name, error in expected.items():
        with pytest.raises(error, match=name):
            list(iter_batches(LocalSource(shared_data / "bad" / name)))


# --- what is read -------------------------------------------------------------------------------------------------


def test_the_footer_tells_rows_columns_and_row_groups(make_file) -> None:
    content = parquet_bytes()
    facts = inspect(make_file(content))

    assert (facts.size_bytes, facts.rows, facts.schema.names) == (len(content), 1_000, ["n", "text"])
    assert [(group.index, group.first_row, group.rows) for group in facts.row_groups] == [
        (0, 0, 300),
        (1, 300, 300),
        (2, 600, 300),
        (3, 900, 100),
    ]
    assert all(group.decoded_bytes > 0 and group.compressed_bytes > 0 for group in facts.row_groups)


@pytest.mark.parametrize("row_groups", [None, [0], [1, 2], [0, 2, 3], [3], []], ids=str)
@pytest.mark.parametrize("batch_rows", [1_000_000, 70, 1])
def test_batches_hold_the_rows_of_their_row_groups_and_know_their_place(make_file, row_groups, batch_rows) -> None:
    source = make_file(parquet_bytes(rows=400, row_group_size=100))

    batches = list(iter_batches(source, row_groups, batch_rows))

    numbers = [number for batch in batches for number in batch.data.column("n").to_pylist()]
    wanted = range(4) if row_groups is None else row_groups
    assert numbers == [number for group in wanted for number in range(group * 100, group * 100 + 100)]
    assert all(batch.data.column("n")[0].as_py() == batch.first_row for batch in batches)
    assert all(batch.data.num_rows <= batch_rows for batch in batches)


def test_wide_rows_come_in_small_batches(make_file) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"wide": [bytes([number]) * 2**20 for number in range(80)]}), buffer, use_dictionary=False)

    batches = list(iter_batches(make_file(buffer.getvalue())))

    assert max(batch.data.nbytes for batch in batches) < 64 * 2**20
    assert sum(batch.data.num_rows for batch in batches) == 80


@pytest.mark.parametrize(
    "table",
    [pa.table({"n": pa.array([], pa.int64())}), pa.schema([("n", pa.int64())]).empty_table(), pa.table({})],
    ids=["zero rows", "zero row groups", "zero columns"],
)
def test_a_file_without_rows_or_columns_is_a_legal_one(make_file, table) -> None:
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, table.schema) as writer:
        if table.num_columns and table.schema.names == ["n"]:
            writer.write_table(table)

    source = make_file(buffer.getvalue())

    assert inspect(source).rows == 0
    assert sum(batch.data.num_rows for batch in iter_batches(source)) == 0


# --- from S3 ------------------------------------------------------------------------------------------------------


class CountingClient:
    """Passes requests on to S3 and remembers the ranges asked for."""

    def __init__(self, client) -> None:
        self._client = client
        self.ranges: list[int] = []

    def head_object(self, **parameters):
        return self._client.head_object(**parameters)

    def get_object(self, **parameters):
        first, last = parameters["Range"].removeprefix("bytes=").split("-")
        self.ranges.append(int(last) - int(first) + 1)
        return self._client.get_object(**parameters)


@pytest.fixture
def bucket(aws_account):
    client = boto3.client("s3")
    client.create_bucket(Bucket="raw")
    client.put_bucket_versioning(Bucket="raw", VersioningConfiguration={"Status": "Enabled"})
    return client


def put(client, content: bytes, key: str = "k.parquet") -> str:
    return client.put_object(Bucket="raw", Key=key, Body=content)["VersionId"]


def rows_of(source) -> list[int]:
    return [number for batch in iter_batches(source) for number in batch.data.column("n").to_pylist()]


def test_an_object_is_read_by_its_version_even_when_a_newer_one_lies_on_it(bucket) -> None:
    version = put(bucket, parquet_bytes(rows=50))
    put(bucket, b"overwritten")

    source = S3Source(bucket, "raw", "k.parquet", version)

    assert inspect(source).rows == 50
    assert rows_of(source) == list(range(50))


def test_a_footer_costs_one_small_request_and_no_read_of_the_data(bucket) -> None:
    content = parquet_bytes(rows=600_000, row_group_size=100_000, compression="none", use_dictionary=False)
    version = put(bucket, content)
    client = CountingClient(bucket)

    inspect(S3Source(client, "raw", "k.parquet", version))

    assert sum(client.ranges) <= 3 * 2**20 < len(content)
    assert len(client.ranges) <= 3


def test_reading_an_object_fetches_each_byte_about_once(bucket) -> None:
    content = parquet_bytes(rows=600_000, row_group_size=100_000, compression="none", use_dictionary=False)
    version = put(bucket, content)
    client = CountingClient(bucket)

    assert rows_of(S3Source(client, "raw", "k.parquet", version)) == list(range(600_000))
    assert sum(client.ranges) < len(content) + 4 * 2**20


def large_row_group(rows: int = 5_000_000) -> bytes:
    """40 MB in one row group: more than is fetched at once."""
    buffer = io.BytesIO()
    table = pa.table({"n": np.arange(rows)})
    pq.write_table(table, buffer, row_group_size=rows, compression="none", use_dictionary=False)
    return buffer.getvalue()


def test_a_large_row_group_is_streamed_in_pieces_and_comes_whole(bucket) -> None:
    version = put(bucket, large_row_group())
    client = CountingClient(bucket)

    batches = list(iter_batches(S3Source(client, "raw", "k.parquet", version)))

    assert np.array_equal(
        np.concatenate([batch.data.column("n").to_numpy() for batch in batches]), np.arange(5_000_000)
    )
    assert max(client.ranges) <= 8 * 2**20


@pytest.mark.parametrize("has_version", [True, False])
def test_an_object_deleted_before_the_read_has_vanished(bucket, has_version) -> None:
    version = put(bucket, parquet_bytes())
    source = S3Source(bucket, "raw", "k.parquet", version if has_version else None)
    bucket.delete_object(Bucket="raw", Key="k.parquet", **({"VersionId": version} if has_version else {}))

    with pytest.raises(FileVanishedError, match=r"s3://raw/k\.parquet"):
        inspect(source)


def test_an_object_deleted_in_the_middle_of_the_read_has_vanished(bucket) -> None:
    version = put(bucket, large_row_group())
    batches = iter_batches(S3Source(bucket, "raw", "k.parquet", version), batch_rows=1_000)
    next(batches)
    bucket.delete_object(Bucket="raw", Key="k.parquet", VersionId=version)

    with pytest.raises(FileVanishedError):
        list(batches)


def test_an_object_without_version_that_is_overwritten_in_the_middle_is_not_mixed(bucket) -> None:
    content = parquet_bytes(rows=600_000, row_group_size=600_000, compression="none", use_dictionary=False)
    put(bucket, content)
    file = S3Source(bucket, "raw", "k.parquet").open()
    file.read(10)
    put(bucket, content[:-1] + b"x")
    file.seek(5 * 2**20)

    with pytest.raises(FileVanishedError, match="overwritten"):
        file.read(10)


def test_a_denied_object_is_reported_as_denied(bucket) -> None:
    class DenyingClient:
        def head_object(self, **_):
            from botocore.exceptions import ClientError

            answer = {"Error": {"Code": "403", "Message": "Forbidden"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "HeadObject")

    with pytest.raises(AccessDeniedError, match=r"s3://raw/k\.parquet"):
        inspect(S3Source(DenyingClient(), "raw", "k.parquet", "v"))


def test_a_body_that_breaks_off_is_fetched_again(bucket) -> None:
    version = put(bucket, parquet_bytes(rows=50))

    class BreakingClient(CountingClient):
        def get_object(self, **parameters):
            answer = super().get_object(**parameters)
            if len(self.ranges) == 1:
                answer["Body"] = io.BytesIO(answer["Body"].read()[:-1])
            return answer

    client = BreakingClient(bucket)

    assert inspect(S3Source(client, "raw", "k.parquet", version)).rows == 50
    assert client.ranges[0] == client.ranges[1]


def test_dictionaries_inside_structs_and_lists_are_read_from_several_row_groups(tmp_path: Path) -> None:
    words = pa.array(["a", None, "b", "a"]).dictionary_encode()
    table = pa.table({"s": pa.StructArray.from_arrays([words], names=["word"]), "n": [1, 2, 3, 4]})
    path = tmp_path / "nested.parquet"
    pq.write_table(table, path, row_group_size=1)

    read = [row for batch in iter_batches(LocalSource(path)) for row in batch.data.to_pylist()]

    assert read == table.to_pylist()
