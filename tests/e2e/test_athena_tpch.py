"""TPC-H at scale factor 0.1: Athena's answers over Hive and Iceberg tables are those of DuckDB over the same files.

https://www.tpc.org/tpc_documents_current_versions/pdf/tpc-h_v3.0.1.pdf
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytestmark = pytest.mark.e2e

GENERATOR = "tpchgen-cli"
SCALE_FACTOR = "0.1"
BUCKET = "tpch"
QUERIES = sorted((Path(__file__).parent / "tpch").glob("q*.sql"))
TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")

Row = list[str | None]


@dataclass(frozen=True)
class Answer:
    """A query's result, with Athena's types of its columns."""

    types: list[tuple[str, int]]
    rows: list[Row]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """The folder of the tables' files."""
    generator = shutil.which(GENERATOR)
    if generator is None:
        pytest.skip(f"{GENERATOR}, which makes the tables, is not installed")
    folder = tmp_path_factory.mktemp("tpch")
    subprocess.run([generator, "parquet", "-s", SCALE_FACTOR, "--output-dir", folder, "--quiet"], check=True)
    return folder


@pytest.fixture(scope="module")
def plain(files) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the tables as views of their files."""
    with duckdb.connect() as connection:
        for table in TABLES:
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{files / table}.parquet'")
        yield connection


@pytest.fixture(scope="module")
def execute(aws) -> Callable[..., Answer]:
    """Executes a statement in a database."""
    aws("s3").create_bucket(Bucket=BUCKET)
    athena = aws("athena")

    def run(sql: str, database: str = "default") -> Answer:
        number = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": database},
            ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"},
        )["QueryExecutionId"]
        while True:
            status = athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]["Status"]
            if status["State"] not in {"QUEUED", "RUNNING"}:
                break
            time.sleep(0.05)
        assert status["State"] == "SUCCEEDED", status["StateChangeReason"]
        types: list[tuple[str, int]] = []
        rows: list[Row] = []
        for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=number):
            types = [(one["Type"], one["Scale"]) for one in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
            rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
        return Answer(types, rows[1:])

    return run


@pytest.fixture(scope="module")
def databases(files, plain, execute, aws) -> dict[str, str]:
    """The tables twice: of Hive over the files, and of Iceberg made from those."""
    execute("CREATE DATABASE tpch_hive")
    execute("CREATE DATABASE tpch_iceberg")
    for table in TABLES:
        aws("s3").upload_file(str(files / f"{table}.parquet"), BUCKET, f"hive/{table}/{table}.parquet")
        described = plain.execute(f"DESCRIBE {table}").fetchall()
        columns = ", ".join(f"{name} {_hive_type(kind)}" for name, kind, *_ in described)
        execute(
            f"CREATE EXTERNAL TABLE {table} ({columns}) STORED AS PARQUET LOCATION 's3://{BUCKET}/hive/{table}/'",
            "tpch_hive",
        )
        execute(
            f"CREATE TABLE {table} WITH (table_type = 'ICEBERG', is_external = false, "
            f"location = 's3://{BUCKET}/iceberg/{table}/') AS SELECT * FROM tpch_hive.{table}",
            "tpch_iceberg",
        )
    return {"hive": "tpch_hive", "iceberg": "tpch_iceberg"}


def _hive_type(kind: str) -> str:
    return {"VARCHAR": "string", "INTEGER": "int"}.get(kind, kind.lower())


def as_duckdb_writes_it(sql: str) -> str:
    """The query with averages of decimals as decimals, which to Athena they are."""
    return re.sub(r"\bavg\((\w+)\)", r"cast(avg(\1) AS DECIMAL(15,2))", sql)


def assert_same(cell: str | None, kind: tuple[str, int], value: Any) -> None:
    """Compare a cell; where only Athena has a decimal, DuckDB's double may differ in its last digit."""
    if cell is None or value is None:
        assert cell is value
    elif kind[0] == "decimal":
        rounding = Decimal(1).scaleb(-kind[1]) if isinstance(value, float) else Decimal(0)
        assert abs(Decimal(cell) - Decimal(str(value))) <= rounding
    elif kind[0] == "double":
        assert float(cell) == pytest.approx(float(value), rel=1e-9)
    elif isinstance(value, date):
        assert date.fromisoformat(cell) == value
    else:
        assert cell == str(value)


def test_there_are_all_of_its_queries():
    assert [query.stem for query in QUERIES] == [f"q{number:02}" for number in range(1, 23)]


@pytest.mark.parametrize("kind", ["hive", "iceberg"])
def test_a_table_has_all_rows(databases, execute, plain, kind):
    for table in TABLES:
        expected = plain.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert execute(f"SELECT count(*) FROM {table}", databases[kind]).rows == [[str(expected[0])]]


@pytest.mark.parametrize("kind", ["hive", "iceberg"])
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.stem)
def test_a_query_has_the_answer_of_duckdb(databases, execute, plain, kind, query):
    sql = query.read_text()
    expected = plain.execute(as_duckdb_writes_it(sql)).fetchall()
    found = execute(sql, databases[kind])
    assert expected
    assert len(found.rows) == len(expected)
    for row, values in zip(found.rows, expected, strict=True):
        for cell, one, value in zip(row, found.types, values, strict=True):
            assert_same(cell, one, value)
