"""A column as its distinct values: what is asked or written once a value need not be done once a row.

Most columns of most files repeat few values: codes, flags, prices, zones. Formatting a thousand distinct values and
looking all rows up in them is several times faster than formatting every row; so is holding rules against them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# The rows that are looked at before all are; fewer are not worth it.
_SAMPLE_ROWS = 2048
# At most this share of the rows may be distinct.
_MOST_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Distinct:
    """A column's values, each once, and which row has which.

    Attributes:
        values: Arrow array, as long as there are distinct values; one of them may be null.
        codes: int32 a row: the position of its value in ``values``.
    """

    values: Any
    codes: Any

    def rows(self, mask: Any) -> Any:
        """Spread something known of each value over the rows.

        Args:
            mask: NumPy array, one element a value.

        Returns:
            NumPy array, one element a row.
        """
        return mask[self.codes]


def distinct(array: Any) -> Distinct | None:
    """Find a column's distinct values, where that pays.

    Args:
        array: The column of a batch, of any type.

    Returns:
        Its values and codes; None where too many values differ, where the rows are few, or where the type is nested.
    """
    rows = len(array)
    if rows < _SAMPLE_ROWS or isinstance(array, pa.ExtensionArray):
        return None
    if pa.types.is_dictionary(array.type):
        return _of_dictionary(array)
    storage = _storage(array)
    if storage is None or len(storage.slice(0, _SAMPLE_ROWS).unique()) > _SAMPLE_ROWS * _MOST_SHARE:
        return None
    encoded = storage.dictionary_encode(null_encoding="encode")
    if len(encoded.dictionary) > rows * _MOST_SHARE:
        return None
    values = encoded.dictionary
    values = values.view(array.type) if values.type != array.type else values
    return Distinct(values, encoded.indices.to_numpy(zero_copy_only=False))


def _storage(array: Any) -> Any | None:
    """The array in a form whose equality is that of its bits: 0.0 and -0.0 differ, and so do two kinds of NaN."""
    kind = array.type
    types = pa.types
    if types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind):
        return array
    if types.is_floating(kind) or types.is_temporal(kind):
        widths = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
        return array.view(widths[kind.bit_width]) if kind.bit_width in widths else None
    return None


def _of_dictionary(array: Any) -> Distinct | None:
    """A column that comes as a dictionary, unless its dictionary is longer than the rows at hand."""
    values, indices = array.dictionary, array.indices
    if len(values) > len(array) or pa.types.is_nested(values.type) or isinstance(values, pa.ExtensionArray):
        return None
    if array.indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int64()), len(values))
        values = pa.concat_arrays([values, pa.nulls(1, values.type)])
    return Distinct(values, indices.cast(pa.int32()).to_numpy(zero_copy_only=False))
