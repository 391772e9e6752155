"""The sample generator: what it says is what the contract's rules find."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.drift import compare
from lakehouse.convert.kernel import Counts, Kernel
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.errors import InputFileError
from lakehouse.sample import generate

CONTRACT = ContractCatalog.packaged().find("yellow_tripdata")


def counts_of(path: Path) -> Counts:
    source = LocalSource(path)
    kernel = Kernel(inspect(source).schema, CONTRACT)
    return sum((kernel.convert(batch.data, batch.first_row).counts for batch in iter_batches(source)), Counts())


@pytest.mark.parametrize(
    ("rows", "dirty_share", "seed"), [(5_000, 0.03, 1), (1_000, 1.0, 2), (400, 0.0, 3), (10, 0.2, 4)]
)
def test_every_dirty_row_is_found_under_the_rule_that_was_stated(tmp_path, rows, dirty_share, seed) -> None:
    facts = generate(tmp_path / "yellow_tripdata_2024-01.parquet", rows, dirty_share, seed)

    counts = counts_of(facts.path)

    assert counts.rows_written == facts.clean_rows
    assert counts.rows_rejected == facts.dirty_rows == round(rows * dirty_share)
    assert {rule: count for rule, count in counts.rule_results.items() if count} == facts.rule_results
    assert counts.nonfinite_values == facts.nonfinite_values


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(tmp_path) -> None:
    files = [
        generate(tmp_path / f"{number}.parquet", 500, 0.1, seed).path.read_bytes()
        for number, seed in enumerate((7, 7, 8))
    ]

    assert files[0] == files[1]
    assert files[0] != files[2]


def test_the_sample_has_exactly_the_columns_that_the_contract_promises(tmp_path) -> None:
    facts = generate(tmp_path / "yellow_tripdata_2024-01.parquet", 10)

    assert CONTRACT is not None
    assert CONTRACT.matches(facts.path.name)
    assert compare(CONTRACT, pq.read_schema(facts.path)).differences == ()


def test_a_file_of_no_rows_can_be_made(tmp_path) -> None:
    facts = generate(tmp_path / "none.parquet", 0)

    assert inspect(LocalSource(facts.path)).rows == 0
    assert facts.rule_results == {}


@pytest.mark.parametrize(("rows", "share"), [(-1, 0.0), (10, 1.5), (10, -0.1)])
def test_impossible_wishes_are_refused(tmp_path, rows, share) -> None:
    with pytest.raises(InputFileError, match="cannot be made"):
        generate(tmp_path / "x.parquet", rows, share)


def test_a_missing_folder_is_named(tmp_path) -> None:
    with pytest.raises(InputFileError, match="absent"):
        generate(tmp_path / "absent" / "x.parquet", 1)
