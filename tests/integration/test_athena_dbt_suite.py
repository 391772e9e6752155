"""What dbt-athena's own tests showed, a test for each statement that failed.

https://github.com/dbt-labs/dbt-adapters/tree/main/dbt-athena/tests/functional
"""

from __future__ import annotations

import time
import uuid

import pytest

BUCKET = "dbt-suite"
TABLES = ["hive", "iceberg"]


class FailedStatementError(Exception):
    """A statement that Athena answered with FAILED."""


@pytest.fixture(scope="module")
def run(aws):
    """Executes statements in a database of their own, and gives rows."""
    aws("s3").create_bucket(Bucket=BUCKET)
    athena = aws("athena")
    database = f"dbt_{uuid.uuid4().hex[:8]}"

    def execute(sql):
        number = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": database},
            ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"},
        )["QueryExecutionId"]
        while True:
            execution = athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]
            if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                break
            time.sleep(0.02)
        if execution["Status"]["State"] != "SUCCEEDED":
            raise FailedStatementError(execution["Status"]["StateChangeReason"])
        rows = athena.get_query_results(QueryExecutionId=number)["ResultSet"]["Rows"]
        found = [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]
        return found if sql.startswith("EXPLAIN") else found[1:]

    execute(f"CREATE DATABASE {database}")
    return execute


@pytest.fixture
def table(run, request):
    """A table of either kind with a column of several types, empty."""
    name = f"t_{uuid.uuid4().hex[:8]}"
    properties = "table_type = 'ICEBERG', is_external = false" if request.param == "iceberg" else "format = 'PARQUET'"
    place = "location" if request.param == "iceberg" else "external_location"
    run(
        f"CREATE TABLE {name} WITH ({properties}, {place} = 's3://{BUCKET}/{name}/') AS SELECT 1 AS i, "
        "CAST('abcd' AS varchar(4)) AS s, CAST(1 AS decimal(5,2)) AS d, "
        f"CAST(now() AS timestamp({6 if request.param == 'iceberg' else 3})) AS t WHERE false"
    )
    return name


def test_a_syntax_error_shows_the_word_as_it_is_written(run):
    with pytest.raises(FailedStatementError, match="mismatched input 'THIS'"):
        run("THIS IS NOT SQL")


def test_a_plan_begins_with_its_head(run):
    first, *others = run("EXPLAIN SELECT 1")
    assert first == ["Query Plan"]
    assert others


@pytest.mark.parametrize("table", TABLES, indirect=True)
def test_values_of_wider_types_are_inserted_where_they_fit(run, table):
    run(
        f"INSERT INTO {table} VALUES "
        "(decimal '7', CAST('ab' AS varchar), 2.5, timestamp '2020-01-04 00:00:00-1'), "
        "(bigint '8', 'abcd ', 3, null)"
    )
    found = run(f"SELECT i, trim(s), d, CAST(t AS varchar) LIKE '2020-01-04 00:00:00.%' FROM {table} ORDER BY i")
    assert found == [["7", "ab", "2.50", "true"], ["8", "abcd", "3.00", None]]


@pytest.mark.parametrize("table", ["hive"], indirect=True)
def test_a_text_is_inserted_into_a_shorter_one_where_only_spaces_are_lost(run, table):
    run(f"INSERT INTO {table} (s) VALUES 'abcd  '")
    assert run(f"SELECT s FROM {table}") == [["abcd"]]
    with pytest.raises(FailedStatementError, match=r"INVALID_CAST_ARGUMENT.*Cannot truncate non-space characters"):
        run(f"INSERT INTO {table} (s) VALUES 'abcde'")


@pytest.mark.parametrize("table", TABLES, indirect=True)
@pytest.mark.parametrize(
    ("values", "code"),
    [
        ("3000000000, 'a', 1, null", "NUMERIC_VALUE_OUT_OF_RANGE|INVALID_CAST_ARGUMENT"),
        ("1, 'a', 123456, null", "INVALID_CAST_ARGUMENT"),
        ("'1', 'a', 1, null", "TYPE_MISMATCH: Insert query has mismatched column types"),
    ],
)
def test_values_that_do_not_fit_are_not_inserted(run, table, values, code):
    with pytest.raises(FailedStatementError, match=code):
        run(f"INSERT INTO {table} SELECT {values}")
    assert run(f"SELECT count(*) FROM {table}") == [["0"]]


@pytest.mark.parametrize("table", ["iceberg"], indirect=True)
@pytest.mark.parametrize("condition", ["d > 0", "d = decimal '2.5'", "d IN (2, decimal '2.50')", "d > 1.5"])
def test_a_decimal_of_any_scale_finds_the_files_of_an_iceberg_table(run, table, condition):
    run(f"INSERT INTO {table} VALUES (1, 'a', decimal '2.5', null)")
    run(f"INSERT INTO {table} VALUES (2, 'a', decimal '-1', null)")
    assert run(f"SELECT i FROM {table} WHERE {condition}") == [["1"]]
