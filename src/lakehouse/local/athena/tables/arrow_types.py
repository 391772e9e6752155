"""Arrow's types as Trino's: what a file's columns are."""

from __future__ import annotations

import pyarrow as pa

from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    REAL,
    SMALLINT,
    TINYINT,
    UUID,
    VARBINARY,
    VARCHAR,
    Array,
    Decimal,
    Map,
    Row,
    SqlType,
    Time,
    Timestamp,
    ZonedTimestamp,
)

_PLAIN: dict[pa.DataType, SqlType] = {
    pa.bool_(): BOOLEAN,
    pa.int8(): TINYINT,
    pa.int16(): SMALLINT,
    pa.int32(): INTEGER,
    pa.int64(): BIGINT,
    pa.uint8(): SMALLINT,
    pa.uint16(): INTEGER,
    pa.uint32(): BIGINT,
    pa.uint64(): Decimal(20, 0),
    pa.float16(): REAL,
    pa.float32(): REAL,
    pa.float64(): DOUBLE,
    pa.date32(): DATE,
    pa.date64(): DATE,
    pa.string(): VARCHAR,
    pa.large_string(): VARCHAR,
    pa.string_view(): VARCHAR,
    pa.binary(): VARBINARY,
    pa.large_binary(): VARBINARY,
    pa.null(): VARCHAR,
}


def type_of(kind: pa.DataType) -> SqlType | None:
    """Trino's type of a column.

    Args:
        kind: Arrow's.

    Returns:
        The type; None where Trino has none.
    """
    if kind in _PLAIN:
        return _PLAIN[kind]
    if pa.types.is_dictionary(kind):
        return type_of(kind.value_type)
    if pa.types.is_decimal(kind):
        return Decimal(kind.precision, kind.scale) if kind.precision <= 38 else None
    if pa.types.is_timestamp(kind):
        return Timestamp(6) if kind.tz is None else ZonedTimestamp(6, "UTC")
    if pa.types.is_time(kind):
        return Time(6)
    if pa.types.is_fixed_size_binary(kind):
        return UUID if getattr(kind, "extension_name", "") == "arrow.uuid" else VARBINARY
    if isinstance(kind, pa.UuidType):
        return UUID
    return _nested(kind)


def _nested(kind: pa.DataType) -> SqlType | None:
    if pa.types.is_map(kind):
        key, value = type_of(kind.key_type), type_of(kind.item_type)
        return None if key is None or value is None else Map(key, value)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        element = type_of(kind.value_type)
        return None if element is None else Array(element)
    if pa.types.is_struct(kind):
        types = [type_of(field.type) for field in kind]
        if None in types:
            return None
        return Row(tuple(field.name for field in kind), tuple(one for one in types if one is not None))
    return None
