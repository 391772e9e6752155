"""What the dbt project's sources need of Athena: partitions that are projected, not registered."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.glue_table import table_input


def made(sql, table, kind, **properties):
    """A table of JSON whose day is projected."""
    projection = {"projection.enabled": "true", **{f"projection.day.{key}": value for key, value in properties.items()}}
    sql.glue.create_table(
        DatabaseName=sql.database,
        TableInput={
            "Name": table,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": "day", "Type": kind}],
            "Parameters": projection,
            "StorageDescriptor": {
                "Columns": [{"Name": "v", "Type": "string"}],
                "Location": sql.location(table),
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
            },
        },
    )


def landed(sql, table, *days):
    for day in days:
        sql.put(f"{table}/day={day}/f.json", json.dumps({"v": day}).encode())


def test_a_range_that_ends_now_holds_today_and_what_is_no_longer_ago_than_it_says(sql, table) -> None:
    today = datetime.now(UTC)
    days = [f"{today - timedelta(days=ago):%Y-%m-%d}" for ago in (-1, 0, 2, 3)]
    landed(sql, table, *days)
    made(sql, table, "string", type="date", format="yyyy-MM-dd", range="NOW-2DAYS,NOW")

    assert sql.rows(f"SELECT v FROM {table} ORDER BY v") == [(days[2],), (days[1],)]


def test_years_and_months_go_by_the_calendar(sql, table) -> None:
    today = datetime.now(UTC)
    landed(sql, table, f"{today.year - 1}{today:%m}", f"{today.year - 3}{today:%m}", "no-month")
    made(sql, table, "string", type="date", format="yyyyMM", range="NOW-2YEARS,NOW+1MONTH")

    assert sql.rows(f"SELECT v FROM {table}") == [(f"{today.year - 1}{today:%m}",)]


def test_a_projected_day_may_be_a_date(sql, table) -> None:
    landed(sql, table, "02.01.2024", "03.01.2024")
    made(sql, table, "date", type="date", format="dd.MM.yyyy", range="01.01.2024,NOW")

    assert sql.rows(f"SELECT day, v FROM {table} WHERE day > date '2024-01-02'") == [("2024-01-03", "03.01.2024")]


def test_only_the_files_of_the_days_that_are_asked_for_are_read(sql, table) -> None:
    landed(sql, table, "2024/01/01", "2024/01/02")
    made(sql, table, "string", type="date", format="yyyy/MM/dd", range="2024/01/01,NOW")

    whole = sql.run(f"SELECT v FROM {table}").statistics["DataScannedInBytes"]
    found = sql.run(f"SELECT v FROM {table} WHERE day >= '2024/01/02'")
    assert found.rows == [("2024/01/02",)]
    assert found.statistics["DataScannedInBytes"] == whole / 2


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({}, "projection.day.type is missing"),
        ({"type": "date", "range": "2024,NOW"}, "projection.day.format is missing"),
        ({"type": "date", "range": "soon,NOW", "format": "yyyy"}, "'soon' in a range of dates"),
        ({"type": "date", "range": "2024,NOW", "format": "EEE"}, "The letters EEE in the date format"),
        ({"type": "month"}, "'month': one of enum, integer, date, injected"),
    ],
)
def test_a_projection_that_is_none_fails_with_the_property(sql, table, properties, reason) -> None:
    landed(sql, table, "2024")
    made(sql, table, "string", **properties)

    assert reason in sql.fails(f"SELECT * FROM {table}")


def test_a_datasets_table_reads_what_the_layout_holds(sql) -> None:
    contract = ContractCatalog.packaged().find("events")
    assert contract is not None
    row = {"event_id": "ab", "user_id": 2**40, "occurred_at": "2024-01-01T00:16:49.165000Z", "amount": "12.50"}
    sql.put("processed-data/2026/01/31/events/events_1.json", json.dumps(row).encode())
    sql.put("processed-data/2026/01/31/users/users_1.json", b'{"user_id": 1}')
    sql.glue.create_table(
        DatabaseName=sql.database, TableInput=table_input(contract, f"s3://{sql.bucket}/processed-data/")
    )

    found = sql.rows(
        "SELECT event_id, user_id, cast(translate(occurred_at, 'TZ', ' ') AS timestamp(6)), "
        "cast(amount AS decimal(12, 2)), device, landed_date FROM events"
    )
    assert found == [("ab", str(2**40), "2024-01-01 00:16:49.165000", "12.50", None, "2026/01/31")]
