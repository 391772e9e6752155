"""Athena's workgroups and saved queries: what was given is there when it is read, the rest as Athena fills it in."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import athena

from lakehouse.local.registry import adds, fixes

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], Any]

_ATHENA = "ministack.services.athena"

# AUTO is the default: https://docs.aws.amazon.com/athena/latest/APIReference/API_EngineVersion.html
_AUTO = "AUTO"
_ENGINE = "Athena engine version 3"
# The group that every account has, as moto recorded it. The reference names no default but that of requester pays.
# https://github.com/getmoto/moto/blob/master/moto/athena/models.py
_OF_PRIMARY = {
    "EnableMinimumEncryptionConfiguration": False,
    "EnforceWorkGroupConfiguration": False,
    "PublishCloudWatchMetricsEnabled": False,
    "RequesterPaysEnabled": False,
}
# A group that is made enforces and measures where nobody said otherwise, as Terraform's tests on AWS expect.
# https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/athena/workgroup_test.go
_OF_OTHERS = {**_OF_PRIMARY, "EnforceWorkGroupConfiguration": True, "PublishCloudWatchMetricsEnabled": True}

# The operations that the emulator does not know, by name.
OPERATIONS: dict[str, Callable[[Json], Answer]] = {}


def _answer(body: Json) -> Answer:
    answer: Answer = json_response(body)
    return answer


def _error(code: str, message: str) -> Answer:
    answer: Answer = error_response_json(code, message, 400)
    return answer


def completed(workgroup: Mapping[str, Any]) -> Json:
    """A workgroup's configuration as Athena answers it.

    Args:
        workgroup: As it was made.

    Returns:
        The configuration, with what Athena fills in.
    """
    given = workgroup.get("Configuration") or {}
    engine = given.get("EngineVersion") or {}
    selected = engine.get("SelectedEngineVersion") or _AUTO
    return {
        **(_OF_PRIMARY if workgroup["Name"] == "primary" else _OF_OTHERS),
        **given,
        "EngineVersion": {
            "SelectedEngineVersion": selected,
            "EffectiveEngineVersion": _ENGINE if selected == _AUTO else selected,
        },
    }


@fixes(
    "athena",
    "GetWorkGroup",
    replaces=f"{_ATHENA}:_get_workgroup",
    signature="(data)",
    symptom="EnforceWorkGroupConfiguration and other settings are missing, which awswrangler reads",
)
def get_workgroup(_: Callable[..., Any]) -> Callable[..., Any]:
    """Athena's defaults are filled in."""

    def replacement(data: Json) -> Answer:
        workgroup = athena._workgroups.get(data.get("WorkGroup"))
        if workgroup is None:
            return _error("InvalidRequestException", f"WorkGroup {data.get('WorkGroup')} is not found.")
        return _answer({"WorkGroup": {**workgroup, "Configuration": completed(workgroup)}})

    return replacement


@fixes(
    "athena",
    "ListWorkGroups",
    replaces=f"{_ATHENA}:_list_workgroups",
    signature="(data)",
    symptom="workgroups have no engine version",
)
def list_workgroups(_: Callable[..., Any]) -> Callable[..., Any]:
    """With the engine's version."""

    def replacement(data: Json) -> Answer:
        del data
        members = ("Name", "State", "Description", "CreationTime")
        listed = [
            {
                **{member: workgroup[member] for member in members if member in workgroup},
                "EngineVersion": completed(workgroup)["EngineVersion"],
            }
            for workgroup in athena._workgroups.values()
        ]
        return _answer({"WorkGroups": listed})

    return replacement


@fixes(
    "athena",
    "UpdateWorkGroup",
    replaces=f"{_ATHENA}:_update_workgroup",
    signature="(data)",
    symptom="RemoveBytesScannedCutoffPerQuery, owner and ACL of results and other settings are ignored: terraform plan "
    "shows them as drift",
)
def update_workgroup(_: Callable[..., Any]) -> Callable[..., Any]:
    """Every setting can be changed and removed."""

    def replacement(data: Json) -> Answer:
        workgroup = athena._workgroups.get(data.get("WorkGroup"))
        if workgroup is None:
            return _error("InvalidRequestException", f"WorkGroup {data.get('WorkGroup')} is not found.")
        updates = dict(data.get("ConfigurationUpdates") or {})
        configuration = dict(workgroup.get("Configuration") or {})
        for member in ("ResultConfiguration", "ManagedQueryResultsConfiguration"):
            changes = updates.pop(f"{member}Updates", None)
            if changes is not None:
                configuration[member] = _changed(configuration.get(member) or {}, changes)
        changed = {member: data[member] for member in ("Description", "State") if member in data}
        athena._workgroups[workgroup["Name"]] = {
            **workgroup,
            **changed,
            "Configuration": _changed(configuration, updates),
        }
        return _answer({})

    return replacement


def _changed(settings: Json, updates: Mapping[str, Any]) -> Json:
    """Settings with updates: ``RemoveX`` takes ``X`` away, everything else is put in its place."""
    removed = {
        member.removeprefix("Remove") for member, value in updates.items() if member.startswith("Remove") and value
    }
    put = {member: value for member, value in updates.items() if not member.startswith("Remove")}
    return {member: value for member, value in {**settings, **put}.items() if member not in removed}


@fixes(
    "athena",
    "DeleteWorkGroup",
    replaces=f"{_ATHENA}:_delete_workgroup",
    signature="(data)",
    symptom="a workgroup that is in use is deleted without RecursiveDeleteOption, and its queries stay",
)
def delete_workgroup(original: Callable[..., Any]) -> Callable[..., Any]:
    """What is in use is deleted only together with its saved queries and statements.

    https://docs.aws.amazon.com/athena/latest/APIReference/API_DeleteWorkGroup.html
    """

    def replacement(data: Json) -> Any:
        name = data.get("WorkGroup")
        queries = [key for key, query in athena._named_queries.items() if query["WorkGroup"] == name]
        statements = [key for key, each in athena._prepared_statements.items() if each["WorkGroupName"] == name]
        if (queries or statements) and not data.get("RecursiveDeleteOption"):
            return _error("InvalidRequestException", f"WorkGroup {name} is not empty")
        answer = original(data)
        if answer[0] == 200:
            for key in queries:
                athena._named_queries.pop(key, None)
            for key in statements:
                athena._prepared_statements.pop(key, None)
        return answer

    return replacement


def _update_prepared_statement(data: Json) -> Answer:
    """Another text for a statement: https://docs.aws.amazon.com/athena/latest/APIReference/API_UpdatePreparedStatement.html."""
    key = f"{data.get('WorkGroup')}/{data.get('StatementName')}"
    statement = athena._prepared_statements.get(key)
    if statement is None:
        return _error("ResourceNotFoundException", f"PreparedStatement {data.get('StatementName')} was not found")
    given = {member: data[member] for member in ("QueryStatement", "Description") if member in data}
    athena._prepared_statements[key] = {**statement, **given, "LastModifiedTime": int(time.time())}
    return _answer({})


def _update_named_query(data: Json) -> Answer:
    """Another text for a query: https://docs.aws.amazon.com/athena/latest/APIReference/API_UpdateNamedQuery.html."""
    query = athena._named_queries.get(data.get("NamedQueryId"))
    if query is None:
        return _error("InvalidRequestException", f"NamedQuery {data.get('NamedQueryId')} was not found")
    given = {member: data[member] for member in ("Name", "Description", "QueryString") if member in data}
    athena._named_queries[data["NamedQueryId"]] = {**query, **given}
    return _answer({})


for _name, _operation in (
    ("UpdatePreparedStatement", _update_prepared_statement),
    ("UpdateNamedQuery", _update_named_query),
):
    adds("athena", _name, to=f"{__name__}:OPERATIONS", key=_name)(_operation)


@fixes(
    "athena",
    "UpdatePreparedStatement",
    replaces=f"{_ATHENA}:handle_request",
    signature="(method, path, headers, body, query_params)",
    symptom="the operation is unknown",
)
def handle_request(original: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    """The operations above are found."""

    async def replacement(method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Any) -> Answer:
        operation = OPERATIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await original(method, path, headers, body, query_params)
        try:
            data = json.loads(body or b"{}")
        except ValueError:
            return _error("SerializationException", "Invalid JSON")
        return operation(data)

    return replacement
