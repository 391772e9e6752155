"""What a batch comes to when every value is written out.

Arrow holds some things once, or in a bit, that JSON writes with every value: the values of a dictionary, the names of a
struct's fields, the booleans and nulls of a list. A few megabytes of such a batch may be gigabytes of JSON.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# What JSON puts around a value in a list or a struct: comma, quotation marks, colon.
_MARKS = 2
_NAME_MARKS = 4
_BOOLEAN = len("false,")
_NULL = len("null,")


def plain_bytes(data: pa.RecordBatch) -> int:
    """Length of a batch's values, written out.

    Args:
        data: The batch.

    Returns:
        For plain columns what they take in memory: their names are counted elsewhere (``plan.batch_rows``), and no
        value's JSON is many times as long. For dictionaries and nested columns about the length of their JSON.
    """
    plain = [index for index, kind in enumerate(data.schema.types) if not _is_packed(kind)]
    if len(plain) == data.num_columns:
        return int(data.nbytes)
    packed = sorted(set(range(data.num_columns)).difference(plain))
    return int(data.select(plain).nbytes) + sum(_written(data.column(index)) for index in packed)


def _is_packed(kind: Any) -> bool:
    types = pa.types
    return types.is_nested(kind) or types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType)


def _written(array: Any, *, is_entry: bool = False) -> int:
    kind = array.type
    types = pa.types
    if isinstance(array, pa.ExtensionArray):
        return _written(array.storage)
    if types.is_dictionary(kind):
        return _of_dictionary(array)
    if types.is_struct(kind):
        # A map's entries have no names, or short ones.
        names = 0 if is_entry else sum(len(member.name) + _NAME_MARKS for member in kind)
        return len(array) * (names + _MARKS) + sum(_written(array.field(index)) for index in range(kind.num_fields))
    if types.is_nested(kind):
        return len(array) * _MARKS + _written(_elements(array), is_entry=types.is_map(kind))
    # true and false take a bit in Arrow, null nothing.
    packed = _BOOLEAN if types.is_boolean(kind) else _NULL if types.is_null(kind) else _MARKS
    return int(array.nbytes) + len(array) * packed


def _elements(array: Any) -> Any:
    """The elements of lists or maps: of these rows only, which may be a slice."""
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        return array.values.slice(array.offset * size, len(array) * size)
    if len(array) == 0:
        return array.values.slice(0, 0)
    first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
    return array.values.slice(first, last - first)


def _of_dictionary(array: Any) -> int:
    """As many bytes as the rows take of its values, not the values that no row of these has."""
    values, indices = array.dictionary, array.indices
    if len(values) == 0:
        return len(array) * _NULL
    if not (pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
        return len(array) * (_MARKS + _written(values) // len(values))
    taken = pc.sum(pc.binary_length(values).take(indices)).as_py() or 0
    return int(taken) + len(array) * _NULL
