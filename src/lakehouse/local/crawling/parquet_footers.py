"""Columns of parquet files, in the type names of the Hive metastore, out of their footers only."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.local.crawling.schemas import FileSchema


def of_parquet(footer: bytes) -> FileSchema | None:
    """Read a parquet footer.

    Args:
        footer: The end of a file.

    Returns:
        Its schema; None where it is no parquet file, or holds a type that Hive has not.
    """
    try:
        # A reader of parquet starts at the end: the footer alone has the schema.
        file = pq.ParquetFile(pa.BufferReader(footer))
        columns = tuple((field.name.lower(), hive_type(field.type)) for field in file.schema_arrow)
    except (pa.ArrowException, OSError, UnsupportedTypeError):
        return None
    return FileSchema("parquet", columns, file.metadata.num_rows)


class UnsupportedTypeError(ValueError):
    """A type that a Hive table cannot have."""


def hive_type(kind: pa.DataType) -> str:
    """Name an Arrow type as the Data Catalog does.

    Args:
        kind: The Arrow type.

    Returns:
        For example ``array<struct<a:int>>``.

    Raises:
        UnsupportedTypeError: There is no such Hive type.
    """
    for matches, name in _HIVE_TYPES:
        if matches(kind):
            return name
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_dictionary(kind):
        return hive_type(kind.value_type)
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name.lower()}:{hive_type(field.type)}' for field in kind)}>"
    if pa.types.is_map(kind):
        return f"map<{hive_type(kind.key_type)},{hive_type(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"array<{hive_type(kind.value_type)}>"
    raise UnsupportedTypeError(f"{kind} has no Hive type")


# An unsigned integer needs the next wider signed type.
_HIVE_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_int8, "tinyint"),
    (lambda kind: pa.types.is_int16(kind) or pa.types.is_uint8(kind), "smallint"),
    (lambda kind: pa.types.is_int32(kind) or pa.types.is_uint16(kind), "int"),
    (lambda kind: pa.types.is_int64(kind) or pa.types.is_uint32(kind), "bigint"),
    (pa.types.is_uint64, "decimal(20,0)"),
    (lambda kind: pa.types.is_float16(kind) or pa.types.is_float32(kind), "float"),
    (pa.types.is_float64, "double"),
    (pa.types.is_boolean, "boolean"),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind), "string"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_date, "date"),
    (
        lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind),
        "binary",
    ),
    (pa.types.is_time, "bigint"),
)
