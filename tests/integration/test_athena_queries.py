"""The package's own queries, listings and upkeep, against the endpoint's Athena."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse.athena_arrow import as_table
from lakehouse.athena_queries import AthenaQueries
from lakehouse.errors import CommandError, PermanentError, QueryFailedError, RecordNotFoundError
from lakehouse.maintenance import Maintenance
from lakehouse.table_listing import snapshots_of, table_facts, tables_of

BUCKET = "queries"


@pytest.fixture(scope="module")
def clients(aws):
    made = {name: aws(name) for name in ("athena", "glue", "s3")}
    made["s3"].create_bucket(Bucket=BUCKET)
    made["athena"].create_work_group(
        Name="analysts",
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results/"}},
    )
    return made


@pytest.fixture(scope="module")
def queries(clients):
    made = AthenaQueries(clients["athena"], "analysts", "curated")
    made.run("CREATE DATABASE curated")
    made.run(
        f"""CREATE TABLE curated.trips WITH (table_type = 'iceberg', is_external = false, location = 's3://{BUCKET}/trips')
        AS SELECT 1 AS id, 'a' AS zone"""
    )
    for number in range(2, 6):
        made.run(f"INSERT INTO trips VALUES ({number}, 'b')")
    return made


def test_a_query_gives_columns_rows_bytes_and_cost(queries):
    seen = []
    result = queries.run("SELECT id, zone FROM trips WHERE id > ? ORDER BY id", ["3"], lambda *it: seen.append(it))
    assert [(one.name, one.type) for one in result.columns] == [("id", "integer"), ("zone", "varchar")]
    assert list(queries.rows(result)) == [("4", "b"), ("5", "b")]
    assert result.scanned_bytes > 0
    assert result.dollars > 0
    assert seen[-1][0] == "SUCCEEDED"


def test_more_rows_than_a_page_come_all_and_in_order(queries):
    result = queries.run("SELECT x FROM UNNEST(sequence(1, 2500)) AS t(x) ORDER BY x")
    assert [int(row[0]) for row in queries.rows(result)] == list(range(1, 2501))


def test_a_query_that_fails_tells_athenas_reason(queries):
    with pytest.raises(QueryFailedError, match=r"COLUMN_NOT_FOUND: line 1:8: Column 'nope'"):
        queries.run("SELECT nope FROM trips")


def test_a_workgroup_that_is_not_there_is_told(clients):
    with pytest.raises(PermanentError, match="nobody"):
        AthenaQueries(clients["athena"], "nobody", "curated").run("SELECT 1")


def test_a_result_becomes_arrow_with_its_types(queries):
    result = queries.run(
        "SELECT 1 AS i, decimal '1.50' AS d, 1e0 AS f, true AS b, date '2024-01-31' AS day, "
        "cast(null AS bigint) AS n, 'x' AS s"
    )
    found = as_table(result.columns, list(queries.rows(result)))
    kinds = [pa.int32(), pa.decimal128(38, 2), pa.float64(), pa.bool_(), pa.date32(), pa.int64(), pa.string()]
    assert found.schema.types == kinds
    assert found.to_pylist()[0]["n"] is None


def test_tables_are_listed_with_their_kind_and_columns(clients, queries):
    queries.run("CREATE OR REPLACE VIEW late AS SELECT id FROM trips WHERE id > 3")
    found = {one.name: one for one in tables_of(clients["glue"], "curated", "curated")}
    assert {name: one.kind for name, one in found.items()} == {"late": "view", "trips": "iceberg"}
    assert [column[:2] for column in found["trips"].columns] == [("id", "int"), ("zone", "string")]
    with pytest.raises(RecordNotFoundError, match="lakehouse tables"):
        table_facts(clients["glue"], "curated", "curated", "nothing")


def test_upkeep_makes_one_file_of_many_and_reports_it(clients, queries):
    before = sorted(queries.rows(queries.run("SELECT * FROM trips")))
    queries.run("ALTER TABLE trips SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds' = '0')")
    report = Maintenance(queries).maintain("trips")
    assert (report.before.files, report.after.files) == (5, 1)
    assert report.after.size_bytes < report.before.size_bytes
    assert (report.before.snapshots, report.after.snapshots) == (5, 1)
    assert sorted(queries.rows(queries.run("SELECT * FROM trips"))) == before
    facts = table_facts(clients["glue"], "curated", "curated", "trips")
    assert [one["operation"] for one in snapshots_of(queries, facts)] == ["overwrite"]
    with pytest.raises(CommandError, match="no name of a table"):
        Maintenance(queries).maintain('x"; drop')
