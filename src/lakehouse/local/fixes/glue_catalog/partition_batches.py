"""Partitions, many at a time: what fails is told by entry, the rest is done."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

from ministack.services import glue

from lakehouse.local.fixes.glue_catalog.operations import (
    CatalogError,
    Json,
    existing,
    limited,
    mends,
    missing,
    supplies,
)
from lakehouse.local.fixes.glue_catalog.partitions import answered, kept, remove, replace, stored
from lakehouse.local.fixes.glue_catalog.store import find_table

_NAMES = "names are looked up as they are written, and a table that does not exist has partitions"
# https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-partitions.html
_MOST_CREATED = 100
_MOST_UPDATED = 100
_MOST_DELETED = 25
_MOST_READ = 1000


@mends("BatchCreatePartition", replaces="_batch_create_partition", symptom=_NAMES)
def batch_create_partition(data: Json) -> Json:
    """Those that are not there yet."""
    key, table = find_table(data)
    known = {tuple(partition["Values"]) for partition in kept(key)}
    new, errors = [], []
    for partition_input in limited(data, "PartitionInputList", _MOST_CREATED):
        try:
            made = stored(table, partition_input)
            if tuple(made["Values"]) in known:
                raise existing("Partition already exists.")
        except CatalogError as error:
            errors.append({"PartitionValues": partition_input.get("Values"), "ErrorDetail": error.detail()})
        else:
            known.add(tuple(made["Values"]))
            new.append(made)
    glue._partitions[key] = [*kept(key), *new]
    return {"Errors": errors}


@mends("BatchGetPartition", replaces="_batch_get_partition", symptom=_NAMES)
def batch_get_partition(data: Json) -> Json:
    """Those that are there, and the values of the others."""
    key, _ = find_table(data)
    known = {tuple(partition["Values"]): partition for partition in kept(key)}
    found, others = [], []
    for wanted in limited(data, "PartitionsToGet", _MOST_READ):
        partition = known.get(tuple(wanted["Values"]))
        if partition is None:
            others.append(wanted)
        else:
            found.append(answered(partition))
    return {"Partitions": found, "UnprocessedKeys": others}


@mends(
    "BatchUpdatePartition",
    replaces="_batch_update_partition",
    symptom="an update can make two partitions of the same values",
)
def batch_update_partition(data: Json) -> Json:
    """Each as by ``UpdatePartition``."""
    key, table = find_table(data)
    errors = []
    for entry in limited(data, "Entries", _MOST_UPDATED):
        try:
            replace(key, table, entry["PartitionValueList"], entry["PartitionInput"])
        except CatalogError as error:
            errors.append({"PartitionValueList": entry["PartitionValueList"], "ErrorDetail": error.detail()})
    return {"Errors": errors}


@supplies("BatchDeletePartition")
def batch_delete_partition(data: Json) -> Json:
    """Those that are there."""
    key, _ = find_table(data)
    known = {tuple(partition["Values"]) for partition in kept(key)}
    gone, errors = [], []
    for wanted in limited(data, "PartitionsToDelete", _MOST_DELETED):
        if tuple(wanted["Values"]) in known:
            gone.append(wanted["Values"])
        else:
            detail = missing("Cannot find partition.").detail()
            errors.append({"PartitionValues": wanted["Values"], "ErrorDetail": detail})
    remove(key, gone)
    return {"Errors": errors}
