"""Tables as Athena's API describes them: what the Data Catalog has, and nothing else.

https://docs.aws.amazon.com/athena/latest/APIReference/API_GetTableMetadata.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import athena, glue

from lakehouse.local.registry import executes

Json = dict[str, Any]
Answer = tuple[Any, ...]
Handler = Callable[[Json], Answer]

_EMULATOR = "ministack.services.athena"
_LISTED_AT_A_TIME = 50


def _failed(what: str) -> Answer:
    answer: Answer = error_response_json(
        "MetadataException", f"com.amazonaws.services.glue.model.EntityNotFoundException: {what}", 400
    )
    return answer


def _described(table: Json) -> Json:
    made = table.get("CreateTime")
    times = {"CreateTime": made.timestamp() if isinstance(made, datetime) else made} if made else {}
    found: Json = {**athena._glue_table_to_metadata(table), "Parameters": table.get("Parameters") or {}}
    return {key: value for key, value in found.items() if not key.endswith("Time")} | times


def _tables(database: str) -> list[Json]:
    """A database's tables, by name."""
    prefix = f"{database}/"
    return [table for key, table in sorted(glue._tables.items()) if key.startswith(prefix)]


@executes("athena", "GetTableMetadata", replaces=f"{_EMULATOR}:_get_table_metadata", signature="(data)")
def get_table_metadata(_original: Handler) -> Handler:
    """GetTableMetadata: a table that there is not is an error."""

    def replacement(data: Json) -> Answer:
        database, name = str(data.get("DatabaseName")).lower(), str(data.get("TableName")).lower()
        if database not in glue._databases:
            return _failed(f"Database {database} not found.")
        table = glue._tables.get(f"{database}/{name}")
        if table is None:
            return _failed(f"Table {name} not found.")
        answer: Answer = json_response({"TableMetadata": _described(table)})
        return answer

    return replacement


@executes("athena", "ListTableMetadata", replaces=f"{_EMULATOR}:_list_table_metadata", signature="(data)")
def list_table_metadata(_original: Handler) -> Handler:
    """ListTableMetadata: those whose names a regular expression lets through, in pages."""

    def replacement(data: Json) -> Answer:
        database = str(data.get("DatabaseName")).lower()
        if database not in glue._databases:
            return _failed(f"Database {database} not found.")
        pattern = re.compile(str(data.get("Expression") or ".*"), re.IGNORECASE)
        found = [one for one in _tables(database) if pattern.fullmatch(one["Name"])]
        later = [one for one in found if one["Name"] >= str(data.get("NextToken") or "")]
        most = int(data.get("MaxResults") or _LISTED_AT_A_TIME)
        body: Json = {"TableMetadataList": [_described(one) for one in later[:most]]}
        if len(later) > most:
            body["NextToken"] = later[most]["Name"]
        answer: Answer = json_response(body)
        return answer

    return replacement
