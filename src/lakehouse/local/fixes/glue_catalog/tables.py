"""Tables: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-tables.html."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from ministack.core.responses import get_account_id
from ministack.services import glue

from lakehouse.local.fixes.glue_catalog.indexes import add_index
from lakehouse.local.fixes.glue_catalog.operations import (
    CatalogError,
    Json,
    existing,
    invalid,
    limited,
    mends,
    missing,
    page,
    refuse,
)
from lakehouse.local.fixes.glue_catalog.store import (
    described,
    find_database,
    find_table,
    forget_table,
    in_lower_case,
    key_of,
    name_of,
    tables_of,
    without_nothing,
)
from lakehouse.local.fixes.glue_catalog.versions import archive, next_version

_PAGE = 100
_BATCH = 100
_LONGEST_PATTERN = 2048
_MEMBERS = (
    "Description",
    "Owner",
    "LastAccessTime",
    "LastAnalyzedTime",
    "Retention",
    "ViewOriginalText",
    "ViewExpandedText",
    "TableType",
    "Parameters",
    "TargetTable",
    "ViewDefinition",
)
_OPEN_FORMAT = "Create and change Iceberg tables with Athena's statements or with PyIceberg."


def _stored(table_input: Json, database: str) -> Json:
    given = {member: table_input[member] for member in _MEMBERS if table_input.get(member) is not None}
    return {
        "Retention": 0,
        "Parameters": {},
        **given,
        **described(table_input),
        "Name": name_of(table_input, "Name"),
        "DatabaseName": database,
        "PartitionKeys": in_lower_case(table_input.get("PartitionKeys")),
        "IsRegisteredWithLakeFormation": False,
        "CatalogId": get_account_id(),
    }


def answered(table: Mapping[str, object]) -> Json:
    """A table as Glue answers it.

    Args:
        table: What is stored, perhaps by the emulator's Iceberg endpoint.

    Returns:
        A copy.
    """
    return {"Retention": 0, "IsRegisteredWithLakeFormation": False, **without_nothing(table)}


@mends(
    "CreateTable",
    replaces="_create_table",
    symptom="names keep their case, a type and a storage descriptor that nobody gave are made up, Retention and "
    "partition indexes are dropped, and an OpenTableFormatInput makes a table without metadata",
)
def create_table(data: Json) -> Json:
    """A table under its name in lower case, of version 0."""
    refuse(data, "CreateTable", "OpenTableFormatInput", instead=_OPEN_FORMAT)
    table_input = data.get("TableInput") or {}
    refuse(table_input, "CreateTable", "FederatedTable", instead="Use a table of the catalog itself, or AWS.")
    database = find_database(data)
    key = f"{database['Name']}/{name_of(table_input, 'Name')}"
    if key in glue._tables:
        raise existing("Table already exists.")
    now = int(time.time())
    table = {**_stored(table_input, database["Name"]), "CreateTime": now, "UpdateTime": now, "VersionId": "0"}
    glue._tables[key] = table
    try:
        for index in data.get("PartitionIndexes") or ():
            add_index(key, table, index)
    except CatalogError:
        forget_table(key)
        raise
    return {}


@mends(
    "UpdateTable",
    replaces="_update_table",
    symptom="the version is checked and the table changed in two steps, so that two writers of one version may both "
    "succeed; no version is archived, and what the new definition leaves out stays as it was",
)
def update_table(data: Json) -> Json:
    """The new definition instead of the old one, which is archived; under a VersionId only if that is the current one.

    https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateTable.html
    """
    refuse(data, "UpdateTable", "UpdateOpenTableFormatInput", "ViewUpdateAction", instead=_OPEN_FORMAT)
    table_input = data.get("TableInput") or {}
    key, before = find_table({"DatabaseName": data.get("DatabaseName"), **table_input}, "Name")
    wanted = data.get("VersionId")
    if wanted is not None and str(wanted) != before["VersionId"]:
        raise CatalogError("ConcurrentModificationException", "Update table failed due to concurrent modifications.")
    if not data.get("SkipArchive"):
        archive(key, before)
    glue._tables[key] = {
        **_stored(table_input, before["DatabaseName"]),
        "CreateTime": before["CreateTime"],
        "UpdateTime": int(time.time()),
        "VersionId": next_version(before),
    }
    return {}


@mends(
    "GetTable",
    replaces="_get_table",
    symptom="names are looked up as they are written; an empty owner is answered, which clients cannot send back",
)
def get_table(data: Json) -> Json:
    """The table of a name in any case."""
    table = glue._tables.get(key_of(data, "Name"))
    if table is None:
        find_database(data)
        raise missing("Entity Not Found")
    return {"Table": answered(table)}


@mends(
    "GetTables",
    replaces="_get_tables",
    symptom="all tables are one page, a regular expression matches nothing, a database that does not exist has none",
)
def get_tables(data: Json) -> Json:
    """The tables of a database, by name."""
    database = find_database(data)
    pattern = _pattern(data.get("Expression") or "")
    tables = [] if data.get("ResourceShareType") == "FEDERATED" else tables_of(database["Name"])
    members = {"NAME": "Name", "TABLE_TYPE": "TableType"}
    wanted = [members[attribute] for attribute in data.get("AttributesToGet") or () if attribute in members]
    listed = []
    for table in sorted(tables, key=lambda table: str(table["Name"])):
        if pattern is None or pattern.fullmatch(table["Name"]):
            full = answered(table)
            short = {member: full[member] for member in wanted if member in full}
            listed.append((table["Name"], short if wanted else full))
    return page(data, "TableList", listed, largest=_PAGE)


def _pattern(expression: str) -> re.Pattern[str] | None:
    """What the names must match as a whole.

    A star that repeats nothing stands for anything, as in Hive's patterns: clients send ``sales_*`` and ``*sales*``
    (https://aws-sdk-pandas.readthedocs.io/en/stable/stubs/awswrangler.catalog.get_tables.html).
    """
    if not expression:
        return None
    if len(expression) > _LONGEST_PATTERN:
        raise invalid(f"Expression must have at most {_LONGEST_PATTERN} characters.")
    try:
        return re.compile(re.sub(r"(?<![.\])}\\])\*", ".*", expression), re.IGNORECASE)
    except re.error as error:
        raise invalid(f"Invalid table name expression: {error}") from error


@mends("DeleteTable", replaces="_delete_table", symptom="names are looked up as they are written")
def delete_table(data: Json) -> Json:
    """The table, its partitions, versions, indexes and statistics."""
    key, _ = find_table(data, "Name")
    forget_table(key)
    return {}


@mends("BatchDeleteTable", replaces="_batch_delete_table", symptom="names are looked up as they are written")
def batch_delete_table(data: Json) -> Json:
    """Each table as by ``DeleteTable``."""
    find_database(data)
    errors = []
    for name in limited(data, "TablesToDelete", _BATCH):
        try:
            delete_table({"DatabaseName": data["DatabaseName"], "Name": name})
        except CatalogError as error:
            errors.append({"TableName": name, "ErrorDetail": error.detail()})
    return {"Errors": errors}
