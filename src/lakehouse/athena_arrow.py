"""Results of Athena as Arrow: texts become values of their columns' types."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.athena_queries import ResultColumn

# What is not here stays text: arrays, maps and rows come as Athena writes them.
_TYPES: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


def as_table(columns: Sequence[ResultColumn], rows: Sequence[Sequence[str | None]]) -> pa.Table:
    """A result as a table.

    Args:
        columns: Its columns.
        rows: Texts, None for null.

    Returns:
        The table; a decimal has as many digits as its values need.
    """
    arrays = []
    for index, column in enumerate(columns):
        texts = pa.array([row[index] for row in rows], pa.string())
        arrays.append(_typed(texts, column.type))
    return pa.table(arrays, names=[column.name for column in columns])


def _typed(texts: pa.Array, kind: str) -> pa.Array:
    if kind == "decimal":
        scale = max((len(str(text).partition(".")[2]) for text in texts.to_pylist() if text is not None), default=0)
        return texts.cast(pa.decimal128(38, scale))
    wanted = _TYPES.get(kind)
    if wanted is None:
        return texts
    if pa.types.is_floating(wanted):
        texts = pc.replace_substring_regex(texts, "Infinity", "inf")
    return texts.cast(wanted)
