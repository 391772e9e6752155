"""Which files a snapshot of an Iceberg table has, and which delete files count for each.

PyIceberg plans all but equality deletes, https://iceberg.apache.org/spec/#scan-planning
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.manifest import INITIAL_SEQUENCE_NUMBER, DataFileContent, ManifestEntry
from pyiceberg.table import FileScanTask, ManifestGroupPlanner
from pyiceberg.table.delete_file_index import DeleteFileIndex

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


def planned(
    table: Table, row_filter: BooleanExpression | None = None, snapshot_id: int | None = None
) -> list[FileScanTask]:
    """The files of a snapshot.

    Args:
        table: The table.
        row_filter: Files that cannot have such rows are left out; by the names of the table's current schema.
        snapshot_id: The snapshot; None for the current one.

    Returns:
        The data files, and the delete files that count for each.
    """
    snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
    if snapshot is None:
        return []
    planner = ManifestGroupPlanner(table.metadata, table.io, row_filter or AlwaysTrue())
    data: list[ManifestEntry] = []
    equality: list[ManifestEntry] = []
    positions = DeleteFileIndex()
    for entry in chain.from_iterable(planner.plan_manifest_entries(snapshot.manifests(table.io))):
        match entry.data_file.content:
            case DataFileContent.DATA:
                data.append(entry)
            case DataFileContent.EQUALITY_DELETES:
                equality.append(entry)
            case _:
                positions.add_delete_file(entry, partition_key=entry.data_file.partition)
    return [
        FileScanTask(
            entry.data_file,
            delete_files={
                *positions.for_data_file(_age(entry), entry.data_file, partition_key=entry.data_file.partition),
                *(one.data_file for one in equality if _counts(table, one, entry)),
            },
        )
        for entry in data
    ]


def _age(entry: ManifestEntry) -> int:
    return entry.sequence_number or INITIAL_SEQUENCE_NUMBER


def _counts(table: Table, delete: ManifestEntry, entry: ManifestEntry) -> bool:
    """Whether rows of a file may be deleted: those of older files, in the same partition or, without one, anywhere."""
    if _age(entry) >= _age(delete):
        return False
    held: DataFile = delete.data_file
    if not table.specs()[held.spec_id].fields:
        return True
    return bool(held.spec_id == entry.data_file.spec_id and held.partition == entry.data_file.partition)
