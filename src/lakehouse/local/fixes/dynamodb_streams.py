"""DynamoDB's streams outlive the endpoint's process: what no event source mapping has done with is there again."""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, request_scope
from ministack.services import dynamodb, lambda_svc

from lakehouse.local.lambdas.stream_mappings import position_of
from lakehouse.local.registry import fixes

Json = dict[str, Any]

_DYNAMODB = "ministack.services.dynamodb"
_SYMPTOM = "what changed before a stop of the endpoint and was not delivered yet is never delivered"


@fixes("dynamodb", "DescribeStream", replaces=f"{_DYNAMODB}:get_state", signature="()", symptom=_SYMPTOM)
def get_state(original: Callable[..., Any]) -> Callable[..., Any]:
    """A checkpoint holds the records that somebody still waits for, without those that every mapping has done with."""

    def replacement() -> Json:
        unread, dropped = AccountRegionScopedDict(), AccountRegionScopedDict()
        for (account, region, table), records in dynamodb._stream_records.all_items():
            with request_scope(account, region):
                done = _done_with(table, records)
                unread.set_scoped(account, region, table, copy.deepcopy(records[done:]))
                dropped.set_scoped(account, region, table, dynamodb._trimmed_count(table) + done)
        return {**original(), "stream_records": unread, "stream_trimmed": dropped}

    return replacement


def _done_with(table: str, records: list[Json]) -> int:
    arn = (dynamodb._tables.get(table) or {}).get("LatestStreamArn")
    positions = [position_of(mapping) for mapping in lambda_svc._esms.values() if mapping["EventSourceArn"] == arn]
    if not positions:
        return 0
    return sum(record["dynamodb"]["SequenceNumber"] <= min(positions) for record in records)


@fixes("dynamodb", "DescribeStream", replaces=f"{_DYNAMODB}:load_persisted_state", signature="(data)", symptom=_SYMPTOM)
def load_persisted_state(original: Callable[..., Any]) -> Callable[..., Any]:
    """The records are there again, at their places."""

    def replacement(data: Json) -> Any:
        answer = original(data)
        dynamodb._stream_records.update((data or {}).get("stream_records", {}))
        dynamodb._stream_trimmed.update((data or {}).get("stream_trimmed", {}))
        return answer

    return replacement


def announce(account: str, region: str, table: str, old: Json | None, new: Json | None) -> None:
    """Put a change of an item that only the journal remembers into the stream again.

    It may have been delivered before the endpoint was killed: then it is delivered twice, as streams may.

    Args:
        account: The table's account.
        region: Its region.
        table: Its name.
        old: The item before; None where there was none.
        new: The item after; None where there is none.
    """
    if old == new:
        return
    event = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
    with request_scope(account, region):
        dynamodb._emit_stream_event(table, event, old, new, replicate=False)
