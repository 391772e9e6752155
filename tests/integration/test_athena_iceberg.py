"""Iceberg tables: what Athena's statements make of them is what PyIceberg reads, and the other way round."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import IntegerType, NestedField, StringType


@pytest.fixture(scope="module")
def catalog(endpoint, aws):
    """PyIceberg as another client of the same endpoint."""
    variables = endpoint.environment()
    return GlueCatalog(
        "glue",
        client=aws("glue"),
        **{
            "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
            "s3.endpoint": endpoint.url,
            "s3.access-key-id": variables["AWS_ACCESS_KEY_ID"],
            "s3.secret-access-key": variables["AWS_SECRET_ACCESS_KEY"],
            "s3.region": variables["AWS_DEFAULT_REGION"],
        },
    )


@pytest.fixture
def loaded(catalog, sql):
    """Loads a table as PyIceberg sees it."""
    return lambda name: catalog.load_table((sql.database, name))


def create(sql, table, query, partitioning=(), more=""):
    by = f", partitioning = ARRAY[{', '.join(repr(one) for one in partitioning)}]" if partitioning else ""
    return sql.run(
        f"CREATE TABLE {table} WITH (table_type = 'ICEBERG', is_external = false, "
        f"location = '{sql.location(table)}'{by}{more}) AS {query}"
    )


def snapshots(loaded, table):
    return len(loaded(table).snapshots())


# --- partitions -------------------------------------------------------------------------------------------------------

EVERYTHING = (
    "SELECT *, cast(f AS real) AS r FROM (VALUES "
    "(1, bigint '5', 'alpha', timestamp '1969-12-31 23:00:00.000001', date '1969-12-31', decimal '1.25', 0.5e0, "
    "x'0102', true), "
    "(2, bigint '-17', 'a/b %ü', timestamp '2024-02-29 12:34:56.789012', date '2024-02-29', decimal '-12.34', -1e30, "
    "x'5c', false), "
    "(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), "
    "(4, bigint '0', '', timestamp '2024-12-31 23:59:59.999999', date '2024-12-31', decimal '99.99', 1.5e0, "
    "x'ff00', true)) t(id, n, s, ts, d, m, f, b, y)"
)
TRANSFORMS = [
    *("n", "s", "d", "ts", "m", "y", "r", "b"),
    *("bucket(4, n)", "bucket(8, s)", "bucket(8, ts)", "bucket(8, d)", "bucket(4, m)", "bucket(4, b)", "bucket(3, id)"),
    *("truncate(10, n)", "truncate(3, s)", "truncate(100, m)", "truncate(2, id)"),
    *("year(ts)", "month(ts)", "day(ts)", "hour(ts)", "year(d)", "month(d)", "day(d)"),
]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_partition_values_are_icebergs_own(sql, loaded, table, transform):
    create(sql, table, EVERYTHING, [transform])
    found = loaded(table)
    (field,) = found.spec().fields
    source = found.schema().find_field(field.source_id)
    compute = field.transform.transform(source.field_type)
    expected = {}
    for row in found.scan().to_arrow().to_pylist():
        expected[row["id"]] = compute(_internal(row[source.name]))
    placed = {}
    for task in found.scan().plan_files():
        for (number,) in sql.rows(f"SELECT id FROM {table} WHERE \"$path\" = '{task.file.file_path}'"):
            placed[int(number)] = task.file.partition[0]
    assert placed == expected
    # What other readers leave out by partitions and bounds does not have the rows that they look for.
    everything = found.scan().to_arrow().to_pylist()
    for row in everything:
        value = row[source.name]
        if value is None or isinstance(value, bytes):
            continue
        wanted = value.isoformat() if isinstance(value, datetime | date) else value
        ids = found.scan(row_filter=EqualTo(source.name, wanted)).to_arrow()["id"].to_pylist()
        assert ids == [one["id"] for one in everything if one[source.name] == value]
        more = found.scan(row_filter=GreaterThanOrEqual(source.name, wanted)).to_arrow()["id"].to_pylist()
        assert sorted(more) == [
            one["id"] for one in sorted(everything, key=lambda one: one["id"])
            if one[source.name] is not None and one[source.name] >= value
        ]  # fmt: skip


def test_partitions_by_doubles_are_refused(sql, table):
    with pytest.raises(Exception, match="NOT_SUPPORTED: Partitioning an Iceberg table by a double"):
        create(sql, table, "SELECT 0.1e0 AS f", ["f"])


def _internal(value):
    if isinstance(value, datetime):
        return round((value - datetime(1970, 1, 1)) / timedelta(microseconds=1))  # noqa: DTZ001
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    return value


def test_a_text_that_is_the_name_of_hives_null_partition(sql, table):
    name = "__HIVE_DEFAULT_PARTITION__"
    create(sql, table, f"SELECT * FROM (VALUES (1, '{name}'), (2, NULL), (3, '')) t(id, s)", ["s"])
    assert sql.rows(f"SELECT id FROM {table} WHERE s = '{name}'") == [("1",)]
    assert sql.rows(f"SELECT id FROM {table} WHERE s IS NULL") == [("2",)]
    assert sql.rows(f"SELECT id FROM {table} WHERE s = ''") == [("3",)]


def test_partitions_prune_what_is_read(sql, table):
    create(
        sql, table,
        "SELECT x AS id, timestamp '2024-01-01 00:00:00.000000' + x * interval '1' hour AS ts, x % 3 AS k "
        "FROM UNNEST(sequence(0, 239)) t(x)",
        ["day(ts)", "bucket(7, k)"],
    )  # fmt: skip

    def scanned(condition):
        answered = sql.run(f"SELECT count(id) FROM {table} WHERE {condition}")
        return int(answered.rows[0][0]), answered.statistics["DataScannedInBytes"]

    whole = scanned("true")
    assert whole[0] == 240
    day = scanned("ts >= timestamp '2024-01-03 00:00:00' AND ts < timestamp '2024-01-04 00:00:00'")
    assert day[0] == 24
    assert day[1] <= scanned("ts > timestamp '1999-01-01 00:00:00'")[1] // 10 + 100
    assert scanned("ts BETWEEN date '2024-01-03' AND timestamp '2024-01-03 23:59:59.999'")[0] == 24
    one = scanned("k = 1")
    assert one[0] == 80
    assert one[1] < scanned("k >= 0")[1]
    assert scanned("k IS NULL") == (0, 0)


def test_one_hundred_partitions_and_no_more(sql, table):
    query = "SELECT x AS a FROM UNNEST(sequence(1, {count})) t(x)"
    create(sql, table, query.format(count=100), ["a"])
    assert sql.rows(f"SELECT count(*) FROM {table}") == [("100",)]
    with pytest.raises(Exception, match="TOO_MANY_OPEN_PARTITIONS"):
        create(sql, f"{table}_2", query.format(count=101), ["a"])
    assert sql.fails(f"SELECT * FROM {table}_2").startswith("TABLE_NOT_FOUND")


# --- types and rows ---------------------------------------------------------------------------------------------------


def test_every_type_is_written_and_read(sql, loaded, table):
    sql.run(
        f"CREATE TABLE {table} (b boolean, i int, l bigint, f float, x double, m decimal(38,10), d date, ts timestamp, "
        "s string, raw binary, a array<struct<k:int,v:array<string>>>, p map<string,struct<t:timestamp>>) "
        f"LOCATION '{sql.location(table)}' TBLPROPERTIES ('table_type' = 'ICEBERG')"
    )
    sql.run(
        f"INSERT INTO {table} VALUES (true, 1, 9223372036854775807, real '1.5', 1e300, "
        "decimal '1234567890123456789012345678.0123456789', date '0001-01-01', timestamp '2024-01-02 03:04:05.678', "
        "'ü', x'00ff', ARRAY[CAST(ROW(1, ARRAY['x', NULL]) AS ROW(k integer, v array(varchar)))], "
        "MAP(ARRAY['k'], ARRAY[CAST(ROW(timestamp '2024-01-01 00:00:00.000001') AS ROW(t timestamp(6)))])), "
        "(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    )
    first, second = sql.rows(f"SELECT * FROM {table} ORDER BY i NULLS LAST")
    assert first == (
        "true", "1", "9223372036854775807", "1.5", "1.0E300", "1234567890123456789012345678.0123456789", "0001-01-01",
        "2024-01-02 03:04:05.678000", "ü", "00 ff", "[{k=1, v=[x, null]}]", "{k={t=2024-01-01 00:00:00.000001}}",
    )  # fmt: skip
    assert set(second) == {None}
    row = next(one for one in loaded(table).scan().to_arrow().to_pylist() if one["i"] == 1)
    assert row["m"] == Decimal("1234567890123456789012345678.0123456789")
    assert row["a"] == [{"k": 1, "v": ["x", None]}]
    assert row["p"] == [("k", {"t": datetime(2024, 1, 1, 0, 0, 0, 1)})]  # noqa: DTZ001
    assert row["raw"] == b"\x00\xff"


def test_zoned_times_and_uuids(sql, loaded, table):
    number = uuid.uuid4()
    create(
        sql, table,
        "SELECT 1 AS id, cast(timestamp '2024-07-01 12:00:00.123456 Europe/Berlin' AS timestamp(6) with time zone) "
        f"AS z, uuid '{number}' AS u, time '01:02:03.000004' AS t",
        ["day(z)", "bucket(4, u)"],
    )  # fmt: skip
    ((zoned, held, moment),) = sql.rows(f"SELECT z, u, t FROM {table}")
    assert (zoned, held, moment) == ("2024-07-01 10:00:00.123456 UTC", str(number), "01:02:03.000004")
    (row,) = loaded(table).scan().to_arrow().to_pylist()
    assert row["u"] in (number, number.bytes)
    assert row["z"].isoformat() == "2024-07-01T10:00:00.123456+00:00"
    assert sql.rows(f"SELECT id FROM {table} WHERE z > timestamp '2024-07-01 11:00:00 Europe/Berlin'") == [("1",)]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT timestamp '2024-01-01 00:00:00' AS a", "timestamp(6)"),
        ("SELECT ARRAY[timestamp '2024-01-01 00:00:00'] AS a", "timestamp(6)"),
        ("SELECT tinyint '1' AS a", "tinyint"),
        ("SELECT smallint '1' AS a", "smallint"),
        ("SELECT cast('x' AS char(2)) AS a", "char(2)"),
        ("SELECT json '1' AS a", "json"),
        ("SELECT NULL AS a", "COLUMN_TYPE_UNKNOWN"),
    ],
)
def test_types_that_iceberg_has_not(sql, table, query, told):
    with pytest.raises(Exception, match=r"^(NOT_SUPPORTED|COLUMN_TYPE_UNKNOWN): ") as caught:
        create(sql, table, query)
    assert told in str(caught.value)


@pytest.mark.parametrize("version", ["1", "3"])
def test_versions_of_the_format_that_athena_has_not(sql, table, version):
    assert "v2 tables only" in sql.fails(
        f"CREATE TABLE {table} (a int) LOCATION '{sql.location(table)}' "
        f"TBLPROPERTIES ('table_type' = 'ICEBERG', 'format_version' = '{version}')"
    )
    with pytest.raises(Exception, match="v2 tables only"):
        create(sql, table, "SELECT 1 AS a", more=f", format_version = {version}")


def test_insert_with_some_columns(sql, loaded, table):
    create(sql, table, "SELECT 1 AS a, 'x' AS b, decimal '1.50' AS c, timestamp '2024-01-01 00:00:00.000000' AS ts")
    answered = sql.run(f"INSERT INTO {table} (ts, a) SELECT timestamp '2024-02-01 00:00:00.123', 2")
    assert answered.update_count == 1
    assert sql.run(f"INSERT INTO {table} (c) VALUES 2, 3").update_count == 2
    assert sql.rows(f"SELECT * FROM {table} ORDER BY a, c") == [
        ("1", "x", "1.50", "2024-01-01 00:00:00.000000"), ("2", None, None, "2024-02-01 00:00:00.123000"),
        (None, None, "2.00", None), (None, None, "3.00", None),
    ]  # fmt: skip
    assert snapshots(loaded, table) == 3
    for wrong in ("(a) SELECT 'x'", "SELECT 1", "(a) SELECT 1, 2", "(b) SELECT 1", "(ts) SELECT 1"):
        assert sql.fails(f"INSERT INTO {table} {wrong}").startswith("TYPE_MISMATCH")
    assert "nope" in sql.fails(f"INSERT INTO {table} (nope) SELECT 1")
    assert sql.fails(f"INSERT INTO {table} (c) SELECT 100000")
    assert snapshots(loaded, table) == 3
    assert sql.run(f"INSERT INTO {table} SELECT * FROM {table} WHERE false").update_count == 0


# --- changes ----------------------------------------------------------------------------------------------------------


def test_update_and_delete(sql, loaded, table):
    create(sql, table, "SELECT x AS id, cast(x AS varchar) AS s, x % 2 AS p FROM UNNEST(sequence(1, 6)) t(x)", ["p"])
    before = {task.file.file_path for task in loaded(table).scan().plan_files()}
    assert sql.run(f"UPDATE {table} SET s = s || '!', p = p + 10 WHERE id IN (2, 4) OR s IS NULL").update_count == 2
    assert snapshots(loaded, table) == 2
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ("1", "1", "1"), ("2", "2!", "10"), ("3", "3", "1"), ("4", "4!", "10"), ("5", "5", "1"), ("6", "6", "0"),
    ]  # fmt: skip
    # A file without such rows stays.
    assert len(before & {task.file.file_path for task in loaded(table).scan().plan_files()}) == 1
    assert sql.run(f"DELETE FROM {table} WHERE id > 100").update_count == 0
    assert sql.run(f"UPDATE {table} SET s = NULL WHERE NULL").update_count == 0
    assert snapshots(loaded, table) == 2
    assert sql.run(f"UPDATE {table} SET s = NULL WHERE id = 1").update_count == 1
    # An unknown condition deletes nothing.
    assert sql.run(f"DELETE FROM {table} WHERE s <> '3'").update_count == 4
    assert sql.rows(f"SELECT id, s FROM {table} ORDER BY id") == [("1", None), ("3", "3")]
    assert sql.run(f"DELETE FROM {table} WHERE id IN (SELECT max(id) FROM {table})").update_count == 1
    assert sql.run(f"DELETE FROM {table}").update_count == 1
    assert sql.rows(f"SELECT * FROM {table}") == []
    assert sql.fails(f"UPDATE {table} SET nope = 1").startswith("COLUMN_NOT_FOUND")
    assert sql.fails(f"UPDATE {table} SET id = 'x'").startswith("TYPE_MISMATCH")
    assert sql.run(f"INSERT INTO {table} VALUES (1, 'a', 1)").update_count == 1
    assert len(loaded(table).scan().to_arrow()) == 1


def test_merge_with_several_clauses(sql, loaded, table):
    create(
        sql, table,
        "SELECT * FROM (VALUES (1, 'keep', 1), (2, 'update', 1), (3, 'delete', 2), (4, 'null', 2), (5, 'odd', NULL)) "
        "t(id, s, n)",
        ["bucket(4, id)"],
    )  # fmt: skip
    answered = sql.run(
        f"MERGE INTO {table} t USING (WITH x AS (SELECT * FROM (VALUES (2, 'new', 5), (3, 'gone', 0), "
        "(4, NULL, NULL), (6, 'six', 6), (7, 'seven', NULL), (8, NULL, 8), (NULL, 'none', 9)) v(id, s, n)) "
        "SELECT * FROM x) s ON t.id = s.id "
        "WHEN MATCHED AND s.s = 'gone' THEN DELETE "
        "WHEN MATCHED AND s.n > 1 THEN UPDATE SET s = s.s, n = t.n + s.n "
        "WHEN NOT MATCHED AND s.n > 6 THEN INSERT (id, s) VALUES (s.id, 'big') "
        "WHEN NOT MATCHED AND s.s IS NOT NULL THEN INSERT VALUES (s.id, s.s, coalesce(s.n, -1))"
    )
    assert answered.update_count == 6
    assert snapshots(loaded, table) == 2
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id, s") == [
        ("1", "keep", "1"), ("2", "new", "6"), ("4", "null", "2"), ("5", "odd", None), ("6", "six", "6"),
        ("7", "seven", "-1"), ("8", "big", None), (None, "big", None),
    ]  # fmt: skip


def test_merge_whose_source_matches_twice(sql, loaded, table):
    create(sql, table, "SELECT 1 AS id, 'a' AS s")
    source = "(SELECT * FROM (VALUES (1, 'x'), (1, 'y')) v(id, s)) s ON t.id = s.id"
    assert "One MERGE target table row matched more than one source row" in sql.fails(
        f"MERGE INTO {table} t USING {source} WHEN MATCHED THEN UPDATE SET s = s.s"
    )
    # Rows of the source that no clause takes do not count, and leave no second row behind.
    assert (
        sql.run(f"MERGE INTO {table} t USING {source} WHEN MATCHED AND s.s = 'x' THEN UPDATE SET s = s.s").update_count
        == 1
    )
    assert sql.rows(f"SELECT * FROM {table}") == [("1", "x")]
    # Those that are not matched come in however often they are there.
    assert (
        sql.run(
            f"MERGE INTO {table} t USING (SELECT * FROM (VALUES 5, 5) v(id)) s ON t.id = s.id "
            "WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)"
        ).update_count
        == 2
    )
    assert snapshots(loaded, table) == 3


def test_merge_of_a_table_and_on_other_conditions(sql, table):
    create(sql, table, "SELECT x AS low, x + 10 AS high, 0 AS hits FROM UNNEST(ARRAY[0, 20, 40]) t(x)")
    create(sql, f"{table}_s", "SELECT 5 AS v UNION ALL SELECT 45 UNION ALL SELECT 99")
    merged = sql.run(
        f"MERGE INTO {table} USING {table}_s AS s ON s.v BETWEEN {table}.low AND {table}.high "
        "WHEN MATCHED THEN UPDATE SET hits = hits + 1 WHEN NOT MATCHED THEN INSERT VALUES (s.v, s.v, -1)"
    )
    assert merged.update_count == 3
    assert sql.rows(f"SELECT low, hits FROM {table} ORDER BY 1") == [("0", "1"), ("20", "0"), ("40", "1"), ("99", "-1")]
    assert sql.fails(f"MERGE INTO {table} USING nowhere s ON true WHEN MATCHED THEN DELETE").startswith(
        "TABLE_NOT_FOUND"
    )
    assert sql.fails(
        f"MERGE INTO {table} t USING {table}_s s ON t.low = s.v WHEN MATCHED THEN UPDATE SET hits = 'x'"
    ).startswith("TYPE_MISMATCH")


# --- schemas and versions ---------------------------------------------------------------------------------------------


def test_columns_evolve_and_old_versions_keep_theirs(sql, loaded, table):
    create(sql, table, "SELECT 1 AS id, 'a' AS name, real '1.5' AS f, decimal '1.5' AS d")
    first = loaded(table).current_snapshot().snapshot_id
    sql.run(f"ALTER TABLE {table} ADD COLUMNS (later string COMMENT 'told', n int)")
    sql.run(f"ALTER TABLE {table} CHANGE COLUMN id number bigint")
    sql.run(f"ALTER TABLE {table} CHANGE COLUMN f f double AFTER n")
    sql.run(f"ALTER TABLE {table} CHANGE COLUMN d d decimal(20, 1) FIRST")
    sql.run(f"INSERT INTO {table} VALUES (2.5, 4000000000, 'b', 'x', 7, 2.5)")
    answered = sql.run(f"SELECT * FROM {table} ORDER BY number")
    assert answered.names == ["d", "number", "name", "later", "n", "f"]
    assert answered.rows == [("1.5", "1", "a", None, None, "1.5"), ("2.5", "4000000000", "b", "x", "7", "2.5")]
    assert sql.rows(f"SELECT name FROM {table} WHERE number = 1 AND f = 1.5") == [("a",)]
    sql.run(f"ALTER TABLE {table} DROP COLUMN name")
    sql.run(f"ALTER TABLE {table} ADD COLUMNS (name int)")
    assert sql.rows(f"SELECT number, name FROM {table} ORDER BY 1") == [("1", None), ("4000000000", None)]
    old = sql.run(f"SELECT * FROM {table} FOR VERSION AS OF {first} WHERE id = 1 AND name = 'a'")
    assert old.names == ["id", "name", "f", "d"]
    assert old.rows == [("1", "a", "1.5", "1.5")]
    for wrong in ("CHANGE COLUMN number number int", "CHANGE COLUMN number x string", "DROP COLUMN nope"):
        assert sql.fails(f"ALTER TABLE {table} {wrong}")
    assert sql.fails(f"ALTER TABLE {table} ADD COLUMNS (n int)").startswith("DUPLICATE_COLUMN_NAME")
    described = dict(row[0].split("\t")[:2] for row in sql.rows(f"DESCRIBE {table}") if row[0].count("\t") >= 2)
    assert {key.strip(): value.strip() for key, value in described.items()}["number"] == "bigint"


def test_time_travel(sql, loaded, table):
    create(sql, table, "SELECT 1 AS a")
    first = loaded(table).current_snapshot()
    time.sleep(0.01)
    sql.run(f"INSERT INTO {table} SELECT 2")
    second = loaded(table).current_snapshot()
    loaded(table).manage_snapshots().create_tag(first.snapshot_id, "begin").commit()

    def count(version):
        return int(sql.rows(f"SELECT count(*) FROM {table} FOR {version}")[0][0])

    assert count(f"VERSION AS OF {first.snapshot_id}") == 1
    assert count(f"VERSION AS OF {second.snapshot_id}") == 2
    assert count("VERSION AS OF 'begin'") == 1
    moment = datetime.utcfromtimestamp(first.timestamp_ms / 1000)  # noqa: DTZ004
    text = moment.isoformat(sep=" ", timespec="milliseconds")
    assert count(f"TIMESTAMP AS OF timestamp '{text} UTC'") == 1
    there = (moment + timedelta(hours=9)).isoformat(sep=" ", timespec="milliseconds")
    assert count(f"TIMESTAMP AS OF timestamp '{there} Asia/Tokyo'") == 1
    assert count(f"TIMESTAMP AS OF timestamp '{text}'") == 1
    assert count("TIMESTAMP AS OF current_timestamp") == 2
    assert count("TIMESTAMP AS OF (current_timestamp - interval '0' second)") == 2
    assert sql.rows(
        f"SELECT count(*) FROM {table} FOR VERSION AS OF {first.snapshot_id} a JOIN {table} b ON a.a = b.a"
    ) == [("1",)]
    for wrong in (
        "VERSION AS OF 12345",
        "VERSION AS OF 'nobody'",
        "TIMESTAMP AS OF timestamp '1999-01-01 00:00:00 UTC'",
    ):
        assert sql.fails(f"SELECT * FROM {table} FOR {wrong}").startswith("INVALID_ARGUMENTS")
    assert sql.fails(f"SELECT * FROM {table} FOR TIMESTAMP AS OF 5")


def test_metadata_tables_are_as_pyiceberg_inspects_them(sql, loaded, table):
    create(sql, table, "SELECT x AS id, x % 2 AS p FROM UNNEST(sequence(1, 4)) t(x)", ["p"])
    sql.run(f"DELETE FROM {table} WHERE id = 1")
    inspect = loaded(table).inspect

    def rows(name, columns):
        return sorted(sql.rows(f'SELECT {columns} FROM "{table}${name}"'))

    def told(found, *names):
        return sorted(
            tuple(None if row[name] is None else str(row[name]) for name in names) for row in found.to_pylist()
        )

    assert rows("snapshots", "snapshot_id, parent_id, operation, manifest_list") == told(
        inspect.snapshots(), "snapshot_id", "parent_id", "operation", "manifest_list"
    )
    assert rows("files", "file_path, record_count, file_size_in_bytes") == told(
        inspect.files(), "file_path", "record_count", "file_size_in_bytes"
    )
    assert rows("manifests", "path, length, added_data_files_count") == told(
        inspect.manifests(), "path", "length", "added_data_files_count"
    )
    assert rows("refs", "name, type, snapshot_id") == told(inspect.refs(), "name", "type", "snapshot_id")
    assert rows("history", "snapshot_id, parent_id") == told(inspect.history(), "snapshot_id", "parent_id")
    assert rows("partitions", "partition.p, record_count, file_count") == sorted(
        (str(row["partition"]["p"]), str(row["record_count"]), str(row["file_count"]))
        for row in inspect.partitions().to_pylist()
    )
    assert sql.fails(f'SELECT * FROM "{table}$nothing"').startswith("TABLE_NOT_FOUND")


# --- tables that others write -----------------------------------------------------------------------------------------


def test_a_table_of_pyicebergs(sql, catalog, table):
    schema = Schema(
        NestedField(1, "Id", IntegerType(), required=True), NestedField(2, "Mixed Case", StringType(), required=False)
    )
    spec = PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "Id"))
    made = catalog.create_table((sql.database, table), schema, f"s3://{sql.bucket}/{table}", spec)
    arrow = pa.schema([pa.field("Id", pa.int32(), nullable=False), pa.field("Mixed Case", pa.string())])
    made.append(pa.table({"Id": [1, 2], "Mixed Case": ["a", "b"]}, schema=arrow))
    assert sql.rows(f'SELECT id, "mixed case" FROM {table} WHERE ID = 2') == [("2", "b")]
    sql.run(f"INSERT INTO {table} VALUES (3, 'c')")
    assert "NULL value not allowed" in sql.fails(f"INSERT INTO {table} VALUES (NULL, 'c')")
    sql.run(f"UPDATE {table} SET \"mixed case\" = 'B' WHERE id = 2")
    sql.run(
        f"MERGE INTO {table} t USING (VALUES (1, 'A'), (4, 'D')) s(id, v) ON t.id = s.id "
        'WHEN MATCHED THEN UPDATE SET "mixed case" = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)'
    )
    made.refresh()
    assert sorted(map(tuple, (row.values() for row in made.scan().to_arrow().to_pylist()))) == [
        (1, "A"), (2, "B"), (3, "c"), (4, "D"),
    ]  # fmt: skip


def test_a_table_whose_partitions_changed(sql, loaded, table):
    create(sql, table, "SELECT x AS id, x % 2 AS p FROM UNNEST(sequence(1, 4)) t(x)", ["p"])
    with loaded(table).update_spec() as update:
        update.remove_field("p")
        update.add_field("id", "bucket[2]", "id_bucket")
    sql.run(f"INSERT INTO {table} SELECT 5, 1")
    assert sql.rows(f"SELECT id FROM {table} WHERE p = 1 ORDER BY id") == [("1",), ("3",), ("5",)]
    assert sql.run(f"UPDATE {table} SET p = 9 WHERE id IN (1, 5)").update_count == 2
    assert sql.run(f"DELETE FROM {table} WHERE id = 2").update_count == 1
    expected = [("1", "9"), ("3", "1"), ("4", "0"), ("5", "9")]
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == expected
    assert sql.rows(f'SELECT sum(record_count) FROM "{table}$partitions"') == [("4",)]
    sql.run(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK")
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == expected
    assert len(loaded(table).scan().to_arrow()) == 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ADD COLUMNS (z tinyint)", "tinyint"),
        ("SET TBLPROPERTIES ('format-version' = '3')", "v2 tables only"),
        ("REPLACE COLUMNS (id int, other string)", "REPLACE COLUMNS"),
        ("SET LOCATION 's3://x/y'", "SET LOCATION"),
        ("ADD PARTITION (id = 1)", "PARTITION"),
    ],
)
def test_changes_that_iceberg_tables_have_not(sql, table, change, told):
    create(sql, table, "SELECT 1 AS id, 'x' AS s")
    assert told in sql.fails(f"ALTER TABLE {table} {change}")
    assert sql.rows(f"SELECT * FROM {table}") == [("1", "x")]


# --- keeping tables small ---------------------------------------------------------------------------------------------


def test_optimize(sql, loaded, table):
    create(sql, table, "SELECT 0 AS id, 0 AS p", ["p"])
    for number in range(1, 5):
        sql.run(f"INSERT INTO {table} VALUES ({number}, {number % 2})")
    rows = sql.rows(f"SELECT * FROM {table} ORDER BY id")
    before = snapshots(loaded, table)

    def files():
        return Counter(task.file.partition[0] for task in loaded(table).scan().plan_files())

    assert files() == {0: 3, 1: 2}
    sql.run(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK WHERE p = 1")
    assert files() == {0: 3, 1: 1}
    assert "partition" in sql.fails(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK WHERE id = 1")
    sql.run(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK")
    assert files() == {0: 1, 1: 1}
    assert snapshots(loaded, table) == before + 2
    sql.run(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK")
    assert snapshots(loaded, table) == before + 2
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == rows


def test_vacuum(sql, loaded, table):
    create(sql, table, "SELECT 1 AS a")
    sql.run(f"UPDATE {table} SET a = 2")
    sql.put(f"{table}/data/orphan.parquet", b"x")
    sql.run(f"VACUUM {table}")
    # Both are too young to go.
    assert snapshots(loaded, table) == 2
    assert f"{table}/data/orphan.parquet" in sql.keys(f"{table}/data/")
    sql.run(f"ALTER TABLE {table} SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds' = '1')")
    time.sleep(1.2)
    sql.run(f"VACUUM {table}")
    assert snapshots(loaded, table) == 1
    assert len(sql.keys(f"{table}/data/")) == 1
    assert sql.rows(f"SELECT * FROM {table}") == [("2",)]
    assert len(loaded(table).scan().to_arrow()) == 1
    for number in range(3):
        sql.run(f"INSERT INTO {table} SELECT {number}")
    sql.run(f"ALTER TABLE {table} SET TBLPROPERTIES ('vacuum_min_snapshots_to_keep' = '3')")
    time.sleep(1.2)
    sql.run(f"VACUUM {table}")
    assert snapshots(loaded, table) == 3


def test_dropping_a_table_removes_its_files(sql, table):
    create(sql, table, "SELECT 1 AS a")
    assert sql.keys(f"{table}/")
    sql.run(f"DROP TABLE {table}")
    assert sql.keys(f"{table}/") == []
    sql.run(f"DROP TABLE IF EXISTS {table}")
    assert "not found" in sql.fails(f"DROP TABLE {table}").lower()


# --- views ------------------------------------------------------------------------------------------------------------


def test_views(sql, table):
    create(sql, table, "SELECT 1 AS a, 'x' AS b")
    other = f"{sql.database}_2"
    sql.run(f"CREATE DATABASE {other}")
    sql.run(f"CREATE VIEW {table}_v AS SELECT a, b AS bb FROM {table}")
    # A view's own names are those of where it was made.
    sql.run(f"CREATE VIEW {other}.w AS SELECT a + 1 AS n, bb FROM {sql.database}.{table}_v")
    elsewhere = {"QueryExecutionContext": {"Database": other}}
    assert sql.rows(f"SELECT * FROM {sql.database}.{table}_v JOIN w ON true", **elsewhere) == [("1", "x", "2", "x")]
    assert sql.fails(f"CREATE VIEW {table}_v AS SELECT 1 AS a").startswith("TABLE_ALREADY_EXISTS")
    sql.run(f"CREATE OR REPLACE VIEW {table}_v AS SELECT a * 2 AS a, b AS bb FROM {table}")
    assert sql.rows("SELECT n FROM w", **elsewhere) == [("3",)]
    sql.run(f"CREATE OR REPLACE VIEW {table}_v AS SELECT b AS bb FROM {table}")
    assert sql.fails("SELECT n FROM w", **elsewhere)
    shown = sql.rows(f"SHOW CREATE VIEW {table}_v")
    assert "CREATE VIEW" in shown[0][0]
    assert f"SELECT b AS bb FROM {table}" in "\n".join(row[0] for row in shown)
    assert (f"{table}_v",) in sql.rows("SHOW VIEWS")
    sql.run(f"CREATE VIEW {table}_loop AS SELECT 1 AS a")
    sql.run(f"CREATE OR REPLACE VIEW {table}_loop AS SELECT a FROM {table}_loop")
    assert sql.fails(f"SELECT * FROM {table}_loop").startswith("VIEW_IS_RECURSIVE")
    for wrong in (f"INSERT INTO {table}_v SELECT 'x'", f"DELETE FROM {table}_v", f"DROP TABLE {table}_v"):
        assert sql.fails(wrong).startswith("NOT_SUPPORTED")
    sql.run(f"DROP VIEW {table}_v")
    assert sql.fails(f"SELECT * FROM {table}_v").startswith("TABLE_NOT_FOUND")
    sql.run(f"DROP DATABASE {other} CASCADE")


# --- SHOW and DESCRIBE ------------------------------------------------------------------------------------------------


def test_what_is_shown_of_a_table(sql, table):
    create(
        sql,
        table,
        "SELECT 1 AS id, 'x' AS s, timestamp '2024-01-01 00:00:00.000000' AS ts",
        ["bucket(4, id)", "day(ts)"],
    )
    shown = "\n".join(row[0] for row in sql.rows(f"SHOW CREATE TABLE {table}"))
    assert shown.startswith(f"CREATE TABLE {sql.database}.{table} (\n  `id` int,")
    assert "PARTITIONED BY (bucket(4, `id`), day(`ts`))" in shown
    assert "'table_type'='iceberg'" in shown
    # What is shown makes the same table again.
    sql.run(f"DROP TABLE {table}")
    sql.run(shown)
    assert "\n".join(row[0] for row in sql.rows(f"SHOW CREATE TABLE {table}")) == shown
    assert [row[0].strip() for row in sql.rows(f"SHOW COLUMNS IN {table}")] == ["id", "s", "ts"]
    assert sql.rows(f"SHOW TABLES '{table}'") == [(table,)]
    assert sql.rows(f"SHOW TABLES IN {sql.database} '{table[:-2]}*'") == [(table,)]
    assert (sql.database,) in sql.rows("SHOW DATABASES LIKE 'sql_*'")
    lines = [row[0].split("\t") for row in sql.rows(f"DESCRIBE {table}")]
    assert ["id", "int", ""] in [[cell.strip() for cell in line] for line in lines]
    found = dict(row[0].split("\t") for row in sql.rows(f"SHOW TBLPROPERTIES {table}"))
    assert found["write.parquet.compression-codec"] == "zstd"
    assert sql.fails("DESCRIBE nowhere").startswith("TABLE_NOT_FOUND")


def test_information_schema(sql, table):
    create(sql, table, "SELECT 1 AS id, decimal '1.5' AS d, timestamp '2024-01-01 00:00:00.000000' AS ts")
    assert sql.rows(
        "SELECT column_name, ordinal_position, data_type FROM information_schema.columns "
        f"WHERE table_schema = '{sql.database}' AND table_name = '{table}' ORDER BY 2"
    ) == [("id", "1", "integer"), ("d", "2", "decimal(2,1)"), ("ts", "3", "timestamp(6)")]
    assert sql.rows(f"SELECT table_type FROM information_schema.tables WHERE table_name = '{table}'") == [
        ("BASE TABLE",)
    ]
    assert (sql.database,) in sql.rows("SELECT schema_name FROM information_schema.schemata")
