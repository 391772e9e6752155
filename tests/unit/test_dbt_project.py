"""The dbt project agrees with what surrounds it: Terraform's variables, the named queries, its own documents."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.glue_table import PARTITION

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
VARIABLE = re.compile(r"DBT_(?:ATHENA_[A-Z0-9_]+|TARGET)")
READ = {
    name
    for file in (PROJECT / "profiles.yml", *PROJECT.glob("models/**/*.yml"))
    for name in re.findall(r"env_var\('(\w+)'", file.read_text(encoding="utf-8"))
}
DESCRIBED = {
    model["name"]: model
    for file in PROJECT.glob("models/**/*.yml")
    for model in yaml.safe_load(file.read_text(encoding="utf-8")).get("models", [])
}


def test_terraform_sets_every_variable_that_the_project_reads() -> None:
    module = (ROOT / "terraform" / "modules" / "transformation" / "main.tf").read_text(encoding="utf-8")
    assert "DBT_ATHENA_${upper(layer)}_SCHEMA" in module
    named = set(re.findall(r"^\s+(DBT_\w+)\s+=", module, re.MULTILINE)) | {"DBT_ATHENA_PROCESSED_SCHEMA"}

    assert named >= READ


@pytest.mark.parametrize("name", ["README.md", "profiles.yml.example"])
def test_the_documents_name_every_variable_and_no_other(name) -> None:
    told = set(VARIABLE.findall((PROJECT / name).read_text(encoding="utf-8")))

    # The example is one target already.
    assert told == READ - ({"DBT_TARGET"} if name.endswith("example") else set())


def test_the_readme_links_to_models_that_exist() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    snapshots = yaml.safe_load((PROJECT / "snapshots" / "_snapshots.yml").read_text(encoding="utf-8"))["snapshots"]
    marts = {file.stem for file in PROJECT.glob("models/marts/*.sql")} | {one["name"] for one in snapshots}

    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) - READ == marts


@pytest.mark.parametrize("model", sorted(PROJECT.glob("models/**/*.sql")), ids=lambda path: path.stem)
def test_every_model_says_its_grain_and_tests_it(model: Path) -> None:
    described = DESCRIBED[model.stem]
    tests = [test for column in described.get("columns", []) for test in column.get("data_tests", [])]
    tests += [name for test in described.get("data_tests", []) for name in test]

    assert "one row" in described["description"]
    assert "unique" in tests or "rows_of" in tests


@pytest.mark.parametrize("model", sorted(PROJECT.glob("models/staging/**/*.sql")), ids=lambda path: path.stem)
def test_every_staging_model_has_one_shape(model: Path) -> None:
    text = model.read_text(encoding="utf-8")

    assert re.findall(r"^(\w+) as \($", text, re.MULTILINE) == ["source", "renamed"]
    assert text.endswith("select * from renamed\n")


def test_the_sources_are_the_datasets_that_have_a_contract() -> None:
    (source,) = yaml.safe_load((PROJECT / "models/staging/_staging__sources.yml").read_text(encoding="utf-8"))[
        "sources"
    ]

    assert {table["name"] for table in source["tables"]} == {one.dataset for one in ContractCatalog.packaged()}
    assert PARTITION in source["config"]["loaded_at_field"]


def test_the_sample_zones_are_all_that_a_trip_may_name() -> None:
    with (PROJECT / "seeds" / "taxi_zones.csv").open(encoding="utf-8") as file:
        zones = list(csv.DictReader(file))

    assert [int(zone["LocationID"]) for zone in zones] == list(range(1, 266))
    trips = ContractCatalog.packaged().find("yellow_tripdata")
    assert trips is not None
    zone = trips.column("PULocationID")
    assert zone is not None
    assert (zone.minimum, zone.maximum) == (1, 265)
