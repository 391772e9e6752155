"""One DynamoDB table with Python values in and out, our errors, and writes that know whether they won.

A conditional write that botocore repeats after a lost answer is refused by the very change it made. So every write
carries a token of its own; where the refused write finds its token in the stored item, it did win.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder
from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.errors import ThrottledError
from lakehouse.metadata.attribute_values import Item, deserialize, present, serialize
from lakehouse.metadata.query import Page, Query, read_token, write_token

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH_SIZE = 100  # keys of one BatchGetItem: DynamoDB's own limit
_BATCH_TRIES = 8
_BACKOFF_BASE_SECONDS = 0.05
_BACKOFF_MAX_SECONDS = 5.0
_TOKEN = "write_token"  # noqa: S105 - the attribute's name, not a secret


@dataclass(frozen=True, slots=True)
class Write:
    """How a conditional write ended.

    Attributes:
        is_accepted: Whether the item now says what was written.
        item: The item as it is stored now; None where there is none.
    """

    is_accepted: bool
    item: Item | None


class DynamoTable:
    """A table.

    Args:
        client: A boto3 DynamoDB client; give it ``aws_errors.client_config()``, which retries.
        name: The table's name.
        key: Names of the table's key attributes.
    """

    def __init__(self, client: DynamoDBClient, name: str, key: Sequence[str]) -> None:
        self.name = name
        self._client = client
        self._key = tuple(key)

    def find(self, key: Mapping[str, str]) -> Item | None:
        """Read one item, strongly consistent.

        Args:
            key: The key attributes.

        Returns:
            The item, None where there is none.

        Raises:
            LakehouseError: DynamoDB refused, as one of ``aws_errors.translate``.
        """
        answer = self._call("get_item", Key=serialize(key), ConsistentRead=True)
        return deserialize(answer["Item"]) if "Item" in answer else None

    def find_many(self, keys: Iterable[Mapping[str, str]], attributes: Sequence[str] = ()) -> Iterator[Item]:
        """Read many items, strongly consistent, in no order.

        Args:
            keys: The key attributes of each.
            attributes: Only these; all without any.

        Yields:
            Those that exist.

        Raises:
            ThrottledError: DynamoDB left keys unprocessed again and again.
            LakehouseError: DynamoDB refused.
        """
        remaining = iter(keys)
        while batch := [serialize(key) for key in islice(remaining, _BATCH_SIZE)]:
            yield from self._find_batch(batch, attributes)

    def _find_batch(self, batch: list[dict[str, Any]], attributes: Sequence[str]) -> Iterator[Item]:
        # Names as placeholders: DynamoDB's grammar reserves status and many another.
        names = {f"#{name}": name for name in attributes}
        only = {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names} if names else {}
        for tried in range(_BATCH_TRIES):
            if tried:
                limit = min(_BACKOFF_MAX_SECONDS, _BACKOFF_BASE_SECONDS * 2**tried)
                time.sleep(random.uniform(0, limit))  # noqa: S311 - full jitter, not a secret
            request = {self.name: {"Keys": batch, "ConsistentRead": True, **only}}
            answer = self._call("batch_get_item", RequestItems=request)
            yield from map(deserialize, answer["Responses"].get(self.name, []))
            batch = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if not batch:
                return
        raise ThrottledError(
            f"Reading {self.name} failed: DynamoDB left {len(batch)} keys unprocessed after {_BATCH_TRIES} attempts. "
            "Try again later."
        )

    def put(self, item: Item, condition: ConditionBase) -> Write:
        """Write a whole item if a condition holds.

        Args:
            item: The attributes; None is left out.
            condition: On the item stored so far.

        Returns:
            Whether it was written, and what is stored now.

        Raises:
            LakehouseError: DynamoDB refused for another reason.
        """
        token = uuid.uuid4().hex
        stored = {**present(item), _TOKEN: token}
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        arguments = {"Item": serialize(stored), "ConditionExpression": _express(condition, names, values)}
        arguments |= _placeholders(names, values)
        return self._write("put_item", arguments, {name: item[name] for name in self._key}, token)

    def update(
        self, key: Mapping[str, str], changes: Item, condition: ConditionBase, *, forget: Iterable[str] = ()
    ) -> Write:
        """Change some attributes of an item if a condition holds.

        Args:
            key: The key attributes.
            changes: The attributes' new values; None is left as it is.
            condition: On the item stored so far. It should ask for the key to exist: an update creates otherwise.
            forget: Attributes to remove.

        Returns:
            Whether it was changed, and what is stored now.

        Raises:
            LakehouseError: DynamoDB refused for another reason.
        """
        token = uuid.uuid4().hex
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        assignments = []
        for number, (name, value) in enumerate({**present(changes), _TOKEN: token}.items()):
            names[f"#set{number}"] = name
            values[f":set{number}"] = value
            assignments.append(f"#set{number} = :set{number}")
        expression = "SET " + ", ".join(assignments)
        removed = {f"#remove{number}": name for number, name in enumerate(forget)}
        if removed:
            names |= removed
            expression += " REMOVE " + ", ".join(removed)
        arguments = {
            "Key": serialize(key),
            "UpdateExpression": expression,
            "ConditionExpression": _express(condition, names, values),
            "ReturnValues": "ALL_NEW",
        }
        return self._write("update_item", arguments | _placeholders(names, values), key, token)

    def _write(self, operation: str, arguments: dict[str, Any], key: Mapping[str, str], token: str) -> Write:
        try:
            answer = getattr(self._client, operation)(TableName=self.name, **arguments)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise translate(error, f"Writing {_shown(key)} to {self.name}") from error
            found = self.find(key)
            return Write(is_accepted=found is not None and found.get(_TOKEN) == token, item=found)
        except BotoCoreError as error:
            raise translate(error, f"Writing {_shown(key)} to {self.name}") from error
        return Write(is_accepted=True, item=deserialize(arguments.get("Item") or answer["Attributes"]))

    def page(self, query: Query, *, limit: int, token: str | None = None) -> Page[Item]:
        """Read one page of what a query finds.

        Args:
            query: What to look for.
            limit: The most items of the page.
            token: ``next_token`` of the page before.

        Returns:
            Up to ``limit`` items; fewer only at the end.

        Raises:
            MetadataError: The token belongs to another query, or was changed.
            LakehouseError: DynamoDB refused.
        """
        arguments = self._query_arguments(query)
        start = read_token(token, query) if token else None
        found: list[Item] = []
        while True:
            # A filter leaves out items after they were counted, so a page may take several requests: each asks for
            # what is missing, and the last one's end is exactly where the next page begins.
            asked = arguments | {"Limit": limit - len(found)} | ({"ExclusiveStartKey": start} if start else {})
            answer = self._call("query", **asked)
            found += map(deserialize, answer["Items"])
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return Page(tuple(found))
            if len(found) >= limit:
                return Page(tuple(found), write_token(start, query))

    def iterate(self, query: Query) -> Iterator[Item]:
        """Read all that a query finds, a megabyte at a time.

        Args:
            query: What to look for.

        Yields:
            The items in the index's order.

        Raises:
            LakehouseError: DynamoDB refused.
        """
        arguments = self._query_arguments(query)
        start: dict[str, Any] | None = {}
        while start is not None:
            answer = self._call("query", **arguments, **({"ExclusiveStartKey": start} if start else {}))
            yield from map(deserialize, answer["Items"])
            start = answer.get("LastEvaluatedKey")

    def _query_arguments(self, query: Query) -> dict[str, Any]:
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        builder = ConditionExpressionBuilder()
        arguments: dict[str, Any] = {
            "KeyConditionExpression": _express(query.condition, names, values, builder, is_key=True),
            "ScanIndexForward": not query.newest_first,
        }
        if query.filter is not None:
            arguments["FilterExpression"] = _express(query.filter, names, values, builder)
        if query.index is not None:
            arguments["IndexName"] = query.index
        return arguments | _placeholders(names, values)

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        if operation != "batch_get_item":
            arguments["TableName"] = self.name
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, f"Reading {self.name} ({operation})") from error
        return answer


def _express(
    condition: ConditionBase,
    names: dict[str, str],
    values: dict[str, Any],
    builder: ConditionExpressionBuilder | None = None,
    *,
    is_key: bool = False,
) -> str:
    """Write a condition as DynamoDB's text; its placeholders are added to ``names`` and ``values``."""
    built = (builder or ConditionExpressionBuilder()).build_expression(condition, is_key_condition=is_key)
    names |= built.attribute_name_placeholders
    values |= built.attribute_value_placeholders
    return str(built.condition_expression)


def _placeholders(names: Mapping[str, str], values: Item) -> dict[str, Any]:
    """The arguments that explain placeholders; DynamoDB refuses empty ones."""
    arguments: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
    if values:
        arguments["ExpressionAttributeValues"] = serialize(values)
    return arguments


def _shown(key: Mapping[str, Any]) -> str:
    return ", ".join(map(str, key.values()))
