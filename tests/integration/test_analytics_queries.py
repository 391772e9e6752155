"""The analytics module's queries run on curated tables, in a workgroup like the module's."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

ANALYTICS = Path(__file__).resolve().parents[2] / "terraform" / "modules" / "analytics"
pytestmark = pytest.mark.e2e

# The columns that the queries read; the tables have more.
TABLES = {
    "dim_users": "user_id bigint",
    "dim_zones": "zone_id int, borough string, zone_name string",
    "fct_events": "event_id string, user_id bigint, event_type string, occurred_at timestamp",
    "fct_trips": (
        "trip_id string, pickup_at timestamp, dropoff_at timestamp, pickup_date date, pickup_zone_id int, "
        "dropoff_zone_id int, total_amount decimal(10, 2)"
    ),
    "fct_trips_daily": "pickup_date date, trip_count bigint, total_amount decimal(18, 2)",
}
ROWS = {
    "dim_users": "(7)",
    "dim_zones": "(1, 'Queens', 'Astoria')",
    "fct_events": "('e1', 7, 'view', timestamp '2024-01-01 10:00:00')",
    "fct_trips": (
        "('t1', timestamp '2024-01-01 10:00:00', timestamp '2024-01-01 10:30:00', date '2024-01-01', 1, 1, 20.5), "
        "('t2', localtimestamp, localtimestamp, current_date, 1, 1, 9.5)"
    ),
    "fct_trips_daily": "(date '2024-01-01', 1, 20.5), (current_date, 1, 9.5)",
}


class Athena:
    """A workgroup with the curated tables in a database of its own."""

    def __init__(self, aws: Callable[..., Any]) -> None:
        self.client = aws("athena")
        suffix = uuid4().hex[:8]
        self.bucket, self.database, self.workgroup = f"analytics-{suffix}", f"analytics_{suffix}", f"group-{suffix}"
        aws("s3").create_bucket(Bucket=self.bucket)
        aws("glue").create_database(DatabaseInput={"Name": self.database})
        place = {"OutputLocation": f"s3://{self.bucket}/results/"}
        configuration = {"EnforceWorkGroupConfiguration": True, "ResultConfiguration": place}
        self.client.create_work_group(Name=self.workgroup, Configuration=configuration)

    def run(self, sql: str) -> list[list[str | None]]:
        started = self.client.start_query_execution(
            QueryString=sql, WorkGroup=self.workgroup, QueryExecutionContext={"Database": self.database}
        )["QueryExecutionId"]
        deadline = time.monotonic() + 60
        while True:
            status = self.client.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
            if status["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert status["State"] == "SUCCEEDED", f"{sql}\n{status.get('StateChangeReason')}"
        rows = self.client.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]

    def file(self, name: str) -> str:
        text = (ANALYTICS / name).read_text(encoding="utf-8")
        location = f"s3://{self.bucket}/curated-data/"
        return text.replace("${location}", location).replace("${database}", self.database)


@pytest.fixture(scope="module")
def athena(aws: Callable[..., Any]) -> Athena:
    made = Athena(aws)
    for name, columns in TABLES.items():
        location = f"s3://{made.bucket}/curated-data/{name}/"
        made.run(f"CREATE TABLE {name} ({columns}) LOCATION '{location}' TBLPROPERTIES ('table_type' = 'ICEBERG')")
        made.run(f"INSERT INTO {name} VALUES {ROWS[name]}")
    return made


def test_an_iceberg_table_is_made_where_the_layer_lies(athena: Athena) -> None:
    athena.run(athena.file("queries/create_iceberg_table.sql"))

    assert athena.run("SELECT count(*) FROM trips_archive")[1:] == [["0"]]


def test_revenue_is_by_day_and_borough(athena: Athena) -> None:
    header, today = athena.run(athena.file("queries/daily_revenue.sql"))

    assert header == ["pickup_date", "borough", "trips", "revenue", "change_percent"]
    assert today[1:] == ["Queens", "1", "9.50", None]


def test_rules_that_hold_have_no_broken_rows(athena: Athena) -> None:
    rules = dict(athena.run(athena.file("queries/data_quality.sql"))[1:])

    assert len(rules) == 5
    assert set(rules.values()) == {"0"}


@pytest.mark.parametrize("name", ["table_maintenance", "table_maintenance_vacuum"])
def test_maintenance_leaves_the_rows_alone(athena: Athena, name: str) -> None:
    athena.run(athena.file(f"queries/{name}.sql"))

    assert athena.run("SELECT count(*) FROM fct_trips")[1:] == [["2"]]


def test_values_of_prepared_statements_come_with_the_execution(athena: Athena) -> None:
    for name in ("trips_of_day", "revenue_by_zone", "events_of_user"):
        text = athena.file(f"statements/{name}.sql")
        athena.client.create_prepared_statement(StatementName=name, WorkGroup=athena.workgroup, QueryStatement=text)

    day = athena.run("EXECUTE trips_of_day USING DATE '2024-01-01'")
    zones = athena.run("EXECUTE revenue_by_zone USING DATE '2024-01-01', DATE '2024-01-31'")
    events = athena.run("EXECUTE events_of_user USING 7, TIMESTAMP '2024-01-01 00:00:00'")

    assert [row[0] for row in day[1:]] == ["t1"]
    assert zones[1:] == [["Queens", "Astoria", "1", "20.50"]]
    assert [row[0] for row in events[1:]] == ["e1"]


def test_a_table_is_compared_with_what_it_was_a_day_ago(athena: Athena) -> None:
    # A table that is younger than a day has no such snapshot: Athena says so.
    text = athena.file("queries/time_travel.sql").replace("INTERVAL '1' DAY", "INTERVAL '0' DAY")

    assert athena.run(text)[1:] == []
