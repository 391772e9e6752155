"""The Glue table over a dataset's JSON: types by the contract, partitions by the layout."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.glue_table import hive_type, table_input
from lakehouse.convert.layout import output_key

CONTRACTS = {contract.dataset: contract for contract in ContractCatalog.packaged()}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.int8(), "tinyint"),
        (pa.uint16(), "int"),
        (pa.uint64(), "decimal(20,0)"),
        (pa.float32(), "double"),
        (pa.bool_(), "boolean"),
        # JSON has these as text.
        (pa.decimal128(12, 2), "string"),
        (pa.timestamp("us", "UTC"), "string"),
        (pa.date32(), "string"),
        (pa.binary(), "string"),
        (
            pa.list_(pa.struct([("Zone", pa.int32()), ("fare", pa.decimal128(9, 2))])),
            "array<struct<zone:int,fare:string>>",
        ),
        (pa.map_(pa.string(), pa.int64()), "map<string,bigint>"),
        (pa.map_(pa.int32(), pa.string()), "array<struct<key:int,value:string>>"),
    ],
    ids=str,
)
def test_a_type_is_that_of_the_json_value(kind, expected) -> None:
    assert hive_type(kind) == expected


@pytest.mark.parametrize("dataset", CONTRACTS)
def test_a_table_has_the_contracts_columns_in_lower_case(dataset) -> None:
    table = table_input(CONTRACTS[dataset], "s3://processed/processed-data/")

    columns = table["StorageDescriptor"]["Columns"]
    assert [column["Name"] for column in columns] == [column.name.lower() for column in CONTRACTS[dataset].columns]
    assert all(column["Comment"] for column in columns)


@pytest.mark.parametrize("dataset", CONTRACTS)
def test_the_projected_folders_are_those_of_the_layout(dataset) -> None:
    table = table_input(CONTRACTS[dataset], "s3://processed/processed-data")
    landed = datetime(2026, 11, 21, 23, 59, tzinfo=UTC)

    folder = table["Parameters"]["storage.location.template"].replace("${landed_date}", f"{landed:%Y/%m/%d}")
    key = output_key(f"raw-data/{dataset}/{dataset}_2024-01.parquet", landed)

    assert f"s3://processed/{key}".startswith(folder)
    assert re.fullmatch(r"[^/]+\.json", f"s3://processed/{key}".removeprefix(folder))
