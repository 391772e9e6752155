"""Statements that others overtake, and Iceberg tables with delete files, which others write."""

from __future__ import annotations

import io
import itertools
import os
import uuid
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import AddSnapshotUpdate, AssertRefSnapshotId, SetSnapshotRefUpdate
from pyiceberg.typedef import Record

from lakehouse.local.athena.duck import Duck
from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.statement import Session
from lakehouse.local.athena.statements.context import Context
from lakehouse.local.athena.statements.dispatch import execute
from lakehouse.local.athena.tables import file_io
from lakehouse.local.athena.tables.catalog import Catalog
from lakehouse.local.athena.tables.objects import Objects
from lakehouse.local.athena.tables.usage import Usage


class Overtaken(Objects):
    """Objects whose upload of a data file, and whose listing, lets another client be faster."""

    def __init__(self, client, path_of, folder, rivals):
        super().__init__(client, path_of, {}, folder)
        self._rivals = rivals

    def put_file(self, uri, path):
        super().put_file(uri, path)
        self._overtake()

    def list(self, location, *, with_hidden=False):
        self._overtake()
        return super().list(location, with_hidden=with_hidden)

    def _overtake(self):
        rival = next(self._rivals, None)
        if rival is not None:
            rival()


@pytest.fixture
def path_of(endpoint):
    return lambda bucket, key: Path(endpoint.home) / "s3" / "000000000000" / bucket / key


@pytest.fixture
def overtaken(sql, path_of, tmp_path):
    """Executes a statement in this process while others do something whenever it has uploaded a data file, or lists."""
    before = list(file_io._objects)

    def run(text, rivals):
        objects = Overtaken(sql.s3, path_of, tmp_path, iter(rivals))
        file_io.use(objects)
        context = Context(
            session=Session("awsdatacatalog", sql.database, datetime(2024, 1, 1)),  # noqa: DTZ001
            catalog=Catalog(sql.glue, objects), objects=objects, duck=Duck(), usage=Usage(), folder=tmp_path,
            output_location=sql.location("results"), workgroup="primary", athena=sql.athena,
        )  # fmt: skip
        return execute(context, text)

    yield run
    file_io._objects[:] = before


def create(sql, table, query):
    sql.run(
        f"CREATE TABLE {table} WITH (table_type = 'ICEBERG', is_external = false, location = '{sql.location(table)}') "
        f"AS {query}"
    )


def referenced(sql, table):
    """The data files of all snapshots."""
    found = set()
    for (number,) in sql.rows(f'SELECT snapshot_id FROM "{table}$snapshots"'):
        found |= set(sql.rows(f'SELECT "$path" FROM {table} FOR VERSION AS OF {number}'))
    return {path.split("/", 3)[3] for (path,) in found}


MERGE = (
    "MERGE INTO {table} t USING (VALUES (1, 'mine'), (2, 'mine'), (3, 'mine')) s(id, s) ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET s = s.s WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.s)"
)

# --- races ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("UPDATE {table} SET s = 'mine' WHERE id >= 1", [("1", "mine"), ("2", "mine")]),
        ("DELETE FROM {table} WHERE id > 1", [("1", "a")]),
        (
            MERGE,
            [("1", "mine"), ("2", "mine"), ("3", "mine")],
        ),
        ("INSERT INTO {table} VALUES (3, 'mine')", [("1", "a"), ("2", "theirs"), ("3", "mine")]),
    ],
)
def test_a_statement_that_was_overtaken_sees_what_the_other_wrote(sql, overtaken, table, text, rows):
    create(sql, table, "SELECT 1 AS id, 'a' AS s UNION ALL SELECT 9, 'gone'")
    sql.run(f"DELETE FROM {table} WHERE id = 9")
    text = text.format(table=table)
    if text.startswith("DELETE"):
        sql.run(f"INSERT INTO {table} VALUES (7, 'old')")
        sql.run(f"UPDATE {table} SET id = 1, s = 'a' WHERE false")
        sql.run(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK")
    overtaken(text, [lambda: sql.run(f"INSERT INTO {table} VALUES (2, 'theirs')")])
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == rows
    # The files of the try that came too late are gone.
    assert set(sql.keys(f"{table}/data/")) == referenced(sql, table)


def test_a_statement_that_is_always_overtaken_fails(sql, overtaken, table):
    create(sql, table, "SELECT 1 AS id, 'a' AS s")
    numbers = itertools.count(100)
    rivals = (lambda: sql.run(f"INSERT INTO {table} VALUES ({next(numbers)}, 'theirs')") for _ in itertools.count())
    with pytest.raises(StatementFailedError) as caught:
        overtaken(f"UPDATE {table} SET s = 'mine' WHERE id = 1", rivals)
    assert (caught.value.code, caught.value.error_type) == ("ICEBERG_COMMIT_ERROR", 233)
    assert str(caught.value).startswith("ICEBERG_COMMIT_ERROR: ")
    assert sql.rows(f"SELECT s FROM {table} WHERE id = 1") == [("a",)]
    assert set(sql.keys(f"{table}/data/")) == referenced(sql, table)


def test_optimize_that_was_overtaken(sql, overtaken, table):
    create(sql, table, "SELECT 1 AS id")
    sql.run(f"INSERT INTO {table} VALUES 2")
    overtaken(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK", [lambda: sql.run(f"DELETE FROM {table} WHERE id = 2")])
    assert sql.rows(f"SELECT * FROM {table}") == [("1",)]


def test_vacuum_keeps_what_is_committed_while_it_looks(sql, overtaken, path_of, table):
    create(sql, table, "SELECT 1 AS id")

    def rival():
        sql.run(f"INSERT INTO {table} VALUES 2")
        for key in sql.keys(f"{table}/"):
            os.utime(path_of(sql.bucket, key), (0, 0))

    overtaken(f"VACUUM {table}", [rival])
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id") == [("1",), ("2",)]


@pytest.mark.parametrize("text", ["UPDATE {table} SET id = 2", "INSERT INTO {table} VALUES 2"])
def test_a_table_that_is_dropped_meanwhile(sql, overtaken, table, text):
    create(sql, table, "SELECT 1 AS id")
    with pytest.raises((StatementFailedError, FileNotFoundError)) as caught:
        overtaken(text.format(table=table), [lambda: sql.run(f"DROP TABLE {table}")])
    # The process around the engine makes the same failure of a file that is gone.
    assert getattr(caught.value, "code", "") in {"TABLE_NOT_FOUND", "ICEBERG_MISSING_METADATA", ""}


# --- delete files -----------------------------------------------------------------------------------------------------


class DeletesWriter(ManifestWriterV2):
    """Writes a manifest of delete files, which PyIceberg does not."""

    def content(self):
        return ManifestContent.DELETES

    @property
    def _meta(self):
        return {**super()._meta, "content": "deletes"}


def delete_file(sql, table, content, rows, ids, partition=()):
    """Uploads a delete file; ``ids`` are the ids of its columns."""
    fields = [
        pa.field(name, values.type, metadata={"PARQUET:field_id": str(ids[name])}) for name, values in rows.items()
    ]
    sink = io.BytesIO()
    pq.write_table(pa.table(list(rows.values()), schema=pa.schema(fields)), sink)
    uri = sql.put(f"{table}/data/{uuid.uuid4().hex}-deletes.parquet", sink.getvalue())
    return DataFile.from_args(
        content=content, file_path=uri, file_format=FileFormat.PARQUET, partition=Record(*partition),
        record_count=len(next(iter(rows.values()))), file_size_in_bytes=len(sink.getvalue()), column_sizes=None,
        value_counts=None, null_value_counts=None, nan_value_counts=None, lower_bounds=None, upper_bounds=None,
        key_metadata=None, split_offsets=None, sort_order_id=None, spec_id=0,
        equality_ids=None if content == DataFileContent.POSITION_DELETES else list(ids.values()),
    )  # fmt: skip


def commit(table, *files):
    """Adds delete files in a snapshot."""
    metadata, parent = table.metadata, table.current_snapshot()
    number, sequence = metadata.new_snapshot_id(), metadata.next_sequence_number()
    path = f"{table.location()}/metadata/{uuid.uuid4().hex}.avro"
    with DeletesWriter(table.spec(), table.schema(), table.io.new_output(path), number, "gzip") as writer:
        for one in files:
            writer.add(
                ManifestEntry.from_args(
                    status=ManifestEntryStatus.ADDED, snapshot_id=number, sequence_number=None,
                    file_sequence_number=None, data_file=one,
                )
            )  # fmt: skip
    manifest = writer.to_manifest_file()
    listed = f"{table.location()}/metadata/snap-{number}.avro"
    with write_manifest_list(2, table.io.new_output(listed), number, parent.snapshot_id, sequence, "gzip") as manifests:
        manifests.add_manifests([manifest, *parent.manifests(table.io)])
    snapshot = Snapshot(
        snapshot_id=number, parent_snapshot_id=parent.snapshot_id, manifest_list=listed, sequence_number=sequence,
        summary=Summary(Operation.DELETE), schema_id=table.schema().schema_id,
    )  # fmt: skip
    table.catalog.commit_table(
        table,
        (AssertRefSnapshotId(ref="main", snapshot_id=parent.snapshot_id),),
        (
            AddSnapshotUpdate(snapshot=snapshot),
            SetSnapshotRefUpdate(ref_name="main", type="branch", snapshot_id=number),
        ),
    )


@pytest.fixture
def catalog(sql, path_of):
    """PyIceberg with the engine's own access to objects."""
    before = list(file_io._objects)
    objects = Objects(sql.s3, path_of, {})
    file_io.use(objects)
    yield Catalog(sql.glue, objects).iceberg
    file_io._objects[:] = before


def positions(sql, table, path, *numbers):
    rows = {"file_path": pa.array([path] * len(numbers)), "pos": pa.array(numbers, pa.int64())}
    ids = {"file_path": 2147483546, "pos": 2147483545}
    return delete_file(sql, table, DataFileContent.POSITION_DELETES, rows, ids)


def test_deleted_positions(sql, catalog, table):
    create(sql, table, "SELECT x AS id, x * 2 AS v FROM UNNEST(sequence(0, 9)) t(x)")
    loaded = catalog.load_table((sql.database, table))
    (task,) = loaded.scan().plan_files()
    rows = {int(v): int(p) for v, p in sql.rows(f'SELECT id, "$pos" FROM {table}')}
    commit(loaded, positions(sql, table, task.file.file_path, rows[2], rows[5]))
    commit(loaded.refresh(), positions(sql, table, task.file.file_path, rows[7]))
    left = [("0",), ("1",), ("3",), ("4",), ("6",), ("8",), ("9",)]
    assert sql.rows(f"SELECT id FROM {table} ORDER BY id") == left
    assert sql.rows(f"SELECT count(*) FROM {table}") == [("7",)]
    assert sql.rows(f"SELECT id FROM {table} WHERE id = 5") == []
    # Rows that were deleted do not come back, whatever changes beside them.
    sql.run(f"UPDATE {table} SET v = -1 WHERE id = 3")
    assert sql.rows(f"SELECT id FROM {table} ORDER BY id") == left
    sql.run(f"INSERT INTO {table} VALUES (5, 0)")
    assert sql.rows(f"SELECT count(*) FROM {table}") == [("8",)]
    assert len(loaded.refresh().scan().to_arrow()) == 8


def test_deleted_values(sql, catalog, table):
    create(sql, table, "SELECT x AS id, cast(x % 3 AS varchar) AS s FROM UNNEST(sequence(0, 8)) t(x)")
    sql.run(f"INSERT INTO {table} VALUES (NULL, NULL), (NULL, '1')")
    loaded = catalog.load_table((sql.database, table))
    equality = DataFileContent.EQUALITY_DELETES
    commit(
        loaded,
        delete_file(sql, table, equality, {"id": pa.array([4, None], pa.int32())}, {"id": 1}),
        delete_file(
            sql, table, equality,
            {"id": pa.array([0, 1], pa.int32()), "s": pa.array(["0", "other"])}, {"id": 1, "s": 2},
        ),
    )  # fmt: skip
    expected = [("1",), ("2",), ("3",), ("5",), ("6",), ("7",), ("8",)]
    assert sql.rows(f"SELECT id FROM {table} ORDER BY id") == expected
    assert sql.rows(f"SELECT count(s) FROM {table}") == [("7",)]
    # Rows that came later are not deleted.
    sql.run(f"INSERT INTO {table} VALUES (4, 'again')")
    assert sql.rows(f"SELECT s FROM {table} WHERE id = 4") == [("again",)]
    merged = sql.run(
        f"MERGE INTO {table} t USING (VALUES (0, 'new'), (5, 'five')) s(id, s) ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET s = s.s WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.s)"
    )
    assert merged.update_count == 2
    assert sql.rows(f"SELECT id FROM {table} ORDER BY id") == sorted([*expected, ("0",), ("4",)])
    sql.run(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK")
    assert sql.rows(f"SELECT id FROM {table} ORDER BY id") == sorted([*expected, ("0",), ("4",)])
    assert sql.run(f'SELECT * FROM "{table}$files"').rows


def test_optimize_folds_delete_files_in(sql, catalog, table):
    create(sql, table, "SELECT x AS id FROM UNNEST(sequence(0, 9)) t(x)")
    loaded = catalog.load_table((sql.database, table))
    (task,) = loaded.scan().plan_files()
    rows = {int(v): int(p) for v, p in sql.rows(f'SELECT id, "$pos" FROM {table}')}
    commit(loaded, positions(sql, table, task.file.file_path, rows[0]))
    commit(loaded.refresh(), positions(sql, table, task.file.file_path, rows[1]))
    sql.run(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK")
    (task,) = loaded.refresh().scan().plan_files()
    assert not task.delete_files
    assert task.file.record_count == 8
    assert sql.rows(f"SELECT min(id), count(*) FROM {table}") == [("2", "8")]
