"""Looking items up: the question, the page of an answer, and the token that leads to the next page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from boto3.dynamodb.conditions import ConditionBase, Key

from lakehouse.errors import MetadataError
from lakehouse.metadata.attribute_values import timestamp

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of an answer.

    Attributes:
        items: What was found, in order.
        next_token: What to ask with for the next page; None at the end.
    """

    items: tuple[T, ...]
    next_token: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for in a table or one of its indexes.

    Attributes:
        index: The index to read; None for the table itself.
        condition: On the keys of the index.
        filter: On any other attribute.
        newest_first: Whether the sort key descends.
    """

    index: str | None
    condition: ConditionBase
    filter: ConditionBase | None = None
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time.

    Attributes:
        since: Its beginning, included; None is as long ago as there are items.
        until: Its end, excluded; None is no end.
    """

    since: datetime | None = None
    until: datetime | None = None

    def of(self, name: str, value: str, sort_key: str) -> ConditionBase:
        """The condition on an index whose hash key has a value and whose sort key lies in the period.

        Args:
            name: The hash key.
            value: Its value.
            sort_key: A sort key of times as ``timestamp`` writes them.

        Returns:
            The condition.
        """
        matches: ConditionBase = Key(name).eq(value)
        # DynamoDB takes one condition on the sort key, and its BETWEEN includes both ends: one microsecond less.
        last = timestamp(self.until - timedelta(microseconds=1)) if self.until else None
        if self.since and last:
            return matches & Key(sort_key).between(timestamp(self.since), last)
        if self.since:
            return matches & Key(sort_key).gte(timestamp(self.since))
        return matches & Key(sort_key).lte(last) if last else matches


def write_token(start: Mapping[str, Any], query: Query) -> str:
    """Hide where a page ended in a text.

    Args:
        start: DynamoDB's ``LastEvaluatedKey``.
        query: The query, whose index and order the text remembers.

    Returns:
        The page token.
    """
    return base64.urlsafe_b64encode(json.dumps([query.index, query.newest_first, start]).encode()).decode()


def read_token(token: str, query: Query) -> dict[str, Any]:
    """Find out where a page begins.

    Args:
        token: What ``write_token`` made.
        query: The query that is asked now.

    Returns:
        DynamoDB's ``ExclusiveStartKey``.

    Raises:
        MetadataError: The token belongs to another query, or was changed.
    """
    try:
        index, newest_first, start = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError) as error:
        raise MetadataError(f"{token!r} is not a page token. Give the next_token of the page before.") from error
    if (index, newest_first) != (query.index, query.newest_first) or not isinstance(start, dict):
        raise MetadataError(
            f"This page token belongs to a query of {index}, and this is one of {query.index}. "
            "Ask with the same criteria as for the page before."
        )
    return start
