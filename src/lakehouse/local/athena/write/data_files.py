"""Data files of Iceberg tables: written by DuckDB, described as manifests want it.

DuckDB writes straight from the query into files of one partition each, so that a table of any size passes through
without being held; the footers of the files give the statistics.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record
from pyiceberg.types import (
    IcebergType,
    ListType,
    MapType,
    StructType,
)

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.sql_types import ZonedTimestamp, literal, quoted
from lakehouse.local.athena.tables.iceberg_types import trino_type
from lakehouse.local.athena.tables.objects import Objects, joined
from lakehouse.local.athena.write.statistics import statistics_of
from lakehouse.local.athena.write.transforms import partition_sql, partition_value

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table.metadata import TableMetadata

    from lakehouse.local.athena.duck import Duck

# https://docs.aws.amazon.com/athena/latest/ug/ctas-considerations-limitations.html
MOST_PARTITIONS = 100
_TARGET_BYTES = 512 * 1024**2
_CODECS = {
    "zstd": "zstd",
    "snappy": "snappy",
    "gzip": "gzip",
    "uncompressed": "uncompressed",
    "none": "uncompressed",
    "lz4": "lz4_raw",
}


@dataclass(frozen=True, slots=True)
class DataFileWriter:
    """Writes data files of one table.

    Attributes:
        metadata: The table's metadata.
        duck: Runs the query.
        objects: Takes the files.
        folder: An empty folder for them on the way.
    """

    metadata: TableMetadata
    duck: Duck
    objects: Objects
    folder: Path

    def write(self, sql: str) -> list[DataFile]:
        """Write a query's result.

        Args:
            sql: DuckDB's text; its columns have the names of the table's, and are held as its types are.

        Returns:
            The files, uploaded, but not yet part of the table.

        Raises:
            StatementFailedError: The rows are of too many partitions.
        """
        schema, spec = self.metadata.schema(), self.metadata.spec()
        written = self._copied(sql, schema, spec)
        if len({tuple(sorted(keys.items())) for _, keys in written}) > MOST_PARTITIONS and spec.fields:
            raise StatementFailedError(
                "ICEBERG_TOO_MANY_OPEN_PARTITIONS",
                f"Exceeded limit of {MOST_PARTITIONS} open writers for partitions/buckets",
            )
        return [self._described(path, keys, schema, spec) for path, keys in written]

    def _copied(self, sql: str, schema: Schema, spec: PartitionSpec) -> list[tuple[Path, dict[str, Any]]]:
        listed = []
        for field in schema.fields:
            value = f"q.{quoted(field.name)}"
            if isinstance(trino_type(field.field_type), ZonedTimestamp):
                value = f"timezone('UTC', {value})"
            listed.append(f"{value} AS {quoted(field.name)}")
        keys = []
        for index, one in enumerate(spec.fields):
            column = quoted(str(schema.find_column_name(one.source_id)))
            kind = trino_type(schema.find_type(one.source_id)).duck
            text = partition_sql(one.transform, f"q.{column}", kind, self.duck)
            # The letter tells texts from the name that DuckDB gives the folder of what is null.
            keys.append(f"'v' || CAST({text} AS VARCHAR) AS {quoted(f'partition {index}')}")
        codec = _CODECS.get(
            str(self.metadata.properties.get("write.parquet.compression-codec", "zstd")).lower(), "zstd"
        )
        options = ["FORMAT parquet", f"COMPRESSION {codec}", f"FIELD_IDS {_field_ids(schema)}", "RETURN_STATS"]
        if keys:
            names = ", ".join(quoted(f"partition {index}") for index in range(len(keys)))
            options += [f"PARTITION_BY ({names})", "WRITE_PARTITION_COLUMNS false"]
        else:
            options += [f"FILE_SIZE_BYTES {_TARGET_BYTES}"]
        target = self.folder / uuid.uuid4().hex
        selected = f"SELECT {', '.join([*listed, *keys])} FROM ({sql}) AS q"
        text = f"COPY ({selected}) TO {literal(str(target))} ({', '.join(options)})"
        rows = self.duck.execute(text).fetchall()
        return [(Path(row[0]), dict(row[5] or {})) for row in rows if row[1]]

    def _described(self, path: Path, keys: Mapping[str, Any], schema: Schema, spec: PartitionSpec) -> DataFile:
        values = [
            partition_value(
                _without_letter(keys.get(f"partition {index}")),
                field.transform.result_type(schema.find_type(field.source_id)),
            )
            for index, field in enumerate(spec.fields)
        ]
        partition = Record(*values)
        folder = spec.partition_to_path(partition, schema) if spec.fields else ""
        base = self.metadata.properties.get("write.data.path") or joined(self.metadata.location, "data")
        uri = joined(base, *([folder] if folder else []), f"{uuid.uuid4().hex}.parquet")
        statistics = statistics_of(pq.read_metadata(path), schema, self.metadata.properties)
        for field in schema.fields:
            if field.required and (statistics.null_value_counts or {}).get(field.field_id):
                raise StatementFailedError(
                    "CONSTRAINT_VIOLATION", f"NULL value not allowed for NOT NULL column: {field.name.lower()}"
                )
        self.objects.put_file(uri, path)
        size = path.stat().st_size
        path.unlink()
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=uri,
            file_format=FileFormat.PARQUET,
            partition=partition,
            file_size_in_bytes=size,
            sort_order_id=None,
            spec_id=spec.spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )


def _without_letter(key: str | None) -> str | None:
    return None if key is None else key[1:]


def _field_ids(schema: Schema) -> str:
    fields = ", ".join(f"{quoted(field.name)}: {_ids(field.field_type, field.field_id)}" for field in schema.fields)
    return f"{{{fields}}}"


def _ids(kind: IcebergType, number: int) -> str:
    match kind:
        case StructType():
            inner = [f"{quoted(field.name)}: {_ids(field.field_type, field.field_id)}" for field in kind.fields]
        case ListType():
            inner = [f"element: {_ids(kind.element_type, kind.element_id)}"]
        case MapType():
            inner = [f"key: {_ids(kind.key_type, kind.key_id)}", f"value: {_ids(kind.value_type, kind.value_id)}"]
        case _:
            return str(number)
    return f"{{__duckdb_field_id: {number}, {', '.join(inner)}}}"
