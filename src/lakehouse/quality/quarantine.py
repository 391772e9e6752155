"""The quarantine's lines: a rejected row, its number in the file, and the rules it broke."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl


def quarantine_ndjson(row_numbers: Any, broken: Mapping[str, Any], rows: pl.DataFrame) -> bytes:
    """Write rejected rows.

    Each line is ``{"row_number": 17, "broken_rules": ["fare_amount_range"], "row": {…}}``: the row's number in the file
    from 1, the rules in the contract's order, and the row as the file has it (its own names and types), with maps as
    lists of entries and texts that are not UTF-8 as base64 of their bytes.

    Args:
        row_numbers: Integers, one a row.
        broken: Rule to a mask over the rows.
        rows: The rows, mapped for JSON.

    Returns:
        NDJSON, a line a row.
    """
    names = np.array(list(broken), dtype=object)
    masks = np.column_stack([broken[name] for name in names])
    frame = pl.DataFrame(
        {
            "row_number": pl.Series(row_numbers, dtype=pl.Int64),
            "broken_rules": pl.Series([names[mask].tolist() for mask in masks], dtype=pl.List(pl.String)),
        }
    ).with_columns(rows.to_struct("row"))
    buffer = io.BytesIO()
    frame.write_ndjson(buffer)
    return buffer.getvalue()
