"""Partition transforms of Iceberg tables: as they are written, and as DuckDB computes them.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-creating-tables.html
https://iceberg.apache.org/spec/#partition-transforms
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    Transform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    StringType,
    TimestampType,
    TimestamptzType,
)

from lakehouse.local.athena.failures import StatementFailedError, not_supported

if TYPE_CHECKING:
    from pyiceberg.schema import Schema

    from lakehouse.local.athena.duck import Duck

_FIRST_ID = 1000
_MOMENTS: dict[str, tuple[Transform[Any, Any], str]] = {
    "year": (YearTransform(), "year"),
    "month": (MonthTransform(), "month"),
    "day": (DayTransform(), "day"),
    "hour": (HourTransform(), "hour"),
}
_FORM = re.compile(
    r'"?(?P<plain>[\w$]+)"?|(?P<name>\w+)\s*\(\s*(?P<first>[^,()]+?)\s*(?:,\s*(?P<second>[^,()]+?)\s*)?\)'
)


def partition_spec(texts: list[str], schema: Schema) -> PartitionSpec:
    """A new table's partitions.

    Args:
        texts: As ``day(ts)``, ``bucket(16, id)`` or ``region``.
        schema: Its columns.

    Returns:
        The specification.

    Raises:
        StatementFailedError: A text is none of a transform, or names no column.
    """
    fields = []
    for index, text in enumerate(texts):
        column, transform, name = parse_transform(text)
        try:
            source = schema.find_field(column, case_sensitive=False)
        except ValueError as error:
            raise StatementFailedError("COLUMN_NOT_FOUND", f"Column '{column}' not found in table") from error
        if not transform.can_transform(source.field_type):
            raise StatementFailedError("NOT_SUPPORTED", f"Unable to partition by {text}: type {source.field_type}")
        if isinstance(source.field_type, DoubleType) and isinstance(transform, IdentityTransform):
            # PyIceberg reads such values from manifests with single precision, and writes them back so.
            raise not_supported("Partitioning an Iceberg table by a double", "Partition by a decimal or an integer.")
        fields.append(
            PartitionField(
                source_id=source.field_id,
                field_id=_FIRST_ID + index,
                transform=transform,
                name=f"{source.name}_{name}" if name else source.name,
            )
        )
    return PartitionSpec(*fields)


def parse_transform(text: str) -> tuple[str, Transform[Any, Any], str]:
    """Read a transform.

    Args:
        text: As ``bucket(16, id)``; the number may also come last.

    Returns:
        The column, the transform, and what is added to the column's name; empty for the column itself.

    Raises:
        StatementFailedError: There is no such transform.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise StatementFailedError("INVALID_TABLE_PROPERTY", f"Unable to parse partitioning value: {text}")
    if found["plain"]:
        return found["plain"].lower(), IdentityTransform(), ""
    name, first, second = found["name"].lower(), found["first"].strip('`" '), (found["second"] or "").strip('`" ')
    single, _, suffix = name.rpartition("s") if name.endswith("s") else (name, "", "")
    if (single or name) in _MOMENTS and not second:
        transform, suffix = _MOMENTS[single or name]
        return first.lower(), transform, suffix
    if name in {"bucket", "truncate"} and second:
        number, column = (first, second) if first.isdigit() else (second, first)
        if not number.isdigit():
            raise StatementFailedError("INVALID_TABLE_PROPERTY", f"Unable to parse partitioning value: {text}")
        if name == "bucket":
            return column.lower(), BucketTransform(int(number)), "bucket"
        return column.lower(), TruncateTransform(int(number)), "trunc"
    raise StatementFailedError("INVALID_TABLE_PROPERTY", f"Unable to parse partitioning value: {text}")


def partition_sql(transform: Transform[Any, Any], column: str, kind: str, duck: Duck) -> str:
    """A transform as DuckDB computes it.

    Args:
        transform: The transform.
        column: DuckDB's text of the column.
        kind: DuckDB's type of the column.
        duck: Is given a function where it has none.

    Returns:
        DuckDB's text of a value that is written as text into folders' names.

    Raises:
        StatementFailedError: The transform is not known here.
    """
    days = f"(CAST({column} AS DATE) - DATE '1970-01-01')"
    match transform:
        case IdentityTransform():
            return f"CAST({column} AS VARCHAR)"
        case YearTransform():
            return f"CAST(year({column}) - 1970 AS INTEGER)"
        case MonthTransform():
            return f"CAST((year({column}) - 1970) * 12 + month({column}) - 1 AS INTEGER)"
        case DayTransform():
            return f"CAST({days} AS INTEGER)"
        case HourTransform():
            return f"CAST(floor(epoch_us({column}) / 3600000000.0) AS INTEGER)"
        case BucketTransform() | TruncateTransform():
            return f"{duck.arrow_function(str(transform), kind, _applied(transform))}({column})"
    raise not_supported(f"The partition transform {transform}")


def _applied(transform: Transform[Any, Any]) -> Any:
    """Iceberg's own hash and truncation, over columns of Arrow."""

    def apply(values: pa.Array) -> pa.Array:
        from pyiceberg.io.pyarrow import pyarrow_to_schema

        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        field = pa.field("c", array.type, metadata={b"PARQUET:field_id": b"1"})
        kind = pyarrow_to_schema(pa.schema([field])).find_type(1)
        return transform.pyarrow_transform(kind)(array).cast(pa.string())

    return apply


def partition_value(text: Any, kind: IcebergType) -> Any:
    """A partition's value, of its folder's name.

    Args:
        text: What DuckDB wrote.
        kind: The value's type.

    Returns:
        The value as PyIceberg's manifests have it.
    """
    if text is None:
        return None
    match kind:
        case IntegerType() | LongType():
            return int(text)
        case StringType():
            return str(text)
        case DateType():
            return (
                int(text)
                if re.fullmatch(r"-?\d+", str(text))
                else (date.fromisoformat(str(text)) - date(1970, 1, 1)).days
            )
        case TimestampType() | TimestamptzType():
            return _microseconds(str(text))
        case BooleanType():
            return str(text).lower() == "true"
        case DecimalType():
            return Decimal(str(text))
        case FloatType() | DoubleType():
            return float(text)
        case BinaryType():
            return str(text).encode("latin-1").decode("unicode_escape").encode("latin-1")
    return str(text)


def _microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("+00", "+00:00")).replace(tzinfo=None)
    since = moment - datetime(1970, 1, 1)  # noqa: DTZ001 - both are in UTC
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
