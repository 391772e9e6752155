"""Partition indexes and column statistics: what is told about a table's partitions and columns.

An index makes nothing faster on the laptop; it is there when it is read.
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import glue

from lakehouse.local.fixes.glue_catalog.durable import journaled
from lakehouse.local.fixes.glue_catalog.operations import (
    Answer,
    CatalogError,
    Json,
    at_work,
    existing,
    invalid,
    mends,
    missing,
    page,
    supplies,
)
from lakehouse.local.fixes.glue_catalog.store import find_table
from lakehouse.local.registry import fixes

_PAGE = 100
# https://docs.aws.amazon.com/glue/latest/dg/partition-indexes.html
_MOST_INDEXES = 3
_SYMPTOM = "names are looked up as they are written, and a table that does not exist has indexes"


def add_index(key: str, table: Json, index: Json) -> None:
    """Give a table a partition index.

    Args:
        key: Where the emulator keeps the table.
        table: The table.
        index: The index's name and the names of its keys.

    Raises:
        CatalogError: There is one of this name, there are too many, or a key is no key of the table.
    """
    types = {column["Name"]: column.get("Type", "string") for column in table.get("PartitionKeys") or ()}
    names = [str(name).lower() for name in index["Keys"]]
    for name in names:
        if name not in types:
            raise invalid(f"{name} is not a partition key of the table.")
    kept = glue._partition_indexes.get(key, [])
    if any(each["IndexName"] == index["IndexName"] for each in kept):
        raise existing(f"Index with the given indexName : {index['IndexName']} already exists")
    if len(kept) >= _MOST_INDEXES:
        raise CatalogError("ResourceNumberLimitExceededException", "Number of partition indexes exceeds 3.")
    keys = [{"Name": name, "Type": types[name]} for name in names]
    made = {"IndexName": index["IndexName"], "Keys": keys, "IndexStatus": "ACTIVE"}
    glue._partition_indexes[key] = [*kept, made]


@mends("CreatePartitionIndex", replaces="_create_partition_index", symptom=_SYMPTOM)
def create_partition_index(data: Json) -> Json:
    """An index, active at once."""
    add_index(*find_table(data), data["PartitionIndex"])
    return {}


@mends("GetPartitionIndexes", replaces="_get_partition_indexes", symptom=_SYMPTOM)
def get_partition_indexes(data: Json) -> Json:
    """The indexes, by name."""
    key, _ = find_table(data)
    listed = sorted((each["IndexName"], each) for each in glue._partition_indexes.get(key, ()))
    return page(data, "PartitionIndexDescriptorList", listed, largest=_PAGE)


@supplies("DeletePartitionIndex")
def delete_partition_index(data: Json) -> Json:
    """The index is gone."""
    key, _ = find_table(data)
    before = glue._partition_indexes.get(key, [])
    left = [each for each in before if each["IndexName"] != data["IndexName"]]
    if len(left) == len(before):
        raise missing(f"Index with the given indexName : {data['IndexName']} does not exist")
    glue._partition_indexes[key] = left
    return {}


def _names_folded(original: Callable[..., Any]) -> Callable[..., Any]:
    """The emulator keeps statistics as they are told; names are looked up in lower case."""

    def replacement(data: Json) -> Answer:
        folded = {**data, "DatabaseName": data["DatabaseName"].lower(), "TableName": data["TableName"].lower()}
        if "ColumnName" in data:
            folded["ColumnName"] = data["ColumnName"].lower()
        if "ColumnNames" in data:
            folded["ColumnNames"] = [name.lower() for name in data["ColumnNames"]]
        if "ColumnStatisticsList" in data:
            told = data["ColumnStatisticsList"]
            folded["ColumnStatisticsList"] = [{**each, "ColumnName": each["ColumnName"].lower()} for each in told]
        try:
            with at_work, journaled():
                find_table(data)
                answer: Answer = original(folded)
        except CatalogError as error:
            answer = error_response_json(error.code, str(error), 400)
        return answer

    return replacement


for _subject in ("table", "partition"):
    for _verb in ("get", "update", "delete"):
        fixes(
            "glue",
            f"{_verb.capitalize()}ColumnStatisticsFor{_subject.capitalize()}",
            replaces=f"ministack.services.glue:_{_verb}_column_statistics_for_{_subject}",
            signature="(data)",
            symptom="names are looked up as they are written",
        )(_names_folded)
