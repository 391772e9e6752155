"""The Glue table over a dataset's JSON in the processed layer: what its contract promises, as Athena reads it.

Declared rather than crawled: types come from the contract, not from the first rows, and a new day is there at once,
since partitions are projected from the layout (``convert/layout.py``) and nobody registers them.
https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from lakehouse.contracts.model import Contract

# The day on which a file landed, as the processed layer's folders have it: 2026/11/21.
PARTITION = "landed_date"
DATE_FORMAT = "yyyy/MM/dd"
# Before any lakehouse landed a file.
_FIRST_DAY = "2024/01/01"
# Stands for the processed layer's folder, which Terraform knows (terraform/modules/catalog/tables.tf).
_ANY_LAYER = "s3://layer/"


def definitions(contracts: Iterable[Contract]) -> str:
    """The tables of all datasets, for Terraform.

    Args:
        contracts: The datasets' contracts.

    Returns:
        A JSON object: ``TableInput`` by dataset, with ``s3://layer/`` for the processed layer's folder.
    """
    tables = {contract.dataset: table_input(contract, _ANY_LAYER) for contract in contracts}
    return json.dumps(tables, indent=2, sort_keys=True) + "\n"


def table_input(contract: Contract, layer: str) -> dict[str, Any]:
    """The table of a dataset.

    Args:
        contract: The dataset's contract.
        layer: The processed layer's folder, such as ``s3://bucket/processed-data/``.

    Returns:
        ``TableInput`` for Glue's CreateTable.
    """
    folder = f"{layer.rstrip('/')}/"
    return {
        "Name": contract.dataset,
        "Description": f"Accepted rows of {contract.dataset}, by its contract {contract.version}",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": PARTITION, "Type": "string", "Comment": "Day on which the file landed, in UTC"}],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "json",
            "projection.enabled": "true",
            f"projection.{PARTITION}.type": "date",
            f"projection.{PARTITION}.format": DATE_FORMAT,
            f"projection.{PARTITION}.range": f"{_FIRST_DAY},NOW",
            f"projection.{PARTITION}.interval": "1",
            f"projection.{PARTITION}.interval.unit": "DAYS",
            "storage.location.template": f"{folder}${{{PARTITION}}}/{contract.dataset}/",
        },
        "StorageDescriptor": {
            "Columns": [
                {"Name": column.name.lower(), "Type": hive_type(column.type), "Comment": column.description[:255]}
                for column in contract.columns
            ],
            "Location": folder,
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                "Parameters": {"serialization.format": "1"},
            },
        },
    }


_SCALARS = {
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.uint8(): "smallint",
    pa.int16(): "smallint",
    pa.uint16(): "int",
    pa.int32(): "int",
    pa.uint32(): "bigint",
    pa.int64(): "bigint",
    pa.uint64(): "decimal(20,0)",
    pa.float16(): "double",
    pa.float32(): "double",
    pa.float64(): "double",
}


def hive_type(kind: pa.DataType) -> str:
    """The type of a JSON value, see ``docs/json-mapping.md``.

    What JSON has as text stays text: no SerDe reads every ISO 8601 timestamp, and none rounds a decimal that is not
    read as a number. The staging models of dbt cast.

    Args:
        kind: The Arrow type that the contract states.

    Returns:
        The Hive type.
    """
    if kind in _SCALARS:
        return _SCALARS[kind]
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name.lower()}:{hive_type(field.type)}' for field in kind)}>"
    if pa.types.is_map(kind):
        if pa.types.is_string(kind.key_type) or pa.types.is_large_string(kind.key_type):
            return f"map<string,{hive_type(kind.item_type)}>"
        return f"array<struct<key:{hive_type(kind.key_type)},value:{hive_type(kind.item_type)}>>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"array<{hive_type(kind.value_type)}>"
    return "string"
