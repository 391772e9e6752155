"""Writes what a crawl found into the Data Catalog, as the crawler's policies say.

Source: https://docs.aws.amazon.com/glue/latest/dg/crawler-configuration.html
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakehouse.local.crawling import iceberg
from lakehouse.local.crawling.tables import CrawledFile, FoundTable, table_name

_HIVE = "org.apache.hadoop.hive.ql.io"
_FORMATS: dict[str, dict[str, str]] = {
    "parquet": {
        "InputFormat": f"{_HIVE}.parquet.MapredParquetInputFormat",
        "OutputFormat": f"{_HIVE}.parquet.MapredParquetOutputFormat",
        "Serde": f"{_HIVE}.parquet.serde.ParquetHiveSerDe",
    },
    "json": {
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": f"{_HIVE}.HiveIgnoreKeyTextOutputFormat",
        "Serde": "org.openx.data.jsonserde.JsonSerDe",
    },
    "csv": {
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat": f"{_HIVE}.HiveIgnoreKeyTextOutputFormat",
        "Serde": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    },
}
_OWNER = "UPDATED_BY_CRAWLER"
_DEPRECATED = "DEPRECATED_BY_CRAWLER"
_PARTITIONS_A_CALL = 100

Log = Callable[[str], None]


@dataclass
class Tally:
    """What a crawl changed.

    Attributes:
        created: Tables that are new.
        updated: Tables that were changed.
        deleted: Tables that were deleted or deprecated.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass
class Catalog:
    """The Data Catalog, as one crawler writes it.

    Attributes:
        glue: A boto3 client with the crawler's credentials.
        crawler: The crawler's definition.
        configuration: Its parsed ``Configuration``.
        log: Takes a line a change.
        tally: What was changed so far.
    """

    glue: Any
    crawler: Mapping[str, Any]
    configuration: Mapping[str, Any]
    log: Log
    tally: Tally = field(default_factory=Tally)

    @property
    def _database(self) -> str:
        return str(self.crawler["DatabaseName"])

    @property
    def _policy(self) -> Mapping[str, str]:
        return self.crawler.get("SchemaChangePolicy") or {}

    def write(
        self,
        found: Sequence[tuple[str, FoundTable]],
        iceberg_tables: Sequence[iceberg.FoundIcebergTable],
        targets: Sequence[str],
    ) -> None:
        """Create, update and delete tables and partitions.

        Args:
            found: Bucket and table.
            iceberg_tables: Tables that were found by their metadata.
            targets: The locations that were crawled: tables below them that were not found are gone.
        """
        self._ensure_database()
        existing = {table["Name"]: table for table in self._tables()}
        kept = {self._write_table(bucket, table, existing) for bucket, table in found}
        kept |= {self._write_iceberg_table(table, existing) for table in iceberg_tables}
        for name, table in existing.items():
            location = table.get("StorageDescriptor", {}).get("Location", "")
            is_ours = table.get("Parameters", {}).get(_OWNER) == self.crawler["Name"]
            if is_ours and name not in kept and location.startswith(tuple(targets)):
                self._retire(table)

    def _ensure_database(self) -> None:
        try:
            self.glue.get_database(Name=self._database)
        except self.glue.exceptions.EntityNotFoundException:
            self.glue.create_database(DatabaseInput={"Name": self._database})
            self.log(f"[INFO] Created database {self._database}")

    def _tables(self) -> Iterator[dict[str, Any]]:
        for page in self.glue.get_paginator("get_tables").paginate(DatabaseName=self._database):
            yield from page["TableList"]

    def _write_table(self, bucket: str, table: FoundTable, existing: Mapping[str, dict[str, Any]]) -> str:
        location = f"s3://{bucket}/{table.prefix}"
        name = table_name(table.prefix, bucket, self.crawler.get("TablePrefix") or "")
        if name in existing and existing[name].get("StorageDescriptor", {}).get("Location") != location:
            # The name is taken by another folder's table: Glue appends a hash of the location.
            name = f"{name}_{hashlib.md5(location.encode(), usedforsecurity=False).hexdigest()}"
        definition = self._definition(name, location, table)
        before = existing.get(name)
        if before is None:
            self.glue.create_table(DatabaseName=self._database, TableInput=definition)
            self.tally.created += 1
            self.log(f"[INFO] Created table {name} in database {self._database}")
        else:
            self._update(before, definition)
        if table.partitions:
            self._write_partitions(name, location, table, definition["StorageDescriptor"])
        return name

    def _write_iceberg_table(self, table: iceberg.FoundIcebergTable, existing: Mapping[str, dict[str, Any]]) -> str:
        registered = next((entry for entry in existing.values() if _location(entry) == table.location), None)
        if registered is not None:
            self._move_on(registered, table)
            return str(registered["Name"])
        name = table_name(table.prefix, table.bucket, self.crawler.get("TablePrefix") or "")
        if name in existing:
            name = f"{name}_{hashlib.md5(table.location.encode(), usedforsecurity=False).hexdigest()}"
        owner = {_OWNER: str(self.crawler["Name"])}
        self.glue.create_table(DatabaseName=self._database, TableInput=iceberg.definition(name, table, owner))
        self.tally.created += 1
        self.log(f"[INFO] Created Iceberg table {name} in database {self._database}")
        return name

    def _move_on(self, registered: Mapping[str, Any], table: iceberg.FoundIcebergTable) -> None:
        name, definition = registered["Name"], iceberg.moved_on(registered, table)
        if definition is None:
            return
        has_changed = definition["StorageDescriptor"]["Columns"] != registered["StorageDescriptor"].get("Columns")
        if has_changed and self._policy.get("UpdateBehavior", "UPDATE_IN_DATABASE") == "LOG":
            self.log(f"[WARN] The columns of table {name} have changed; the table is kept as UpdateBehavior says")
            return
        definition["Parameters"].pop(_DEPRECATED, None)
        self.glue.update_table(DatabaseName=self._database, TableInput=definition)
        self.tally.updated += 1
        self.log(f"[INFO] Updated Iceberg table {name} in database {self._database}")

    def _definition(self, name: str, location: str, table: FoundTable) -> dict[str, Any]:
        columns = [{"Name": column, "Type": kind} for column, kind in table.columns.items()]
        statistics = _statistics(table.files)
        parameters = {
            "CrawlerSchemaDeserializerVersion": "1.0",
            "CrawlerSchemaSerializerVersion": "1.0",
            _OWNER: str(self.crawler["Name"]),
            **statistics,
            "classification": table.classification,
            "compressionType": table.files[0].schema.compression,
            "typeOfData": "file",
        }
        if table.classification == "csv":
            parameters |= {"areColumnsQuoted": "false", "delimiter": ",", "skip.header.line.count": "1"}
        return {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Owner": "owner",
            "Retention": 0,
            "Parameters": parameters,
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in table.partition_names],
            "StorageDescriptor": _storage(table.classification, columns, location, parameters),
        }

    def _update(self, before: Mapping[str, Any], definition: dict[str, Any]) -> None:
        name, storage = definition["Name"], definition["StorageDescriptor"]
        columns = before["StorageDescriptor"].get("Columns", [])
        has_changed = columns != storage["Columns"] or before.get("PartitionKeys", []) != definition["PartitionKeys"]
        is_deprecated = _DEPRECATED in before.get("Parameters", {})
        if has_changed and self._policy.get("UpdateBehavior", "UPDATE_IN_DATABASE") == "LOG":
            self.log(f"[WARN] The columns of table {name} have changed; the table is kept as UpdateBehavior says")
            return
        if not has_changed and not is_deprecated and before.get("Parameters") == definition["Parameters"]:
            return
        output = self.configuration.get("CrawlerOutput", {}).get("Tables", {})
        if output.get("AddOrUpdateBehavior") == "MergeNewColumns":
            known = {column["Name"] for column in columns}
            storage["Columns"] = [*columns, *(each for each in storage["Columns"] if each["Name"] not in known)]
        self.glue.update_table(DatabaseName=self._database, TableInput=definition)
        if has_changed or is_deprecated:
            self.tally.updated += 1
            self.log(f"[INFO] Updated table {name} in database {self._database}")

    def _write_partitions(self, name: str, location: str, table: FoundTable, table_storage: Mapping[str, Any]) -> None:
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=self._database, TableName=name)
        existing = {tuple(each["Values"]) for page in pages for each in page["Partitions"]}
        inputs = [
            {
                "Values": list(values),
                "Parameters": _statistics(files) | {"classification": table.classification},
                "StorageDescriptor": {
                    **table_storage,
                    "Location": f"s3://{location.split('/', 3)[2]}/{files[0].folder}",
                },
            }
            for values, files in sorted(table.partitions.items())
        ]
        new = [each for each in inputs if tuple(each["Values"]) not in existing]
        for batch in _batches(new):
            self.glue.batch_create_partition(DatabaseName=self._database, TableName=name, PartitionInputList=batch)
        known = [each for each in inputs if tuple(each["Values"]) in existing]
        for batch in _batches(known):
            entries = [{"PartitionValueList": each["Values"], "PartitionInput": each} for each in batch]
            self.glue.batch_update_partition(DatabaseName=self._database, TableName=name, Entries=entries)
        gone = existing - set(table.partitions)
        if gone and self._policy.get("DeleteBehavior") == "DELETE_FROM_DATABASE":
            for values in gone:
                self.glue.delete_partition(DatabaseName=self._database, TableName=name, PartitionValues=list(values))
        self.log(f"[INFO] Table {name}: {len(new)} partition(s) created, {len(gone)} gone")

    def _retire(self, table: Mapping[str, Any]) -> None:
        """Apply DeleteBehavior to a table whose objects are gone."""
        behavior = self._policy.get("DeleteBehavior", "DEPRECATE_IN_DATABASE")
        name = table["Name"]
        if behavior == "DELETE_FROM_DATABASE":
            self.glue.delete_table(DatabaseName=self._database, Name=name)
            self.tally.deleted += 1
        elif behavior == "DEPRECATE_IN_DATABASE" and _DEPRECATED not in table["Parameters"]:
            fields = ("Name", "Owner", "Retention", "StorageDescriptor", "PartitionKeys", "TableType")
            definition = {key: table[key] for key in fields if key in table}
            definition["Parameters"] = {**table["Parameters"], _DEPRECATED: str(int(time.time() * 1000))}
            self.glue.update_table(DatabaseName=self._database, TableInput=definition)
            self.tally.deleted += 1
        self.log(f"[INFO] No objects are left of table {name}: {behavior}")


def _location(entry: Mapping[str, Any]) -> str:
    return str(entry.get("StorageDescriptor", {}).get("Location", "")).rstrip("/")


def _storage(
    classification: str, columns: list[dict[str, str]], location: str, parameters: Mapping[str, str]
) -> dict[str, Any]:
    names = _FORMATS[classification]
    serde = {
        "parquet": {"serialization.format": "1"},
        "json": {"paths": ",".join(column["Name"] for column in columns)},
        "csv": {"field.delim": ","},
    }[classification]
    return {
        "Columns": columns,
        "Location": location,
        "InputFormat": names["InputFormat"],
        "OutputFormat": names["OutputFormat"],
        "Compressed": parameters["compressionType"] != "none",
        "NumberOfBuckets": -1,
        "SerdeInfo": {"SerializationLibrary": names["Serde"], "Parameters": serde},
        "BucketColumns": [],
        "SortColumns": [],
        "StoredAsSubDirectories": False,
        "Parameters": dict(parameters),
    }


def _statistics(files: Sequence[CrawledFile]) -> dict[str, str]:
    size = sum(file.size for file in files)
    records = sum(file.schema.records for file in files)
    return {
        "averageRecordSize": str(size // records if records else 0),
        "objectCount": str(len(files)),
        "recordCount": str(records),
        "sizeKey": str(size),
    }


def _batches(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + _PARTITIONS_A_CALL] for start in range(0, len(items), _PARTITIONS_A_CALL))
