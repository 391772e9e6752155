"""Schema drift: every difference is named, and allowed only where the contract says so."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.drift import compare
from lakehouse.contracts.model import ALLOWABLE_DRIFT, Column, Contract
from lakehouse.convert.source import LocalSource, inspect
from lakehouse.errors import SchemaDriftError

COLUMNS = (
    Column("id", pa.int64(), is_required=True),
    Column("at", pa.timestamp("us")),
    Column("airport_fee", pa.float64()),
)


def contract(*allowed: str) -> Contract:
    return Contract("rides", "1", COLUMNS, allowed_drift=frozenset(allowed))


def schema(**changes) -> pa.Schema:
    types = {"id": pa.int64(), "at": pa.timestamp("us"), "airport_fee": pa.float64(), **changes}
    return pa.schema([(name, kind) for name, kind in types.items() if kind is not None])


def kinds(drift) -> list[tuple[str, str]]:
    return [(difference.kind, difference.column) for difference in drift.differences]


def test_a_file_as_promised_has_no_differences() -> None:
    drift = compare(contract(), schema())

    assert drift.differences == ()
    drift.require_allowed()


@pytest.mark.parametrize(
    "kind",
    [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.large_string())],
    ids=str,
)
def test_another_encoding_of_the_same_type_is_no_drift(kind) -> None:
    held = Contract("rides", "1", (Column("flag", pa.string()),))

    assert compare(held, pa.schema([("flag", kind)])).differences == ()


@pytest.mark.parametrize(
    ("found", "kind", "column", "words"),
    [
        (schema(cbd_fee=pa.float64()), "added_column", "cbd_fee", r"column cbd_fee \(double\) is not in the contract"),
        (schema(airport_fee=None), "missing_optional_column", "airport_fee", "optional column airport_fee is missing"),
        (schema(id=pa.float64()), "lossless_cast", "id", "column id is double and should be int64"),
        (schema(at=pa.timestamp("ns")), "lossless_cast", "at", r"timestamp\[ns\] and should be timestamp\[us\]"),
        (schema(airport_fee=pa.null()), "lossless_cast", "airport_fee", "is null and should be double"),
        (pa.schema([*schema()][::-1]), "column_order", "airport_fee", "airport_fee comes where the contract has id"),
        (
            schema(airport_fee=None, Airport_fee=pa.float64()),
            "column_case",
            "airport_fee",
            "column Airport_fee is airport_fee in the contract: case differs",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_drift_is_named_and_is_allowed_only_where_the_contract_allows_it(found, kind, column, words) -> None:
    strict, lenient = compare(contract(), found), compare(contract(kind), found)

    assert kinds(strict) == kinds(lenient) == [(kind, column)]
    with pytest.raises(SchemaDriftError, match=f"rides: 1 column.*{words}.*{kind}, not allowed"):
        strict.require_allowed()
    lenient.require_allowed()
    assert f"{kind}, allowed" in lenient.sentences[0]


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (schema(id=None), "missing_column"),
        (schema(at=pa.string()), "incompatible_type"),
        (schema(at=pa.timestamp("us", "UTC")), "incompatible_type"),
        (schema(id=pa.string()), "incompatible_type"),
        (schema(airport_fee=pa.decimal128(9, 2)), "incompatible_type"),
        (schema(id=pa.bool_()), "incompatible_type"),
        (schema(id=pa.list_(pa.int64())), "incompatible_type"),
    ],
)
def test_what_loses_or_changes_meaning_cannot_be_allowed(found, kind) -> None:
    drift = compare(contract(*ALLOWABLE_DRIFT), found)

    assert [difference.kind for difference in drift.differences] == [kind]
    assert not drift.is_allowed


def test_a_missing_column_with_a_near_namesake_is_asked_about() -> None:
    drift = compare(contract("added_column"), schema(airport_fee=None, airport_fees=pa.float64()))

    assert "was it renamed to airport_fees?" in drift.sentences[0]


def test_all_differences_are_listed_with_the_refused_ones_first() -> None:
    found = schema(id=pa.float64(), at=pa.string(), extra=pa.int8())

    drift = compare(contract("added_column", "lossless_cast"), found)

    assert kinds(drift) == [("incompatible_type", "at"), ("lossless_cast", "id"), ("added_column", "extra")]
    with pytest.raises(SchemaDriftError) as refused:
        drift.require_allowed()
    assert refused.value.differences == drift.sentences


def test_casts_and_renames_are_told_to_the_kernel() -> None:
    found = schema(id=pa.int32(), airport_fee=None, AIRPORT_FEE=pa.float32())

    drift = compare(contract(*ALLOWABLE_DRIFT), found)

    assert drift.casts == {"id": pa.int64(), "airport_fee": pa.float64()}
    assert drift.renames == {"AIRPORT_FEE": "airport_fee"}


@pytest.mark.parametrize(
    ("name", "is_allowed", "columns"),
    [
        ("taxi/yellow_tripdata_2022-01.parquet", True, []),
        ("taxi/green_tripdata_2024-01.parquet", True, []),
        ("taxi/green_tripdata_2025-01.parquet", True, ["cbd_congestion_fee"]),
        (
            "drift/green_tripdata_2024-01.doubles.parquet",
            True,
            ["RatecodeID", "passenger_count", "payment_type", "trip_type"],
        ),
        (
            "drift/green_tripdata_2020-11.strings.parquet",
            False,
            [
                "lpep_pickup_datetime",
                "lpep_dropoff_datetime",
                "VendorID",
                "RatecodeID",
                "PULocationID",
                "DOLocationID",
                "passenger_count",
                "payment_type",
                "trip_type",
                "tpep_pickup_datetime",
                "tpep_dropoff_datetime",
            ],
        ),
    ],
)
def test_real_files_drift_as_they_are_known_to(shared_data, name, is_allowed, columns) -> None:
    path = shared_data / name
    held = ContractCatalog.packaged().for_file_name(path.name)
    assert held is not None

    drift = compare(held, inspect(LocalSource(path)).schema)

    assert drift.is_allowed is is_allowed
    assert [difference.column for difference in drift.differences] == columns
