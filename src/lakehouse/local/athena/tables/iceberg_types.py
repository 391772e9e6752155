"""Iceberg's types as Trino's, and back.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-supported-data-types.html
"""

from __future__ import annotations

from itertools import count

from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    REAL,
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
    Varchar,
    ZonedTimestamp,
)

_PLAIN: dict[type[IcebergType], SqlType] = {
    BooleanType: BOOLEAN,
    IntegerType: INTEGER,
    LongType: BIGINT,
    FloatType: REAL,
    DoubleType: DOUBLE,
    DateType: DATE,
    TimeType: Time(6),
    TimestampType: Timestamp(6),
    TimestamptzType: ZonedTimestamp(6, "UTC"),
    StringType: VARCHAR,
    UUIDType: UUID,
    BinaryType: VARBINARY,
    FixedType: VARBINARY,
}


def trino_type(kind: IcebergType) -> SqlType:
    """Trino's type of a column.

    Args:
        kind: Iceberg's.

    Returns:
        The type.

    Raises:
        StatementFailedError: Athena has no such type.
    """
    match kind:
        case DecimalType():
            return Decimal(kind.precision, kind.scale)
        case ListType():
            return Array(trino_type(kind.element_type))
        case MapType():
            return Map(trino_type(kind.key_type), trino_type(kind.value_type))
        case StructType():
            return Row(
                tuple(field.name for field in kind.fields), tuple(trino_type(field.field_type) for field in kind.fields)
            )
    if type(kind) not in _PLAIN:
        raise not_supported(f"Iceberg's type {kind}")
    return _PLAIN[type(kind)]


def iceberg_schema(columns: list[tuple[str, SqlType]]) -> Schema:
    """A new table's schema.

    Args:
        columns: Names and types.

    Returns:
        The schema, with ids from 1.

    Raises:
        StatementFailedError: Iceberg has no such type.
    """
    ids = count(1)
    # Ids of columns come before those of what is in them, as Iceberg's own assignment has it.
    own = [next(ids) for _ in columns]
    fields = [
        NestedField(field_id=number, name=name, field_type=iceberg_type(kind, ids), required=False)
        for number, (name, kind) in zip(own, columns, strict=True)
    ]
    return Schema(*fields)


def iceberg_type(kind: SqlType, ids: count[int] | None = None) -> IcebergType:
    """Iceberg's type of a column.

    Args:
        kind: Trino's.
        ids: Gives ids to what is in it.

    Returns:
        The type.

    Raises:
        StatementFailedError: Iceberg has no such type.
    """
    numbers = ids if ids is not None else count(1)
    match kind:
        case Varchar():
            return StringType()
        case Decimal(precision, scale):
            return DecimalType(precision, scale)
        case Timestamp(precision):
            return _of_microseconds(precision, "timestamp", TimestampType())
        case ZonedTimestamp(precision):
            return _of_microseconds(precision, "timestamp", TimestamptzType())
        case Time(precision):
            return _of_microseconds(precision, "time", TimeType())
        case Array(element):
            number = next(numbers)
            return ListType(element_id=number, element_type=iceberg_type(element, numbers), element_required=False)
        case Map(key, value):
            first, second = next(numbers), next(numbers)
            return MapType(
                key_id=first, key_type=iceberg_type(key, numbers),
                value_id=second, value_type=iceberg_type(value, numbers), value_required=False,
            )  # fmt: skip
        case Row():
            return _struct(kind, numbers)
    plain = {
        BOOLEAN: BooleanType(), INTEGER: IntegerType(), BIGINT: LongType(), REAL: FloatType(), DOUBLE: DoubleType(),
        DATE: DateType(), VARBINARY: BinaryType(), UUID: UUIDType(),
    }  # fmt: skip
    if kind not in plain:
        raise StatementFailedError("NOT_SUPPORTED", f"Type not supported for Iceberg: {kind}")
    return plain[kind]


def _struct(kind: Row, numbers: count[int]) -> StructType:
    if any(not name for name in kind.names):
        raise StatementFailedError("NOT_SUPPORTED", f"Row type field does not have a name: {kind}")
    own = [next(numbers) for _ in kind.types]
    return StructType(
        *(
            NestedField(field_id=number, name=str(name), field_type=iceberg_type(one, numbers), required=False)
            for number, (name, one) in zip(own, kind.fields, strict=True)
        )
    )


def _of_microseconds(precision: int, name: str, kind: IcebergType) -> IcebergType:
    if precision != 6:
        shown = name.capitalize()
        raise StatementFailedError(
            "NOT_SUPPORTED", f'{shown} precision ({precision}) not supported for Iceberg. Use "{name}(6)" instead.'
        )
    return kind


def leaf_ids(kind: IcebergType, number: int) -> list[int]:
    """The ids under which a file counts the bytes of a column.

    Args:
        kind: The column's type.
        number: Its id.

    Returns:
        The ids of all that is in it, or its own.
    """
    match kind:
        case StructType():
            return [one for field in kind.fields for one in leaf_ids(field.field_type, field.field_id)]
        case ListType():
            return leaf_ids(kind.element_type, kind.element_id)
        case MapType():
            return [*leaf_ids(kind.key_type, kind.key_id), *leaf_ids(kind.value_type, kind.value_id)]
    return [number]
