"""Python values as DynamoDB stores them, and back: the one place that knows of decimals and of texts for times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

Item = Mapping[str, Any]
"""An item as Python values: texts, int, float, lists, dicts."""


def utc_now() -> datetime:
    """The time now, UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Write a time so that the order of the texts is the order of the times.

    Args:
        moment: An aware time.

    Returns:
        ISO-8601 in UTC with microseconds, as in ``2022-01-01T00:35:40.000000Z``.
    """
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """Read a time that ``timestamp`` or a state machine wrote.

    Args:
        text: ISO-8601 with an offset or ``Z``.

    Returns:
        The time, UTC.
    """
    return datetime.fromisoformat(text).astimezone(UTC)


def present(values: Item) -> dict[str, Any]:
    """The values that are not None: an absent attribute says as much."""
    return {name: value for name, value in values.items() if value is not None}


def serialize(values: Item) -> dict[str, Any]:
    """Turn Python values into DynamoDB's typed ones.

    Args:
        values: Texts, int, float, bool, times, enums, lists and maps of such.

    Returns:
        As the low-level client takes them: ``{"attempt": {"N": "1"}}``.
    """
    serializer = TypeSerializer()
    return {name: serializer.serialize(_storable(value)) for name, value in values.items()}


def deserialize(item: Mapping[str, Any]) -> dict[str, Any]:
    """Turn DynamoDB's typed values into Python's.

    Args:
        item: As the low-level client gives it.

    Returns:
        Texts, int, float, bool, lists and dicts.
    """
    deserializer = TypeDeserializer()
    return {name: _loaded(deserializer.deserialize(value)) for name, value in item.items()}


def _storable(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, float):
        return Decimal(repr(value))  # DynamoDB takes decimals; repr is the shortest text that reads back the same
    if isinstance(value, Mapping):
        return {name: _storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(inner) for inner in value]
    return value


def _loaded(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value) if value % 1 else int(value)
    if isinstance(value, dict):
        return {name: _loaded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_loaded(inner) for inner in value]
    return value
