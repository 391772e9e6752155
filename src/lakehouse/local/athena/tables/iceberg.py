"""Iceberg tables: PyIceberg says which files, DuckDB reads them by the ids of their columns.

https://iceberg.apache.org/spec/
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyiceberg.manifest import DataFileContent, FileFormat

from lakehouse.local.athena.failures import not_supported
from lakehouse.local.athena.sql.relations import TableSource
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    VARCHAR,
    SqlType,
    ZonedTimestamp,
    literal,
    quoted,
)
from lakehouse.local.athena.tables.iceberg_types import leaf_ids, trino_type
from lakehouse.local.athena.tables.planning import planned
from lakehouse.local.athena.tables.row_filters import row_filter

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table

    from lakehouse.local.athena.sql.scans import Scan
    from lakehouse.local.athena.tables.objects import Objects
    from lakehouse.local.athena.tables.usage import Usage

# https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-table-data.html
HIDDEN: tuple[tuple[str, SqlType], ...] = (
    ("$path", VARCHAR),
    ("$file_modified_time", ZonedTimestamp(3)),
    ("$pos", BIGINT),
)
# The ids that the specification gives the columns of position deletes.
_POSITION_DELETES = (
    "{2147483546: {name: 'file_path', type: 'VARCHAR', default_value: NULL}, "
    "2147483545: {name: 'pos', type: 'BIGINT', default_value: NULL}}"
)


def schema_of(table: Table, snapshot_id: int | None) -> Schema:
    """The schema that a snapshot is read with.

    Args:
        table: The table.
        snapshot_id: The snapshot; None for the current one, which has the table's schema.

    Returns:
        The schema.
    """
    snapshot = None if snapshot_id is None else table.snapshot_by_id(snapshot_id)
    if snapshot is None or snapshot.schema_id is None:
        return table.schema()
    return table.schemas()[snapshot.schema_id]


def source(
    table: Table, snapshot_id: int | None, objects: Objects, usage: Usage, only: Collection[str] | None = None
) -> TableSource:
    """How an Iceberg table is read.

    Args:
        table: The table.
        snapshot_id: Which snapshot; None for the current one.
        objects: Has its files.
        usage: Counts the bytes that are read.
        only: The data files that are read; None for all.

    Returns:
        The source.
    """
    schema = schema_of(table, snapshot_id)
    columns = tuple((field.name, trino_type(field.field_type)) for field in schema.fields)
    reading = _Reading(table, snapshot_id, schema, objects, usage, only)
    return TableSource(columns, reading.render, HIDDEN)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One table in one statement."""

    table: Table
    snapshot_id: int | None
    schema: Schema
    objects: Objects
    usage: Usage
    only: Collection[str] | None = None

    def render(self, scan: Scan) -> str:
        """DuckDB's text of the table: a SELECT of the columns that are read."""
        tasks = planned(self.table, row_filter(scan.conditions, self.schema, self.table.schema()), self.snapshot_id)
        if self.only is not None:
            tasks = [task for task in tasks if task.file.file_path in self.only]
        columns = [field.name for field in self.schema.fields if field.name.lower() in scan.columns]
        hidden = [one for one, _ in HIDDEN if one in scan.columns]
        self._count(tasks, columns)
        return FileReader(self.schema, self.objects).select(tasks, columns, hidden)

    def _count(self, tasks: Sequence[FileScanTask], columns: Sequence[str]) -> None:
        ids = {
            number
            for field in self.schema.fields
            if field.name in columns
            for number in leaf_ids(field.field_type, field.field_id)
        }
        deletes = {one.file_path: one for task in tasks for one in task.delete_files}
        self.usage.add(((path, None), one.file_size_in_bytes) for path, one in deletes.items())
        self.usage.add(part for task in tasks for part in _parts_read(task.file, ids))


def _parts_read(file: DataFile, ids: Collection[int]) -> Iterator[tuple[tuple[str, int | None], int]]:
    """Columns of a file, and their bytes."""
    sizes = file.column_sizes
    if sizes:
        yield from (((file.file_path, number), sizes.get(number, 0)) for number in ids)
    else:
        # Who wrote a file without saying what its columns take leaves us its whole length.
        yield (file.file_path, None), file.file_size_in_bytes


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads data files of one table with one schema.

    Attributes:
        schema: The schema.
        objects: Has the files.
    """

    schema: Schema
    objects: Objects

    def select(self, tasks: Sequence[FileScanTask], columns: Sequence[str], hidden: Sequence[str] = ()) -> str:
        """DuckDB's text that reads files, without the rows that delete files name.

        Args:
            tasks: The files.
            columns: The columns, as the schema spells them.
            hidden: Hidden columns.

        Returns:
            A SELECT.
        """
        if not tasks:
            return self._nothing(columns, hidden)
        groups: dict[frozenset[str], list[FileScanTask]] = {}
        for task in tasks:
            if task.file.file_format != FileFormat.PARQUET:
                raise not_supported(f"An Iceberg table with files of {task.file.file_format.value}")
            groups.setdefault(frozenset(one.file_path for one in task.delete_files), []).append(task)
        return " UNION ALL ".join(self._group(group, columns, hidden) for group in groups.values())

    def _types(self) -> dict[str, str]:
        return {field.name: trino_type(field.field_type).duck for field in self.schema.fields}

    def _nothing(self, columns: Sequence[str], hidden: Sequence[str]) -> str:
        types = self._types() | {name: kind.duck for name, kind in HIDDEN}
        listed = [f"CAST(NULL AS {types[name]}) AS {quoted(name)}" for name in (*columns, *hidden)]
        return f"SELECT {', '.join(listed) or 'NULL AS nothing'} WHERE FALSE"

    def _group(self, tasks: Sequence[FileScanTask], columns: Sequence[str], hidden: Sequence[str]) -> str:
        """Files that have the same delete files."""
        paths = {str(self.objects.path(task.file.file_path)): task.file.file_path for task in tasks}
        listed = [f"d.{quoted(name)}" for name in columns]
        if "$path" in hidden:
            listed.append(f"{_by_file(paths)} AS {quoted('$path')}")
        if "$file_modified_time" in hidden:
            times = {path: self.objects.path(uri).stat().st_mtime_ns // 1_000_000 for path, uri in paths.items()}
            listed.append(f"make_timestamp({_by_file(times)} * 1000) AS {quoted('$file_modified_time')}")
        if "$pos" in hidden:
            listed.append(f"d.file_row_number AS {quoted('$pos')}")
        deletes = list({one.file_path: one for task in tasks for one in task.delete_files}.values())
        needed = {name for one in deletes for name in self._names(one.equality_ids or ())}
        reader = self._reader(list(paths), [*columns, *sorted(needed - set(columns))])
        conditions = [self._not_deleted(one, paths) for one in deletes]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {', '.join(listed) or '1 AS nothing'} FROM {reader} AS d{where}"

    def _names(self, ids: Sequence[int]) -> list[str]:
        return [self.schema.find_field(number).name for number in ids]

    def _reader(self, paths: Sequence[str], columns: Sequence[str]) -> str:
        types = self._types()
        ids = {field.name: field.field_id for field in self.schema.fields}
        # One column at least: DuckDB takes no empty schema.
        names = list(columns) or [self.schema.fields[0].name]
        fields = ", ".join(
            f"{ids[name]}: {{name: {literal(name)}, type: {literal(types[name])}, default_value: NULL}}"
            for name in names
        )
        return f"read_parquet([{', '.join(map(literal, paths))}], schema = MAP {{{fields}}})"

    def _not_deleted(self, delete: Any, paths: dict[str, str]) -> str:
        if delete.file_format != FileFormat.PARQUET:
            raise not_supported("Deletion vectors of Iceberg's version 3", "Athena reads version 2 only.")
        path = literal(str(self.objects.path(delete.file_path)))
        if delete.content == DataFileContent.POSITION_DELETES:
            return (
                f"NOT EXISTS (SELECT 1 FROM read_parquet([{path}], schema = MAP {_POSITION_DELETES}) AS x "
                f"WHERE x.file_path = {_by_file(paths)} AND x.pos = d.file_row_number)"
            )
        names = self._names(delete.equality_ids or ())
        reader = self._reader([str(self.objects.path(delete.file_path))], names)
        same = " AND ".join(f"x.{quoted(name)} IS NOT DISTINCT FROM d.{quoted(name)}" for name in names)
        return f"NOT EXISTS (SELECT 1 FROM {reader} AS x WHERE {same})"


def _by_file(values: dict[str, Any]) -> str:
    """What belongs to the file that a row comes from."""
    keys = ", ".join(literal(path) for path in values)
    listed = ", ".join(literal(one) if isinstance(one, str) else str(one) for one in values.values())
    return f"map([{keys}], [{listed}])[d.filename]"
