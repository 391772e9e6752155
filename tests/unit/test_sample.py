"""The sample generator: what it says is what the contract's rules find."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from lakehouse.cli.main import lakehouse
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.drift import compare
from lakehouse.convert.kernel import Counts, Kernel
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.errors import InputFileError
from lakehouse.sample import DATASETS, generate

CONTRACTS = {contract.dataset: contract for contract in ContractCatalog.packaged()}


def counts_of(path: Path, dataset: str) -> Counts:
    source = LocalSource(path)
    kernel = Kernel(inspect(source).schema, CONTRACTS[dataset])
    return sum((kernel.convert(batch.data, batch.first_row).counts for batch in iter_batches(source)), Counts())


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize(
    ("rows", "dirty_share", "seed"), [(5_000, 0.03, 1), (1_000, 1.0, 2), (400, 0.0, 3), (10, 0.2, 4)]
)
def test_every_dirty_row_is_found_under_the_rule_that_was_stated(tmp_path, rows, dirty_share, seed, dataset) -> None:
    facts = generate(tmp_path / f"{dataset}_2024-01.parquet", rows, dirty_share, seed, dataset)

    counts = counts_of(facts.path, dataset)

    assert counts.rows_written == facts.clean_rows
    assert counts.rows_rejected == facts.dirty_rows == round(rows * dirty_share)
    assert {rule: count for rule, count in counts.rule_results.items() if count} == facts.rule_results
    assert counts.nonfinite_values == facts.nonfinite_values


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_same_seed_gives_the_same_rows_and_another_seed_others(tmp_path, dataset) -> None:
    files = [
        generate(tmp_path / f"{number}.parquet", 500, 0.1, seed, dataset).path.read_bytes()
        for number, seed in enumerate((7, 7, 8))
    ]

    assert files[0] == files[1]
    assert files[0] != files[2]


def test_every_contract_has_a_sample() -> None:
    assert set(DATASETS) == set(CONTRACTS)


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_sample_has_exactly_the_columns_that_the_contract_promises(tmp_path, dataset) -> None:
    facts = generate(tmp_path / f"{dataset}_2024-01.parquet", 10, dataset=dataset)

    assert CONTRACTS[dataset].matches(facts.path.name)
    assert compare(CONTRACTS[dataset], pq.read_schema(facts.path)).differences == ()


def test_events_come_again_and_users_change(tmp_path) -> None:
    events = pq.read_table(generate(tmp_path / "events_1.parquet", 2_000, 0, dataset="events").path)
    users = pq.read_table(generate(tmp_path / "users_1.parquet", 200, 0, dataset="users").path)

    assert len(set(events["event_id"].to_pylist())) < events.num_rows
    assert len(set(users["user_id"].to_pylist())) == users.num_rows / 2
    versions = set(zip(users["user_id"].to_pylist(), users["updated_at"].to_pylist(), strict=True))
    assert len(versions) == users.num_rows


def test_the_command_tells_the_dataset_by_the_name(tmp_path) -> None:
    path = tmp_path / "users_2024-01-31.parquet"

    made = CliRunner().invoke(lakehouse, ["sample", str(path), "--rows", "10"], catch_exceptions=False)

    assert made.exit_code == 0
    assert pq.read_schema(path).equals(DATASETS["users"].schema)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_file_of_no_rows_can_be_made(tmp_path, dataset) -> None:
    facts = generate(tmp_path / "none.parquet", 0, dataset=dataset)

    assert inspect(LocalSource(facts.path)).rows == 0
    assert facts.rule_results == {}


@pytest.mark.parametrize(("rows", "share"), [(-1, 0.0), (10, 1.5), (10, -0.1)])
def test_impossible_wishes_are_refused(tmp_path, rows, share) -> None:
    with pytest.raises(InputFileError, match="cannot be made"):
        generate(tmp_path / "x.parquet", rows, share)


def test_an_unknown_dataset_is_refused_with_those_that_there_are(tmp_path) -> None:
    with pytest.raises(InputFileError, match=r"'fhv_tripdata' cannot be made. Ask for one of yellow_tripdata, green"):
        generate(tmp_path / "x.parquet", 1, dataset="fhv_tripdata")


def test_a_missing_folder_is_named(tmp_path) -> None:
    with pytest.raises(InputFileError, match="absent"):
        generate(tmp_path / "absent" / "x.parquet", 1)
