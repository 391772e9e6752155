"""The versions of a table: https://docs.aws.amazon.com/glue/latest/webapi/API_TableVersion.html."""

from __future__ import annotations

from lakehouse.local.fixes.glue_catalog import store
from lakehouse.local.fixes.glue_catalog.operations import (
    CatalogError,
    Json,
    invalid,
    limited,
    missing,
    page,
    supplies,
)
from lakehouse.local.fixes.glue_catalog.store import find_table, without_nothing

_PAGE = 100
_BATCH = 100


def next_version(table: Json) -> str:
    """The version that the next update makes.

    Args:
        table: The table before it.

    Returns:
        A decimal number, one greater than the table's.
    """
    return str(int(table["VersionId"]) + 1)


def archive(key: str, table: Json) -> None:
    """Keep a table that is about to be updated.

    Args:
        key: Where the emulator keeps it.
        table: The table before the update.
    """
    store.versions[key] = [*_archived(key, table), table]


def _archived(key: str, table: Json) -> list[Json]:
    """The versions before the current one, oldest first.

    A checkpoint that was written during an update may hold a version both as archived and as current.
    """
    current = int(table["VersionId"])
    return [each for each in store.versions.get(key, ()) if int(each["VersionId"]) < current]


def _answered(table: Json) -> Json:
    return {"Table": without_nothing(table), "VersionId": table["VersionId"]}


@supplies("GetTableVersions")
def get_table_versions(data: Json) -> Json:
    """The current version and the archived ones, newest first."""
    key, table = find_table(data)
    newest_first = [table, *reversed(_archived(key, table))]
    # Sorted by a text that gets greater as versions get older.
    listed = [(f"{10**18 - int(each['VersionId']):019}", _answered(each)) for each in newest_first]
    return page(data, "TableVersions", listed, largest=_PAGE)


@supplies("GetTableVersion")
def get_table_version(data: Json) -> Json:
    """The version of this number, the current one where none is named."""
    key, table = find_table(data)
    wanted = str(data.get("VersionId") or table["VersionId"])
    for each in (table, *_archived(key, table)):
        if each["VersionId"] == wanted:
            return {"TableVersion": _answered(each)}
    raise missing(f"Table version {wanted} not found.")


@supplies("DeleteTableVersion")
def delete_table_version(data: Json) -> Json:
    """An archived version; the numbers of the others stay.

    Seen on AWS: https://github.com/getmoto/moto/issues/5952
    """
    key, table = find_table(data)
    version = str(data.get("VersionId") or "")
    if version == table["VersionId"]:
        raise invalid("The current version of a table cannot be deleted.")
    before = _archived(key, table)
    left = [each for each in before if each["VersionId"] != version]
    if len(left) == len(before):
        raise missing(f"Table version {version} not found.")
    store.versions[key] = left
    return {}


@supplies("BatchDeleteTableVersion")
def batch_delete_table_version(data: Json) -> Json:
    """Each version as by ``DeleteTableVersion``."""
    find_table(data)
    errors = []
    for version in limited(data, "VersionIds", _BATCH):
        try:
            delete_table_version({**data, "VersionId": version})
        except CatalogError as error:
            errors.append({"TableName": data["TableName"], "VersionId": version, "ErrorDetail": error.detail()})
    return {"Errors": errors}
