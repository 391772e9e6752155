"""The dbt project on the local Athena, from sample files to marts: again, incrementally, and all anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse.athena_queries import AthenaQueries
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.glue_table import table_input
from lakehouse.convert.layout import OUTPUT_PREFIX, output_key, quarantine_key
from lakehouse.convert.source import LocalSource
from lakehouse.convert.standalone import BucketDestination, convert_alone
from lakehouse.errors import CommandError
from lakehouse.local.endpoint import Endpoint
from lakehouse.sample import generate
from lakehouse.settings import Workplace
from lakehouse.transformation import DbtEnvironment, dbt_environment, run_dbt

pytestmark = pytest.mark.e2e

ROWS = {"yellow_tripdata": 4_000, "green_tripdata": 1_000, "events": 3_000, "users": 200}
TABLES = ("fct_trips", "fct_events", "fct_trips_daily", "dim_users", "dim_zones", "snap_users")
CURATED, PROCESSED = "dbt_project_curated", "dbt_project_processed"
BUCKET = "dbt-project"
WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
EVERY_COMMAND = (
    ("seed",),
    ("build", *WITHOUT_TESTS),
    ("snapshot",),
    ("test",),
    ("docs", "generate", "--no-compile"),
    ("build", "--full-refresh", *WITHOUT_TESTS),
)


@dataclass(frozen=True)
class Lake:
    """A processed layer, a curated database, and dbt."""

    variables: Mapping[str, str]
    dbt: DbtEnvironment
    clients: Callable[..., Any]
    folder: Path

    def land(self, seed: int, day: datetime) -> None:
        """Convert a sample file of each dataset, as it would have landed on a day."""
        for contract in ContractCatalog.packaged():
            name = f"{contract.dataset}_{seed}.parquet"
            made = generate(self.folder / name, ROWS[contract.dataset], 0.02, seed, contract.dataset)
            raw = f"raw-data/{contract.dataset}/{name}"
            places = output_key(raw, day), quarantine_key(raw, day)
            bucket = BucketDestination(self.clients("s3"), BUCKET)
            done = convert_alone(LocalSource(made.path), bucket, *places, contract=contract)
            assert done.counts.rows_written == made.clean_rows

    def run(self, *arguments: str) -> dict[str, str]:
        """Run dbt; the status of every node."""
        run_dbt(arguments, self.variables, self.dbt)
        results = json.loads((self.dbt.scratch / "run_results.json").read_text(encoding="utf-8"))["results"]
        return {result["unique_id"]: result["status"] for result in results}

    def query(self, sql: str) -> list[list[str | None]]:
        """The rows of a query."""
        queries = AthenaQueries(self.clients("athena"), BUCKET, CURATED)
        return [list(row) for row in queries.rows(queries.run(sql))]

    def fingerprints(self) -> dict[str, list[list[str | None]]]:
        """Rows and a checksum over all columns of every table."""
        glue = self.clients("glue")
        found = {}
        for table in TABLES:
            described = glue.get_table(DatabaseName=CURATED, Name=table)["Table"]["StorageDescriptor"]["Columns"]
            texts = [f"coalesce(cast({column['Name']} as varchar), '')" for column in described]
            row = " || '|' || ".join(texts)
            found[table] = self.query(f"select count(*), to_hex(checksum({row})) from {table}")
        return found

    def accepted(self, dataset: str) -> pl.DataFrame:
        """All rows of a dataset, by the JSON itself."""
        s3 = self.clients("s3")
        listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=OUTPUT_PREFIX)["Contents"]
        keys = [one["Key"] for one in listed if f"/{dataset}/" in one["Key"]]
        return pl.concat(
            [
                pl.read_ndjson(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read(), infer_schema_length=None)
                for key in keys
            ],
            how="vertical_relaxed",
        )


@pytest.fixture(scope="module")
def lake(endpoint: Endpoint, aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("dbt")
    glue = aws("glue")
    aws("s3").create_bucket(Bucket=BUCKET)
    for database in (PROCESSED, CURATED):
        glue.create_database(DatabaseInput={"Name": database})
    for contract in ContractCatalog.packaged():
        definition = table_input(contract, f"s3://{BUCKET}/{OUTPUT_PREFIX}")
        glue.create_table(DatabaseName=PROCESSED, TableInput=definition)
    results = f"s3://{BUCKET}/results/"
    aws("athena").create_work_group(
        Name=BUCKET,
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": results},
        },
    )
    variables = {
        **endpoint.environment(),
        "DBT_TARGET": "local",
        "DBT_ATHENA_PROCESSED_SCHEMA": PROCESSED,
        "DBT_ATHENA_REGION": endpoint.region,
        "DBT_ATHENA_S3_DATA_DIR": f"s3://{BUCKET}/curated-data/",
        "DBT_ATHENA_S3_STAGING_DIR": results,
        "DBT_ATHENA_SCHEMA": CURATED,
        "DBT_ATHENA_WORKGROUP": BUCKET,
    }
    dbt = replace(dbt_environment(Workplace.from_environment()), scratch=folder / "target")
    return Lake(variables, dbt, aws, folder)


def test_the_marts_hold_what_landed_however_often_they_are_built(lake: Lake) -> None:
    today = datetime.now(UTC)
    yesterday = today - timedelta(days=1)
    lake.land(1, yesterday)
    first = lake.run("build")
    assert set(first.values()) <= {"success", "pass", "no-op"}, first
    assert_marts_hold_what_landed(lake)

    # More lands, and some of it again.
    lake.land(2, today)
    lake.clients("s3").copy_object(
        Bucket=BUCKET,
        Key=f"{OUTPUT_PREFIX}{today:%Y/%m/%d}/yellow_tripdata/again.json",
        CopySource={
            "Bucket": BUCKET,
            "Key": output_key("raw-data/yellow_tripdata/yellow_tripdata_1.parquet", yesterday),
        },
    )
    assert lake.run("build").keys() == first.keys()
    assert_marts_hold_what_landed(lake)
    built = lake.fingerprints()

    for _ in range(2):
        for command in EVERY_COMMAND:
            lake.run(*command)
            if command[0] in {"build", "seed", "snapshot"}:
                assert lake.fingerprints() == built, command
    correct_latest(lake, today)
    lake.run("build")
    assert_marts_hold_what_landed(lake)
    assert lake.query(f"select distinct device from fct_events where landed_date = '{today:%Y/%m/%d}'") == [["web"]]
    documented = json.loads((lake.dbt.scratch / "catalog.json").read_text(encoding="utf-8"))
    assert {f"{'snapshot' if name.startswith('snap') else 'model'}.lakehouse.{name}" for name in TABLES} <= set(
        documented["nodes"]
    )


def correct_latest(lake: Lake, day: datetime) -> None:
    """Upload the latest files once more, corrected: half of the trips are gone, and all events are of one device."""
    s3 = lake.clients("s3")
    for dataset, step, device in (("yellow_tripdata", 2, {}), ("events", 1, {"device": "web"})):
        key = output_key(f"raw-data/{dataset}/{dataset}_2.parquet", day)
        lines = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().splitlines()[::step]
        corrected = [json.dumps(json.loads(line) | device) for line in lines]
        s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join([*corrected, ""]).encode())


def assert_marts_hold_what_landed(lake: Lake) -> None:
    """Counts and sums of the marts, beside those of the JSON."""
    yellow, green = lake.accepted("yellow_tripdata").unique(), lake.accepted("green_tripdata").unique()
    cents = sum(int((frame["total_amount"] * 100).round().sum()) for frame in (yellow, green))
    trips = str(len(yellow) + len(green)), f"{cents / 100:.2f}"
    assert lake.query("select count(*), sum(total_amount) from fct_trips") == [list(trips)]
    assert lake.query("select sum(trip_count), sum(total_amount) from fct_trips_daily") == [list(trips)]

    events, users = lake.accepted("events"), lake.accepted("users")
    assert lake.query("select count(*) from fct_events") == [[str(events["event_id"].n_unique())]]
    latest = users.sort("updated_at").group_by("user_id").last()
    known = "select count(*), count_if(subscription_plan = 'free') from dim_users where not is_inferred"
    assert lake.query(known) == [[str(len(latest)), str((latest["plan"] == "free").sum())]]
    inferred = set(events["user_id"]) - set(users["user_id"])
    assert lake.query("select count(*) from dim_users where is_inferred") == [[str(len(inferred))]]
    current = "select count(*) from snap_users where dbt_valid_to is null"
    assert lake.query(current) == [[str(len(latest))]]


def test_the_tables_are_iceberg_as_the_project_says(lake: Lake) -> None:
    glue = lake.clients("glue")
    for table in TABLES:
        assert glue.get_table(DatabaseName=CURATED, Name=table)["Table"]["Parameters"]["table_type"] == "ICEBERG"
    ((written,),) = lake.query("""select count(*) from "fct_trips$partitions" """)
    ((days,),) = lake.query("select count(distinct pickup_date) from fct_trips")
    assert written == days
    created = "\n".join(str(row[0]) for row in lake.query("show create table fct_trips"))
    assert "`pickup_at` timestamp" in created
    assert "'write_compression'='zstd'" in created.replace(" ", "").lower()


def test_a_failing_model_fails_the_command_with_its_reason(lake: Lake) -> None:
    wrong = {**lake.variables, "DBT_ATHENA_PROCESSED_SCHEMA": "nowhere"}

    with pytest.raises(CommandError, match="nowhere"):
        run_dbt(["build", "--select", "stg_raw_users"], wrong, lake.dbt)
