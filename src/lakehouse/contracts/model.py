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
Compression = Literal["none", "gzip", "zstd"]
Nulls = Literal["explicit", "omit"]
Bound = int | float | Decimal | date | datetime

DEFAULT_ENGINE: Engine = "auto"
DEFAULT_SPARK_THRESHOLD_BYTES = 64 * 2**20

# A limit on objects below this would make more objects than S3 requests are worth.
LEAST_OBJECT_BYTES = 2**20


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
        former_names: Names that it had in older files.
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
    former_names: tuple[str, ...] = ()
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
class OutputOptions:
    """How a dataset's JSON is stored.

    Attributes:
        compression: Of the output; the object's name and its Content-Encoding say it too.
        max_object_bytes: The most JSON of an object, before compression; above, a file becomes several objects with a
            manifest. None for one object a file, however large.
        nulls: ``explicit`` writes ``"tip": null``, ``omit`` leaves the column out of the line.
    """

    compression: Compression = "none"
    max_object_bytes: int | None = None
    nulls: Nulls = "explicit"


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
        output: How the JSON is stored.
        allowed_drift: Kinds of difference that convert and are noted, out of ``difference.ALLOWABLE_DRIFT``.
    """

    dataset: str
    version: str
    columns: tuple[Column, ...]
    row_rules: tuple[RowRule, ...] = ()
    file_pattern: str = "*.parquet"
    engine: Engine = DEFAULT_ENGINE
    spark_threshold_bytes: int = DEFAULT_SPARK_THRESHOLD_BYTES
    quarantine_threshold: float = 0.0
    output: OutputOptions = OutputOptions()
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


def output_options(contract: Contract | None) -> OutputOptions:
    """How a file's JSON is stored, also of a dataset without a contract.

    Args:
        contract: The dataset's contract, None if it has none.

    Returns:
        The contract's options, else the defaults.
    """
    return OutputOptions() if contract is None else contract.output


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
