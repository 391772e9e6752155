"""Schema drift: every difference is found column by column, and allowed only where the contract says so."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.difference import ALLOWABLE_DRIFT, Difference, DriftKind
from lakehouse.contracts.drift import compare
from lakehouse.contracts.model import Column, Contract
from lakehouse.convert.kernel import Counts, Kernel
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.errors import SchemaDriftError

COLUMNS = (
    Column("id", pa.int64(), is_required=True),
    Column("at", pa.timestamp("us")),
    Column("airport_fee", pa.float64(), former_names=("ehail_fee", "fee_at_airport")),
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
    ("found_schema", "kind", "column", "found", "expected", "words"),
    [
        (schema(cbd_fee=pa.float64()), "added_column", "cbd_fee", "double", None, "cbd_fee (double) is not in the"),
        (schema(airport_fee=None), "missing_optional_column", "airport_fee", None, "double", "airport_fee is missing"),
        (schema(id=pa.int32()), "widening_cast", "id", "int32", "int64", "id is int32 and should be int64"),
        (
            schema(airport_fee=pa.null()),
            "widening_cast",
            "airport_fee",
            "null",
            "double",
            "is null and should be double",
        ),
        (schema(id=pa.float64()), "narrowing_cast", "id", "double", "int64", "id is double and should be int64"),
        (
            schema(at=pa.timestamp("ns")),
            "narrowing_cast",
            "at",
            "timestamp[ns]",
            "timestamp[us]",
            "at is timestamp[ns] and should be timestamp[us]",
        ),
        (
            schema(at=pa.large_string()),
            "text_timestamp",
            "at",
            "large_string",
            "timestamp[us]",
            "at is large_string and should be timestamp[us]",
        ),
        (
            pa.schema([schema().field(name) for name in ("airport_fee", "id", "at")]),
            "column_order",
            "airport_fee",
            "first",
            "after at",
            "column airport_fee comes first, in the contract after at",
        ),
        (
            schema(airport_fee=None, Airport_fee=pa.float64()),
            "column_case",
            "airport_fee",
            "Airport_fee",
            "airport_fee",
            "column Airport_fee is airport_fee in the contract: case differs",
        ),
        (
            schema(airport_fee=None, ehail_fee=pa.float64()),
            "renamed_column",
            "airport_fee",
            "ehail_fee",
            "airport_fee",
            "column ehail_fee is a former name of airport_fee",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_drift_is_told_as_data_and_is_allowed_only_where_the_contract_allows_it(
    found_schema, kind, column, found, expected, words
) -> None:
    for allowed in (False, True):
        drift = compare(contract(kind) if allowed else contract(*ALLOWABLE_DRIFT - {kind}), found_schema)

        assert drift.differences == (Difference(DriftKind(kind), column, allowed, found, expected),)
        sentence = drift.differences[0].sentence
        assert words in sentence
        assert sentence.endswith(f"({kind}, {'allowed' if allowed else 'not allowed'})")
        if not allowed:
            with pytest.raises(SchemaDriftError) as refused:
                drift.require_allowed()
            assert str(refused.value).startswith(
                f"rides: 1 difference(s) that the contract does not allow: {sentence}."
            )
            assert refused.value.differences == drift.differences
        else:
            drift.require_allowed()


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (schema(id=None), "missing_column"),
        (schema(at=pa.timestamp("us", "UTC")), "incompatible_type"),
        (schema(at=pa.date32()), "incompatible_type"),
        (schema(at=pa.int64()), "incompatible_type"),
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


def test_a_difference_survives_json() -> None:
    for difference in compare(contract(), schema(id=None, at=pa.string(), ids=pa.int64())).differences:
        assert Difference.from_item(json.loads(json.dumps(asdict(difference)))) == difference


def test_an_error_names_what_is_refused_and_carries_what_is_allowed_too() -> None:
    drift = compare(contract("added_column"), schema(at=None, extra=pa.int8()))

    with pytest.raises(SchemaDriftError, match=r"rides: 1 difference.*optional column at is missing") as refused:
        drift.require_allowed()
    assert "extra" not in str(refused.value)
    assert refused.value.differences == drift.differences


def test_an_error_over_very_many_columns_names_the_first_and_carries_all() -> None:
    drift = compare(contract(), schema(**{f"c{number}": pa.int8() for number in range(1_000)}))

    with pytest.raises(SchemaDriftError, match=r"1000 difference.* c19 .*; and 980 more\.") as refused:
        drift.require_allowed()
    assert len(refused.value.differences) == 1_000
    assert len(str(refused.value)) < 4_000


# --- names --------------------------------------------------------------------------------------------------------


def test_a_missing_column_with_a_near_namesake_is_asked_about() -> None:
    missing, added = compare(contract(), schema(airport_fee=None, airport_fees=pa.float64())).differences

    assert (missing.kind, missing.resembles) == ("missing_optional_column", "airport_fees")
    assert "was it renamed to airport_fees?" in missing.sentence
    assert added.kind == "added_column"


def test_a_namesake_of_another_type_is_not_asked_about() -> None:
    missing, _ = compare(contract(), schema(airport_fee=None, airport_fees=pa.string())).differences

    assert missing.resembles is None


def test_a_former_name_beside_the_present_one_is_an_added_column() -> None:
    assert kinds(compare(contract(), schema(ehail_fee=pa.float64()))) == [("added_column", "ehail_fee")]


@pytest.mark.parametrize("names", [("ehail_fee", "fee_at_airport"), ("AIRPORT_FEE", "Airport_Fee")])
def test_where_two_columns_could_be_meant_none_is(names) -> None:
    drift = compare(contract(), schema(airport_fee=None, **dict.fromkeys(names, pa.float64())))

    assert kinds(drift) == [
        ("missing_optional_column", "airport_fee"),
        ("added_column", names[0]),
        ("added_column", names[1]),
    ]


def test_a_former_name_goes_before_another_case() -> None:
    found = schema(airport_fee=None, AIRPORT_FEE=pa.float64(), ehail_fee=pa.float64())

    assert kinds(compare(contract(), found)) == [("renamed_column", "airport_fee"), ("added_column", "AIRPORT_FEE")]


def test_casts_and_renames_are_told_to_the_kernel() -> None:
    found = schema(id=pa.int32(), airport_fee=None, ehail_fee=pa.float32())

    drift = compare(contract(*ALLOWABLE_DRIFT), found)

    assert drift.casts == {"id": pa.int64(), "airport_fee": pa.float64()}
    assert drift.renames == {"ehail_fee": "airport_fee"}


# --- order --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "moved"),
    [
        ("abcdef", {}),
        ("fabcde", {"f": ("first", "after e")}),
        ("bcdeaf", {"a": ("after e", "first")}),
        ("xabdyce", {"d": ("after b", "after c")}),
        ("adbecf", {"d": ("after a", "after c"), "e": ("after b", "after d")}),
        ("", {}),
    ],
)
def test_the_fewest_columns_are_said_to_have_moved(order, moved) -> None:
    held = Contract("rides", "1", tuple(Column(name, pa.int8()) for name in "abcdef"))
    drift = compare(held, pa.schema([(name, pa.int8()) for name in order]))

    found = {one.column: (one.found, one.expected) for one in drift.differences if one.kind == "column_order"}
    assert found == moved


def test_all_differences_are_listed_column_by_column_with_the_refused_ones_first() -> None:
    found = pa.schema(
        [("at", pa.int8()), ("AIRPORT_FEE", pa.float32()), ("extra", pa.int8()), ("id", pa.float64())],
    )

    drift = compare(contract(*ALLOWABLE_DRIFT), found)

    assert kinds(drift) == [
        ("incompatible_type", "at"),
        ("narrowing_cast", "id"),
        ("column_order", "id"),
        ("column_case", "airport_fee"),
        ("widening_cast", "airport_fee"),
        ("added_column", "extra"),
    ]


# --- what is written ----------------------------------------------------------------------------------------------


def test_a_renamed_column_is_written_under_the_contracts_name_and_kept_by_its_own_in_quarantine() -> None:
    fee = Column("fee", pa.float64(), minimum=0, former_names=("ehail",))
    held = Contract("rides", "1", (fee,), allowed_drift=frozenset({"renamed_column", "widening_cast"}))
    batch = pa.record_batch({"ehail": pa.array([1.5, -1.0], pa.float32())})

    converted = Kernel(batch.schema, held).convert(batch, 0)

    assert converted.ndjson == b'{"fee":1.5}\n'
    assert json.loads(converted.rejected) == {"row_number": 2, "broken_rules": ["fee_range"], "row": {"ehail": -1.0}}


def test_a_text_that_is_no_timestamp_sends_its_row_to_quarantine_as_it_came() -> None:
    at = Column("at", pa.timestamp("us"), is_required=True, minimum=datetime.fromisoformat("2009-01-01"))
    held = Contract("rides", "1", (at,), allowed_drift=frozenset({"text_timestamp"}))
    texts = ["2020-02-29 00:08:23.5", "2021-02-29 00:08:23", "yesterday", None, "2008-12-31T23:59:59", b"2020\xff"]
    batch = pa.record_batch({"at": pa.array(texts, pa.binary()).view(pa.string())})

    converted = Kernel(batch.schema, held).convert(batch, 0)

    assert converted.ndjson == b'{"at":"2020-02-29T00:08:23.500000"}\n'
    rejected = [json.loads(line) for line in converted.rejected.splitlines()]
    assert [(line["row"]["at"], line["broken_rules"]) for line in rejected[:4]] == [
        ("2021-02-29 00:08:23", ["at_type"]),
        ("yesterday", ["at_type"]),
        (None, ["at_required"]),
        ("2008-12-31T23:59:59", ["at_range"]),
    ]
    assert rejected[4]["broken_rules"] == ["at_type"]


# --- real files ---------------------------------------------------------------------------------------------------


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


STRINGS = "green_tripdata_2020-11.strings.parquet"


def test_the_real_file_with_strings_is_caught_and_explained(shared_data) -> None:
    with pytest.raises(SchemaDriftError) as refused:
        compare(*_held_and_found(shared_data / "drift" / STRINGS)).require_allowed()

    told = {one.column: one for one in refused.value.differences}
    moments = ("lpep_pickup_datetime", "lpep_dropoff_datetime")
    assert [name for name, one in told.items() if not one.is_allowed] == list(moments)
    for name in moments:
        assert told[name] == Difference(DriftKind.TEXT_TIMESTAMP, name, False, "string", "timestamp[us]")
        assert f"column {name} is string and should be timestamp[us]" in str(refused.value)
    for name in ("tpep_pickup_datetime", "tpep_dropoff_datetime"):
        assert told[name] == Difference(DriftKind.ADDED_COLUMN, name, True, "timestamp[us]")
    assert told["VendorID"] == Difference(DriftKind.NARROWING_CAST, "VendorID", True, "double", "int32")


def test_the_real_file_with_strings_converts_where_the_contract_allows_it(shared_data) -> None:
    path = shared_data / "drift" / STRINGS
    held, found = _held_and_found(path)
    held = replace(held, allowed_drift=held.allowed_drift | {DriftKind.TEXT_TIMESTAMP})

    written, rejected, counts = _converted(path, Kernel(found, held))

    counts.require_conserved(path.name, 88_605)
    assert (len(written), len(rejected)) == (counts.rows_written, counts.rows_rejected)
    assert not any(counts.rule_results[f"{name}_type"] for name in ("lpep_pickup_datetime", "lpep_dropoff_datetime"))
    bad = {line["row_number"] - 1 for line in rejected}
    texts = pq.read_table(path, columns=["lpep_pickup_datetime"]).column(0).to_pylist()
    kept = [text for index, text in enumerate(texts) if index not in bad]
    assert [line["lpep_pickup_datetime"] for line in written] == [text.replace(" ", "T") + ".000000" for text in kept]


def test_the_real_file_with_doubles_loses_no_row_by_its_casts(shared_data) -> None:
    path = shared_data / "drift" / "green_tripdata_2024-01.doubles.parquet"
    held, found = _held_and_found(path)
    kernel = Kernel(found, held)

    _, rejected, counts = _converted(path, kernel)
    _, original_rejected, original = _converted(shared_data / "taxi" / "green_tripdata_2024-01.parquet", None)

    assert {one.kind for one in kernel.drift} == {DriftKind.NARROWING_CAST}
    assert {rule: rows for rule, rows in counts.rule_results.items() if rows} == {
        rule: rows for rule, rows in original.rule_results.items() if rows
    }
    assert rejected == original_rejected


def _held_and_found(path: Path) -> tuple[Contract, pa.Schema]:
    held = ContractCatalog.packaged().for_file_name(path.name)
    assert held is not None
    return held, inspect(LocalSource(path)).schema


def _converted(path: Path, kernel: Kernel | None) -> tuple[list[dict], list[dict], Counts]:
    source = LocalSource(path)
    if kernel is None:
        held, found = _held_and_found(path)
        kernel = Kernel(found, held)
    written, rejected, counts = b"", b"", Counts()
    for batch in iter_batches(source):
        converted = kernel.convert(batch.data, batch.first_row)
        written += converted.ndjson
        rejected += converted.rejected
        counts += converted.counts
    return (
        [json.loads(line) for line in written.splitlines()],
        [json.loads(line) for line in rejected.splitlines()],
        counts,
    )
