"""The conversion kernel: an Arrow batch in; NDJSON, rejected rows and counts out. Both runners run it.

Arrow maps what JSON has no type for (``json_mapping``), Polars evaluates the contract's rules and writes the lines.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.contracts.arrow_types import normalized
from lakehouse.contracts.drift import compare
from lakehouse.contracts.model import Contract
from lakehouse.convert.json_mapping import Findings, JsonMapping, selected
from lakehouse.convert.lossless_cast import cast_losslessly
from lakehouse.errors import ConversionError
from lakehouse.quality.quarantine import quarantine_ndjson
from lakehouse.quality.results import Counts
from lakehouse.quality.rules import CompiledRule, compile_rules

__all__ = ["Converted", "Counts", "Kernel"]


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a batch.

    Attributes:
        ndjson: The rows that keep all rules, a JSON object a line, in row order.
        rejected: The rows that break a rule, as quarantine lines (``quality/quarantine.py``), in row order.
        counts: Rows read, written and rejected.
    """

    ndjson: bytes
    rejected: bytes
    counts: Counts


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

    Attributes:
        drift: One sentence a difference between file and contract, all of them allowed.
        rules: The names of the contract's rules that are held, in order. JSON's own (``<column>_utf8``,
            ``<column>_unique_keys``) appear in results only where a row breaks them.

    Raises:
        SchemaDriftError: The columns differ from the contract in a way that it does not allow.
        InputFileError: Two columns have one name, or a type has no JSON form.
        ContractError: A rule of the contract is not understood.
    """

    def __init__(self, schema: pa.Schema, contract: Contract | None = None) -> None:
        # The file's own columns, for the quarantine: rejected rows are shown as they came. It also refuses bad names.
        self._quarantine_mapping = JsonMapping(schema, has_entry_maps=True)
        self._names = list(schema.names)
        self._casts: dict[str, pa.DataType] = {}
        self._compiled: tuple[CompiledRule, ...] = ()
        self.drift: tuple[str, ...] = ()
        if contract is not None:
            drift = compare(contract, schema)
            drift.require_allowed()
            self.drift = drift.sentences
            self._names = [drift.renames.get(name, name) for name in schema.names]
            self._casts = dict(drift.casts)
            self._compiled = compile_rules(contract, self._names)
        fields = zip(self._names, schema, strict=True)
        self._schema = pa.schema([pa.field(name, self._casts.get(name, column.type)) for name, column in fields])
        self._mapping = JsonMapping(self._schema)
        self._rule_columns = sorted(set().union(*(rule.columns for rule in self._compiled)))
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
                f"Rows {first_row + 1} to {first_row + batch.num_rows} could not be written as JSON "
                f"({type(error).__name__}: {said}). Report it with the file's schema."
            ) from error

    def _convert(self, batch: pa.RecordBatch, first_row: int) -> Converted:
        rows = batch.num_rows
        if rows == 0 or not self._names:
            counts = Counts(rows, rows, 0, dict.fromkeys(self.rules, 0))
            return Converted(b"{}\n" * rows, b"", counts)
        conformed = self._conform(batch)
        table, findings = self._mapping.apply(conformed.columns, rows)
        broken = self._broken(conformed, findings, rows)
        results = {name: int(mask.sum()) for name, mask in broken.items()}
        is_bad = np.logical_or.reduce([mask for mask in broken.values() if mask.any()] or [np.zeros(rows, dtype=bool)])
        rejected_rows = int(is_bad.sum())
        accepted = _frame(table, self._names)
        rejected = b""
        if rejected_rows:
            # By Polars: pyarrow cannot filter views, nor what holds them.
            accepted = accepted.filter(pl.Series(~is_bad))
            positions = np.flatnonzero(is_bad)
            as_they_came = [selected(column, positions) for column in batch.columns]
            members, _ = self._quarantine_mapping.apply(as_they_came, rejected_rows)
            rejected = quarantine_ndjson(
                first_row + positions + 1,
                {name: mask[positions] for name, mask in broken.items()},
                _frame(members, batch.schema.names),
            )
        counts = Counts(
            rows,
            rows - rejected_rows,
            rejected_rows,
            {**dict.fromkeys(self.rules, 0), **results},
            conformed.nonfinite_values + findings.nonfinite_values,
        )
        return Converted(_ndjson(accepted), rejected, counts)

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

    def _broken(self, conformed: _Conformed, findings: Findings, rows: int) -> dict[str, Any]:
        """Rule to a mask of the rows that break it."""
        broken = dict(conformed.misfits)
        if self._compiled:
            arrays = [_decoded(conformed.columns[self._names.index(name)]) for name in self._rule_columns]
            frame = cast("pl.DataFrame", pl.from_arrow(pa.table(arrays, names=self._rule_columns)))
            # The rules see what is written: NaN and infinities are null.
            value = pl.selectors.float()
            frame = frame.with_columns(pl.when(value.is_finite()).then(value))
            masks = frame.select(rule.is_broken.alias(rule.name) for rule in self._compiled)
            broken |= {name: masks.get_column(name).to_numpy() for name in masks.columns}
            # A value that does not fit its type is null by now; it is not missing as well.
            for name in self._casts:
                if (required := f"{name}_required") in broken:
                    broken[required] = broken[required] & ~broken[f"{name}_type"]
        for name, positions in findings.rejected.items():
            mask = np.zeros(rows, dtype=bool)
            mask[list(positions)] = True
            broken[name] = mask
        return broken


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


def _frame(table: pa.Table, names: list[str]) -> pl.DataFrame:
    """A data frame under names that ``pl.from_arrow`` would change: it gives an empty one a name of its own."""
    frame = cast("pl.DataFrame", pl.from_arrow(table))
    frame.columns = names
    return frame


def _ndjson(frame: pl.DataFrame) -> bytes:
    if frame.height == 0:
        return b""
    buffer = io.BytesIO()
    frame.write_ndjson(buffer)
    return buffer.getvalue()
