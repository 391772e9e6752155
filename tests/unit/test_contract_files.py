"""Contracts: the packaged ones, and what is refused in a file with the way to mend it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import resources

import jsonschema
import pyarrow as pa
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.difference import DriftKind
from lakehouse.contracts.model import Contract, choose_engine
from lakehouse.errors import ContractError
from lakehouse.quality.rules import compile_rules

SMALLEST = """
apiVersion: v3.1.0
kind: DataContract
id: urn:rides
version: 1.2.0
status: active
schema:
  - name: rides
    properties:
      - {name: fare, logicalType: number, physicalType: double}
customProperties:
  - {property: filePattern, value: "rides_*.parquet"}
"""


def document(**changes) -> dict:
    loaded = yaml.safe_load(SMALLEST)
    loaded.update(changes)
    return loaded


def with_column(**column) -> dict:
    return document(schema=[{"name": "rides", "properties": [column]}])


def with_rule(**rule) -> dict:
    loaded = document()
    loaded["schema"][0]["quality"] = [rule]
    return loaded


def with_knob(name: str, value) -> dict:
    loaded = document()
    loaded["customProperties"].append({"property": name, "value": value})
    return loaded


@pytest.fixture
def load(tmp_path):
    def from_document(content: dict | str) -> Contract:
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (tmp_path / "rides.yaml").write_text(text, encoding="utf-8")
        (contract,) = ContractCatalog.from_folder(tmp_path)
        return contract

    return from_document


# --- the packaged contracts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["yellow_tripdata.yaml", "green_tripdata.yaml", "events.yaml", "users.yaml"])
def test_a_packaged_contract_is_valid_by_the_standards_own_json_schema(name) -> None:
    content = yaml.safe_load(resources.files("lakehouse.contracts").joinpath(name).read_text(encoding="utf-8"))

    jsonschema.validate(content, json.loads(OpenDataContractStandard.json_schema()))


def test_every_packaged_contract_loads_and_its_rules_compile() -> None:
    catalog = ContractCatalog.packaged()

    trips = {"fare_amount_range", "VendorID_values", "dropoff_not_before_pickup"}
    expected = {
        "yellow_tripdata": trips,
        "green_tripdata": trips,
        "events": {"event_id_pattern", "payment_has_amount"},
        "users": {"plan_values", "updated_not_before_created"},
    }

    assert {contract.dataset for contract in catalog} == set(expected)
    for contract in catalog:
        rules = compile_rules(contract, [column.name for column in contract.columns])
        assert expected[contract.dataset] <= {rule.name for rule in rules}
        assert all(column.description for column in contract.columns)


def test_a_file_finds_its_contract_by_name_and_an_unknown_one_finds_none() -> None:
    catalog = ContractCatalog.packaged()

    found = catalog.for_file_name("green_tripdata_2024-01.parquet")
    assert found is not None
    assert found is catalog.find("green_tripdata")
    assert catalog.for_file_name("fhv_tripdata_2024-01.parquet") is None
    assert catalog.find("fhv_tripdata") is None


# --- reading ------------------------------------------------------------------------------------------------------


def test_the_smallest_contract_has_strict_defaults(load) -> None:
    contract = load(document())

    assert (contract.dataset, contract.version, contract.file_pattern) == ("rides", "1.2.0", "rides_*.parquet")
    assert contract.quarantine_threshold == 0
    assert contract.allowed_drift == frozenset()
    assert contract.engine == "auto"


@pytest.mark.parametrize(
    ("engine", "size", "runner"),
    [("spark", 1, "spark"), ("in_process", 10**12, "in_process"), ("auto", 999, "in_process"), ("auto", 1000, "spark")],
)
def test_the_engine_is_the_contracts_or_goes_by_size(load, engine, size, runner) -> None:
    content = with_knob("engine", engine)
    content["customProperties"].append({"property": "sparkThresholdBytes", "value": 1000})

    assert load(content).choose_engine(size) == runner


def test_a_file_without_contract_goes_to_spark_from_64_mib_on() -> None:
    assert choose_engine(None, 64 * 2**20 - 1) == "in_process"
    assert choose_engine(None, 64 * 2**20) == "spark"


@pytest.mark.parametrize(
    ("column", "minimum"),
    [
        (
            {"logicalType": "timestamp", "physicalType": "timestamp[us]", "bound": "2009-01-01T00:00:00"},
            datetime.fromisoformat("2009-01-01T00:00:00"),
        ),
        (
            {"logicalType": "timestamp", "physicalType": "timestamp[us, UTC]", "bound": "2009-01-01T00:00:00Z"},
            datetime(2009, 1, 1, tzinfo=UTC),
        ),
        ({"logicalType": "date", "physicalType": "date", "bound": "2009-01-01"}, date(2009, 1, 1)),
        ({"logicalType": "number", "physicalType": "decimal(9, 2)", "bound": 0.1}, Decimal("0.1")),
        ({"logicalType": "integer", "physicalType": "int32", "bound": 3}, 3),
    ],
    ids=lambda value: str(value.get("physicalType")) if isinstance(value, dict) else "",
)
def test_bounds_have_the_type_of_their_column_and_compile(load, column, minimum) -> None:
    bound = column.pop("bound")
    contract = load(with_column(name="x", logicalTypeOptions={"minimum": bound}, **column))

    assert contract.columns[0].minimum == minimum
    assert [rule.name for rule in compile_rules(contract, ["x"])] == ["x_range"]


def test_nested_columns_are_described_by_properties_and_items(load) -> None:
    stops = {
        "logicalType": "object",
        "properties": [{"name": "zone", "logicalType": "integer", "physicalType": "int32"}],
    }
    contract = load(with_column(name="stops", logicalType="array", items=stops))

    assert contract.columns[0].type == pa.list_(pa.struct([("zone", pa.int32())]))


def test_drift_and_former_names_are_read(load) -> None:
    content = with_column(**FARE, customProperties=[{"property": "formerNames", "value": ["price", "Fare"]}])
    content["customProperties"].append({"property": "allowedDrift", "value": ["renamed_column", "narrowing_cast"]})
    contract = load(content)

    assert contract.columns[0].former_names == ("price", "Fare")
    assert contract.allowed_drift == {DriftKind.RENAMED_COLUMN, DriftKind.NARROWING_CAST}


# --- refusing -----------------------------------------------------------------------------------------------------

FARE = {"name": "fare", "logicalType": "number", "physicalType": "double"}
TIP = {"name": "tip", "logicalType": "number", "physicalType": "double"}
FORMERLY_FARE = {"property": "formerNames", "value": ["Fare"]}
GOOD_RULE = {"name": "r", "type": "sql", "query": "SELECT COUNT(*) FROM ${table} WHERE fare < 0", "mustBe": 0}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: [", "no YAML"),
        ("just text", "empty or no mapping"),
        ("", "empty or no mapping"),
        (document(apiVersion="v2.2.2"), "apiVersion: v3.1.0"),
        (document(kind="Dataset"), "kind: DataContract"),
        (document(id=None), "lacks id"),
        (document(schema=[]), "0 schema objects"),
        (document(schema=[{"name": "a"}, {"name": "b"}]), "2 schema objects"),
        (document(schema=[{"name": "Rides!", "properties": [FARE]}]), "lower-case"),
        (document(schema=[{"name": "rides"}]), "describes no columns"),
        (document(schema=[{"name": "rides", "properties": [FARE, FARE]}]), "fare more than once"),
        (document(sschema=1), "sschema"),
        (with_column(**FARE, requird=True), r"schema\[0\].properties\[0\].requird"),
        (with_column(**FARE, required="maybe"), "required"),
        (with_column(**FARE, unique=True), "unique cannot be held"),
        (with_column(name="fare", logicalType="number", physicalType="money"), "'money' is not known"),
        (with_column(name="fare", logicalType="integer", physicalType="double"), "double is no 'integer'"),
        (with_column(name="fare", logicalType="number"), "physicalType None"),
        (with_column(**FARE, logicalTypeOptions={"multipleOf": 5}), "multipleOf is not held"),
        (with_column(**FARE, logicalTypeOptions={"minimum": "0"}), "write a number"),
        (with_column(**FARE, quality=[{"metric": "duplicateValues", "mustBe": 0}]), "metric: invalidValues"),
        (
            with_column(
                name="t",
                logicalType="timestamp",
                physicalType="timestamp[us]",
                logicalTypeOptions={"minimum": "soon"},
            ),
            "ISO-8601",
        ),
        (
            with_column(name="s", logicalType="string", physicalType="string", logicalTypeOptions={"pattern": "("}),
            "no regular expression",
        ),
        (with_rule(**{**GOOD_RULE, "query": "fare < 0"}), "SELECT COUNT"),
        (with_rule(**{**GOOD_RULE, "mustBe": 3}), "mustBe: 0"),
        (with_rule(**{**GOOD_RULE, "type": "text"}), "type: sql"),
        (document(customProperties=[]), "lack filePattern"),
        (with_knob("quarantineThreshold", 5), "share from 0 to 1"),
        (with_knob("engine", "duckdb"), "one of auto, spark, in_process"),
        (with_knob("sparkThresholdBytes", "64 MB"), "number of bytes"),
        (with_knob("allowedDrift", ["anything"]), "added_column"),
        (with_knob("allowedDrift", ["incompatible_type"]), "list some of added_column"),
        (with_knob("allowedDrift", [{"kind": "added_column"}]), "list some of added_column"),
        (with_column(**FARE, customProperties=[{"property": "alias", "value": ["f"]}]), "not known: alias"),
        (with_column(**FARE, customProperties=[{"property": "formerNames", "value": "f"}]), "formerNames is 'f'; list"),
        (
            document(schema=[{"name": "rides", "properties": [FARE, {**TIP, "customProperties": [FORMERLY_FARE]}]}]),
            "column tip: its former name 'Fare' is a name of fare too",
        ),
        (
            with_column(name="s", logicalType="object", properties=[{**TIP, "customProperties": [FORMERLY_FARE]}]),
            "column s: formerNames are held for columns, not for fields: tip",
        ),
        (with_knob("threshold", 1), "not known or given twice: threshold"),
    ],
)
def test_a_contract_that_cannot_be_held_is_refused_with_its_file_and_its_fault(load, content, reason) -> None:
    with pytest.raises(ContractError, match=reason) as refused:
        load(content)
    assert str(refused.value).startswith("rides.yaml: ")


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("fare <", "is not understood"),
        ("tip < 0", "names tip, which the contract has not"),
        ("1 = 1", "names no column"),
        ("fare + 1", "not true or false"),
        ("fare = 'free'", "cannot be evaluated"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_refused_before_any_file_is_read(load, condition, reason) -> None:
    contract = load(with_rule(**{**GOOD_RULE, "query": f"SELECT COUNT(*) FROM ${{table}} WHERE {condition}"}))

    with pytest.raises(ContractError, match=reason):
        compile_rules(contract, ["fare"])


def test_two_contracts_for_one_dataset_are_refused(tmp_path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(SMALLEST, encoding="utf-8")

    with pytest.raises(ContractError, match="Two contracts for the dataset 'rides'"):
        ContractCatalog.from_folder(tmp_path)


def test_a_file_name_that_two_contracts_claim_is_refused(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(SMALLEST, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(SMALLEST.replace("name: rides", "name: trips"), encoding="utf-8")

    with pytest.raises(ContractError, match="several contracts: rides, trips"):
        ContractCatalog.from_folder(tmp_path).for_file_name("rides_1.parquet")


def test_a_missing_folder_of_contracts_is_named(tmp_path) -> None:
    with pytest.raises(ContractError, match="absent: no such folder"):
        ContractCatalog.from_folder(tmp_path / "absent")
