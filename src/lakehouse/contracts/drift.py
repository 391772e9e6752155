"""What differs between a file's columns and its contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

import pyarrow as pa

from lakehouse.contracts.arrow_types import may_cast_losslessly, normalized
from lakehouse.contracts.model import Contract
from lakehouse.errors import SchemaDriftError


@dataclass(frozen=True, slots=True)
class Difference:
    """One column that is not as the contract says.

    Attributes:
        kind: One of ``contracts.model.ALLOWABLE_DRIFT``, or ``missing_column`` or ``incompatible_type``,
            which no contract can allow.
        column: The column's name: the contract's where it has one.
        sentence: The difference in words, with whether it is allowed.
        is_allowed: Whether the contract allows it.
    """

    kind: str
    column: str
    sentence: str
    is_allowed: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """All differences of a file from its contract.

    Attributes:
        dataset: The contract's dataset.
        differences: The refused ones first, else in the contract's order.
        casts: Contract column to the contract's type, where the file's values are cast (each value checked).
        renames: The file's name to the contract's, where only the case differs.
    """

    dataset: str
    differences: tuple[Difference, ...] = ()
    casts: Mapping[str, pa.DataType] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence a difference."""
        return tuple(difference.sentence for difference in self.differences)

    @property
    def is_allowed(self) -> bool:
        """Whether the contract allows all of it."""
        return all(difference.is_allowed for difference in self.differences)

    def require_allowed(self) -> None:
        """Refuse a file with a difference that the contract does not allow.

        Raises:
            SchemaDriftError: There is one; the error names every difference.
        """
        if not self.is_allowed:
            raise SchemaDriftError(self.dataset, self.sentences)


def compare(contract: Contract, schema: pa.Schema) -> Drift:
    """Compare a file's columns with its contract.

    Encodings of one type (``large_string``, dictionaries) are no difference.

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
        self._found: dict[str, pa.DataType] = {column.name: column.type for column in schema}
        self._names: list[str] = list(dict.fromkeys(schema.names))
        self.differences: list[Difference] = []
        self.casts: dict[str, pa.DataType] = {}
        self.renames: dict[str, str] = {}

    def run(self) -> None:
        promised = {column.name for column in self._contract.columns}
        added = [name for name in self._names if name not in promised]
        self._match_case(added)
        added = [name for name in added if name not in self.renames]
        by_contract_name = {self.renames.get(name, name): kind for name, kind in self._found.items()}
        for column in self._contract.columns:
            if column.name not in by_contract_name:
                self._missing(column.name, is_required=column.is_required, added=added)
            else:
                self._compare_type(column.name, by_contract_name[column.name], column.type)
        for name in added:
            self._add("added_column", name, f"column {name} ({self._found[name]}) is not in the contract")
        self._compare_order()

    def _add(self, kind: str, column: str, sentence: str) -> None:
        is_allowed = kind in self._contract.allowed_drift
        verdict = "allowed" if is_allowed else "not allowed"
        self.differences.append(Difference(kind, column, f"{sentence} ({kind}, {verdict})", is_allowed))

    def _match_case(self, added: list[str]) -> None:
        """Pair columns that differ in case only, where there is exactly one candidate."""
        for column in self._contract.columns:
            if column.name in self._found:
                continue
            candidates = [name for name in added if name.casefold() == column.name.casefold()]
            if len(candidates) == 1:
                self.renames[candidates[0]] = column.name
                self._add(
                    "column_case", column.name, f"column {candidates[0]} is {column.name} in the contract: case differs"
                )

    def _missing(self, name: str, *, is_required: bool, added: list[str]) -> None:
        wanted = self._contract.column(name)
        alike = [
            other for other in get_close_matches(name, added, n=3, cutoff=0.7)
            if wanted is not None and normalized(self._found[other]) == normalized(wanted.type)
        ]  # fmt: skip
        hint = f"; was it renamed to {alike[0]}?" if alike else ""
        if is_required:
            self._add("missing_column", name, f"required column {name} is missing{hint}")
        else:
            self._add("missing_optional_column", name, f"optional column {name} is missing{hint}")

    def _compare_type(self, name: str, found: pa.DataType, wanted: pa.DataType) -> None:
        plain_found, plain_wanted = normalized(found), normalized(wanted)
        if plain_found == plain_wanted:
            return
        sentence = f"column {name} is {found} and should be {wanted}"
        if may_cast_losslessly(plain_found, plain_wanted):
            self.casts[name] = plain_wanted
            self._add("lossless_cast", name, f"{sentence}; every value is checked")
        else:
            self._add("incompatible_type", name, sentence)

    def _compare_order(self) -> None:
        names = [self.renames.get(name, name) for name in self._names]
        promised = [column.name for column in self._contract.columns if column.name in names]
        found = [name for name in names if name in set(promised)]
        moved = next((pair for pair in zip(found, promised, strict=True) if pair[0] != pair[1]), None)
        if moved is not None:
            self._add("column_order", moved[0], f"column {moved[0]} comes where the contract has {moved[1]}")
