"""Hive tables: folders of files of several formats, read and written as Athena does."""

from __future__ import annotations

import gzip
import io
import json
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc

OPENX = "org.openx.data.jsonserde.JsonSerDe"
HCATALOG = "org.apache.hive.hcatalog.data.JsonSerDe"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"


def parquet(table, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def lines(*rows):
    return "".join(f"{row}\n" for row in rows).encode()


def make(sql, table, columns, rest, *, partitioned=""):
    by = f"PARTITIONED BY ({partitioned})" if partitioned else ""
    sql.run(f"CREATE EXTERNAL TABLE {table} ({columns}) {by} {rest} LOCATION '{sql.location(table)}'")


# --- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("serde", [OPENX, HCATALOG])
def test_json_with_keys_of_any_case_and_missing_ones(sql, table, serde):
    body = lines(
        json.dumps({"Id": 1, "NAME": "a", "outside": {"Deep": {"X": 1.5}}, "list": [{"K": 1}, {"k": 2}]}),
        json.dumps({"id": 2, "unknown": True, "outside": {"deep": {}}, "list": []}),
        json.dumps({"name": None, "id": 3, "outside": None}),
    )
    sql.put(f"{table}/a.json", body)
    sql.put(f"{table}/b.json.gz", gzip.compress(lines(json.dumps({"ID": 4, "name": "ä\n€"}))))
    sql.put(f"{table}/_hidden", b"not JSON")
    columns = "id int, name string, outside struct<deep:struct<x:double>>, list array<struct<k:int>>, none date"
    make(sql, table, columns, f"ROW FORMAT SERDE '{serde}'")
    assert sql.rows(f"SELECT id, name, outside.deep.x, list, none FROM {table} ORDER BY id") == [
        ("1", "a", "1.5", "[{k=1}, {k=2}]", None),
        ("2", None, None, "[]", None),
        ("3", None, None, None, None),
        ("4", "ä\n€", None, None, None),
    ]


def test_json_of_every_type(sql, table):
    row = {
        "b": True, "i": -5, "l": 2**60, "d": 1.25, "n": 12.34, "s": "text", "day": "2024-02-29",
        "ts": "2024-02-29 01:02:03.456", "m": {"a": 1, "B": 2}, "o": {"x": [1, {"y": None}]},
    }  # fmt: skip
    sql.put(f"{table}/a", lines(json.dumps(row)))
    columns = (
        "b boolean, i int, l bigint, d double, n decimal(6,2), s string, day date, ts timestamp, m map<string,int>, "
        "o string"
    )
    make(sql, table, columns, f"ROW FORMAT SERDE '{OPENX}'")
    (found,) = sql.rows(f"SELECT b, i, l, d, n, s, day, ts, element_at(m, 'B'), json_parse(o) FROM {table}")
    assert found == (
        "true", "-5", str(2**60), "1.25", "12.34", "text", "2024-02-29", "2024-02-29 01:02:03.456", "2",
        '{"x":[1,{"y":null}]}',
    )  # fmt: skip


def test_json_keeps_all_digits(sql, table):
    sql.run(
        f"CREATE TABLE {table} WITH (format = 'JSON') AS SELECT decimal '12345678901234567890.12' AS d, 0.1e0 AS f, "
        "9007199254740993 AS l, decimal '12345678901234567890123' AS e"
    )
    assert sql.rows(f"SELECT * FROM {table}") == [
        ("12345678901234567890.12", "0.1", "9007199254740993", "12345678901234567890123")
    ]


def test_bytes_are_refused_where_files_do_not_hold_them(sql, table):
    for form in ("JSON", "TEXTFILE"):
        assert "varbinary" in sql.fails(f"CREATE TABLE {table} WITH (format = '{form}') AS SELECT x'00ff' AS b")
    sql.put(f"{table}/a", lines('{"b": "x"}'))
    make(sql, table, "b binary", f"ROW FORMAT SERDE '{OPENX}'")
    assert "varbinary" in sql.fails(f"SELECT * FROM {table}")


def test_json_that_is_none(sql, table):
    sql.put(f"{table}/a", lines('{"id": 1}', '{"id": ', '{"id": 3}'))
    make(sql, table, "id int", f"ROW FORMAT SERDE '{OPENX}'")
    assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_")
    sql.run(f"DROP TABLE {table}")
    make(sql, table, "id int", f"ROW FORMAT SERDE '{OPENX}' WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')")
    assert sorted(sql.rows(f"SELECT id FROM {table} WHERE id IS NOT NULL")) == [("1",), ("3",)]


@pytest.mark.parametrize(
    ("value", "declared"), [("many", "int"), (1.5, "int"), (3000000000, "int"), ("x", "double"), (1, "boolean")]
)
def test_json_that_is_not_of_the_type_is_bad_data(sql, table, value, declared):
    sql.put(f"{table}/a", lines(json.dumps({"a": value})))
    make(sql, table, f"a {declared}", f"ROW FORMAT SERDE '{OPENX}'")
    assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_BAD_DATA")


# --- text -------------------------------------------------------------------------------------------------------------


def test_open_csv(sql, table):
    sql.put(
        f"{table}/a.csv",
        b'id,name,day,amount,flag\r\n1,"a, ""b"" \\"c\\"",2024-01-02,1.5,TRUE\r\n2,,19725,,false\r\n3,C:\\x\r\n',
    )
    make(
        sql, table, "id int, name string, day date, amount double, flag boolean",
        f"ROW FORMAT SERDE '{OPEN_CSV}' WITH SERDEPROPERTIES ('separatorChar' = ',', 'quoteChar' = '\"')",
    )  # fmt: skip
    assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_BAD_DATA")
    sql.run(f"ALTER TABLE {table} SET TBLPROPERTIES ('skip.header.line.count' = '1')")
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ("1", 'a, "b" "c"', "2024-01-02", "1.5", "true"),
        ("2", "", "2024-01-03", None, "false"),
        ("3", "C:x", None, None, None),
    ]
    sql.put(f"{table}/b.csv", b'header\n4,"two\nlines"\n')
    assert "line breaks" in sql.fails(f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    ("text", "declared"), [("1.5", "int"), ("x", "double"), ("2024-13-01", "date"), ("x", "bigint")]
)
def test_open_csv_that_is_not_of_the_type_is_bad_data(sql, table, text, declared):
    sql.put(f"{table}/a.csv", f"{text}\n".encode())
    make(sql, table, f"a {declared}", f"ROW FORMAT SERDE '{OPEN_CSV}'")
    assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_BAD_DATA")


def test_open_csv_with_other_characters(sql, table):
    sql.put(f"{table}/a", b"1\t'it\\'s'\n2\tplain\n")
    make(
        sql, table, "id bigint, s string",
        f"ROW FORMAT SERDE '{OPEN_CSV}' WITH SERDEPROPERTIES "
        "('separatorChar' = '\\t', \"quoteChar\" = \"'\", 'escapeChar' = '\\\\')",
    )  # fmt: skip
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [("1", "it's"), ("2", "plain")]


def test_delimited_text(sql, table):
    sql.put(
        f"{table}/a.csv", b'id|s|n|d\n1|x "y"|1.5|2024-01-02\n2|\\N|\\N|\\N\n3||x|y\n4|short\n5|a|7|2024-02-30|more\n'
    )
    make(
        sql, table, "id int, s string, n double, d date",
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LINES TERMINATED BY '\\n' STORED AS TEXTFILE",
    )  # fmt: skip
    sql.run(f"ALTER TABLE {table} SET TBLPROPERTIES ('skip.header.line.count'='1')")
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ("1", 'x "y"', "1.5", "2024-01-02"),
        ("2", None, None, None),
        ("3", "", None, None),
        ("4", "short", None, None),
        ("5", "a", "7.0", None),
    ]


def test_text_that_is_no_number_is_null(sql, table):
    sql.put(f"{table}/a", b"1.5\n12\n 7\nx\n99999999999\n\n-3\ntrue\n")
    make(sql, table, "i int", "")
    assert sql.rows(f"SELECT i FROM {table}") == [
        (None,),
        ("12",),
        (None,),
        (None,),
        (None,),
        (None,),
        ("-3",),
        (None,),
    ]


def test_delimited_text_with_nulls_and_escapes_of_its_own(sql, table):
    sql.put(f"{table}/a", b"1,a\\,b\n2,nil\n")
    make(
        sql, table, "id int, s string",
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' ESCAPED BY '\\\\' NULL DEFINED AS 'nil'",
    )  # fmt: skip
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [("1", "a,b"), ("2", None)]


# --- parquet and ORC --------------------------------------------------------------------------------------------------


def test_parquet_files_of_several_schemas(sql, table):
    sql.put(f"{table}/1", parquet(pa.table({"id": pa.array([1], pa.int32()), "Name": ["a"], "x": [1.5]})))
    sql.put(f"{table}/2", parquet(pa.table({"x": pa.array([2.5], pa.float32()), "ID": pa.array([2], pa.int64())})))
    sql.put(f"{table}/3", parquet(pa.table({"more": [True], "name": ["c"], "id": pa.array([3], pa.int8())})))
    row = pa.array([{"B": 1, "a": "x"}], pa.struct([("B", pa.int32()), ("a", pa.string())]))
    sql.put(f"{table}/4", parquet(pa.table({"id": pa.array([4]), "s": row, "l": [[1, 2]], "d": [Decimal("1.50")]})))
    columns = "id bigint, name string, x double, s struct<a:string,b:bigint,c:int>, l array<bigint>, d decimal(10,4)"
    make(sql, table, columns, "STORED AS PARQUET")
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ("1", "a", "1.5", None, None, None),
        ("2", None, "2.5", None, None, None),
        ("3", "c", None, None, None, None),
        ("4", None, None, "{a=x, b=1, c=null}", "[1, 2]", "1.5000"),
    ]


@pytest.mark.parametrize(
    ("values", "declared"),
    [(["x"], "int"), ([1], "string"), ([1.5], "int"), ([[1]], "int"), ([datetime(2024, 1, 1)], "bigint")],  # noqa: DTZ001
)
def test_parquet_of_another_type_is_bad_data(sql, table, values, declared):
    sql.put(f"{table}/1", parquet(pa.table({"a": values})))
    make(sql, table, f"a {declared}", "STORED AS PARQUET")
    assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_BAD_DATA")


def test_timestamps_of_parquet(sql, table):
    moment = datetime(2024, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - without a zone on purpose
    for index, options in enumerate(
        (
            {"use_deprecated_int96_timestamps": True},
            {"coerce_timestamps": "us"},
            {"coerce_timestamps": "ms", "allow_truncated_timestamps": True},
        )
    ):
        sql.put(f"{table}/{index}", parquet(pa.table({"i": [index], "ts": [moment]}), **options))
    make(sql, table, "i int, ts timestamp", "STORED AS PARQUET")
    # Athena's timestamps of Hive tables have milliseconds.
    assert {row[0] for row in sql.rows(f"SELECT ts FROM {table}")} <= {
        "2024-01-02 03:04:05.678", "2024-01-02 03:04:05.679",
    }  # fmt: skip


def test_orc(sql, table):
    data = pa.table({"id": [1, 2], "Name": ["a", None], "l": [[1], []], "d": [Decimal("1.50"), None]})
    sink = io.BytesIO()
    orc.write_table(data, sink)
    sql.put(f"{table}/1.orc", sink.getvalue())
    make(sql, table, "id bigint, name string, l array<bigint>, d decimal(5,2), more int", "STORED AS ORC")
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ("1", "a", "[1]", "1.50", None), ("2", None, "[]", None, None),
    ]  # fmt: skip
    sql.put(f"{table}/2.orc", b"ORC not at all")
    assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_BAD_DATA")


# --- partitions -------------------------------------------------------------------------------------------------------


def test_partitions_are_those_that_are_registered(sql, table):
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        sql.put(f"{table}/day={day}/zone=a%2Fb/x", lines(json.dumps({"d": day})))
    sql.put(f"{table}/day=__HIVE_DEFAULT_PARTITION__/zone=n/x", lines(json.dumps({"d": "none"})))
    sql.put(f"{table}/stray/x", lines("{}"))
    make(sql, table, "d string", f"ROW FORMAT SERDE '{OPENX}'", partitioned="day date, zone string")
    assert sql.rows(f"SELECT * FROM {table}") == []
    repaired = sql.run(f"MSCK REPAIR TABLE {table}").rows
    assert any("day=2024-01-02/zone=a%2Fb" in row[0] for row in repaired)
    assert sql.rows(f"MSCK REPAIR TABLE {table}") == []
    assert sql.rows(f"SELECT d, day, zone FROM {table} WHERE day >= date '2024-01-02' ORDER BY 1") == [
        ("2024-01-02", "2024-01-02", "a/b"), ("2024-01-03", "2024-01-03", "a/b"),
    ]  # fmt: skip
    assert sql.rows(f"SELECT d, zone FROM {table} WHERE day IS NULL") == [("none", "n")]
    assert sql.rows(f"SELECT count(*) FROM {table} WHERE NOT (day = date '2024-01-02')") == [("2",)]
    assert sql.rows(f'SELECT * FROM "{table}$partitions" ORDER BY day') == [
        ("2024-01-01", "a/b"), ("2024-01-02", "a/b"), ("2024-01-03", "a/b"), (None, "n"),
    ]  # fmt: skip
    assert ("day=2024-01-01/zone=a%2Fb",) in sql.rows(f"SHOW PARTITIONS {table}")
    ((path,),) = sql.rows(f"SELECT \"$path\" FROM {table} WHERE day = date '2024-01-01'")
    assert path == f"{sql.location(table)}day=2024-01-01/zone=a%2Fb/x"
    size = len(lines(json.dumps({"d": "2024-01-01"})))
    answered = sql.run(f"SELECT d FROM {table} WHERE day = date '2024-01-01'")
    assert answered.statistics["DataScannedInBytes"] == size


def test_partitions_are_altered(sql, table):
    sql.put(f"{table}/p=1/x", lines('{"a": "one"}'))
    sql.put(f"{table}/elsewhere/x", lines('{"a": "other"}'))
    make(sql, table, "a string", f"ROW FORMAT SERDE '{OPENX}'", partitioned="p int")
    sql.run(f"ALTER TABLE {table} ADD PARTITION (p = 1)")
    assert "already exists" in sql.fails(f"ALTER TABLE {table} ADD PARTITION (p = '1')")
    sql.run(
        f"ALTER TABLE {table} ADD IF NOT EXISTS PARTITION (p = 1) "
        f"PARTITION (p = 2) LOCATION '{sql.location(table)}elsewhere/'"
    )
    assert sql.rows(f"SELECT a, p FROM {table} ORDER BY p") == [("one", "1"), ("other", "2")]
    # Rows go where the partition is.
    sql.run(f"INSERT INTO {table} VALUES ('new', 2), ('third', 3)")
    assert sql.rows(f"SELECT a, p FROM {table} ORDER BY 2, 1") == [
        ("one", "1"), ("new", "2"), ("other", "2"), ("third", "3"),
    ]  # fmt: skip
    sql.run(f"ALTER TABLE {table} PARTITION (p = 2) RENAME TO PARTITION (p = 5)")
    assert sql.rows(f"SELECT a FROM {table} WHERE p = 5 ORDER BY 1") == [("new",), ("other",)]
    sql.run(f"ALTER TABLE {table} PARTITION (p = 5) SET LOCATION '{sql.location(table)}p=1/'")
    assert sql.rows(f"SELECT a FROM {table} WHERE p = 5") == [("one",)]
    assert sql.rows(f"SELECT a, p FROM {table} WHERE a = 'one' ORDER BY p") == [("one", "1"), ("one", "5")]
    assert sql.rows(f"SELECT count(*) FROM {table}") == [("3",)]
    sql.run(f"ALTER TABLE {table} DROP PARTITION (p = 5), PARTITION (p = 3)")
    assert sql.rows(f"SHOW PARTITIONS {table}") == [("p=1",)]
    assert "not found" in sql.fails(f"ALTER TABLE {table} DROP PARTITION (p = 9)")
    sql.run(f"ALTER TABLE {table} DROP IF EXISTS PARTITION (p = 9)")
    assert sql.keys(f"{table}/elsewhere/")


def test_partition_projection(sql, table):
    for day, zone in (("2024-01-01", "a"), ("2024-01-02", "b"), ("2024-02-01", "a")):
        sql.put(f"{table}/{day.replace('-', '/')}/{zone}/x", lines(json.dumps({"v": f"{day}{zone}"})))
    sql.run(
        f"CREATE EXTERNAL TABLE {table} (v string) PARTITIONED BY (day string, zone string) "
        f"ROW FORMAT SERDE '{OPENX}' LOCATION '{sql.location(table)}' TBLPROPERTIES ('projection.enabled' = 'true', "
        "'projection.day.type' = 'date', 'projection.day.format' = 'yyyy/MM/dd', "
        "'projection.day.range' = '2024/01/01,2024/01/31', 'projection.zone.type' = 'enum', "
        "'projection.zone.values' = 'a,b', "
        f"'storage.location.template' = '{sql.location(table)}${{day}}/${{zone}}/')"
    )
    assert sql.rows(f"SELECT v, day, zone FROM {table} ORDER BY v") == [
        ("2024-01-01a", "2024/01/01", "a"), ("2024-01-02b", "2024/01/02", "b"),
    ]  # fmt: skip
    assert sql.rows(f"SELECT v FROM {table} WHERE zone = 'b'") == [("2024-01-02b",)]
    assert sql.rows(f"SELECT v FROM {table} WHERE day >= '2024/01/02'") == [("2024-01-02b",)]


def test_projection_of_numbers_and_of_what_a_query_names(sql, table):
    for number, name in ((1, "x"), (10, "x"), (10, "y")):
        sql.put(f"{table}/n={number:03}/name={name}/f", lines(json.dumps({"v": f"{number}{name}"})))
    sql.run(
        f"CREATE EXTERNAL TABLE {table} (v string) PARTITIONED BY (n int, name string) "
        f"ROW FORMAT SERDE '{OPENX}' LOCATION '{sql.location(table)}' TBLPROPERTIES ('projection.enabled' = 'true', "
        "'projection.n.type' = 'integer', 'projection.n.range' = '1,10', 'projection.n.digits' = '3', "
        "'projection.name.type' = 'injected')"
    )
    assert sql.rows(f"SELECT v, n FROM {table} WHERE name = 'x' ORDER BY n") == [("1x", "1"), ("10x", "10")]
    assert sql.rows(f"SELECT v FROM {table} WHERE name IN ('x', 'y') AND n > 5 ORDER BY v") == [("10x",), ("10y",)]
    assert sql.fails(f"SELECT * FROM {table}").startswith("CONSTRAINT_VIOLATION")


# --- writing ----------------------------------------------------------------------------------------------------------

VALUES = (
    "SELECT * FROM (VALUES (1, 'a', decimal '1.50', date '2024-01-02', timestamp '2024-01-02 03:04:05.678', true), "
    "(2, NULL, NULL, NULL, NULL, NULL), (3, 'ä, \"q\"', decimal '2.25', date '1999-12-31', "
    "timestamp '1999-12-31 23:59:59', false)) t(id, s, d, day, ts, b)"
)
ROWS = [
    ("1", "a", "1.50", "2024-01-02", "2024-01-02 03:04:05.678", "true"),
    ("2", None, None, None, None, None),
    ("3", 'ä, "q"', "2.25", "1999-12-31", "1999-12-31 23:59:59.000", "false"),
]


@pytest.mark.parametrize(
    ("form", "codec"),
    [
        *(("PARQUET", codec) for codec in ("", "GZIP", "SNAPPY", "ZSTD", "NONE")),
        *(("ORC", codec) for codec in ("", "ZLIB", "SNAPPY", "ZSTD", "NONE")),
        *(("AVRO", codec) for codec in ("", "DEFLATE", "SNAPPY", "ZSTD", "BZIP2", "NONE")),
        *(("JSON", codec) for codec in ("", "GZIP", "NONE")),
        *(("TEXTFILE", codec) for codec in ("", "GZIP", "NONE")),
    ],
)
def test_tables_of_queries_in_every_format(sql, table, form, codec):
    compression = f", write_compression = '{codec}'" if codec else ""
    answered = sql.run(f"CREATE TABLE {table} WITH (format = '{form}'{compression}) AS {VALUES}")
    assert answered.update_count == 3
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == ROWS
    sql.run(f"INSERT INTO {table} (id, s) VALUES (4, 'x')")
    assert sql.rows(f"SELECT * FROM {table} WHERE id = 4") == [("4", "x", None, None, None, None)]


def test_a_form_that_is_not_written_is_refused_by_name(sql, table):
    assert (
        "LZO"
        in sql.fails(f"CREATE TABLE {table} WITH (format='PARQUET', write_compression='LZO') AS SELECT 1 AS a").upper()
    )
    assert "bucketed_by" in sql.fails(
        f"CREATE TABLE {table} WITH (bucketed_by = ARRAY['a'], bucket_count = 2) AS SELECT 1 AS a"
    )


def test_tables_of_queries_with_partitions(sql, table):
    location = sql.location(table)
    sql.run(
        f"CREATE TABLE {table} WITH (external_location = '{location}', partitioned_by = ARRAY['p', 'q']) AS "
        "SELECT * FROM (VALUES (1, 'x/y', 1), (2, '', 2), (3, NULL, 3), (4, 'é %', 4)) t(id, p, q)"
    )
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ("1", "x/y", "1"), ("2", None, "2"), ("3", None, "3"), ("4", "é %", "4"),
    ]  # fmt: skip
    folders = {key.rpartition("/")[0] for key in sql.keys(f"{table}/")}
    assert f"{table}/p=x%2Fy/q=1" in folders
    assert f"{table}/p=__HIVE_DEFAULT_PARTITION__/q=3" in folders
    assert sql.rows(f"SELECT id FROM {table} WHERE p = 'x/y'") == [("1",)]
    assert sql.rows(f"SELECT id FROM {table} WHERE p IS NULL ORDER BY 1") == [("2",), ("3",)]
    sql.run(f"INSERT INTO {table} SELECT 5, 'new', 1")
    assert sql.rows(f"SELECT id FROM {table} WHERE p = 'new'") == [("5",)]
    assert sql.fails(f"CREATE TABLE {table}_2 WITH (external_location = '{location}') AS SELECT 1 AS a").startswith(
        "HIVE_PATH_ALREADY_EXISTS"
    )
    wrong = f"CREATE TABLE {table}_2 WITH (partitioned_by = ARRAY['p']) AS SELECT 1 AS p, 2 AS a"
    assert sql.fails(wrong).startswith("HIVE_COLUMN_ORDER_MISMATCH")
    assert sql.fails(f"CREATE TABLE {table} AS SELECT 1 AS a").startswith("TABLE_ALREADY_EXISTS")


def test_one_hundred_partitions_and_no_more(sql, table):
    query = "SELECT x AS a, x AS p FROM UNNEST(sequence(1, {count})) t(x)"
    sql.run(f"CREATE TABLE {table} WITH (partitioned_by = ARRAY['p']) AS {query.format(count=100)}")
    assert sql.rows(f"SELECT count(DISTINCT p) FROM {table}") == [("100",)]
    wrong = f"CREATE TABLE {table}_2 WITH (partitioned_by = ARRAY['p']) AS {query.format(count=101)}"
    assert sql.fails(wrong).startswith("HIVE_TOO_MANY_OPEN_PARTITIONS")
    assert sql.fails(f"SELECT * FROM {table}_2").startswith("TABLE_NOT_FOUND")


def test_rows_that_do_not_fit_are_refused(sql, table):
    sql.run(f"CREATE TABLE {table} AS SELECT 1 AS a, 'x' AS b")
    assert sql.fails(f"INSERT INTO {table} SELECT 'x', 'y'").startswith("TYPE_MISMATCH")
    assert sql.fails(f"INSERT INTO {table} SELECT 1").startswith("TYPE_MISMATCH")
    assert sql.fails(f"INSERT INTO {table} (nope) SELECT 1").startswith("COLUMN_NOT_FOUND")
    assert sql.fails(f"DELETE FROM {table}").startswith("NOT_SUPPORTED")
    assert sql.rows(f"SELECT * FROM {table}") == [("1", "x")]


@pytest.mark.parametrize("form", ["PARQUET", "JSON", "ORC", "AVRO", "TEXTFILE"])
def test_unload(sql, table, form):
    place = f"s3://{sql.bucket}/unloaded-{table}/"
    answered = sql.run(
        f"UNLOAD (SELECT 1 AS a, 'x)' AS b, 'p' AS c) TO '{place}' WITH (format = '{form}', "
        "partitioned_by = ARRAY['c'])"
    )
    assert answered.statistics["DataManifestLocation"].endswith("-manifest.csv")
    assert all("/c=p/" in key for key in sql.keys(f"unloaded-{table}/"))
    assert sql.fails(f"UNLOAD (SELECT 1 AS a) TO '{place}' WITH (format = '{form}')").startswith(
        "HIVE_PATH_ALREADY_EXISTS"
    )
    rest = {"TEXTFILE": "", "JSON": f"ROW FORMAT SERDE '{OPENX}'"}.get(form, f"STORED AS {form}")
    sql.run(f"CREATE EXTERNAL TABLE {table} (a int, b string) PARTITIONED BY (c string) {rest} LOCATION '{place}'")
    sql.run(f"MSCK REPAIR TABLE {table}")
    assert sql.rows(f"SELECT * FROM {table}") == [("1", "x)", "p")]


def test_columns_of_hive_tables_are_altered(sql, table):
    sql.run(f"CREATE TABLE {table} WITH (external_location = '{sql.location(table)}') AS SELECT 1 AS a, 'x' AS b")
    sql.run(f"ALTER TABLE {table} ADD COLUMNS (c double COMMENT 'later')")
    assert sql.rows(f"SELECT * FROM {table}") == [("1", "x", None)]
    sql.run(f"ALTER TABLE {table} CHANGE COLUMN a a bigint")
    sql.run(f"ALTER TABLE {table} REPLACE COLUMNS (b string, a bigint)")
    assert sql.rows(f"SELECT * FROM {table}") == [("x", "1")]
    sql.run(f"ALTER TABLE {table} RENAME TO {table}_2")
    assert sql.rows(f"SELECT a FROM {table}_2") == [("1",)]
    sql.run(f"DROP TABLE {table}_2")
    assert sql.keys(f"{table}/")
