"""Files of Hive tables, written by DuckDB, a folder a partition.

https://docs.aws.amazon.com/athena/latest/ug/ctas-table-properties.html
"""

from __future__ import annotations

import gzip
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.sql_types import (
    VARBINARY,
    Array,
    Map,
    Row,
    SqlType,
    Timestamp,
    ZonedTimestamp,
    literal,
    quoted,
)
from lakehouse.local.athena.sql.text_forms import as_varchar
from lakehouse.local.athena.tables.avro_files import parquet_as_avro
from lakehouse.local.athena.tables.converted import parquet_as_orc
from lakehouse.local.athena.tables.objects import Objects, joined
from lakehouse.local.athena.tables.pruned_partitions import path_of_values, values_in_path

if TYPE_CHECKING:
    from lakehouse.local.athena.duck import Duck

MOST_PARTITIONS = 100
_HIVE = "org.apache.hadoop.hive.ql.io"
_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = f"{_HIVE}.HiveIgnoreKeyTextOutputFormat"

# Input format, output format and SerDe by the name that statements give a format.
STORAGE: dict[str, tuple[str, str, str]] = {
    "parquet": (
        f"{_HIVE}.parquet.MapredParquetInputFormat",
        f"{_HIVE}.parquet.MapredParquetOutputFormat",
        f"{_HIVE}.parquet.serde.ParquetHiveSerDe",
    ),
    "avro": (
        f"{_HIVE}.avro.AvroContainerInputFormat",
        f"{_HIVE}.avro.AvroContainerOutputFormat",
        "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
    ),
    "orc": (f"{_HIVE}.orc.OrcInputFormat", f"{_HIVE}.orc.OrcOutputFormat", f"{_HIVE}.orc.OrcSerde"),
    "json": (_TEXT_INPUT, _TEXT_OUTPUT, "org.apache.hive.hcatalog.data.JsonSerDe"),
    "textfile": (_TEXT_INPUT, _TEXT_OUTPUT, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
}
_CODECS = {
    "parquet": {
        "gzip": "gzip",
        "snappy": "snappy",
        "zstd": "zstd",
        "none": "uncompressed",
        "uncompressed": "uncompressed",
    },
    "orc": {"zlib": "zlib", "gzip": "zlib", "snappy": "snappy", "zstd": "zstd", "lz4": "lz4", "none": "uncompressed"},
    "avro": {
        "gzip": "deflate",
        "deflate": "deflate",
        "snappy": "snappy",
        "zstd": "zstandard",
        "bzip2": "bzip2",
        "none": "null",
    },
    "json": {"gzip": "gzip", "none": "none"},
    "textfile": {"gzip": "gzip", "none": "none"},
}
_DEFAULT_CODEC = "gzip"
# Formats that DuckDB does not write.
_MADE_OF_PARQUET: dict[str, Callable[[Path, str], Path]] = {"avro": parquet_as_avro, "orc": parquet_as_orc}


def _has_bytes(kind: SqlType) -> bool:
    return kind == VARBINARY or any(map(_has_bytes, kind.parts))


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        files: The objects.
        partitions: Locations by values.
        rows: How many.
    """

    files: tuple[str, ...]
    partitions: Mapping[tuple[str, ...], str]
    rows: int


@dataclass(frozen=True, slots=True)
class HiveWriter:
    """Writes files below a location.

    Attributes:
        duck: Runs the query.
        objects: Takes the files.
        folder: An empty folder for them on the way.
        format: ``parquet``, ``orc``, ``avro``, ``json`` or ``textfile``.
        codec: How they are compressed; empty for Athena's choice.
        delimiter: Between the columns of text.
        places: Locations of partitions that there are, by values.
    """

    duck: Duck
    objects: Objects
    folder: Path
    format: str
    codec: str = ""
    delimiter: str = "\x01"
    places: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def write(
        self, sql: str, columns: Sequence[tuple[str, SqlType]], keys: Sequence[tuple[str, SqlType]], location: str
    ) -> Written:
        """Write a query's result.

        Args:
            sql: DuckDB's text, its columns named as these are.
            columns: Names and types of what is in the files.
            keys: Names and types of what is in the folders' names.
            location: Where.

        Returns:
            What was written.

        Raises:
            StatementFailedError: The format is not written here, or there are too many partitions.
        """
        codec = self._codec()
        listed = [f"{self._held(f'q.{quoted(name)}', kind)} AS {quoted(name)}" for name, kind in columns]
        # Hive has one partition for what is null and what is empty.
        listed += [f"nullif({as_varchar(f'q.{quoted(name)}', kind)}, '') AS {quoted(name)}" for name, kind in keys]
        options = [self._options(codec)]
        if keys:
            options += [
                f"PARTITION_BY ({', '.join(quoted(name) for name, _ in keys)})",
                "WRITE_PARTITION_COLUMNS false",
            ]
        else:
            options.append("FILE_SIZE_BYTES 536870912")
        target = self.folder / uuid.uuid4().hex
        text = f"COPY (SELECT {', '.join(listed)} FROM ({sql}) AS q) TO {literal(str(target))} ({', '.join(options)})"
        rows = sum(int(row[0]) for row in self.duck.execute(text).fetchall())
        # DuckDB makes a file of no rows as well.
        paths = sorted(path for path in target.rglob("*") if path.is_file()) if rows else []
        files, partitions = self._uploaded(paths, target, [name for name, _ in keys], location, codec)
        return Written(files, partitions, rows)

    def _uploaded(
        self, paths: Sequence[Path], target: Path, keys: Sequence[str], location: str, codec: str
    ) -> tuple[tuple[str, ...], dict[tuple[str, ...], str]]:
        values = [values_in_path(str(path.relative_to(target)), keys) or () for path in paths]
        if keys and len(set(values)) > MOST_PARTITIONS:
            raise StatementFailedError(
                "HIVE_TOO_MANY_OPEN_PARTITIONS",
                f"Exceeded limit of {MOST_PARTITIONS} open writers for partitions/buckets",
            )
        files: list[str] = []
        partitions: dict[tuple[str, ...], str] = {}
        for path, one in zip(paths, values, strict=True):
            folder = self.places.get(one) or (joined(location, path_of_values(keys, one)) if keys else location)
            folder = folder.rstrip("/")
            compressed = self._compressed(path, codec)
            suffix = compressed.suffix if compressed is not path else ""
            uri = joined(folder, uuid.uuid4().hex + suffix)
            self.objects.put_file(uri, compressed)
            compressed.unlink()
            files.append(uri)
            if keys:
                partitions[one] = f"{folder}/"
        return tuple(files), partitions

    def _codec(self) -> str:
        known = _CODECS.get(self.format)
        if known is None:
            raise not_supported(f"Writing files of {self.format.upper()}", f"Use one of {', '.join(sorted(_CODECS))}.")
        codec = (self.codec or _DEFAULT_CODEC).lower()
        if codec not in known:
            raise not_supported(f"The compression {codec} of {self.format.upper()}", f"Use one of {', '.join(known)}.")
        return known[codec]

    def _options(self, codec: str) -> str:
        if self.format == "parquet":
            return f"FORMAT parquet, COMPRESSION {codec}"
        if self.format in _MADE_OF_PARQUET:
            return "FORMAT parquet, COMPRESSION lz4_raw"
        if self.format == "json":
            return "FORMAT json"
        return f"FORMAT csv, HEADER false, DELIMITER {literal(self.delimiter)}, QUOTE '', ESCAPE '', NULLSTR '\\N'"

    def _held(self, sql: str, kind: SqlType) -> str:
        """A value as the format's files have it."""
        if isinstance(kind, ZonedTimestamp):
            raise StatementFailedError("NOT_SUPPORTED", f"Unsupported Hive type: {kind}")
        if self.format == "parquet" or self.format in _MADE_OF_PARQUET:
            return sql
        if _has_bytes(kind):
            raise not_supported(f"The type {kind} in files of {self.format.upper()}", "Use PARQUET or ORC.")
        if isinstance(kind, Timestamp):
            return as_varchar(sql, Timestamp(max(3, kind.precision)))
        if self.format == "textfile" and isinstance(kind, Array | Map | Row):
            raise not_supported(f"The type {kind} in files of TEXTFILE", "Use PARQUET or JSON.")
        return sql

    def _compressed(self, path: Path, codec: str) -> Path:
        if self.format in _MADE_OF_PARQUET:
            return _MADE_OF_PARQUET[self.format](path, codec)
        if codec != "gzip" or self.format == "parquet":
            return path
        target = path.with_name(f"{path.name}.gz")
        # Always the same bytes for the same rows.
        with path.open("rb") as source, target.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) as file:
            shutil.copyfileobj(source, file)
        path.unlink()
        return target
