"""DynamoDB's items: a write that was answered is there after a kill, and a transaction is there whole or not at all.

What a request made of its items is one entry of the journal. Every other change, as that of a table, is a checkpoint
before it is answered (``gate``).
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ministack.services import dynamodb

from lakehouse.local.fixes.dynamodb_streams import announce
from lakehouse.local.journal import Journal
from lakehouse.local.registry import fixes

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], Any]
# ARN and id of the table: another one may have its name by now. Partition and sort key. The item, None: there is none.
Image = tuple[str, str | None, str, str, Json | None]

_DYNAMODB = "ministack.services.dynamodb"
_SYMPTOM = "a write that was answered is lost when the endpoint is killed before its next checkpoint"


class _Request(threading.local):
    """What the request that this thread serves has changed so far; None outside of one."""

    changed: dict[tuple[str, str, str], Json] | None = None


_request = _Request()
# None until the journal of earlier processes is read.
_journal: Journal | None = None


def resume(journal: Journal, entries: Iterable[Iterable[Image]]) -> None:
    """Make the emulator's items what the journal says, in their streams too, and keep the journal from now on.

    Args:
        journal: The journal.
        entries: What it holds.
    """
    global _journal  # noqa: PLW0603 - one endpoint a process, as the emulator's own state is
    for entry in entries:
        for arn, table_id, partition, sort, item in entry:
            _, _, _, region, account, resource = arn.split(":", 5)
            table = dynamodb._tables.get_scoped(account, region, resource.removeprefix("table/"))
            if table is None or table.get("TableId") != table_id:
                continue  # deleted since
            old = _image(table, partition, sort)[-1]
            if item is None:
                dynamodb._remove_item(table, partition, sort)
            else:
                dynamodb._set_item(table, partition, sort, item)
            announce(account, region, table["TableName"], old, item)
    _journal = journal


def _note(table: Json, partition: str, sort: str) -> None:
    """Journal an item that was changed: at once, or with the rest of its request."""
    if _journal is None:
        return
    if _request.changed is None:
        # Nobody asked: an item expired.
        _journal.append([_image(table, partition, sort)])
    else:
        _request.changed[table["TableArn"], partition, sort] = table


def _image(table: Json, partition: str, sort: str) -> Image:
    item = table["items"].get(partition, {}).get(sort)
    return table["TableArn"], table.get("TableId"), partition, sort, item


@fixes(
    "dynamodb",
    "TransactWriteItems",
    replaces=f"{_DYNAMODB}:handle_request",
    signature="(method, path, headers, body, query_params)",
    symptom=_SYMPTOM,
)
def handle_request(original: Callable[..., Awaitable[Answer]]) -> Callable[..., Awaitable[Answer]]:
    """What a request made of its items is journaled as one before it is answered."""

    async def replacement(method: str, path: str, headers: Any, body: bytes, query_params: Any) -> Answer:
        if _journal is None:
            return await original(method, path, headers, body, query_params)
        # The emulator answers without ever giving the event loop to another request.
        with _journal.at_work:
            changed = _request.changed = {}
            try:
                return await original(method, path, headers, body, query_params)
            finally:
                _request.changed = None
                # As they are now: a failed transaction has put back what it had changed.
                images = [_image(table, partition, sort) for (_, partition, sort), table in changed.items()]
                if images:
                    _journal.append(images)

    return replacement


@fixes(
    "dynamodb",
    "PutItem",
    replaces=f"{_DYNAMODB}:_set_item",
    signature="(table, pk_val, sk_val, item)",
    symptom=_SYMPTOM,
)
def set_item(original: Callable[..., Any]) -> Callable[..., Any]:
    """The item is journaled."""

    def replacement(table: Json, pk_val: str, sk_val: str, item: Json) -> Any:
        old = original(table, pk_val, sk_val, item)
        _note(table, pk_val, sk_val)
        return old

    return replacement


@fixes(
    "dynamodb",
    "DeleteItem",
    replaces=f"{_DYNAMODB}:_remove_item",
    signature="(table, pk_val, sk_val)",
    symptom=_SYMPTOM,
)
def remove_item(original: Callable[..., Any]) -> Callable[..., Any]:
    """That there is no item any more is journaled."""

    def replacement(table: Json, pk_val: str, sk_val: str) -> Any:
        old = original(table, pk_val, sk_val)
        _note(table, pk_val, sk_val)
        return old

    return replacement
