"""Maps Arrow types to types that the JSON writer writes exactly. docs/json-mapping.md is the specification.

The plan for a schema is made once; applying it to a batch touches only what needs it: booleans, integers, floating
point and texts go through as they are.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.convert import json_text
from lakehouse.errors import InputFileError

# Decimals of more digits are written one by one.
_POLARS_DIGITS = 38


@dataclass(slots=True)
class Findings:
    """What mapping a batch came across.

    Attributes:
        nonfinite_values: NaN and infinities; the writer writes them as null.
        rejected: Rule to the rows (positions in the batch) that JSON cannot hold.
    """

    nonfinite_values: int = 0
    rejected: dict[str, set[int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self.nonfinite_values or self.rejected)


@dataclass(frozen=True, slots=True)
class _Level:
    """Which row an element belongs to, at one depth of nesting."""

    lengths: Any = None
    parent: _Level | None = None

    def rows_of(self, elements: Sequence[int]) -> Iterable[int]:
        """The rows of some elements, by their position."""
        if self.parent is None:
            return elements
        owners = np.searchsorted(np.cumsum(self.lengths), np.asarray(elements), side="right")
        return self.parent.rows_of(cast("Sequence[int]", owners.tolist()))


# Maps an array; None as a plan means that the array goes through unchanged.
_Step = Callable[[Any, _Level, Findings], Any]


class JsonMapping:
    """The plan for one schema.

    Args:
        schema: The columns. Names must differ.
        has_entry_maps: Write every map as a list of entries, also one whose keys are texts: in the quarantine, where
            keys may not be unique.

    Raises:
        InputFileError: Two columns have one name, or a type has no JSON form; the message names them.
    """

    def __init__(self, schema: pa.Schema, *, has_entry_maps: bool = False) -> None:
        _require_unique(schema.names, "columns")
        self._has_entry_maps = has_entry_maps
        # A dictionary is how a column comes, not what it holds: batches of one file may come in either form.
        kinds = [column.type.value_type if pa.types.is_dictionary(column.type) else column.type for column in schema]
        self._steps = [self._plan(kind, name, name) for kind, name in zip(kinds, schema.names, strict=True)]

    def apply(self, index: int, array: Any, findings: Findings) -> Any:
        """Map one column of a batch.

        Args:
            index: Its position in the schema.
            array: Its values, also as a dictionary of them.
            findings: Takes what is found in them; rows are positions in ``array``.

        Returns:
            The mapped values.
        """
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        step = self._steps[index]
        return array if step is None else step(array, _Level(), findings)

    # --- planning -------------------------------------------------------------------------------------------------

    def _plan(self, kind: Any, column: str, path: str) -> _Step | None:
        """The step for a type.

        Args:
            kind: The Arrow type.
            column: The column it is in, which rules are named after.
            path: Where it is, for messages.
        """
        if isinstance(kind, pa.BaseExtensionType):
            return self._plan_extension(kind, column, path)
        if pa.types.is_dictionary(kind):
            return _then(lambda array: array.dictionary_decode(), self._plan(kind.value_type, column, path))
        if pa.types.is_run_end_encoded(kind):
            return _then(pc.run_end_decode, self._plan(kind.value_type, column, path))
        return self._plan_nested(kind, column, path) if pa.types.is_nested(kind) else _plan_flat(kind, column, path)

    def _plan_extension(self, kind: Any, column: str, path: str) -> _Step | None:
        """An extension type by its storage, but for those whose meaning JSON shows better."""
        if kind.extension_name == "arrow.uuid":
            return _then(lambda array: json_text.uuids(array.storage), None)
        if kind.extension_name == "arrow.bool8":
            return _then(lambda array: pc.not_equal(array.storage, 0), None)
        return _then(lambda array: array.storage, self._plan(kind.storage_type, column, path))

    def _plan_nested(self, kind: Any, column: str, path: str) -> _Step | None:
        types = pa.types
        if types.is_struct(kind):
            names = [member.name for member in kind]
            _require_unique(names, f"fields of {path}")
            # Arrow hands field names to Polars as C strings, which end at a NUL; an empty one gets a name made up.
            if any(not name or "\0" in name for name in names):
                raise InputFileError(
                    f"Column {path!r} has a field whose name is empty or holds a NUL character: {names!r}. "
                    "Rename it at the file's source."
                )
            if not names:
                return None
            steps = [self._plan(member.type, column, f"{path}.{member.name}") for member in kind]
            return partial(_struct, names=names, steps=steps) if any(steps) else None
        if types.is_map(kind):
            key = self._plan(kind.key_type, column, f"{path}.key")
            value = self._plan(kind.item_type, column, f"{path}.value")
            if _is_text(kind.key_type) and not self._has_entry_maps:
                return partial(_object_map, key=key, value=value, rule=f"{column}_unique_keys")
            return partial(_entry_map, key=key, value=value)
        if types.is_list(kind) or types.is_large_list(kind):
            step = self._plan(kind.value_type, column, f"{path}[]")
            return None if step is None else partial(_list, step=step)
        if types.is_fixed_size_list(kind) or types.is_list_view(kind) or types.is_large_list_view(kind):
            return partial(_list, step=self._plan(kind.value_type, column, f"{path}[]"))
        raise _no_json_form(kind, path)


def _no_json_form(kind: Any, path: str) -> InputFileError:
    return InputFileError(
        f"Column {path!r} is of type {kind}, which has no JSON form. Drop it or cast it at the file's source."
    )


def _plan_flat(kind: Any, column: str, path: str) -> _Step | None:
    types = pa.types
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_null(kind):
        return None
    if types.is_floating(kind):
        return _count_nonfinite
    if _is_text(kind):
        return partial(_checked_text, rule=f"{column}_utf8")
    if types.is_decimal(kind):
        is_narrow = kind.precision <= _POLARS_DIGITS and kind.scale >= 0
        # The writer would write narrow decimals alike, but panics on one inside a map.
        is_narrow = is_narrow and not types.is_decimal256(kind)
        return _then(json_text.decimals if is_narrow else json_text.wide_decimals, None)
    text = _text_function(kind)
    if text is None:
        raise _no_json_form(kind, path)
    return _then(text, None)


def _require_unique(names: Sequence[str], what: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        listed = ", ".join(repr(name) for name in repeated)
        raise InputFileError(
            f"Several {what} have the same name: {listed}. A JSON object would lose all but one: "
            "rename them at the file's source."
        )


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _text_function(kind: Any) -> Callable[[Any], Any] | None:
    types = pa.types
    choices: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
        (types.is_timestamp, json_text.timestamps),
        (types.is_date, json_text.dates),
        (types.is_time, json_text.times),
        (types.is_duration, json_text.durations),
        (types.is_binary, json_text.base64),
        (types.is_large_binary, json_text.base64),
        (types.is_binary_view, json_text.base64),
        (types.is_fixed_size_binary, json_text.base64),
    )
    return next((text for is_kind, text in choices if is_kind(kind)), None)


def _then(function: Callable[[Any], Any], step: _Step | None) -> _Step:
    """A step that maps with a function, and then with the step for what came out."""

    def mapped(array: Any, level: _Level, findings: Findings) -> Any:
        inner = function(array)
        return inner if step is None else step(inner, level, findings)

    return mapped


# --- steps --------------------------------------------------------------------------------------------------------


def _count_nonfinite(array: Any, _level: _Level, findings: Findings) -> Any:
    findings.nonfinite_values += len(array) - array.null_count - (pc.sum(pc.is_finite(array)).as_py() or 0)
    return array


def _checked_text(array: Any, level: _Level, findings: Findings, *, rule: str) -> Any:
    """Reject rows whose text is not UTF-8. In the quarantine such a text is written as its bytes' base64."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        binary = array.cast(pa.large_string()).view(pa.large_binary()).to_pylist()
        texts: list[str | None] = []
        broken: list[int] = []
        for index, value in enumerate(binary):
            try:
                texts.append(None if value is None else value.decode("utf-8"))
            except UnicodeDecodeError:
                broken.append(index)
                texts.append(binascii.b2a_base64(value, newline=False).decode("ascii"))
        findings.rejected.setdefault(rule, set()).update(level.rows_of(broken))
        return pa.array(texts, pa.large_string())
    return array


def _struct(array: Any, level: _Level, findings: Findings, *, names: list[str], steps: list[_Step | None]) -> Any:
    # flatten() gives the children with the parent's nulls, so that hidden values are neither counted nor checked.
    children = [
        child if step is None else step(child, level, findings)
        for child, step in zip(array.flatten(), steps, strict=True)
    ]
    return pa.StructArray.from_arrays(children, names=names, mask=array.is_null())


def _lengths(array: Any) -> Any:
    """How many elements each list holds; null lists hold none, whatever they hide."""
    if pa.types.is_map(array.type):
        lengths = np.diff(array.offsets.to_numpy(zero_copy_only=False)).astype(np.int64)
        return np.where(array.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
    return pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64()).to_numpy(zero_copy_only=False)


def _starts(array: Any) -> Any:
    """Where each list begins in the array's child."""
    if pa.types.is_fixed_size_list(array.type):
        return (np.arange(len(array), dtype=np.int64) + array.offset) * array.type.list_size
    return array.offsets.to_numpy(zero_copy_only=False)[: len(array)].astype(np.int64)


def _held(child: Any, starts: Any, lengths: Any) -> Any:
    """The elements that lists hold, one list after the other, without what null lists hide.

    pyarrow's own ``flatten`` does not know maps, nor extension types under null lists.
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    first = int(starts[0]) if len(starts) else 0
    is_dense = bool(np.array_equal(starts[lengths > 0], (first + ends - lengths)[lengths > 0]))
    if is_dense:
        return child.slice(first, total)
    return selected(child, np.repeat(starts - (ends - lengths), lengths) + np.arange(total))


def selected(array: Any, positions: Any) -> Any:
    """Some elements of an array of any type, by their positions in rising order.

    Args:
        array: The array.
        positions: Integers.

    Returns:
        The elements.
    """
    try:
        return array.take(pa.array(positions, pa.int64()))
    except pa.ArrowNotImplementedError:
        # pyarrow cannot take from views (nor from what holds them); it can join slices, a run of positions each.
        breaks = np.flatnonzero(np.diff(positions) != 1) + 1
        runs = [run for run in np.split(np.asarray(positions), breaks) if len(run)]
        return pa.concat_arrays([array.slice(int(run[0]), len(run)) for run in runs]) if runs else array.slice(0, 0)


def _offsets(lengths: Any, kind: Any) -> pa.Buffer:
    return pa.py_buffer(np.concatenate(([0], np.cumsum(lengths))).astype(kind))


def _validity(array: Any) -> pa.Buffer | None:
    return None if array.null_count == 0 else array.is_valid().buffers()[1]


def _list(array: Any, level: _Level, findings: Findings, *, step: _Step | None) -> Any:
    lengths = _lengths(array)
    values = _held(array.values, _starts(array), lengths)
    if step is not None:
        values = step(values, _Level(lengths, level), findings)
    return pa.Array.from_buffers(
        pa.large_list(values.type),
        len(array),
        [_validity(array), _offsets(lengths, np.int64)],
        children=[values],
    )


def _entries(array: Any) -> tuple[Any, Any, Any]:
    """A map's lengths, keys and values, without what null maps hide."""
    lengths, starts = _lengths(array), _starts(array)
    return lengths, _held(array.keys, starts, lengths), _held(array.items, starts, lengths)


def _entry_map(array: Any, level: _Level, findings: Findings, *, key: _Step | None, value: _Step | None) -> Any:
    """A map as a list of ``{"key": …, "value": …}``."""
    lengths, keys, values = _entries(array)
    inner = _Level(lengths, level)
    keys = keys if key is None else key(keys, inner, findings)
    values = values if value is None else value(values, inner, findings)
    entries = pa.StructArray.from_arrays([keys, values], names=["key", "value"])
    return pa.Array.from_buffers(
        pa.large_list(entries.type),
        len(array),
        [_validity(array), _offsets(lengths, np.int64)],
        children=[entries],
    )


def _object_map(
    array: Any, level: _Level, findings: Findings, *, key: _Step | None, value: _Step | None, rule: str
) -> Any:
    """A map as an object. Rows with a key twice, or a null key, are rejected: an object would lose an entry."""
    lengths, keys, values = _entries(array)
    inner = _Level(lengths, level)
    keys = keys if key is None else key(keys, inner, findings)
    values = values if value is None else value(values, inner, findings)
    keys = keys.cast(pa.large_string())
    owners = np.repeat(np.arange(len(lengths)), lengths)
    frame = cast("pl.DataFrame", pl.from_arrow(pa.table({"owner": owners, "key": keys})))
    broken = frame.select(pl.struct("owner", "key").is_duplicated() | pl.col("key").is_null()).to_series()
    if broken.any():
        findings.rejected.setdefault(rule, set()).update(inner.rows_of(broken.arg_true().to_list()))
    keys = pc.fill_null(keys, "")
    kind = pa.map_(keys.type, values.type)
    entries = pa.Array.from_buffers(
        pa.struct([pa.field("key", keys.type, nullable=False), pa.field("value", values.type)]),
        len(keys),
        [None],
        children=[keys, values],
    )
    return pa.Array.from_buffers(kind, len(array), [_validity(array), _offsets(lengths, np.int32)], children=[entries])
