"""What a conversion counted: rows conserved, rows a rule rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakehouse.contracts.model import Contract
from lakehouse.errors import QuarantineThresholdError, RowConservationError


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows in, rows out. Counts of batches, tasks and files add up with ``+``.

    Attributes:
        rows_read: Rows taken in.
        rows_written: Rows in the output.
        rows_rejected: Rows in the quarantine.
        rule_results: Rule to how many rows broke it; a row may break several. Rules that no row broke are there with 0.
        nonfinite_values: NaN and infinities that became null, in all rows read.
    """

    rows_read: int = 0
    rows_written: int = 0
    rows_rejected: int = 0
    rule_results: Mapping[str, int] = field(default_factory=dict)
    nonfinite_values: int = 0

    def __add__(self, other: Counts) -> Counts:
        rules = dict(self.rule_results)
        for rule, count in other.rule_results.items():
            rules[rule] = rules.get(rule, 0) + count
        return Counts(
            self.rows_read + other.rows_read,
            self.rows_written + other.rows_written,
            self.rows_rejected + other.rows_rejected,
            rules,
            self.nonfinite_values + other.nonfinite_values,
        )

    def as_dict(self) -> dict[str, Any]:
        """The counts as JSON can hold them."""
        return {
            "rows_read": self.rows_read,
            "rows_written": self.rows_written,
            "rows_rejected": self.rows_rejected,
            "rule_results": dict(self.rule_results),
            "nonfinite_values": self.nonfinite_values,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Counts:
        """The counts out of what ``as_dict`` gave."""
        return cls(**values)

    def require_conserved(self, name: str, expected_rows: int) -> None:
        """Hold rows read = rows expected = rows written + rows rejected.

        Args:
            name: The file, for the message.
            expected_rows: Rows that the file's footer states.

        Raises:
            RowConservationError: The numbers differ.
        """
        if expected_rows == self.rows_read == self.rows_written + self.rows_rejected:
            return
        raise RowConservationError(
            f"{name}: {expected_rows} rows expected, {self.rows_read} read, {self.rows_written} written and "
            f"{self.rows_rejected} rejected. Nothing is published; convert it again, and report it if it stays so."
        )

    def require_threshold(self, name: str, contract: Contract | None) -> None:
        """Hold the contract's quarantine threshold. Without a contract there is none.

        Args:
            name: The file, for the message.
            contract: Its dataset's contract.

        Raises:
            QuarantineThresholdError: More rows broke rules than the contract tolerates.
        """
        if contract is None or self.rows_rejected <= contract.quarantine_threshold * self.rows_read:
            return
        worst = sorted(self.rule_results.items(), key=lambda item: -item[1])
        rules = ", ".join(f"{rule} {count}" for rule, count in worst[:5] if count)
        raise QuarantineThresholdError(
            f"{name}: {self.rows_rejected} of {self.rows_read} rows ({self.rows_rejected / self.rows_read:.2%}) break "
            f"rules of {contract.dataset}; the contract tolerates {contract.quarantine_threshold:.2%}. "
            f"Rows a rule: {rules}. Mend the data at its source, or the contract's rules or quarantineThreshold."
        )
