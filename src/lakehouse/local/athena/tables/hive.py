"""Hive tables: folders of files, some with a folder a partition.

https://docs.aws.amazon.com/athena/latest/ug/supported-serdes.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.relations import TableSource
from lakehouse.local.athena.sql.scope import physical_names
from lakehouse.local.athena.sql.sql_types import BIGINT, VARCHAR, SqlType, ZonedTimestamp, literal, quoted
from lakehouse.local.athena.sql.type_text import parse_hive_type
from lakehouse.local.athena.tables.catalog import Catalog, GlueTable
from lakehouse.local.athena.tables.hive_formats import FORMATS, Column, File
from lakehouse.local.athena.tables.objects import size_of
from lakehouse.local.athena.tables.projection import is_projected, projected_partitions
from lakehouse.local.athena.tables.pruned_partitions import may_hold, partition_literal

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.scans import Condition, Scan
    from lakehouse.local.athena.sql.statement import TableName
    from lakehouse.local.athena.tables.usage import Usage

# https://docs.aws.amazon.com/athena/latest/ug/querying-hidden-columns.html and Trino's Hive connector
HIDDEN: tuple[tuple[str, SqlType], ...] = (
    ("$path", VARCHAR),
    ("$file_size", BIGINT),
    ("$file_modified_time", ZonedTimestamp(3)),
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A partition, or the whole of a table that has none."""

    values: tuple[str, ...]
    location: str


def format_of(table: GlueTable) -> str:
    """The format of a table's files.

    Args:
        table: Its definition.

    Returns:
        A key of ``FORMATS``.

    Raises:
        StatementFailedError: Nothing here reads it.
    """
    storage = table.get("StorageDescriptor", {})
    library = str((storage.get("SerdeInfo") or {}).get("SerializationLibrary", ""))
    for name, form in FORMATS.items():
        if library in form.libraries:
            return name
    raise not_supported(f"The SerDe {library or 'that is not named'}", f"Use one of {', '.join(sorted(FORMATS))}.")


def source(name: TableName, table: GlueTable, catalog: Catalog, usage: Usage) -> TableSource:
    """How a Hive table is read.

    Args:
        name: Its name.
        table: Its definition.
        catalog: Has its partitions.
        usage: Counts the bytes that are read.

    Returns:
        The source.

    Raises:
        StatementFailedError: Its format, or a column's type, is not read here.
    """
    own = [_typed(one) for one in table["StorageDescriptor"].get("Columns", [])]
    keys = [_typed(one) for one in table.get("PartitionKeys") or []]
    reading = _Reading(name, table, catalog, usage, own, keys)
    columns = tuple((column.name, column.type) for column in (*own, *keys))
    return TableSource(columns, reading.render, HIDDEN)


def _typed(column: Mapping[str, str]) -> Column:
    return Column(column["Name"].lower(), parse_hive_type(column.get("Type") or "string"))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One table in one statement."""

    name: TableName
    table: GlueTable
    catalog: Catalog
    usage: Usage
    columns: Sequence[Column]
    keys: Sequence[Column]

    def render(self, scan: Scan) -> str:
        """DuckDB's text of the table: a SELECT of the columns that are read."""
        form = FORMATS[format_of(self.table)]
        used = [column for column in self.columns if column.name in scan.columns]
        keys = [key for key in self.keys if key.name in scan.columns]
        hidden = [one for one, _ in HIDDEN if one in scan.columns]
        parts = list(self._parts(scan))
        files = [(part, file) for part in parts for file in self._files(part.location)]
        if form.converted is not None:
            folder = self.catalog.objects.scratch()
            files = [(part, form.converted(file, folder, self.table)) for part, file in files]
        if not files:
            return self._nothing([*used, *keys], hidden)
        names = frozenset(column.name for column in used)
        self.usage.add(((file.uri, names), form.bytes_read(file, names)) for _, file in files)
        held = physical_names([column.name for column in used])
        texts = [
            form.select(group, used, self.table, is_located=bool(keys or hidden))
            for group in form.groups(_different(files) if keys or hidden else [file for _, file in files])
        ]
        body = " UNION ALL ".join(texts)
        if not keys and not hidden:
            return body
        return self._located(body, [(part, file) for part, file in files], held, keys, hidden)

    def _located(
        self,
        body: str,
        files: Sequence[tuple[_Part, File]],
        held: Sequence[str],
        keys: Sequence[Column],
        hidden: Sequence[str],
    ) -> str:
        """The files' columns beside what only their places say."""

        def extra(file: File, one: str) -> str:
            if one == "$path":
                return literal(file.uri)
            if one == "$file_size":
                return f"{size_of(file.original)}::BIGINT"
            return f"make_timestamp({file.original.stat().st_mtime_ns // 1000})"

        order = {key.name: index for index, key in enumerate(self.keys)}
        rows = ", ".join(
            "("
            + ", ".join(
                [
                    literal(str(file.path)),
                    *(partition_literal(part.values[order[key.name]], key.type) for key in keys),
                    *(extra(file, one) for one in hidden),
                ]
            )
            + ")"
            for part, file in files
        )
        names = ", ".join(quoted(one) for one in ("filename", *(key.name for key in keys), *hidden))
        listed = ", ".join(
            [
                *(f"d.{quoted(one)}" for one in held),
                *(f"p.{quoted(one)}" for one in (*(key.name for key in keys), *hidden)),
            ]
        )
        return f"SELECT {listed} FROM ({body}) AS d JOIN (VALUES {rows}) AS p({names}) ON d.filename = p.filename"

    def _nothing(self, columns: Sequence[Column], hidden: Sequence[str]) -> str:
        types = dict(HIDDEN)
        listed = [f"CAST(NULL AS {column.type.duck}) AS {quoted(column.name)}" for column in columns]
        listed += [f"CAST(NULL AS {types[one].duck}) AS {quoted(one)}" for one in hidden]
        return f"SELECT {', '.join(listed) or 'NULL'} WHERE FALSE"

    def _parts(self, scan: Scan) -> Iterator[_Part]:
        if not self.keys:
            yield _Part((), self.table["StorageDescriptor"]["Location"])
            return
        order = {key.name: index for index, key in enumerate(self.keys)}
        conditions = [one for one in scan.conditions if one.column in order]
        for values, location in self._partitions(conditions):
            if all(may_hold(one, values[order[one.column]], self.keys[order[one.column]].type) for one in conditions):
                yield _Part(values, location)

    def _partitions(self, conditions: Sequence[Condition]) -> Iterator[tuple[tuple[str, ...], str]]:
        parameters = self.table.get("Parameters") or {}
        if is_projected(parameters):
            keys = [(key.name, key.type) for key in self.keys]
            yield from projected_partitions(
                parameters, require_location(self.table), keys, conditions, self.catalog.objects
            )
            return
        for partition in self.catalog.partitions(self.name):
            yield tuple(partition["Values"]), partition["StorageDescriptor"]["Location"]

    def _files(self, location: str) -> Iterator[File]:
        for one in self.catalog.objects.list(location):
            if one.size:
                path = self.catalog.objects.path(one.uri)
                yield File(one.uri, path, path)


def _different(files: Sequence[tuple[_Part, File]]) -> list[File]:
    """Each file once: partitions may share a folder, and the join with their values gives each its rows."""
    return list({file.path: file for _, file in files}.values())


def require_location(table: GlueTable) -> str:
    """A table's folder.

    Args:
        table: Its definition.

    Returns:
        The location.

    Raises:
        StatementFailedError: It has none.
    """
    location = table.get("StorageDescriptor", {}).get("Location")
    if not location:
        raise StatementFailedError("HIVE_INVALID_METADATA", f"Table {table['Name']} has no location")
    return str(location)
