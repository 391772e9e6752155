"""Glue's Iceberg REST endpoint beside the other operations: the same names, the same versions, one commit at a time."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ministack.services import glue

from lakehouse.local.fixes.glue_catalog.durable import journaled
from lakehouse.local.fixes.glue_catalog.operations import Answer, Json, at_work
from lakehouse.local.fixes.glue_catalog.versions import next_version
from lakehouse.local.registry import fixes

_GLUE = "ministack.services.glue"
_NAMES = "tables made through the Iceberg REST endpoint keep the case of their names"


@fixes(
    "glue",
    "Iceberg REST: load",
    replaces=f"{_GLUE}:_iceberg_table_entry",
    signature="(db_name, table_name)",
    symptom=_NAMES,
)
def table_entry(original: Callable[..., Any]) -> Callable[..., Any]:
    """The table of a name in any case."""
    return lambda db_name, table_name: original(db_name.lower(), table_name.lower())


@fixes(
    "glue",
    "Iceberg REST: create",
    replaces=f"{_GLUE}:_iceberg_rest_create_table",
    signature="(namespace, body)",
    symptom=_NAMES,
)
def create_table(original: Callable[..., Answer]) -> Callable[..., Answer]:
    """A table under its name in lower case."""

    def replacement(namespace: str, body: Json) -> Answer:
        with at_work, journaled():
            return original(namespace.lower(), {**body, "name": str(body.get("name", "")).lower()})

    return replacement


@fixes(
    "glue",
    "Iceberg REST: commit",
    replaces=f"{_GLUE}:_iceberg_rest_commit_table",
    signature="(namespace, table_name, body)",
    symptom="a commit through the Iceberg REST endpoint makes no new version of the table: the next UpdateTable of "
    "another client that names the version it read undoes it",
)
def commit_table(original: Callable[..., Answer]) -> Callable[..., Answer]:
    """A commit is an update of the table, and one at a time."""

    def replacement(namespace: str, table_name: str, body: Json) -> Answer:
        key = f"{namespace}/{table_name}".lower()
        with at_work, journaled():
            before = glue._tables.get(key)
            if before is None:
                return original(namespace, table_name, body)
            # The emulator changes the table in place.
            changed = glue._tables[key] = copy.deepcopy(before)
            answer = original(namespace, table_name, body)
            if answer[0] == 200:
                changed["VersionId"] = next_version(before)
            return answer

    return replacement
