"""Rules compiled from a contract to Polars expressions, each true for a row that breaks it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

import polars as pl
import pyarrow as pa

from lakehouse.contracts.model import Column, Contract
from lakehouse.errors import ContractError


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule as an expression.

    Attributes:
        name: Its name in results and in the quarantine.
        columns: The columns it looks at.
        is_broken: True for a row that breaks it, false for one that keeps it or where it cannot be told (null).
    """

    name: str
    columns: frozenset[str]
    is_broken: pl.Expr


def compile_rules(contract: Contract, present: Collection[str]) -> tuple[CompiledRule, ...]:
    """Compile a contract's rules.

    Floating-point columns are seen as they will be written: NaN and infinities are null, so they break ``required``
    and no other rule.

    Args:
        contract: The contract.
        present: Columns that the file has, by the contract's names. Rules over an absent optional column are left out.

    Returns:
        The rules, columns first, in the contract's order.

    Raises:
        ContractError: A row rule's condition is no SQL condition, or names a column that the contract has not.
    """
    compiled = [rule for column in contract.columns if column.name in present for rule in _column_rules(column)]
    names = {column.name for column in contract.columns}
    for row_rule in contract.row_rules:
        rule = _row_rule(contract, row_rule.name, row_rule.condition, names)
        if rule.columns <= set(present):
            compiled.append(rule)
    _require_unique_names(contract, compiled)
    _require_evaluable(contract, compiled)
    return tuple(compiled)


def _require_unique_names(contract: Contract, rules: Sequence[CompiledRule]) -> None:
    names = [rule.name for rule in rules]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ContractError(
            f"{contract.dataset}: several rules are named {', '.join(repeated)}. Rename the quality entries."
        )


def _dtype(column: Column) -> pl.DataType:
    """The column's type as Polars has it."""
    series = cast("pl.Series", pl.from_arrow(pa.array([], column.type)))
    return series.dtype


def _require_evaluable(contract: Contract, rules: Sequence[CompiledRule]) -> None:
    """Evaluate the rules over no rows, so that one that compares text with numbers fails before any file is read."""
    columns = {column.name: pl.Series([], dtype=_dtype(column)) for column in contract.columns}
    empty = pl.DataFrame(columns)
    for rule in rules:
        try:
            kind = empty.select(rule.is_broken.alias(rule.name)).dtypes[0]
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            said = " ".join(str(error).split())[:200]
            raise ContractError(
                f"{contract.dataset}: rule {rule.name!r} cannot be evaluated on its columns "
                f"({', '.join(sorted(rule.columns))}): {said}. Make the rule fit the columns' types."
            ) from error
        if kind != pl.Boolean:
            raise ContractError(
                f"{contract.dataset}: rule {rule.name!r} gives {kind}, not true or false. Write a condition."
            )


def _column_rules(column: Column) -> list[CompiledRule]:
    value = pl.col(column.name)
    rules: list[tuple[str, pl.Expr]] = []
    if column.is_required:
        rules.append(("required", value.is_null()))
    if (beyond := _out_of_range(column, value)) is not None:
        rules.append(("range", beyond))
    if column.valid_values:
        rules.append(("values", ~value.is_in(pl.lit(pl.Series(column.valid_values, dtype=_dtype(column))).implode())))
    if column.min_length is not None or column.max_length is not None:
        length = value.str.len_chars()
        shortest, longest = column.min_length or 0, column.max_length
        too_long = pl.lit(value=False) if longest is None else length > longest
        rules.append(("length", (length < shortest) | too_long))
    if column.pattern is not None:
        rules.append(("pattern", ~value.str.contains(f"^(?:{column.pattern})$")))
    columns = frozenset({column.name})
    return [CompiledRule(f"{column.name}_{kind}", columns, broken.fill_null(value=False)) for kind, broken in rules]


def _out_of_range(column: Column, value: pl.Expr) -> pl.Expr | None:
    parts = [
        is_beyond(pl.lit(bound))
        for bound, is_beyond in (
            (column.minimum, value.lt),
            (column.maximum, value.gt),
            (column.exclusive_minimum, value.le),
            (column.exclusive_maximum, value.ge),
        )
        if bound is not None
    ]
    # Null on both sides stays null; one broken bound is enough.
    return pl.any_horizontal(parts) if parts else None


def _row_rule(contract: Contract, name: str, condition: str, names: Collection[str]) -> CompiledRule:
    try:
        broken = pl.sql_expr(condition)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise ContractError(
            f"{contract.dataset}: the condition of rule {name!r} is not understood: {condition!r} ({error}). "
            "Write a SQL condition over the dataset's columns that is true for a bad row."
        ) from error
    columns = frozenset(broken.meta.root_names())
    unknown = sorted(columns - set(names))
    if unknown or not columns:
        found = f"names {', '.join(unknown)}, which the contract has not" if unknown else "names no column"
        raise ContractError(
            f"{contract.dataset}: the condition of rule {name!r} {found}: {condition!r}. Name the dataset's columns."
        )
    return CompiledRule(name, columns, broken.fill_null(value=False))
