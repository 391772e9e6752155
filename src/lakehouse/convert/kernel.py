"""The conversion kernel: an Arrow batch in; NDJSON, rejected rows and counts out. Both runners run it.

``json_mapping`` maps what JSON has no type for, Polars evaluates the contract's rules, ``json_lines`` writes the lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.arrow_types import normalized
from lakehouse.contracts.difference import Difference
from lakehouse.contracts.drift import compare
from lakehouse.contracts.model import Contract, OutputOptions, output_options
from lakehouse.convert.distinct import Distinct, distinct
from lakehouse.convert.json_lines import ColumnText, JsonLines, Lines, buffer_of
from lakehouse.convert.json_mapping import Findings, selected
from lakehouse.convert.lossless_cast import cast_losslessly
from lakehouse.errors import ConversionError, InputFileError
from lakehouse.quality.quarantine import quarantine_lines
from lakehouse.quality.results import Counts
from lakehouse.quality.rules import CompiledRule, compile_rules

__all__ = ["Converted", "Counts", "Kernel"]


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a batch.

    Attributes:
        lines: The rows that keep all rules, a JSON object a line, in row order.
        rejected: The rows that break a rule, as quarantine lines (``quality/quarantine.py``), in row order.
        counts: Rows read, written and rejected.
    """

    lines: Lines
    rejected: bytes
    counts: Counts

    @property
    def ndjson(self) -> bytes:
        """All lines at once."""
        return bytes(buffer_of(self.lines.joined()))


@dataclass(frozen=True, slots=True)
class _Conformed:
    """A batch's columns under the contract's names and types, and the rows that did not fit them."""

    columns: list[Any]
    misfits: Mapping[str, Any]
    nonfinite_values: int


class Kernel:
    """Converts batches of one schema. It keeps no state between batches, so several threads may share it.

    Args:
        schema: The file's columns.
        contract: The dataset's contract; None converts by the schema alone, with no rules but those of JSON itself.
        output: How the lines are stored, where that is not as the contract says.
        name: The file, for messages.

    Attributes:
        drift: What differs between file and contract, all of it allowed.
        rules: The names of the contract's rules that are held, in order. JSON's own (``<column>_utf8``,
            ``<column>_unique_keys``) appear in results only where a row breaks them.

        output: How the lines are stored.

    Raises:
        SchemaDriftError: The columns differ from the contract in a way that it does not allow.
        InputFileError: Two columns have one name, or a type has no JSON form.
        ContractError: A rule of the contract is not understood.
    """

    def __init__(
        self,
        schema: pa.Schema,
        contract: Contract | None = None,
        output: OutputOptions | None = None,
        *,
        name: str = "A file",
    ) -> None:
        self._name = name
        # The file's own columns, for the quarantine: rejected rows are shown as they came. It also refuses bad names.
        try:
            self._quarantine_lines = JsonLines(schema, has_entry_maps=True)
        except InputFileError as error:
            raise InputFileError(f"{name}: {error}") from error
        self._names = list(schema.names)
        self._casts: dict[str, pa.DataType] = {}
        self._compiled: tuple[CompiledRule, ...] = ()
        self.drift: tuple[Difference, ...] = ()
        if contract is not None:
            drift = compare(contract, schema)
            drift.require_allowed()
            self.drift = drift.differences
            self._names = [drift.renames.get(name, name) for name in schema.names]
            self._casts = dict(drift.casts)
            self._compiled = compile_rules(contract, self._names)
        fields = zip(self._names, schema, strict=True)
        self._schema = pa.schema([pa.field(name, self._casts.get(name, column.type)) for name, column in fields])
        self.output = output or output_options(contract)
        self._lines = JsonLines(self._schema, omits_nulls=self.output.nulls == "omit")
        self._rule_columns = sorted(set().union(*(rule.columns for rule in self._compiled)))
        self._shown_otherwise = frozenset(
            index
            for index, (name, column) in enumerate(zip(self._names, schema, strict=True))
            if name in self._casts or _holds_map(column.type)
        )
        self._positions = {name: position for position, name in enumerate(self._names)}
        self.rules = (*(f"{name}_type" for name in self._casts), *(rule.name for rule in self._compiled))

    def convert(self, batch: pa.RecordBatch, first_row: int) -> Converted:
        """Convert a batch.

        Args:
            batch: Rows of the kernel's schema.
            first_row: Rows of the file before this batch; the quarantine's ``row_number`` starts at 1.

        Returns:
            The lines and the counts. No rows give no bytes; rows of no columns give ``{}`` lines.

        Raises:
            ConversionError: Values that passed every check could not be written, which is a defect of the kernel.
        """
        try:
            return self._convert(batch, first_row)
        except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            said = " ".join(str(error).split())[:300]
            raise ConversionError(
                f"{self._name}: rows {first_row + 1} to {first_row + batch.num_rows} could not be written as JSON "
                f"({type(error).__name__}: {said}). Report it with the file's schema."
            ) from error

    def _convert(self, batch: pa.RecordBatch, first_row: int) -> Converted:
        rows = batch.num_rows
        if rows == 0 or not self._names:
            counts = Counts(rows, rows, 0, dict.fromkeys(self.rules, 0))
            return Converted(Lines(rows, (pa.scalar("{}\n", pa.large_string()),)), b"", counts)
        conformed = self._conform(batch)
        distincts = [distinct(column) for column in conformed.columns]
        texts, findings = self._lines.texts(conformed.columns, distincts)
        broken = self._broken(conformed, distincts, findings, rows)
        rejected, rejected_rows, is_bad = b"", 0, None
        if broken:
            is_bad = np.logical_or.reduce(list(broken.values()))
            rejected_rows = int(is_bad.sum())
            rejected = self._quarantined(batch, texts, first_row, is_bad, broken)
        counts = Counts(
            rows,
            rows - rejected_rows,
            rejected_rows,
            {**dict.fromkeys(self.rules, 0), **{name: int(mask.sum()) for name, mask in broken.items()}},
            conformed.nonfinite_values + findings.nonfinite_values,
        )
        return Converted(self._lines.lines(texts, rows, left_out=is_bad), rejected, counts)

    def _conform(self, batch: pa.RecordBatch) -> _Conformed:
        """Cast what the contract wants otherwise."""
        columns = list(batch.columns)
        misfits: dict[str, Any] = {}
        nonfinite = 0
        for name, wanted in self._casts.items():
            index = self._names.index(name)
            array = _decoded(columns[index])
            if pa.types.is_floating(array.type):
                nonfinite += len(array) - array.null_count - (pc.sum(pc.is_finite(array)).as_py() or 0)
            columns[index], mask = cast_losslessly(array, wanted)
            misfits[f"{name}_type"] = mask.to_numpy(zero_copy_only=False)
        return _Conformed(columns, misfits, nonfinite)

    def _broken(
        self, conformed: _Conformed, distincts: Sequence[Distinct | None], findings: Findings, rows: int
    ) -> dict[str, Any]:
        """Rule to a mask of the rows that break it, for the rules that any row breaks; in the order of the rules."""
        masks: dict[str, Any] = {**conformed.misfits, **dict.fromkeys(rule.name for rule in self._compiled)}
        few = {name: found for name in self._rule_columns if (found := distincts[self._positions[name]]) is not None}
        over_values = [rule for rule in self._compiled if len(rule.columns) == 1 and rule.columns <= few.keys()]
        for rule, mask in _evaluated(over_values, {name: found.values for name, found in few.items()}):
            found = few[next(iter(rule.columns))]
            of_values = mask[: len(found.values)]
            masks[rule.name] = found.rows(of_values) if of_values.any() else of_values
        over_rows = [rule for rule in self._compiled if rule not in over_values]
        columns = {name: conformed.columns[self._positions[name]] for name in self._rule_columns}
        masks |= {rule.name: mask for rule, mask in _evaluated(over_rows, columns)}
        # A value that does not fit its type is null by now; it is not missing as well.
        for name in self._casts:
            required = masks.get(f"{name}_required")
            if required is not None and required.any():
                masks[f"{name}_required"] = required & ~masks[f"{name}_type"]
        for name, positions in findings.rejected.items():
            masks[name] = np.zeros(rows, dtype=bool)
            masks[name][list(positions)] = True
        return {name: mask for name, mask in masks.items() if mask.any()}

    def _quarantined(
        self,
        batch: pa.RecordBatch,
        texts: Sequence[ColumnText],
        first_row: int,
        is_bad: Any,
        broken: Mapping[str, Any],
    ) -> bytes:
        """The rejected rows as they came: what was written of them already, but for what only the quarantine shows."""
        positions = np.flatnonzero(is_bad)
        shown = [
            self._quarantine_lines.text(index, selected(batch.column(index), positions))
            if index in self._shown_otherwise
            else text.kept(positions)
            for index, text in enumerate(texts)
        ]
        rows = self._quarantine_lines.lines(shown, len(positions), end="}").joined()
        masks = {name: mask[positions] for name, mask in broken.items()}
        return bytes(buffer_of(quarantine_lines(first_row + positions + 1, masks, rows)))


def _evaluated(rules: Sequence[CompiledRule], columns: Mapping[str, Any]) -> list[tuple[CompiledRule, Any]]:
    """Hold rules against values.

    Args:
        rules: The rules.
        columns: The columns that they name, and maybe others. Those of one rule have one length; over the end of a
            shorter column its rules see nulls.

    Returns:
        A rule and its mask: true where it is broken.
    """
    if not rules:
        return []
    needed = sorted(set().union(*(rule.columns for rule in rules)))
    arrays = [_decoded(columns[name]) for name in needed]
    rows = max(map(len, arrays))
    padded = [
        array if len(array) == rows else pa.concat_arrays([array, pa.nulls(rows - len(array), array.type)])
        for array in arrays
    ]
    frame = cast("pl.DataFrame", pl.from_arrow(pa.table(padded, names=needed)))
    # The rules see what is written: NaN and infinities are null.
    value = pl.selectors.float()
    frame = frame.with_columns_seq(pl.when(value.is_finite()).then(value))
    masks = frame.select_seq(rule.is_broken.alias(rule.name) for rule in rules)
    return [(rule, masks.get_column(rule.name).to_numpy()) for rule in rules]


def _holds_map(kind: Any) -> bool:
    """Whether a type is a map, or has one in it."""
    if isinstance(kind, pa.BaseExtensionType):
        return _holds_map(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _holds_map(kind.value_type)
    return pa.types.is_map(kind) or any(_holds_map(kind.field(index).type) for index in range(kind.num_fields))


def _decoded(array: Any) -> Any:
    """An array in the plain encoding of its type, which casts and rules understand."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type) or pa.types.is_nested(array.type):
        return array
    plain = normalized(array.type)
    # Texts stay as they are: every form of them is understood, and a cast would copy them.
    return array if pa.types.is_string(plain) or plain == array.type else array.cast(plain)
