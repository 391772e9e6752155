"""Crawlers on the local endpoint read the files and write tables and partitions."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.local.endpoint import Endpoint

ROLE = "arn:aws:iam::000000000000:role/crawler"


def _parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _ndjson(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


class Crawls:
    """A bucket, a database and crawlers of them."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.s3, self.glue, self.logs = aws("s3"), aws("glue"), aws("logs")
        suffix = uuid4().hex[:10]
        self.bucket, self.database = f"crawled-{suffix}", f"crawled_{suffix}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.glue.create_database(DatabaseInput={"Name": self.database})

    def put(self, **objects: bytes) -> None:
        for key, body in objects.items():
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def create(self, path: str = "", exclusions: list[str] | None = None, **fields: Any) -> str:
        name = f"crawler-{uuid4().hex[:10]}"
        target = {"Path": f"s3://{self.bucket}/{path}", "Exclusions": exclusions or []}
        options = {"DatabaseName": self.database, "Targets": {"S3Targets": [target]}, **fields}
        self.glue.create_crawler(Name=name, Role=ROLE, **options)
        return name

    def crawl(self, name: str) -> dict[str, Any]:
        self.glue.start_crawler(Name=name)
        deadline = time.monotonic() + 60
        while (crawler := self.glue.get_crawler(Name=name)["Crawler"])["State"] != "READY":
            assert time.monotonic() < deadline, crawler
            time.sleep(0.05)
        last: dict[str, Any] = crawler["LastCrawl"]
        return last

    def tables(self) -> dict[str, dict[str, Any]]:
        return {table["Name"]: table for table in self.glue.get_tables(DatabaseName=self.database)["TableList"]}

    def columns(self, table: str) -> dict[str, str]:
        return {column["Name"]: column["Type"] for column in self.tables()[table]["StorageDescriptor"]["Columns"]}

    def partitions(self, table: str) -> list[list[str]]:
        found = self.glue.get_partitions(DatabaseName=self.database, TableName=table)["Partitions"]
        return sorted(partition["Values"] for partition in found)

    def log(self, name: str) -> str:
        found = self.logs.get_log_events(logGroupName="/aws-glue/crawlers", logStreamName=name, startFromHead=True)
        return "\n".join(event["message"] for event in found["events"])


@pytest.fixture
def crawls(aws: Callable[..., Any]) -> Crawls:
    return Crawls(aws)


def test_every_dataset_folder_becomes_a_table_with_hive_types(crawls: Crawls) -> None:
    trips = _parquet(
        VendorID=pa.array([1], pa.int64()),
        pickup=pa.array([0], pa.timestamp("us")),
        fare=pa.array([1.5], pa.float64()),
        flag=pa.array(["N"]),
        price=pa.array([None], pa.decimal128(10, 2)),
        tags=pa.array([["a"]], pa.list_(pa.string())),
    )
    crawls.put(
        **{
            "raw-data/trips/2022-01.parquet": trips,
            "raw-data/trips/2022-02.parquet": trips,
            "raw-data/zones/zones.parquet": _parquet(id=[1], name=["Newark"]),
        }
    )
    name = crawls.create("raw-data/", TablePrefix="raw_")

    last = crawls.crawl(name)

    assert last["Status"] == "SUCCEEDED"
    assert set(crawls.tables()) == {"raw_trips", "raw_zones"}
    assert crawls.columns("raw_trips") == {
        "vendorid": "bigint",
        "pickup": "timestamp",
        "fare": "double",
        "flag": "string",
        "price": "decimal(10,2)",
        "tags": "array<string>",
    }
    table = crawls.tables()["raw_trips"]
    assert table["StorageDescriptor"]["Location"] == f"s3://{crawls.bucket}/raw-data/trips/"
    assert table["Parameters"]["classification"] == "parquet"
    assert (table["Parameters"]["objectCount"], table["Parameters"]["recordCount"]) == ("2", "2")
    assert table["Parameters"]["UPDATED_BY_CRAWLER"] == name


def test_date_folders_are_numbered_partitions_and_hive_folders_named_ones(crawls: Crawls) -> None:
    record = {"n": 1, "at": "2022-01-01T00:00:00.000000", "big": 2**40, "part": {"x": 1.5}, "none": None}
    crawls.put(
        **{
            "out/2022/01/05/a.json": _ndjson(record),
            "out/2022/01/06/a.json": _ndjson(record),
            "hive/year=2022/month=01/a.json": _ndjson(record),
            "hive/year=2022/month=02/a.json": _ndjson(record),
        }
    )

    for path in ("out/", "hive/"):
        assert crawls.crawl(crawls.create(path))["Status"] == "SUCCEEDED"

    keys = {name: [key["Name"] for key in table["PartitionKeys"]] for name, table in crawls.tables().items()}
    assert keys == {"out": ["partition_0", "partition_1", "partition_2"], "hive": ["year", "month"]}
    assert crawls.partitions("out") == [["2022", "01", "05"], ["2022", "01", "06"]]
    assert crawls.partitions("hive") == [["2022", "01"], ["2022", "02"]]
    assert crawls.columns("out") == {
        "n": "int",
        "at": "string",
        "big": "bigint",
        "part": "struct<x:double>",
        "none": "string",
    }
    assert crawls.tables()["out"]["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("JsonSerDe")


def test_a_table_level_decides_which_folder_is_the_table(crawls: Crawls) -> None:
    crawls.put(
        **{
            "data/a/x/1.parquet": _parquet(id=[1]),
            "data/a/y/1.parquet": _parquet(id=[1]),
            "data/b/x/1.parquet": _parquet(other=["t"], more=[1]),
        }
    )
    configuration = {
        "Version": 1.0,
        "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": 3},
    }

    crawls.crawl(crawls.create("data/", Configuration=json.dumps(configuration)))

    assert set(crawls.tables()) == {"a", "b"}
    assert crawls.partitions("a") == [["x"], ["y"]]


def test_a_file_that_is_not_what_its_name_says_is_logged_and_skipped(crawls: Crawls) -> None:
    whole = _parquet(id=list(range(100)))
    crawls.put(
        **{
            "data/good.parquet": whole,
            "data/page.parquet": b"<!DOCTYPE html><html><body>Access denied</body></html>",
            "data/cut.parquet": whole[: len(whole) // 2],
            "data/broken.parquet": whole[:-12] + b"\xff\xff\xff\x7fPAR1",
        }
    )
    name = crawls.create("data/")

    assert crawls.crawl(name)["Status"] == "SUCCEEDED"

    assert crawls.columns("data") == {"id": "bigint"}
    assert crawls.tables()["data"]["Parameters"]["objectCount"] == "1"
    for key in ("page", "cut", "broken"):
        assert f"UNKNOWN, skipped: s3://{crawls.bucket}/data/{key}.parquet" in crawls.log(name)


def test_csv_with_a_header_becomes_a_table(crawls: Crawls) -> None:
    crawls.put(**{"zones/zones.csv": b"id,name,share\n1,Newark,0.5\n2,Queens,0.25\n"})

    crawls.crawl(crawls.create("zones/"))

    assert crawls.columns("zones") == {"id": "bigint", "name": "string", "share": "double"}
    assert crawls.tables()["zones"]["Parameters"]["skip.header.line.count"] == "1"


def test_exclusions_and_hidden_files_are_left_out(crawls: Crawls) -> None:
    good = _parquet(id=[1])
    crawls.put(
        **{
            "data/a.parquet": good,
            "data/_SUCCESS": b"x",
            "data/tmp/b.parquet": good,
            "data/c.bak": good,
        }
    )

    crawls.crawl(crawls.create("data/", exclusions=["tmp/**", "*.bak"]))

    assert crawls.tables()["data"]["Parameters"]["objectCount"] == "1"


def test_an_empty_target_succeeds_without_tables(crawls: Crawls) -> None:
    assert crawls.crawl(crawls.create("nothing/"))["Status"] == "SUCCEEDED"
    assert crawls.tables() == {}


def test_a_crawl_of_a_missing_bucket_fails_and_says_so(crawls: Crawls) -> None:
    target = {"Path": "s3://no-such-bucket-here/data/"}
    last = crawls.crawl(crawls.create(Targets={"S3Targets": [target]}))

    assert last["Status"] == "FAILED"
    assert "NoSuchBucket" in last["ErrorMessage"]
    assert last["LogGroup"] == "/aws-glue/crawlers"


def test_a_new_column_is_added_unless_the_policy_only_logs_it(crawls: Crawls) -> None:
    crawls.put(**{"a/1.parquet": _parquet(id=[1]), "b/1.parquet": _parquet(id=[1])})
    adding = crawls.create("a/", SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE"})
    logging = crawls.create("b/", SchemaChangePolicy={"UpdateBehavior": "LOG"})
    for name in (adding, logging):
        crawls.crawl(name)
    crawls.put(**{"a/1.parquet": _parquet(id=[1], more=["x"]), "b/1.parquet": _parquet(id=[1], more=["x"])})

    for name in (adding, logging):
        crawls.crawl(name)

    assert list(crawls.columns("a")) == ["id", "more"]
    assert list(crawls.columns("b")) == ["id"]
    metrics = {each["CrawlerName"]: each for each in crawls.glue.get_crawler_metrics()["CrawlerMetricsList"]}
    assert (metrics[adding]["TablesUpdated"], metrics[logging]["TablesUpdated"]) == (1, 0)


@pytest.mark.parametrize(
    ("behavior", "is_there", "is_deprecated"),
    [("DELETE_FROM_DATABASE", False, False), ("DEPRECATE_IN_DATABASE", True, True), ("LOG", True, False)],
)
def test_a_table_whose_objects_are_gone_is_treated_as_the_policy_says(
    crawls: Crawls, behavior: str, is_there: bool, is_deprecated: bool
) -> None:
    crawls.put(**{"data/a/1.parquet": _parquet(id=[1]), "data/b/1.parquet": _parquet(x=["s"], y=[1])})
    name = crawls.create("data/", SchemaChangePolicy={"DeleteBehavior": behavior})
    crawls.crawl(name)
    crawls.s3.delete_object(Bucket=crawls.bucket, Key="data/a/1.parquet")

    crawls.crawl(name)

    assert ("a" in crawls.tables()) is is_there
    assert ("DEPRECATED_BY_CRAWLER" in crawls.tables().get("a", {}).get("Parameters", {})) is is_deprecated


def test_a_crawler_that_runs_is_not_started_again_and_can_be_stopped(crawls: Crawls) -> None:
    crawls.put(**{f"data/{n}.parquet": _parquet(id=[1]) for n in range(60)})
    name = crawls.create("data/")

    crawls.glue.start_crawler(Name=name)
    with pytest.raises(crawls.glue.exceptions.CrawlerRunningException):
        crawls.glue.start_crawler(Name=name)
    crawls.glue.stop_crawler(Name=name)

    deadline = time.monotonic() + 30
    while (crawler := crawls.glue.get_crawler(Name=name)["Crawler"])["State"] != "READY":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert crawler["LastCrawl"]["Status"] == "CANCELLED"
    assert crawls.tables() == {}
    with pytest.raises(crawls.glue.exceptions.CrawlerNotRunningException):
        crawls.glue.stop_crawler(Name=name)


def test_other_targets_than_s3_and_iceberg_are_refused_by_name(crawls: Crawls) -> None:
    name = crawls.create(Targets={"DynamoDBTargets": [{"Path": "table"}]})

    with pytest.raises(crawls.glue.exceptions.InvalidInputException, match="DynamoDBTargets"):
        crawls.glue.start_crawler(Name=name)


# --- Iceberg ------------------------------------------------------------------------------------------------------


@pytest.fixture
def engine(crawls: Crawls, endpoint: Endpoint) -> Any:
    """Makes Iceberg tables in the crawled bucket; the Data Catalog does not hear of them."""
    from pyiceberg.catalog.memory import InMemoryCatalog

    keys = {"s3.access-key-id": "test", "s3.secret-access-key": "test", "s3.region": "us-east-1"}
    catalog = InMemoryCatalog(f"engine-{uuid4().hex[:8]}", **{"s3.endpoint": endpoint.url, **keys})
    catalog.create_namespace("marts")
    return catalog


def _make(crawls: Crawls, engine: Any, name: str, folder: str | None = None) -> Any:
    location = f"s3://{crawls.bucket}/curated-data/marts/{folder or name}"
    rows = pa.table({"zone_id": pa.array([1], pa.int64()), "borough": pa.array(["Queens"])})
    table = engine.create_table(f"marts.{name}", schema=rows.schema, location=location)
    table.append(rows)
    return table


def _iceberg(crawls: Crawls, **fields: Any) -> dict[str, Any]:
    return {
        "IcebergTargets": [{"Paths": [f"s3://{crawls.bucket}/curated-data/"], "MaximumTraversalDepth": 10, **fields}]
    }


def test_iceberg_tables_are_found_by_their_metadata_and_described_as_glue_does(crawls: Crawls, engine: Any) -> None:
    made = _make(crawls, engine, "dim_zones")
    crawls.put(**{"curated-data/marts/plain.parquet": _parquet(a=[1])})
    name = crawls.create(Targets=_iceberg(crawls))

    assert crawls.crawl(name)["Status"] == "SUCCEEDED"

    (table,) = crawls.tables().values()
    assert (table["Name"], table["TableType"]) == ("dim_zones", "EXTERNAL_TABLE")
    assert table["Parameters"]["table_type"] == "ICEBERG"
    assert table["Parameters"]["metadata_location"] == made.metadata_location
    assert table["Parameters"]["UPDATED_BY_CRAWLER"] == name
    assert table["StorageDescriptor"]["Location"] == made.location()
    zone_id = {"iceberg.field.id": "1", "iceberg.field.optional": "true", "iceberg.field.current": "true"}
    assert table["StorageDescriptor"]["Columns"][0] == {"Name": "zone_id", "Type": "bigint", "Parameters": zone_id}
    assert crawls.columns("dim_zones") == {"zone_id": "bigint", "borough": "string"}


def test_a_table_that_an_engine_has_registered_is_moved_on_and_stays_the_engines(crawls: Crawls, engine: Any) -> None:
    from pyiceberg.types import DoubleType

    made = _make(crawls, engine, "dim_zones", folder="dim_zones/3f0c")
    first = made.metadata_location
    crawls.glue.create_table(
        DatabaseName=crawls.database,
        TableInput={
            "Name": "dim_zones",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"table_type": "ICEBERG", "metadata_location": first, "made_by": "dbt"},
            "StorageDescriptor": {"Columns": [], "Location": f"{made.location()}/"},
        },
    )
    with made.update_schema() as change:
        change.add_column("area", DoubleType())
    name = crawls.create(Targets=_iceberg(crawls))

    crawls.crawl(name)

    (table,) = crawls.tables().values()
    assert table["Parameters"] == {
        "table_type": "ICEBERG",
        "metadata_location": made.metadata_location,
        "previous_metadata_location": first,
        "made_by": "dbt",
    }
    assert crawls.columns("dim_zones") == {"zone_id": "bigint", "borough": "string", "area": "double"}
    metrics = crawls.glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"][0]
    assert (metrics["TablesCreated"], metrics["TablesUpdated"]) == (0, 1)


def test_an_entry_is_not_moved_to_what_a_failed_commit_left_behind(crawls: Crawls, engine: Any) -> None:
    made = _make(crawls, engine, "dim_zones")
    crawls.crawl(crawls.create(Targets=_iceberg(crawls)))
    folder, _, file = made.metadata_location.rpartition("/")
    key = f"{folder}/{file[:5]}-ffffffff-0000-0000-0000-000000000000.metadata.json".partition(f"{crawls.bucket}/")[2]
    before = made.metadata.model_copy(update={"metadata_log": made.metadata.metadata_log})
    crawls.put(**{key: before.model_dump_json().encode()})

    crawls.crawl(crawls.create(Targets=_iceberg(crawls)))

    assert crawls.tables()["dim_zones"]["Parameters"]["metadata_location"] == made.metadata_location


def test_depth_and_exclusions_limit_where_iceberg_tables_are_looked_for(crawls: Crawls, engine: Any) -> None:
    for name in ("dim_zones", "dim_users"):
        _make(crawls, engine, name)

    crawls.crawl(crawls.create(Targets=_iceberg(crawls, MaximumTraversalDepth=2)))
    assert crawls.tables() == {}
    crawls.crawl(crawls.create(Targets=_iceberg(crawls, Exclusions=["marts/dim_users/**"])))
    assert set(crawls.tables()) == {"dim_zones"}


def test_a_broken_metadata_file_is_logged_and_skipped(crawls: Crawls, engine: Any) -> None:
    _make(crawls, engine, "dim_zones")
    crawls.put(**{"curated-data/broken/metadata/00001-a.metadata.json": b"{}"})
    name = crawls.create(Targets=_iceberg(crawls))

    assert crawls.crawl(name)["Status"] == "SUCCEEDED"
    assert set(crawls.tables()) == {"dim_zones"}
    assert "skipped: s3://" in crawls.log(name)


def test_an_iceberg_table_whose_files_are_gone_is_retired(crawls: Crawls, engine: Any) -> None:
    _make(crawls, engine, "dim_zones")
    name = crawls.create(Targets=_iceberg(crawls), SchemaChangePolicy={"DeleteBehavior": "DELETE_FROM_DATABASE"})
    crawls.crawl(name)
    for item in crawls.s3.list_objects_v2(Bucket=crawls.bucket)["Contents"]:
        crawls.s3.delete_object(Bucket=crawls.bucket, Key=item["Key"])

    crawls.crawl(name)

    assert crawls.tables() == {}


def test_the_bare_emulator_says_succeeded_without_finding_a_table(tmp_path: Path) -> None:
    bare = Endpoint(tmp_path / "bare", port=0, unpatched=True)
    bare.start()
    try:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        crawls = Crawls(lambda service: boto3.client(service, endpoint_url=bare.url, **keys))
        crawls.put(**{"data/a.parquet": _parquet(id=[1])})

        last = crawls.crawl(crawls.create("data/"))

        assert last["Status"] == "SUCCEEDED"
        assert crawls.tables() == {}
    finally:
        bare.stop()
