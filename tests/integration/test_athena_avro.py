"""Hive tables of Avro: files that others wrote are read, and those that statements write are read by others."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import fastavro
import pytest

SERDE = "org.apache.hadoop.hive.serde2.avro.AvroSerDe"


def record(name, *fields):
    return {"type": "record", "name": name, "fields": [{"name": one, "type": kind} for one, kind in fields]}


def nullable(kind):
    return ["null", kind]


@pytest.fixture
def put(sql, table):
    """Puts a file of Avro into the table's folder."""

    def written(name, schema, rows, codec="null"):
        sink = io.BytesIO()
        fastavro.writer(sink, schema, rows, codec)
        return sql.put(f"{table}/{name}", sink.getvalue())

    return written


@pytest.fixture
def make(sql, table):
    """Makes a table of Avro over the files that are in its folder."""

    def made(columns, schema=None):
        form = "STORED AS AVRO"
        if schema is not None:
            literal = json.dumps(schema).replace("'", "''")
            form = (
                f"ROW FORMAT SERDE '{SERDE}' WITH SERDEPROPERTIES ('avro.schema.literal' = '{literal}') "
                "STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat' "
                "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat'"
            )
        sql.run(f"CREATE EXTERNAL TABLE {table} ({columns}) {form} LOCATION '{sql.location(table)}'")

    return made


def test_every_type_is_read(sql, table, put, make):
    point = record("point", ("x", "double"), ("Tags", nullable({"type": "array", "items": "string"})))
    schema = record(
        "r",
        ("Id", "long"), ("b", nullable("boolean")), ("i", nullable("int")), ("f", nullable("float")),
        ("d", nullable({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})),
        ("day", nullable({"type": "int", "logicalType": "date"})),
        ("ms", nullable({"type": "long", "logicalType": "timestamp-millis"})),
        ("us", nullable({"type": "long", "logicalType": "timestamp-micros"})),
        ("e", nullable({"type": "enum", "name": "colour", "symbols": ["RED", "BLUE"]})),
        ("raw", nullable({"type": "fixed", "name": "two", "size": 2})),
        ("m", nullable({"type": "map", "values": nullable("int")})),
        ("p", nullable(point)), ("q", nullable("point")),
    )  # fmt: skip
    moment = datetime(2024, 1, 2, 3, 4, 5, 678000, UTC)
    row = {
        "Id": 1, "b": True, "i": -7, "f": 1.5, "d": Decimal("12.50"), "day": date(2024, 2, 29), "ms": moment,
        "us": moment, "e": "BLUE", "raw": b"\x00\xff", "m": {"k": 1, "n": None}, "p": {"x": 0.5, "Tags": ["a"]},
        "q": {"x": 2.0, "Tags": None},
    }  # fmt: skip
    put("1.avro", schema, [row, {"Id": 2}])
    make(
        "id bigint, b boolean, i int, f float, d decimal(9,2), day date, ms timestamp, us timestamp, e string, "
        "raw binary, m map<string,int>, p struct<x:double,tags:array<string>>, q struct<x:double>, later string"
    )
    first, second = sql.rows(f"SELECT * FROM {table} ORDER BY id")
    assert first == (
        "1", "true", "-7", "1.5", "12.50", "2024-02-29", "2024-01-02 03:04:05.678", "2024-01-02 03:04:05.678", "BLUE",
        "00 ff", "{k=1, n=null}", "{x=0.5, tags=[a]}", "{x=2.0}", None,
    )  # fmt: skip
    assert second == ("2", *[None] * 13)


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2"])
def test_files_of_several_schemas_and_codecs(sql, table, put, make, codec):
    put("1", record("r", ("id", "int"), ("name", "string")), [{"id": 1, "name": "ä"}], codec)
    put("2", record("other", ("more", "string"), ("id", "long")), [{"id": 2, "more": "x"}] * 40_000, codec)
    put("3", record("r", ("id", "int")), [], codec)
    make("id bigint, name string")
    assert sql.rows(f"SELECT id, name, count(*) FROM {table} GROUP BY id, name ORDER BY id") == [
        ("1", "ä", "1"), ("2", None, "40000"),
    ]  # fmt: skip
    # Rows are read whole, whatever is asked of them.
    size = sum(sql.s3.head_object(Bucket=sql.bucket, Key=key)["ContentLength"] for key in sql.keys(f"{table}/"))
    assert sql.run(f"SELECT id FROM {table}").statistics["DataScannedInBytes"] == size


def test_the_tables_schema_gives_what_files_lack(sql, table, put, make):
    put("1", record("r", ("id", "int"), ("old", "string")), [{"id": 1, "old": "x"}])
    schema = record("r", ("id", "long"))
    schema["fields"] += [
        {"name": "new", "aliases": ["old"], "type": "string"},
        {"name": "kind", "type": "string", "default": "none's"},
    ]
    make("id bigint, new string, kind string", schema)
    assert sql.rows(f"SELECT * FROM {table}") == [("1", "x", "none's")]
    put("2", record("r", ("id", "string")), [{"id": "one"}])
    assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_BAD_DATA")


def test_what_is_not_read_is_told(sql, table, put, make):
    put("1", record("r", ("a", ["int", "string"])), [{"a": 1}])
    make("a int")
    assert sql.fails(f"SELECT * FROM {table}").startswith("NOT_SUPPORTED: A union of several types")
    put("1", record("r", ("next", nullable("r"))), [{"next": None}])
    assert "r within itself" in sql.fails(f"SELECT * FROM {table}")
    put("1", record("r", ("a", "string")), [{"a": "x"}])
    assert "incompatible with type integer" in sql.fails(f"SELECT * FROM {table}")
    whole = sql.s3.get_object(Bucket=sql.bucket, Key=f"{table}/1")["Body"].read()
    for damaged in (b"Avro not at all", whole[:-5], whole[:20]):
        sql.put(f"{table}/1", damaged)
        assert sql.fails(f"SELECT * FROM {table}").startswith("HIVE_BAD_DATA: Not valid Avro file: s3://")


def test_what_is_written_is_read_by_others(sql, table):
    sql.run(
        f"CREATE TABLE {table} WITH (format = 'AVRO', external_location = '{sql.location(table)}', "
        "partitioned_by = ARRAY['p']) AS SELECT * FROM (VALUES "
        "(1, tinyint '1', decimal '-1.25', timestamp '2024-01-02 03:04:05.678', x'00ff', ARRAY[1, NULL], "
        "MAP(ARRAY['k'], ARRAY[ARRAY[date '2024-02-29']]), CAST(ROW(1, ROW('v')) AS ROW(a int, b ROW(c varchar))), "
        "nan(), 'x'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'x')) t(id, t, d, ts, raw, l, m, s, f, p)"
    )
    columns = "id, t, d, ts, raw, l, m, s, f, p"
    assert sql.rows(f"SELECT {columns} FROM {table} ORDER BY id") == [
        ("1", "1", "-1.25", "2024-01-02 03:04:05.678", "00 ff", "[1, null]", "{k=[2024-02-29]}", "{a=1, b={c=v}}",
         "NaN", "x"),
        ("2", *[None] * 8, "x"),
    ]  # fmt: skip
    (key,) = sql.keys(f"{table}/p=x/")
    body = sql.s3.get_object(Bucket=sql.bucket, Key=key)["Body"].read()
    first, second = sorted(fastavro.reader(io.BytesIO(body)), key=lambda row: row["id"])
    assert first["ts"] == datetime(2024, 1, 2, 3, 4, 5, 678000, UTC)
    assert (first["d"], first["raw"], first["l"]) == (Decimal("-1.25"), b"\x00\xff", [1, None])
    assert (first["m"], first["s"]) == ({"k": [date(2024, 2, 29)]}, {"a": 1, "b": {"c": "v"}})
    assert set(second.values()) == {2, None}
    sql.run(f"INSERT INTO {table} (id, p) VALUES (3, 'y')")
    assert sql.rows(f"SELECT id, p FROM {table} WHERE p = 'y'") == [("3", "y")]


def test_what_avro_has_not_is_not_written(sql, table):
    for value, told in (
        ("MAP(ARRAY[1], ARRAY[2]) AS a", "Keys of its maps are texts"),
        ('1 AS "a b"', "The name 'a b' in files of AVRO"),
    ):
        assert told in sql.fails(f"CREATE TABLE {table} WITH (format = 'AVRO') AS SELECT {value}")
    assert sql.fails(f"SELECT * FROM {table}").startswith("TABLE_NOT_FOUND")
