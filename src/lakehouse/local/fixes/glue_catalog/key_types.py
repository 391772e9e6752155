"""The types of partition keys: how the text of a value, and a literal of an expression, are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lakehouse.local.fixes.glue_catalog.operations import CatalogError, invalid

# The value of a partition whose key is null, as Hive writes it.
NULL = "__HIVE_DEFAULT_PARTITION__"

_INTEGER = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?)?")


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError(text)
    return found


def _integer(text: str) -> Decimal:
    return Decimal(_matched(_INTEGER, text)[0])


def _decimal(text: str) -> Decimal:
    return Decimal(_matched(_DECIMAL, text)[0])


def _date(text: str) -> date:
    return date.fromisoformat(_matched(_DATE, text)[0])


def _timestamp(text: str) -> tuple[datetime, str]:
    day, time, fraction = _matched(_TIMESTAMP, text).groups()
    return datetime.fromisoformat(f"{day} {time or '00:00:00'}"), (fraction or "").ljust(9, "0")


@dataclass(frozen=True, slots=True)
class _Family:
    """Types that are compared alike.

    Attributes:
        noun: What a value is called in an error.
        literals: The kinds of literals that a key of such a type is compared with.
        read: Reads a value; a ValueError where it is none.
        read_literal: Reads a literal.
    """

    noun: str
    literals: frozenset[str]
    read: Callable[[str], Any]
    read_literal: Callable[[str], Any]


_TEXT = _Family("string", frozenset({"text"}), str, str)
_INTEGERS = _Family("integer", frozenset({"number", "text"}), _integer, _decimal)
_DECIMALS = _Family("decimal", frozenset({"number", "text"}), _decimal, _decimal)
_DATES = _Family("date", frozenset({"text", "date"}), _date, _date)
_TIMESTAMPS = _Family("timestamp", frozenset({"text", "timestamp"}), _timestamp, _timestamp)

_FAMILIES = {
    **dict.fromkeys(("string", "varchar", "char"), _TEXT),
    **dict.fromkeys(("int", "integer", "bigint", "long", "smallint", "tinyint"), _INTEGERS),
    "decimal": _DECIMALS,
    "date": _DATES,
    "timestamp": _TIMESTAMPS,
}


@dataclass(frozen=True, slots=True)
class PartitionKey:
    """A partition key of a table.

    Attributes:
        index: Which of a partition's values is its.
        name: Its name.
        type: Its type as the table says, for example ``decimal(5,2)``.
    """

    index: int
    name: str
    type: str

    def family(self) -> _Family:
        """How values of the key are compared.

        Returns:
            The family.

        Raises:
            CatalogError: Glue cannot filter by keys of this type.
        """
        family = _FAMILIES.get(self.type.lower().partition("(")[0].strip())
        if family is None:
            raise invalid(f"Unsupported type {self.type} of partition key {self.name}.")
        return family

    def is_text(self) -> bool:
        """Whether values of the key are compared as they are written."""
        return self.family() is _TEXT

    def value(self, values: list[str]) -> Any:
        """The key's value in a partition.

        What is no value of the type fails the whole request: https://github.com/aws/aws-sdk/issues/670

        Args:
            values: The partition's values.

        Returns:
            Something to compare with literals, None where the value is null.

        Raises:
            CatalogError: The text is no value of the key's type.
        """
        text = values[self.index]
        if text == NULL:
            return None
        family = self.family()
        try:
            return family.read(text)
        except ValueError as error:
            article = "an" if family.noun[0] in "aeiou" else "a"
            message = f'For input string: "{text}" is not {article} {family.noun}.'
            raise CatalogError("InvalidStateException", message) from error

    def literal(self, kind: str, text: str) -> Any:
        """A literal that the key is compared with.

        Args:
            kind: ``text``, ``number``, ``date`` or ``timestamp``.
            text: The literal without quotes.

        Returns:
            Something to compare with values.

        Raises:
            CatalogError: It is none of the key's type.
        """
        family = self.family()
        try:
            if kind in family.literals:
                return family.read_literal(text)
        except ValueError:
            pass
        raise invalid(f"Unsupported expression '{text}' for partition key {self.name} of type {self.type}.")
