"""Partitions, one at a time and listed: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-partitions.html."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable

from ministack.core.responses import get_account_id
from ministack.services import glue

from lakehouse.local.fixes.glue_catalog.expressions import PartitionKey, Predicate, parse
from lakehouse.local.fixes.glue_catalog.operations import Json, existing, invalid, mends, missing, page, supplies
from lakehouse.local.fixes.glue_catalog.store import described, find_table, without_nothing

_PAGE = 1000
_MOST_SEGMENTS = 10
_NAMES = "names are looked up as they are written, and a table that does not exist has partitions"


def stored(table: Json, partition_input: Json) -> Json:
    """A partition as it is kept.

    Args:
        table: The table.
        partition_input: What was given.

    Returns:
        The partition.

    Raises:
        CatalogError: It has not one value for each partition key.
    """
    values = list(partition_input.get("Values") or ())
    if len(values) != len(table["PartitionKeys"]):
        raise invalid("The number of partition keys do not match the number of partition values")
    given = {
        member: partition_input[member]
        for member in ("LastAccessTime", "LastAnalyzedTime", "Parameters")
        if partition_input.get(member) is not None
    }
    return {
        "Parameters": {},
        **given,
        **described(partition_input),
        "Values": values,
        "DatabaseName": table["DatabaseName"],
        "TableName": table["Name"],
        "CreationTime": int(time.time()),
        "CatalogId": get_account_id(),
    }


def answered(partition: Json, *, has_columns: bool = True) -> Json:
    """A partition as Glue answers it: it always has parameters.

    Args:
        partition: What is stored.
        has_columns: Whether the columns are wanted.

    Returns:
        A copy.
    """
    answer = {"Parameters": {}, **without_nothing(partition)}
    if not has_columns and "StorageDescriptor" in answer:
        storage = answer["StorageDescriptor"]
        answer["StorageDescriptor"] = {member: storage[member] for member in storage if member != "Columns"}
    return answer


def kept(key: str) -> list[Json]:
    """The partitions of a table; the list must not be changed.

    Args:
        key: Where the emulator keeps the table.

    Returns:
        The partitions.
    """
    partitions: list[Json] = glue._partitions.get(key, [])
    return partitions


def find(key: str, values: list[str]) -> int:
    """Where a partition is.

    Args:
        key: Where the emulator keeps its table.
        values: Its values.

    Returns:
        Its index among the kept ones.

    Raises:
        CatalogError: There is none.
    """
    for index, partition in enumerate(kept(key)):
        if partition["Values"] == values:
            return index
    raise missing("Cannot find partition.")


def replace(key: str, table: Json, values: list[str], partition_input: Json) -> None:
    """Put a new definition in a partition's place, perhaps with other values.

    Args:
        key: Where the emulator keeps the table.
        table: The table.
        values: The values of the partition that is there.
        partition_input: The new definition.

    Raises:
        CatalogError: There is no such partition, or another one has the new values.
    """
    index = find(key, values)
    made = stored(table, partition_input)
    made["CreationTime"] = kept(key)[index].get("CreationTime")
    if made["Values"] != values:
        if any(partition["Values"] == made["Values"] for partition in kept(key)):
            raise existing("Partition already exists.")
        glue._partition_column_statistics[key] = [
            {**entry, "Values": made["Values"]} if entry["Values"] == values else entry
            for entry in glue._partition_column_statistics.get(key, ())
        ]
    glue._partitions[key] = [*kept(key)[:index], made, *kept(key)[index + 1 :]]


def remove(key: str, gone: Iterable[list[str]]) -> None:
    """Remove partitions and their statistics.

    Args:
        key: Where the emulator keeps the table.
        gone: Their values.
    """
    values = {tuple(each) for each in gone}
    for partitions in (glue._partitions, glue._partition_column_statistics):
        partitions[key] = [each for each in partitions.get(key, ()) if tuple(each["Values"]) not in values]


@mends("CreatePartition", replaces="_create_partition", symptom=_NAMES)
def create_partition(data: Json) -> Json:
    """A partition that is not there yet."""
    key, table = find_table(data)
    made = stored(table, data["PartitionInput"])
    if any(partition["Values"] == made["Values"] for partition in kept(key)):
        raise existing("Partition already exists.")
    glue._partitions[key] = [*kept(key), made]
    return {}


@mends("GetPartition", replaces="_get_partition", symptom="a partition has no parameters")
def get_partition(data: Json) -> Json:
    """The partition of these values."""
    key, _ = find_table(data)
    return {"Partition": answered(kept(key)[find(key, data["PartitionValues"])])}


@supplies("UpdatePartition")
def update_partition(data: Json) -> Json:
    """The new definition instead of the old one.

    The reference says that values cannot be changed; clients that rename partitions do just that, and Glue lets them:
    https://github.com/getmoto/moto/blob/master/tests/test_glue/test_datacatalog.py (``test_update_partition_move``).
    """
    key, table = find_table(data)
    replace(key, table, data["PartitionValueList"], data["PartitionInput"])
    return {}


@mends("DeletePartition", replaces="_delete_partition", symptom="a partition that does not exist can be deleted")
def delete_partition(data: Json) -> Json:
    """The partition is gone."""
    key, _ = find_table(data)
    find(key, data["PartitionValues"])
    remove(key, [data["PartitionValues"]])
    return {}


@mends(
    "GetPartitions",
    replaces="_get_partitions",
    symptom="the expression is ignored: who deletes what it matches deletes all partitions; all are one page, and "
    "every segment is the whole",
)
def get_partitions(data: Json) -> Json:
    """The partitions that the expression selects, by their values."""
    key, table = find_table(data)
    selects = _selection(table, data.get("Expression") or "")
    in_segment = _segment(data.get("Segment"))
    found = [each for each in kept(key) if in_segment(each["Values"]) and selects(each["Values"])]
    has_columns = not data.get("ExcludeColumnSchema")
    listed = sorted(((each["Values"], each) for each in found), key=lambda entry: entry[0])
    answer = page(data, "Partitions", listed, largest=_PAGE)
    answer["Partitions"] = [answered(partition, has_columns=has_columns) for partition in answer["Partitions"]]
    return answer


def _selection(table: Json, expression: str) -> Predicate:
    if not expression.strip():
        return lambda _: True
    keys = {
        column["Name"]: PartitionKey(index, column["Name"], column.get("Type", "string"))
        for index, column in enumerate(table["PartitionKeys"])
    }
    return parse(expression, keys)


def _segment(segment: Json | None) -> Predicate:
    """Every partition is in just one of the segments: https://docs.aws.amazon.com/glue/latest/webapi/API_Segment.html."""
    if segment is None:
        return lambda _: True
    number, total = segment["SegmentNumber"], segment["TotalSegments"]
    if not (1 <= total <= _MOST_SEGMENTS and 0 <= number < total):
        raise invalid("The segment is not valid.")
    return lambda values: zlib.crc32("\0".join(values).encode()) % total == number
