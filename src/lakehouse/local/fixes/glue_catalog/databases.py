"""Databases: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-databases.html."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import time

from ministack.core.responses import get_account_id
from ministack.services import glue

from lakehouse.local.fixes.glue_catalog.operations import Json, existing, invalid, mends, page, refuse
from lakehouse.local.fixes.glue_catalog.store import find_database, forget_table, name_of, without_nothing

_CASE = "names are kept as they are written, so that Sales and sales are two databases"
_PAGE = 100

# What a database grants where nobody said otherwise.
# https://docs.aws.amazon.com/lake-formation/latest/dg/change-settings.html
_EVERYBODY = [
    {"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]},
]
_MEMBERS = ("Description", "LocationUri", "Parameters", "CreateTableDefaultPermissions", "TargetDatabase")


def _stored(database_input: Json, name: str) -> Json:
    refuse(database_input, "CreateDatabase", "FederatedDatabase", instead="Use tables of the catalog itself, or AWS.")
    given = {member: database_input[member] for member in _MEMBERS if database_input.get(member) is not None}
    return {
        "Parameters": {},
        "CreateTableDefaultPermissions": _EVERYBODY,
        **given,
        "Name": name,
        "CatalogId": get_account_id(),
    }


@mends("CreateDatabase", replaces="_create_database", symptom=_CASE)
def create_database(data: Json) -> Json:
    """A database under its name in lower case."""
    name = name_of(data.get("DatabaseInput") or {}, "Name")
    if "/" in name:
        # The emulator keeps tables by "database/table".
        raise invalid(f"{name} is not a valid database name.")
    if name in glue._databases:
        raise existing("Database already exists.")
    glue._databases[name] = {**_stored(data["DatabaseInput"], name), "CreateTime": int(time.time())}
    if data.get("Tags"):
        glue._tags[glue._arn("database", name)] = dict(data["Tags"])
    return {}


@mends("GetDatabase", replaces="_get_database", symptom=_CASE)
def get_database(data: Json) -> Json:
    """The database of a name in any case."""
    return {"Database": without_nothing(find_database(data, "Name"))}


@mends("GetDatabases", replaces="_get_databases", symptom="all databases are one page")
def get_databases(data: Json) -> Json:
    """The account's own databases, by name: nobody shares any with it."""
    named = {} if data.get("ResourceShareType") in {"FOREIGN", "FEDERATED"} else dict(glue._databases.items())
    is_short = data.get("AttributesToGet") == ["NAME"]
    listed = [
        (name, {"Name": name} if is_short else without_nothing(database)) for name, database in sorted(named.items())
    ]
    return page(data, "DatabaseList", listed, largest=_PAGE)


@mends(
    "UpdateDatabase",
    replaces="_update_database",
    symptom="what the new definition leaves out stays as it was, and default permissions are dropped",
)
def update_database(data: Json) -> Json:
    """The new definition instead of the old one; a database cannot be renamed."""
    database = find_database(data, "Name")
    if name_of(data.get("DatabaseInput") or {}, "Name") != database["Name"]:
        raise invalid("A database cannot be renamed.")
    stored = _stored(data["DatabaseInput"], database["Name"])
    glue._databases[database["Name"]] = {**stored, "CreateTime": database["CreateTime"]}
    return {}


@mends("DeleteDatabase", replaces="_delete_database", symptom=_CASE)
def delete_database(data: Json) -> Json:
    """The database, and all that is in it."""
    name = find_database(data, "Name")["Name"]
    for key in [key for key in glue._tables if key.startswith(f"{name}/")]:
        forget_table(key)
    for key in [key for key in glue._user_defined_functions if key.startswith(f"{name}/")]:
        glue._user_defined_functions.pop(key, None)
    glue._tags.pop(glue._arn("database", name), None)
    glue._databases.pop(name, None)
    return {}
