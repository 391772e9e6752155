"""Clients of Athena beside boto3, and the forms in which they send statements."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal

import awswrangler as wr
import boto3
import pandas as pd
import pytest
import sqlalchemy
from botocore.exceptions import ClientError
from pyathena import connect
from pyathena.pandas.cursor import PandasCursor


@pytest.fixture(scope="module")
def variables(endpoint):
    """What clients find in the environment of the endpoint's users."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in endpoint.environment().items():
            patched.setenv(name, value)
        yield


@pytest.fixture
def session(variables):
    return boto3.Session()


@pytest.fixture(scope="module")
def people(sql):
    sql.run(
        f"CREATE TABLE people WITH (format = 'PARQUET', external_location = '{sql.location('people')}') AS "
        "SELECT * FROM (VALUES (1, 'Ann', decimal '1.50', date '2024-01-02', timestamp '2024-01-02 03:04:05.678', "
        "true, 0.5e0), (2, 'it''s', NULL, NULL, NULL, false, NULL), (3, '', decimal '2.25', date '1999-12-31', "
        "timestamp '1999-12-31 23:59:59', NULL, 1e300)) t(id, name, money, day, moment, flag, number)"
    )
    return "people"


# --- PyAthena ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pyathena(sql, variables):
    with connect(
        s3_staging_dir=f"s3://{sql.bucket}/pyathena/", schema_name=sql.database, poll_interval=0.05
    ) as connection:
        yield connection


def test_pyathenas_cursor(pyathena, people):
    cursor = pyathena.cursor()
    cursor.execute(f"SELECT * FROM {people} ORDER BY id")
    assert [one[0] for one in cursor.description] == ["id", "name", "money", "day", "moment", "flag", "number"]
    assert cursor.fetchone() == (
        1, "Ann", Decimal("1.50"), date(2024, 1, 2), datetime.fromisoformat("2024-01-02 03:04:05.678"), True, 0.5,
    )  # fmt: skip
    second, third = cursor.fetchall()
    assert second == (2, "it's", None, None, None, False, None)
    assert third[1] == ""
    assert third[6] == 1e300
    cursor.execute("SHOW TABLES")
    assert ("people",) in cursor.fetchall()


def test_pyathenas_parameters(pyathena, people):
    cursor = pyathena.cursor()
    cursor.execute(f"SELECT id FROM {people} WHERE name = %(name)s AND id IN %(ids)s", {"name": "it's", "ids": [1, 2]})
    assert cursor.fetchall() == [(2,)]
    cursor.execute(
        f"SELECT id FROM {people} WHERE name = ? OR id = ? ORDER BY id", ["'it''s'", "3"], paramstyle="qmark"
    )
    assert cursor.fetchall() == [(2,), (3,)]
    cursor.execute(f"SELECT %(day)s FROM {people} WHERE day = %(day)s", {"day": date(2024, 1, 2)})
    assert cursor.fetchall() == [(date(2024, 1, 2),)]


def test_pyathenas_pages(pyathena):
    cursor = pyathena.cursor(arraysize=100)
    cursor.execute("SELECT x FROM UNNEST(sequence(1, 2345)) t(x) ORDER BY x")
    assert [row[0] for row in cursor] == list(range(1, 2346))


def test_pyathenas_failures(pyathena):
    with pytest.raises(Exception, match="COLUMN_NOT_FOUND"):
        pyathena.cursor().execute("SELECT nope")


def test_pyathenas_pandas_cursor(pyathena, people):
    cursor = pyathena.cursor(PandasCursor)
    frame = cursor.execute(f"SELECT * FROM {people} ORDER BY id").as_pandas()
    assert frame["id"].tolist() == [1, 2, 3]
    assert frame["moment"][0] == pd.Timestamp("2024-01-02 03:04:05.678")
    # Pandas takes an empty text of a CSV for a missing one.
    assert frame["name"].tolist()[:2] == ["Ann", "it's"]
    assert frame["flag"].tolist()[:2] == [True, False]


def test_sqlalchemy(sql, variables, people):
    region = boto3.Session().region_name
    url = (
        f"awsathena+rest://@athena.{region}.amazonaws.com:443/{sql.database}"
        f"?s3_staging_dir=s3://{sql.bucket}/sqlalchemy/&poll_interval=0.05"
    )
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(
            sqlalchemy.text(f"SELECT name FROM {people} WHERE id = :id").bindparams(id=2)
        ).scalar_one()
        assert found == "it's"
        table = sqlalchemy.Table(people, sqlalchemy.MetaData(), autoload_with=connection)
        assert [column.name for column in table.columns][:3] == ["id", "name", "money"]
        query = sqlalchemy.select(sqlalchemy.func.count()).select_from(table).where(table.c.money > Decimal("2.0"))
        assert connection.execute(query).scalar_one() == 1
        assert people in sqlalchemy.inspect(connection).get_table_names(schema=sql.database)


# --- awswrangler ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["plain", "ctas", "unload"])
def test_wranglers_queries(sql, session, people, how):
    options = {"ctas_approach": how == "ctas", "unload_approach": how == "unload"}
    if how != "plain":
        options["s3_output"] = f"s3://{sql.bucket}/wrangler-{uuid.uuid4().hex}/"
    else:
        options["s3_output"] = f"s3://{sql.bucket}/wrangler/"
    frame = wr.athena.read_sql_query(
        f"SELECT * FROM {people} ORDER BY id", database=sql.database, boto3_session=session, **options
    )
    frame = frame.sort_values("id", ignore_index=True)
    assert frame["id"].tolist() == [1, 2, 3]
    assert frame["name"].tolist()[:2] == ["Ann", "it's"]
    assert frame["money"].tolist()[::2] == [Decimal("1.50"), Decimal("2.25")]
    assert frame["moment"][2] == pd.Timestamp("1999-12-31 23:59:59")
    assert frame["flag"].isna().tolist() == [False, False, True]
    assert frame["day"][0] == date(2024, 1, 2)


def test_wranglers_tables(sql, session, people):
    frame = wr.athena.read_sql_table(
        people, database=sql.database, s3_output=f"s3://{sql.bucket}/wrangler-{uuid.uuid4().hex}/",
        boto3_session=session,
    )  # fmt: skip
    assert len(frame) == 3
    described = wr.athena.describe_table(
        people, database=sql.database, s3_output=f"s3://{sql.bucket}/wrangler/", boto3_session=session
    )
    assert described["Column Name"].tolist() == ["id", "name", "money", "day", "moment", "flag", "number"]
    # The literals' own types; CREATE TABLE AS has varchar where Hive says string.
    assert described["Type"].tolist()[2:] == ["decimal(3,2)", "date", "timestamp", "boolean", "double"]
    assert not any(described["Partition"])
    shown = wr.athena.show_create_table(
        people, database=sql.database, s3_output=f"s3://{sql.bucket}/wrangler/", boto3_session=session
    )
    assert shown.startswith("CREATE EXTERNAL TABLE `")


def test_wranglers_start_and_wait(sql, session):
    found = wr.athena.start_query_execution(
        "SELECT 1", database=sql.database, s3_output=f"s3://{sql.bucket}/wrangler/", wait=True, boto3_session=session
    )
    assert found["Status"]["State"] == "SUCCEEDED"


def test_wranglers_iceberg_tables(sql, session, table):
    frame = pd.DataFrame({"id": [1, 2], "name": ["a", "b"], "day": [date(2024, 1, 1), date(2024, 1, 2)]})
    options = {
        "database": sql.database, "table": table, "table_location": f"s3://{sql.bucket}/{table}/",
        "temp_path": f"s3://{sql.bucket}/temp-{table}/", "s3_output": f"s3://{sql.bucket}/wrangler/",
        "boto3_session": session,
    }  # fmt: skip
    wr.athena.to_iceberg(frame, partition_cols=["day"], **options)
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [("1", "a", "2024-01-01"), ("2", "b", "2024-01-02")]
    more = pd.DataFrame({"id": [2, 3], "name": ["B", "c"], "day": [date(2024, 1, 2), date(2024, 1, 3)]})
    options["temp_path"] += "2/"
    wr.athena.to_iceberg(more, merge_cols=["id"], **options)
    assert sql.rows(f"SELECT id, name FROM {table} ORDER BY id") == [("1", "a"), ("2", "B"), ("3", "c")]
    wr.athena.delete_from_iceberg_table(
        df=pd.DataFrame({"id": [1]}), database=sql.database, table=table, merge_cols=["id"],
        temp_path=f"s3://{sql.bucket}/temp-{table}/3/", s3_output=f"s3://{sql.bucket}/wrangler/",
        keep_files=False, boto3_session=session,
    )  # fmt: skip
    assert sql.rows(f"SELECT id FROM {table} ORDER BY id") == [("2",), ("3",)]


def test_wranglers_own_parquet(sql, session, table):
    frame = pd.DataFrame({"Id": [1, 2], "p": ["x", "y"], "tags": [["a"], []]})
    wr.s3.to_parquet(
        frame, path=f"s3://{sql.bucket}/{table}/", dataset=True, database=sql.database, table=table,
        partition_cols=["p"], boto3_session=session,
    )  # fmt: skip
    assert sql.rows(f"SELECT id, tags, p FROM {table} ORDER BY id") == [("1", "[a]", "x"), ("2", "[]", "y")]
    wr.s3.to_parquet(
        pd.DataFrame({"id": [3], "more": [1.5], "p": ["x"], "tags": [["b"]]}), path=f"s3://{sql.bucket}/{table}/",
        dataset=True, mode="append", database=sql.database, table=table, partition_cols=["p"], boto3_session=session,
    )  # fmt: skip
    assert sql.rows(f"SELECT id, more, p FROM {table} ORDER BY id") == [
        ("1", None, "x"), ("2", None, "y"), ("3", "1.5", "x"),
    ]  # fmt: skip


# --- parameters and prepared statements -------------------------------------------------------------------------------


def test_parameters_of_an_execution(sql, people):
    query = f"SELECT id, ? AS said, '?' AS quoted FROM {people} WHERE name = ? -- why?"
    answered = sql.run(query, ExecutionParameters=["'so?'", "'it''s'"])
    assert answered.rows == [("2", "so?", "?")]
    assert answered.execution["ExecutionParameters"] == ["'so?'", "'it''s'"]
    assert "expected 2 but found 1" in sql.fails(query, ExecutionParameters=["'it''s'"])


def test_prepared_statements_of_sql_and_api_are_the_same(sql, people, table):
    one, two = f"{table}_a", f"{table}_b"
    sql.run(f"PREPARE {one} FROM SELECT name FROM {people} WHERE id = ? AND flag = ?")
    found = sql.athena.get_prepared_statement(StatementName=one, WorkGroup="primary")["PreparedStatement"]
    assert found["QueryStatement"] == f"SELECT name FROM {people} WHERE id = ? AND flag = ?"
    assert sql.rows(f"EXECUTE {one} USING 1 + 1, false") == [("it's",)]
    assert sql.rows(f"EXECUTE {one}", ExecutionParameters=["2", "false"]) == [("it's",)]
    sql.athena.create_prepared_statement(
        StatementName=two, WorkGroup="primary", QueryStatement=f"SELECT count(*) FROM {people} WHERE name = ?"
    )
    assert sql.rows(f"EXECUTE {two} USING 'it''s'") == [("1",)]
    assert "expected 1 but found 0" in sql.fails(f"EXECUTE {two}")
    sql.run(f"PREPARE {one} FROM INSERT INTO nowhere VALUES (?)")
    assert "TABLE_NOT_FOUND" in sql.fails(f"EXECUTE {one} USING 1")
    sql.run(f"DEALLOCATE PREPARE {two}")
    with pytest.raises(ClientError):
        sql.athena.get_prepared_statement(StatementName=two, WorkGroup="primary")
    sql.athena.delete_prepared_statement(StatementName=one, WorkGroup="primary")
    assert "NOT_FOUND" in sql.fails(f"EXECUTE {one}")
    assert "NOT_FOUND" in sql.fails(f"DEALLOCATE PREPARE {one}")


# --- the Data Catalog through Athena ----------------------------------------------------------------------------------


def test_metadata_of_tables(sql, table):
    sql.run(f"CREATE TABLE {table} WITH (format = 'PARQUET', partitioned_by = ARRAY['p']) AS SELECT 1 AS a, 'x' AS p")
    names = {"CatalogName": "AwsDataCatalog", "DatabaseName": sql.database}
    found = sql.athena.get_table_metadata(**names, TableName=table)["TableMetadata"]
    assert [(one["Name"], one["Type"]) for one in found["Columns"]] == [("a", "int")]
    assert [one["Name"] for one in found["PartitionKeys"]] == ["p"]
    assert found["TableType"] == "EXTERNAL_TABLE"
    listed = sql.athena.list_table_metadata(**names, Expression=f"{table}.*")["TableMetadataList"]
    assert [one["Name"] for one in listed] == [table]
    for database, name in ((sql.database, "nobody"), ("nowhere", table)):
        with pytest.raises(ClientError) as caught:
            sql.athena.get_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=database, TableName=name)
        assert caught.value.response["Error"]["Code"] == "MetadataException"
