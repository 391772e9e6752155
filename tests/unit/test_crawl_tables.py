"""Which files make one table, and what their columns are."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest

from lakehouse.local.crawling.parquet_footers import UnsupportedTypeError, hive_type
from lakehouse.local.crawling.schemas import FileSchema, of_text, widest
from lakehouse.local.crawling.tables import CrawledFile, group, is_excluded, table_name

TRIPS = FileSchema("parquet", (("id", "bigint"), ("fare", "double"), ("flag", "string")), 1)
TRIPS_WIDER = FileSchema("parquet", (*TRIPS.columns, ("extra", "string")), 1)
ZONES = FileSchema("parquet", (("zone", "int"), ("name", "string")), 1)
RECORDS = FileSchema("json", (("id", "int"),), 1)


def _files(**schemas: FileSchema) -> list[CrawledFile]:
    return [CrawledFile(key, 1, schema) for key, schema in schemas.items()]


def _prefixes(files: list[CrawledFile], prefix: str = "", **options: object) -> dict[str, tuple[str, ...]]:
    return {table.prefix: table.partition_names for table in group(files, prefix, **options)}  # type: ignore[arg-type]


def test_folders_of_different_columns_are_tables_of_their_own() -> None:
    files = _files(**{"raw/trips/1": TRIPS, "raw/trips/2": TRIPS_WIDER, "raw/zones/1": ZONES})

    assert _prefixes(files, "raw/") == {"raw/trips/": (), "raw/zones/": ()}


def test_folders_of_equal_columns_are_partitions_of_one_table() -> None:
    files = _files(**{"raw/a/1": TRIPS, "raw/b/1": TRIPS})

    assert _prefixes(files, "raw/") == {"raw/": ("partition_0",)}


def test_files_of_two_formats_in_one_folder_are_tables_of_their_own() -> None:
    files = _files(**{"mixed/1.parquet": TRIPS, "mixed/2.json": RECORDS})

    assert _prefixes(files, "mixed/") == {"mixed/1.parquet": (), "mixed/2.json": ()}


def test_a_table_level_counts_the_bucket_as_the_first() -> None:
    files = _files(**{"raw/a/2022/1": TRIPS, "raw/b/2022/1": TRIPS})

    assert _prefixes(files, "raw/", table_level=3) == {"raw/a/": ("partition_0",), "raw/b/": ("partition_0",)}


def test_files_at_different_depths_are_one_table_without_partitions() -> None:
    files = _files(**{"t/1": TRIPS, "t/2022/1": TRIPS})

    assert _prefixes(files, "t/") == {"t/": ()}


@pytest.mark.parametrize(
    ("prefix", "name"),
    [("raw-data/", "raw_data"), ("", "my_bucket"), ("a/yellow_tripdata/", "yellow_tripdata"), ("a/X.json", "x_json")],
)
def test_a_table_is_named_after_its_folder(prefix: str, name: str) -> None:
    assert table_name(prefix, "my-bucket", "p_") == f"p_{name}"


@pytest.mark.parametrize(
    ("pattern", "path", "is_out"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "deep/a.csv", False),
        ("**.csv", "deep/a.csv", True),
        ("tmp/**", "tmp/x/y", True),
        ("{a,b}.json", "b.json", True),
        ("[0-9].json", "5.json", True),
        ("?.json", "10.json", False),
    ],
)
def test_exclusions_are_globs(pattern: str, path: str, is_out: bool) -> None:
    assert is_excluded(path, [pattern]) is is_out


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.uint32(), "bigint"),
        (pa.uint64(), "decimal(20,0)"),
        (pa.timestamp("ns", "UTC"), "timestamp"),
        (pa.map_(pa.string(), pa.int32()), "map<string,int>"),
        (pa.list_(pa.struct([("A", pa.bool_()), ("b", pa.date32())])), "array<struct<a:boolean,b:date>>"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
    ],
)
def test_arrow_types_have_hive_names(kind: pa.DataType, name: str) -> None:
    assert hive_type(kind) == name


def test_a_type_that_hive_has_not_is_an_error() -> None:
    with pytest.raises(UnsupportedTypeError):
        hive_type(pa.duration("s"))


def test_two_types_widen_to_one_that_holds_both() -> None:
    assert widest("int", "bigint") == "bigint"
    assert widest("bigint", "double") == "double"
    assert widest("int", "string") == "string"
    assert widest(None, "") == ""


@pytest.mark.parametrize(
    "body", [b"<html><body>no</body></html>", b"\x89PNG\x00\x00", b"   ", b"plain words", b"[1, 2]"]
)
def test_what_is_neither_json_nor_csv_has_no_schema(body: bytes) -> None:
    assert of_text(body, is_whole=True) is None


def test_a_sample_that_ends_within_a_record_is_read_up_to_it() -> None:
    found = of_text(b'{"a": 1}\n{"a": 2.5}\n{"a": "cut o', is_whole=False)

    assert found is not None
    assert (found.columns, found.records) == ((("a", "double"),), 2)


def test_gzipped_json_is_json() -> None:
    found = of_text(gzip.compress(b'{"a": 1}\n'), is_whole=True)

    assert found is not None
    assert (found.classification, found.compression) == ("json", "gzip")
