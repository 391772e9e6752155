"""One difference between a file's columns and its contract, as data: compared, stored with the file's record, shown.

It knows nothing of Arrow, so that functions which only read or write records need not load it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class DriftKind(StrEnum):
    """What a difference is. docs/contracts.md says what becomes of each.

    The two casts are named by what happens to the values. Narrowing puts rows at risk and widening does not, so a
    contract allows them separately.
    """

    ADDED_COLUMN = "added_column"
    MISSING_OPTIONAL_COLUMN = "missing_optional_column"
    MISSING_COLUMN = "missing_column"
    RENAMED_COLUMN = "renamed_column"
    COLUMN_CASE = "column_case"
    COLUMN_ORDER = "column_order"
    WIDENING_CAST = "widening_cast"
    NARROWING_CAST = "narrowing_cast"
    TEXT_TIMESTAMP = "text_timestamp"
    INCOMPATIBLE_TYPE = "incompatible_type"


# Differences that a contract may allow. The others are always refused: data would be lost or change its meaning.
ALLOWABLE_DRIFT = frozenset(DriftKind) - {DriftKind.MISSING_COLUMN, DriftKind.INCOMPATIBLE_TYPE}

_SENTENCES: Mapping[DriftKind, str] = {
    DriftKind.ADDED_COLUMN: "column {column} ({found}) is not in the contract",
    DriftKind.MISSING_OPTIONAL_COLUMN: "optional column {column} is missing",
    DriftKind.MISSING_COLUMN: "required column {column} is missing",
    DriftKind.RENAMED_COLUMN: "column {found} is a former name of {column}",
    DriftKind.COLUMN_CASE: "column {found} is {column} in the contract: case differs",
    DriftKind.COLUMN_ORDER: "column {column} comes {found}, in the contract {expected}",
    DriftKind.WIDENING_CAST: "column {column} is {found} and should be {expected}",
    DriftKind.NARROWING_CAST: "column {column} is {found} and should be {expected}",
    DriftKind.TEXT_TIMESTAMP: "column {column} is {found} and should be {expected}",
    DriftKind.INCOMPATIBLE_TYPE: "column {column} is {found} and should be {expected}",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which one column is not as the contract says.

    Attributes:
        kind: What differs.
        column: The column's name: the contract's where it has one.
        is_allowed: Whether the contract allows it.
        found: What the file has: a type, a name or a place; None where the column is missing.
        expected: What the contract has; None where the column is not in it.
        resembles: A column of the file with nearly the missing one's name and its type.
    """

    kind: DriftKind
    column: str
    is_allowed: bool
    found: str | None = None
    expected: str | None = None
    resembles: str | None = None

    @property
    def sentence(self) -> str:
        """The difference in words, with whether it is allowed."""
        said = _SENTENCES[self.kind].format(column=self.column, found=self.found, expected=self.expected)
        hint = f"; was it renamed to {self.resembles}?" if self.resembles else ""
        return f"{said}{hint} ({self.kind}, {'allowed' if self.is_allowed else 'not allowed'})"

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Difference:
        """Read a stored difference.

        Args:
            item: Its attributes by name; those that are None may be absent.

        Returns:
            The difference.
        """
        return cls(
            kind=DriftKind(item["kind"]),
            column=item["column"],
            is_allowed=item["is_allowed"],
            found=item.get("found"),
            expected=item.get("expected"),
            resembles=item.get("resembles"),
        )
