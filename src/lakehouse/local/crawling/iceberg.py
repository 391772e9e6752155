"""Iceberg targets: finds tables by their metadata files and registers them with their latest metadata.

A table that a query engine has registered is the same table where its location is the same: its entry is moved on, not
doubled, and stays the engine's. An entry is never moved to a metadata file that does not descend from it: such a file
is what a failed commit has left behind.

Source: https://docs.aws.amazon.com/glue/latest/dg/define-crawler-choose-data-sources.html
"""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehouse.local.crawling.reading import CrawlStoppedError, split_path
from lakehouse.local.crawling.tables import is_excluded

Log = Callable[[str], None]

_METADATA = re.compile(r"(?P<table>(?:.*/)?)metadata/v?(?P<version>\d+)(?:-[^/]*)?(?:\.gz)?\.metadata\.json(?:\.gz)?")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class FoundIcebergTable:
    """A table that a crawl found.

    Attributes:
        bucket: Its bucket.
        prefix: Its folder, with the final slash.
        metadata_location: Its latest metadata file.
        columns: As the Data Catalog has them: those of the current schema, then those of earlier ones.
        ancestors: Metadata files that the latest one descends from, the oldest first.
        all_metadata: All metadata files of the folder.
    """

    bucket: str
    prefix: str
    metadata_location: str
    columns: Sequence[Mapping[str, Any]]
    ancestors: Sequence[str]
    all_metadata: frozenset[str]

    @property
    def location(self) -> str:
        """Its location, without a final slash, as engines write it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def read_iceberg_target(
    s3: Any, target: Mapping[str, Any], stop: threading.Event, log: Log
) -> Iterator[FoundIcebergTable]:
    """Find the tables below a target's paths.

    Args:
        s3: A boto3 client with the crawler's credentials.
        target: ``Paths``, and maybe ``Exclusions`` and ``MaximumTraversalDepth``.
        stop: Set when the crawler is stopped.
        log: Takes a line for each table that is skipped.

    Yields:
        The tables.

    Raises:
        CrawlStoppedError: The crawler was stopped.
        botocore.exceptions.ClientError: A bucket cannot be read.
    """
    for path in target["Paths"]:
        bucket, prefix = split_path(path)
        tables: dict[str, list[tuple[int, datetime, str]]] = {}
        for key, modified in _objects(s3, bucket, prefix):
            found = _METADATA.fullmatch(key)
            if found and _is_wanted(found["table"], key, prefix, target):
                tables.setdefault(found["table"], []).append((int(found["version"]), modified, key))
        for table, files in sorted(tables.items()):
            if stop.is_set():
                raise CrawlStoppedError
            described = _read(s3, bucket, table, files, log)
            if described is not None:
                yield described


def _objects(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, datetime]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            yield item["Key"], item["LastModified"]


def _is_wanted(table: str, key: str, prefix: str, target: Mapping[str, Any]) -> bool:
    below = key[len(prefix) :]
    # Folders from the path to the metadata folder, which counts.
    depth = below.count("/")
    exclusions = target.get("Exclusions") or []
    is_out = is_excluded(below, exclusions) or is_excluded(table[len(prefix) :].rstrip("/"), exclusions)
    return depth <= int(target.get("MaximumTraversalDepth") or depth) and not is_out


def _read(
    s3: Any, bucket: str, table: str, files: Sequence[tuple[int, datetime, str]], log: Log
) -> FoundIcebergTable | None:
    # Every start of the endpoint would wait for PyIceberg.
    from pydantic import ValidationError as InvalidFieldsError
    from pyiceberg.catalog.glue import _to_columns
    from pyiceberg.exceptions import ValidationError
    from pyiceberg.table.metadata import TableMetadataUtil

    key = max(files)[2]
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    if content.startswith(_GZIP):
        content = gzip.decompress(content)
    try:
        metadata = TableMetadataUtil.parse_raw(content.decode())
    except (ValidationError, InvalidFieldsError, ValueError, KeyError) as error:
        log(f"[WARN] Not a metadata file of an Iceberg table, skipped: s3://{bucket}/{key}: {type(error).__name__}")
        return None
    return FoundIcebergTable(
        bucket=bucket,
        prefix=table,
        metadata_location=f"s3://{bucket}/{key}",
        columns=[dict(column) for column in _to_columns(metadata)],
        ancestors=[entry.metadata_file for entry in metadata.metadata_log],
        all_metadata=frozenset(f"s3://{bucket}/{each}" for *_, each in files),
    )


def definition(name: str, table: FoundIcebergTable, owner: Mapping[str, str]) -> dict[str, Any]:
    """The Data Catalog's entry of a table that is new to it.

    Args:
        name: The entry's name.
        table: The table.
        owner: The crawler's mark among the parameters.

    Returns:
        Glue's ``TableInput``.
    """
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {**owner, **_pointers(table)},
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": [dict(column) for column in table.columns], "Location": table.location},
    }


def moved_on(entry: Mapping[str, Any], table: FoundIcebergTable) -> dict[str, Any] | None:
    """An entry with a table's latest metadata.

    Args:
        entry: The entry as it is.
        table: The table that it names.

    Returns:
        Glue's ``TableInput``; None where the entry is as late as can be.
    """
    parameters = entry.get("Parameters", {})
    registered = parameters.get("metadata_location")
    is_known = registered in table.all_metadata
    if registered == table.metadata_location or (is_known and registered not in table.ancestors):
        return None
    kept = ("Name", "Description", "Owner", "Retention", "PartitionKeys", "TableType", "StorageDescriptor")
    moved = {field: entry[field] for field in kept if field in entry}
    moved["Parameters"] = {**parameters, **_pointers(table)}
    moved["StorageDescriptor"] = {**entry["StorageDescriptor"], "Columns": [dict(column) for column in table.columns]}
    return moved


def _pointers(table: FoundIcebergTable) -> dict[str, str]:
    previous = {"previous_metadata_location": table.ancestors[-1]} if table.ancestors else {}
    return {"table_type": "ICEBERG", "metadata_location": table.metadata_location, **previous}
