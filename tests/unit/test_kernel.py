"""The kernel: rules, quarantine, counts, and what JSON cannot hold."""

from __future__ import annotations

import base64
import json
import pickle
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.model import Column, Contract, RowRule
from lakehouse.convert.kernel import Counts, Kernel
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.errors import InputFileError, QuarantineThresholdError, RowConservationError, SchemaDriftError


def lines(ndjson: bytes) -> list[dict]:
    return [json.loads(line) for line in ndjson.decode("utf-8").split("\n")[:-1]]


def contract(*columns: Column, **settings) -> Contract:
    return Contract(dataset="rides", version="1", columns=columns, **settings)


def convert(columns: dict, held: Contract | None = None, first_row: int = 0):
    batch = pa.record_batch(columns)
    return Kernel(batch.schema, held).convert(batch, first_row)


def convert_file(path: Path) -> tuple[list[dict], list[dict], Counts]:
    source = LocalSource(path)
    kernel = Kernel(inspect(source).schema, ContractCatalog.packaged().for_file_name(path.name))
    written, rejected, counts = b"", b"", Counts()
    for batch in iter_batches(source):
        converted = kernel.convert(batch.data, batch.first_row)
        written += converted.ndjson
        rejected += converted.rejected
        counts += converted.counts
    return lines(written), lines(rejected), counts


# --- the written form ---------------------------------------------------------------------------------------------


def test_a_row_is_one_line_with_its_columns_in_file_order_and_explicit_nulls() -> None:
    converted = convert({"b": [1, None], "a": ["x\ny", None]})

    assert converted.ndjson == b'{"b":1,"a":"x\\ny"}\n{"b":null,"a":null}\n'


def test_timestamps_have_six_digits_and_z_only_where_the_type_has_a_time_zone() -> None:
    moment = datetime.fromisoformat("2022-01-01T00:35:40")
    batch = {
        "local": pa.array([moment], pa.timestamp("s")),
        "instant": pa.array([moment], pa.timestamp("us", "America/New_York")),
        "fine": pa.array([moment], pa.timestamp("ns")),
    }

    assert lines(convert(batch).ndjson) == [
        {
            "local": "2022-01-01T00:35:40.000000",
            "instant": "2022-01-01T00:35:40.000000Z",
            "fine": "2022-01-01T00:35:40.000000000",
        }
    ]


def test_an_unknown_time_zone_is_no_obstacle() -> None:
    converted = convert({"at": pa.array([0], pa.timestamp("us", "Mars/Phobos"))})

    assert lines(converted.ndjson) == [{"at": "1970-01-01T00:00:00.000000Z"}]


def test_the_largest_integers_are_exact() -> None:
    converted = convert({"u": pa.array([2**64 - 1], pa.uint64()), "i": pa.array([-(2**63)], pa.int64())})

    assert converted.ndjson == b'{"u":18446744073709551615,"i":-9223372036854775808}\n'


def test_nan_and_infinities_become_null_and_are_counted_at_every_depth() -> None:
    nan, infinite = float("nan"), float("inf")
    converted = convert({"flat": [nan, 1.0], "deep": [[infinite, 2.0], None], "inner": [{"x": -infinite}, {"x": 0.5}]})

    assert lines(converted.ndjson) == [
        {"flat": None, "deep": [None, 2.0], "inner": {"x": None}},
        {"flat": 1.0, "deep": None, "inner": {"x": 0.5}},
    ]
    assert converted.counts.nonfinite_values == 3


def test_values_hidden_under_a_null_struct_are_neither_shown_nor_counted() -> None:
    hidden = pa.StructArray.from_arrays([pa.array([float("nan")])], names=["x"], mask=pa.array([True]))
    converted = convert({"s": hidden})

    assert (lines(converted.ndjson), converted.counts.nonfinite_values) == ([{"s": None}], 0)


def test_no_rows_give_no_bytes_and_rows_without_columns_give_empty_objects() -> None:
    assert convert({"a": pa.array([], pa.int64())}).ndjson == b""
    bare = pa.RecordBatch.from_struct_array(pa.array([{}, {}], pa.struct([])))

    converted = Kernel(bare.schema).convert(bare, 0)

    assert converted.ndjson == b"{}\n{}\n"
    assert converted.counts.rows_written == 2


def test_a_column_without_a_name_keeps_it() -> None:
    assert convert({"": [1], "b": [2]}).ndjson == b'{"":1,"b":2}\n'


# --- what is refused ----------------------------------------------------------------------------------------------


def test_columns_of_the_same_name_are_refused_by_name() -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64()), ("a", pa.string())])

    with pytest.raises(InputFileError, match="'a'"):
        Kernel(schema)


def test_fields_of_the_same_name_inside_a_struct_are_refused_with_their_column() -> None:
    member = pa.struct([pa.field("x", pa.int64()), pa.field("x", pa.int64())])

    with pytest.raises(InputFileError, match="fields of outer have the same name: 'x'"):
        Kernel(pa.schema([("outer", member)]))


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_field_whose_name_cannot_be_written_is_refused(name) -> None:
    with pytest.raises(InputFileError, match=r"trips\.parquet: Column 's' has a field whose name is empty"):
        Kernel(pa.schema([("s", pa.struct([(name, pa.int64())]))]), name="trips.parquet")


def test_column_names_are_written_whatever_they_hold() -> None:
    names = ["", 'quote"', "new\nline", "nul\0", "\u2028", "0", "1"]
    batch = pa.record_batch([pa.array([number]) for number in range(len(names))], names=names)

    assert lines(Kernel(batch.schema).convert(batch, 0).ndjson) == [dict(zip(names, range(len(names)), strict=True))]


@pytest.mark.parametrize("kind", [pa.month_day_nano_interval(), pa.sparse_union([pa.field("a", pa.int8())])], ids=str)
def test_a_type_without_json_form_is_refused_by_name(kind: pa.DataType) -> None:
    with pytest.raises(InputFileError, match=r"'outer\[\]' is of type"):
        Kernel(pa.schema([("outer", pa.list_(kind))]))


# --- rows that JSON itself cannot hold ----------------------------------------------------------------------------


def broken_text() -> pa.Array:
    offsets = pa.py_buffer(b"".join(number.to_bytes(4, "little") for number in (0, 2, 4, 5)))
    return pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"ok\xff\xfez"))


def test_a_row_whose_text_is_not_utf8_is_rejected_with_its_bytes() -> None:
    converted = convert({"id": [1, 2, 3], "name": broken_text()}, first_row=10)

    assert [line["id"] for line in lines(converted.ndjson)] == [1, 3]
    assert lines(converted.rejected) == [
        {
            "row_number": 12,
            "broken_rules": ["name_utf8"],
            "row": {"id": 2, "name": base64.b64encode(b"\xff\xfe").decode()},
        }
    ]
    assert converted.counts == Counts(3, 2, 1, {"name_utf8": 1}, 0)


def test_broken_text_deep_inside_a_column_rejects_its_row_only() -> None:
    texts = broken_text()
    nested = pa.ListArray.from_arrays(pa.array([0, 1, 3, 3], pa.int32()), texts)
    converted = convert({"id": [1, 2, 3], "names": nested})

    assert [line["id"] for line in lines(converted.ndjson)] == [1, 3]
    assert lines(converted.rejected)[0]["broken_rules"] == ["names_utf8"]


def test_a_map_with_a_key_twice_is_rejected_and_loses_no_entry() -> None:
    kind = pa.map_(pa.string(), pa.int64())
    converted = convert({"m": pa.array([[("a", 1), ("a", 2)], [("a", 3), ("b", 4)]], kind)})

    assert lines(converted.ndjson) == [{"m": {"a": 3, "b": 4}}]
    assert lines(converted.rejected)[0] == {
        "row_number": 1,
        "broken_rules": ["m_unique_keys"],
        "row": {"m": [{"key": "a", "value": 1}, {"key": "a", "value": 2}]},
    }


# --- the contract's rules -----------------------------------------------------------------------------------------


def test_a_rejected_row_names_every_rule_that_it_broke_and_its_number_in_the_file() -> None:
    held = contract(
        Column("fare", pa.float64(), is_required=True, minimum=0),
        Column("kind", pa.string(), valid_values=("a", "b"), max_length=1),
        row_rules=(RowRule("free_rides_are_a", "fare = 0 AND kind <> 'a'"),),
    )
    converted = convert({"fare": [1.0, -1.0, None, 0.0], "kind": ["a", "cc", "b", "b"]}, held, first_row=100)

    assert lines(converted.ndjson) == [{"fare": 1.0, "kind": "a"}]
    assert [(line["row_number"], line["broken_rules"]) for line in lines(converted.rejected)] == [
        (102, ["fare_range", "kind_values", "kind_length"]),
        (103, ["fare_required"]),
        (104, ["free_rides_are_a"]),
    ]
    assert converted.counts.rule_results == {
        "fare_required": 1,
        "fare_range": 1,
        "kind_values": 1,
        "kind_length": 1,
        "free_rides_are_a": 1,
    }


def test_nan_counts_as_missing_for_a_required_column_and_breaks_no_range() -> None:
    held = contract(Column("fare", pa.float64(), is_required=True, maximum=10))
    converted = convert({"fare": [float("nan"), 5.0]}, held)

    assert converted.counts == Counts(2, 1, 1, {"fare_required": 1, "fare_range": 0}, 1)


def test_null_breaks_no_rule_but_required() -> None:
    held = contract(
        Column("a", pa.int64(), minimum=0, valid_values=(1,)),
        Column("b", pa.string(), pattern="x+", min_length=1),
        row_rules=(RowRule("a_is_one", "a <> 1"),),
    )
    converted = convert({"a": pa.array([None], pa.int64()), "b": pa.array([None], pa.string())}, held)

    assert converted.counts.rows_written == 1


def test_a_pattern_must_match_the_whole_text() -> None:
    held = contract(Column("code", pa.string(), pattern="[A-Z]{2}"))
    converted = convert({"code": ["AB", "ABC", "xAB", "AB\n"]}, held)

    assert [line["row_number"] for line in lines(converted.rejected)] == [2, 3, 4]


def test_rules_see_dictionary_encoded_columns() -> None:
    held = contract(Column("kind", pa.string(), valid_values=("a",)), Column("n", pa.int64(), minimum=2))
    columns = {"kind": pa.array(["a", "b"]).dictionary_encode(), "n": pa.array([1, 3]).dictionary_encode()}

    assert convert(columns, held).counts.rule_results == {"kind_values": 1, "n_range": 1}


def test_rules_over_an_absent_optional_column_are_left_out() -> None:
    held = contract(
        Column("a", pa.int64()),
        Column("b", pa.int64(), minimum=0),
        row_rules=(RowRule("a_before_b", "b < a"),),
        allowed_drift=frozenset({"missing_optional_column"}),
    )

    assert convert({"a": [1]}, held).counts == Counts(1, 1, 0, {}, 0)


# --- casts that the contract allows -------------------------------------------------------------------------------

CASTS = frozenset({"widening_cast", "narrowing_cast"})


def test_whole_doubles_become_the_contracts_integers_and_others_are_rejected_as_they_came() -> None:
    held = contract(Column("n", pa.int64(), is_required=True), allowed_drift=CASTS)
    converted = convert({"n": [5.0, 2.5, 2.0**63, -(2.0**63), None, float("nan")]}, held)

    assert converted.ndjson == b'{"n":5}\n{"n":-9223372036854775808}\n'
    assert [(line["broken_rules"], line["row"]["n"]) for line in lines(converted.rejected)] == [
        (["n_type"], 2.5),
        (["n_type"], 2.0**63),
        (["n_required"], None),
        (["n_required"], None),
    ]
    assert converted.counts.nonfinite_values == 1


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        (pa.array([2**53, 2**53 + 1, -(2**53)]), pa.float64(), [True, False, True]),
        (pa.array([0.5, 0.1, 1e300]), pa.float32(), [True, False, False]),
        (pa.array([127, 128, -129]), pa.int8(), [True, False, False]),
        (pa.array([2**63, 5], pa.uint64()), pa.int64(), [False, True]),
        (pa.array([-1, 5]), pa.uint64(), [False, True]),
        (pa.array([1_000, 1_001], pa.timestamp("us")), pa.timestamp("ms"), [True, False]),
        (pa.array([1, 2**62], pa.timestamp("s")), pa.timestamp("ns"), [True, False]),
        (pa.array([None, None], pa.null()), pa.timestamp("us"), [True, True]),
        (pa.array([7, 12345]), pa.decimal128(5, 2), [True, False]),
    ],
    ids=str,
)
def test_a_cast_rejects_exactly_the_values_that_it_would_change(found, wanted, fits) -> None:
    held = contract(Column("v", wanted), allowed_drift=CASTS)
    converted = convert({"v": found}, held)

    kept = {line["row_number"] - 1 for line in lines(converted.rejected)}
    assert [index not in kept for index in range(len(found))] == fits


def test_a_column_that_differs_in_case_is_written_under_the_contracts_name() -> None:
    held = contract(Column("airport_fee", pa.float64(), minimum=0), allowed_drift=frozenset({"column_case"}))
    converted = convert({"Airport_fee": [1.25, -1.0]}, held)

    assert lines(converted.ndjson) == [{"airport_fee": 1.25}]
    assert lines(converted.rejected)[0]["row"] == {"Airport_fee": -1.0}


def test_a_kernel_can_be_made_again_in_another_process_from_what_pickles() -> None:
    held = ContractCatalog.packaged().find("yellow_tripdata")
    schema = pa.schema([(column.name, column.type) for column in held.columns])

    copied_schema, copied_contract = pickle.loads(pickle.dumps((schema, held)))

    assert Kernel(copied_schema, copied_contract).rules == Kernel(schema, held).rules


def test_drift_that_the_contract_does_not_allow_is_refused_before_any_row() -> None:
    with pytest.raises(SchemaDriftError, match="column n is double and should be int64"):
        Kernel(pa.schema([("n", pa.float64())]), contract(Column("n", pa.int64())))


# --- conservation and threshold -----------------------------------------------------------------------------------


def test_counts_of_batches_add_up_and_survive_json() -> None:
    total = Counts(3, 2, 1, {"a": 1}, 1) + Counts(5, 5, 0, {"a": 0, "b": 2}, 0)

    assert total == Counts(8, 7, 1, {"a": 1, "b": 2}, 1)
    assert Counts.from_dict(json.loads(json.dumps(total.as_dict()))) == total


def test_rows_that_do_not_add_up_are_an_error() -> None:
    Counts(10, 9, 1).require_conserved("f", 10)
    for counts, expected in ((Counts(10, 9, 0), 10), (Counts(10, 9, 1), 11)):
        with pytest.raises(RowConservationError, match="f: "):
            counts.require_conserved("f", expected)


def test_the_threshold_tolerates_its_own_share_and_no_row_more() -> None:
    held = contract(Column("a", pa.int64()), quarantine_threshold=0.1)
    Counts(100, 90, 10, {"a_range": 10}).require_threshold("f", held)
    Counts(100, 0, 100).require_threshold("f", None)

    with pytest.raises(QuarantineThresholdError, match=r"11 of 100 rows \(11.00%\).*tolerates 10.00%.*a_range 11"):
        Counts(100, 89, 11, {"a_range": 11, "b": 0}).require_threshold("f", held)


# --- real files ---------------------------------------------------------------------------------------------------


def test_the_real_yellow_month_keeps_zero_passengers_and_rejects_reversals_and_the_reset_clock(shared_data) -> None:
    path = shared_data / "taxi" / "yellow_tripdata_2022-01.parquet"
    written, rejected, counts = convert_file(path)

    table = pq.read_table(path)
    bad = {line["row_number"] - 1: line for line in rejected}
    good = iter(written)
    for index, row in enumerate(table.to_pylist()):
        line = bad[index]["row"] if index in bad else next(good)
        expected = {
            name: value.strftime("%Y-%m-%dT%H:%M:%S.%f") if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        assert line == expected, f"row {index + 1}"
    assert next(good, None) is None
    assert counts.rule_results["fare_amount_range"] == 628
    assert counts.rule_results["tpep_pickup_datetime_range"] == 1
    assert sum(line["passenger_count"] == 0 for line in written) > 2_000
    counts.require_conserved(path.name, 100_000)
    counts.require_threshold(path.name, ContractCatalog.packaged().find("yellow_tripdata"))


def test_the_green_file_saved_with_doubles_gives_the_same_lines_as_the_original(shared_data) -> None:
    original, _, _ = convert_file(shared_data / "taxi" / "green_tripdata_2024-01.parquet")
    doubles, rejected, _ = convert_file(shared_data / "drift" / "green_tripdata_2024-01.doubles.parquet")

    assert doubles == original
    assert isinstance(original[0]["passenger_count"], int)
    assert len(original) + len(rejected) == 56_551


def test_rows_that_hold_views_can_be_rejected_and_the_others_written():
    """Pyarrow can neither filter nor take from views."""
    contract = Contract("rides", "1", (Column("bad", pa.int8(), maximum=0),), allowed_drift=frozenset({"added_column"}))
    text = pa.array(["longer than twelve bytes", None, "c"], pa.string_view())
    nested = pa.array([["a"], [], None], pa.list_(pa.string_view()))
    batch = pa.record_batch({"bad": pa.array([0, 1, 0], pa.int8()), "text": text, "nested": nested})
    converted = Kernel(batch.schema, contract).convert(batch, 0)
    assert [json.loads(line) for line in converted.ndjson.splitlines()] == [
        {"bad": 0, "text": "longer than twelve bytes", "nested": ["a"]},
        {"bad": 0, "text": "c", "nested": None},
    ]
    assert json.loads(converted.rejected)["row"] == {"bad": 1, "text": None, "nested": []}
