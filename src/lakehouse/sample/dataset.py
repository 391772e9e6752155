"""What a sample of a dataset is made of: its columns, rows that keep every rule, and ways to break one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A way for a row to be dirty.

    Attributes:
        spoil: Changes some rows of the columns.
        rules: The rules that the rows break then.
        nonfinite_values: NaN among the values of a row.
    """

    spoil: Callable[[Columns, Any], None]
    rules: tuple[str, ...]
    nonfinite_values: int = 0


@dataclass(frozen=True, slots=True)
class SampleDataset:
    """How rows of a dataset are made.

    Attributes:
        schema: The columns, as the dataset's contract has them.
        clean: Makes rows that keep every rule. Columns are NumPy arrays, masked where a value is null; decimals are
            integers in units of their last digit.
        faults: Ways to break a rule.
    """

    schema: pa.Schema
    clean: Callable[[np.random.Generator, int], Columns]
    faults: tuple[Fault, ...]


def maskable(values: Any) -> Any:
    """An array that can lose values.

    Args:
        values: A NumPy array.

    Returns:
        A masked array in which none is masked yet.
    """
    return np.ma.array(values, mask=np.zeros(len(values), dtype=bool))
