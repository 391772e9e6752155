"""A data contract as the pipeline uses it: columns, rules, allowed drift, thresholds.

``contracts/odcs.py`` reads it from Open Data Contract Standard YAML.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Literal

import pyarrow as pa

Engine = Literal["auto", "spark", "in_process"]
Runner = Literal["spark", "in_process"]
Bound = int | float | Decimal | date | datetime

DEFAULT_ENGINE: Engine = "auto"
DEFAULT_SPARK_THRESHOLD_BYTES = 64 * 2**20

# Differences between a file and its contract that a contract may allow. Everything else is always refused.
ALLOWABLE_DRIFT = frozenset({"added_column", "missing_optional_column", "lossless_cast", "column_order", "column_case"})


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a dataset, and what its values must hold.

    Attributes:
        name: Its name, with the case that the output has.
        type: Its Arrow type.
        is_required: Whether the file must have it, and no value may be null.
        minimum: The least allowed value, None for no bound.
        maximum: The greatest allowed value.
        exclusive_minimum: A value that all must be greater than.
        exclusive_maximum: A value that all must be less than.
        min_length: The least length of a text in characters.
        max_length: The greatest length of a text in characters.
        pattern: A regular expression that every text matches as a whole.
        valid_values: All allowed values, empty for any.
        description: What it means.
    """

    name: str
    type: pa.DataType
    is_required: bool = False
    minimum: Bound | None = None
    maximum: Bound | None = None
    exclusive_minimum: Bound | None = None
    exclusive_maximum: Bound | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    valid_values: tuple[str | int | float | bool, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class RowRule:
    """A rule over several columns of a row.

    Attributes:
        name: Its name in results and in the quarantine.
        condition: A SQL condition that is true for a row that breaks it (null counts as kept).
        description: What it means.
    """

    name: str
    condition: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """What a dataset's files promise.

    Attributes:
        dataset: The dataset's name: the first folder below ``raw-data/``.
        version: The contract's own version.
        columns: In the order of the files.
        row_rules: Rules over several columns.
        file_pattern: Glob that a file's name matches, such as ``yellow_tripdata_*.parquet``.
        engine: Which runner converts it; ``auto`` decides by size.
        spark_threshold_bytes: From this size on, ``auto`` means Spark.
        quarantine_threshold: Share of the rows (0 to 1) that may break rules before the whole file fails.
        allowed_drift: Kinds of difference that convert and are noted, out of ``ALLOWABLE_DRIFT``.
    """

    dataset: str
    version: str
    columns: tuple[Column, ...]
    row_rules: tuple[RowRule, ...] = ()
    file_pattern: str = "*.parquet"
    engine: Engine = DEFAULT_ENGINE
    spark_threshold_bytes: int = DEFAULT_SPARK_THRESHOLD_BYTES
    quarantine_threshold: float = 0.0
    allowed_drift: frozenset[str] = field(default_factory=frozenset)

    def column(self, name: str) -> Column | None:
        """The column of this name, None if there is none."""
        return next((column for column in self.columns if column.name == name), None)

    def matches(self, file_name: str) -> bool:
        """Whether a file of this name belongs to the dataset."""
        return fnmatchcase(file_name, self.file_pattern)

    def choose_engine(self, size_bytes: int) -> Runner:
        """The runner for a file of this size in bytes."""
        if self.engine != "auto":
            return self.engine
        return "spark" if size_bytes >= self.spark_threshold_bytes else "in_process"


def choose_engine(contract: Contract | None, size_bytes: int) -> Runner:
    """The runner for a file, also of a dataset without a contract.

    Args:
        contract: The dataset's contract, None if it has none.
        size_bytes: The file's size.

    Returns:
        The contract's engine; where that is ``auto``, or there is no contract, by size.
    """
    if contract is not None:
        return contract.choose_engine(size_bytes)
    return "spark" if size_bytes >= DEFAULT_SPARK_THRESHOLD_BYTES else "in_process"
