"""What differs between a file's columns and its contract."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import pyarrow as pa

from lakehouse.contracts.arrow_types import may_narrow, normalized, widens
from lakehouse.contracts.difference import Difference, DriftKind
from lakehouse.contracts.model import Column, Contract
from lakehouse.errors import SchemaDriftError


@dataclass(frozen=True, slots=True)
class Drift:
    """All differences of a file from its contract.

    Attributes:
        dataset: The contract's dataset.
        differences: The refused ones first, else in the contract's order, those of one column together.
        casts: Contract column to the contract's type, where the file's values are cast.
        renames: The file's name to the contract's, where they differ.
    """

    dataset: str
    differences: tuple[Difference, ...] = ()
    casts: Mapping[str, pa.DataType] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_allowed(self) -> bool:
        """Whether the contract allows all of it."""
        return all(difference.is_allowed for difference in self.differences)

    def require_allowed(self) -> None:
        """Refuse a file with a difference that the contract does not allow.

        Raises:
            SchemaDriftError: There is one; the error carries every difference.
        """
        if not self.is_allowed:
            raise SchemaDriftError(self.dataset, self.differences)


def compare(contract: Contract, schema: pa.Schema) -> Drift:
    """Compare a file's columns with its contract.

    A column of the file is the contract's by its name, by a declared former name, or by a name that differs in case
    only; the last two where exactly one column of the file has such a name. Encodings of one type (``large_string``,
    dictionaries) are no difference.

    Args:
        contract: The contract.
        schema: The file's Arrow schema.

    Returns:
        The differences, none where the file is as promised.
    """
    comparison = _Comparison(contract, schema)
    comparison.run()
    differences = sorted(comparison.differences, key=lambda difference: difference.is_allowed)
    return Drift(contract.dataset, tuple(differences), comparison.casts, comparison.renames)


class _Comparison:
    def __init__(self, contract: Contract, schema: pa.Schema) -> None:
        self._contract = contract
        self._types: dict[str, pa.DataType] = {column.name: column.type for column in schema}
        promised = {column.name for column in contract.columns}
        self._added = [name for name in self._types if name not in promised]
        self.differences: list[Difference] = []
        self.casts: dict[str, pa.DataType] = {}
        self.renames: dict[str, str] = {}

    def run(self) -> None:
        self._match_other_names()
        file_names = {self.renames.get(name, name): name for name in self._types}
        moves = _moves(list(file_names), [column.name for column in self._contract.columns])
        for column in self._contract.columns:
            name = file_names.get(column.name)
            if name is None:
                self._missing(column)
                continue
            if name != column.name:
                kind = DriftKind.RENAMED_COLUMN if name in column.former_names else DriftKind.COLUMN_CASE
                self._add(kind, column.name, name, column.name)
            self._compare_type(column, self._types[name])
            if column.name in moves:
                self._add(DriftKind.COLUMN_ORDER, column.name, *moves[column.name])
        for name in self._added:
            self._add(DriftKind.ADDED_COLUMN, name, str(self._types[name]), None)

    def _add(
        self, kind: DriftKind, column: str, found: str | None, expected: str | None, resembles: str | None = None
    ) -> None:
        is_allowed = kind in self._contract.allowed_drift
        self.differences.append(Difference(kind, column, is_allowed, found, expected, resembles))

    def _match_other_names(self) -> None:
        """Find absent columns under a former name, else in another case, where only one column can be meant."""
        by_case: dict[str, list[str]] = {}
        for name in self._added:
            by_case.setdefault(name.casefold(), []).append(name)
        for column in self._contract.columns:
            if column.name in self._types:
                continue
            former = [name for name in column.former_names if name in self._types]
            candidates = former or by_case.get(column.name.casefold(), [])
            if len(candidates) == 1 and candidates[0] not in self.renames:
                self.renames[candidates[0]] = column.name
        self._added = [name for name in self._added if name not in self.renames]

    def _missing(self, column: Column) -> None:
        wanted = normalized(column.type)
        alike = get_close_matches(
            column.name, [name for name in self._added if normalized(self._types[name]) == wanted], n=1, cutoff=0.7
        )
        kind = DriftKind.MISSING_COLUMN if column.is_required else DriftKind.MISSING_OPTIONAL_COLUMN
        self._add(kind, column.name, None, str(column.type), alike[0] if alike else None)

    def _compare_type(self, column: Column, found: pa.DataType) -> None:
        plain_found, plain_wanted = normalized(found), normalized(column.type)
        if plain_found == plain_wanted:
            return
        kind = _type_drift(plain_found, plain_wanted)
        self._add(kind, column.name, str(found), str(column.type))
        if kind is not DriftKind.INCOMPATIBLE_TYPE:
            self.casts[column.name] = plain_wanted


def _type_drift(found: pa.DataType, wanted: pa.DataType) -> DriftKind:
    if widens(found, wanted):
        return DriftKind.WIDENING_CAST
    if may_narrow(found, wanted):
        return DriftKind.NARROWING_CAST
    if pa.types.is_string(found) and pa.types.is_timestamp(wanted):
        return DriftKind.TEXT_TIMESTAMP
    return DriftKind.INCOMPATIBLE_TYPE


def _moves(found: Sequence[str], promised: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The fewest columns that, put elsewhere, bring the file into the contract's order.

    Args:
        found: The file's columns, by their names in the contract.
        promised: The contract's columns.

    Returns:
        Column to its places in the file and in the contract, each told by the column before it. Columns that only
        one of the two has do not count.
    """
    shared = set(found) & set(promised)
    found, promised = [[name for name in names if name in shared] for names in (found, promised)]
    place = {name: index for index, name in enumerate(promised)}
    # The longest run of columns that are in order already: all others have moved. ``last`` holds, for each length of a
    # run, the earliest place that such a run can end at.
    last: list[int] = []
    before: dict[int, int | None] = {}
    for name in found:
        at = bisect_left(last, place[name])
        before[place[name]] = last[at - 1] if at else None
        last[at : at + 1] = [place[name]]
    in_order: set[int] = set()
    step = last[-1] if last else None
    while step is not None:
        in_order.add(step)
        step = before[step]
    neighbours = dict(zip(found, [None, *found], strict=False))
    return {
        name: (_after(neighbours[name]), _after(promised[place[name] - 1] if place[name] else None))
        for name in found
        if place[name] not in in_order
    }


def _after(name: str | None) -> str:
    return "first" if name is None else f"after {name}"
