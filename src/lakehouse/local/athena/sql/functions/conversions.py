"""FORMAT, numbers with units, and sizes of data.

https://trino.io/docs/current/functions/conversion.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.casts import cast
from lakehouse.local.athena.sql.functions.java_format import java_format
from lakehouse.local.athena.sql.functions.library import python, scalar
from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    JSON,
    REAL,
    UNKNOWN,
    VARCHAR,
    Char,
    SqlType,
    Time,
    Timestamp,
    Varchar,
    ZonedTimestamp,
    is_integer,
    is_text,
    literal,
)
from lakehouse.local.athena.sql.sql_types import Decimal as DecimalType
from lakehouse.local.athena.sql.text_forms import as_varchar
from lakehouse.local.athena.sql.typed import Typed

_THOUSAND = 1000
_LARGEST = 2**127
_DATA_SIZE = re.compile(r"([0-9.]+)([a-zA-Z]*)")
_DATA_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")


def _kind(kind: SqlType) -> str:
    """What a value is to Java's formatter."""
    if isinstance(kind, ZonedTimestamp):
        raise not_supported("A timestamp with time zone in format()", "Write it with format_datetime.")
    if is_integer(kind):
        return "whole"
    if isinstance(kind, DecimalType):
        return "decimal"
    if isinstance(kind, Timestamp):
        return "moment"
    if isinstance(kind, Time):
        return "clock"
    if kind in (DOUBLE, REAL):
        return "double"
    return "truth" if kind == BOOLEAN else "day" if kind == DATE else "text"


_READERS: dict[str, Callable[[str], Any]] = {
    "whole": int,
    "decimal": Decimal,
    "truth": lambda text: text == "true",
    "double": float,
    "day": date.fromisoformat,
    "moment": datetime.fromisoformat,
    "clock": time.fromisoformat,
    "text": str,
}


def formatted(arguments: Sequence[Typed]) -> Typed:
    """FORMAT: a format string and what it writes, of any types.

    Args:
        arguments: The format string, and at least one value.

    Returns:
        A varchar.

    Raises:
        StatementFailedError: There are too few, or the first is no text.
    """
    if len(arguments) < 2 or not (is_text(arguments[0].type) or arguments[0].type == UNKNOWN):
        raise StatementFailedError("TYPE_MISMATCH", "FORMAT wants a format string of type varchar, and arguments")
    kinds, texts = [], []
    for one in arguments[1:]:
        kinds.append(literal(_kind(one.type)))
        if one.type == UNKNOWN:
            texts.append("NULL")
        elif one.type in (JSON, DOUBLE, REAL, BOOLEAN) or is_integer(one.type):
            texts.append(f"CAST({one.sql} AS VARCHAR)")
        elif isinstance(one.type, Varchar | Char | Time | Timestamp | DecimalType) or one.type == DATE:
            texts.append(as_varchar(one.sql, one.type))
        else:
            texts.append(cast(one, VARCHAR).sql)
    text = arguments[0].as_type(VARCHAR).sql
    return Typed(f"athena_format({text}, [{', '.join(kinds)}], CAST([{', '.join(texts)}] AS VARCHAR[]))", VARCHAR)


@python("athena_format", "VARCHAR, VARCHAR[], VARCHAR[]", "VARCHAR")
def _format(text: str, kinds: list[str], values: list[str | None]) -> str:
    """A format string with its arguments."""
    pairs = zip(kinds, values, strict=True)
    return java_format(text, [None if value is None else _READERS[kind](value) for kind, value in pairs])


@python("athena_format_number", "BIGINT", "VARCHAR")
def _format_number(count: int) -> str:
    """A number with a unit, and three digits."""
    number, unit = float(count), ""
    for larger in "KMBTQ":
        if abs(number) < _THOUSAND:
            break
        number, unit = number / _THOUSAND, larger
    places = 2 if number < 10 else 1 if number < 100 else 0
    text = format(Decimal(repr(number)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP), "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + unit


@python("athena_data_size", "VARCHAR", "VARCHAR")
def _parse_data_size(text: str) -> str:
    """A count of bytes."""
    found = _DATA_SIZE.fullmatch(text)
    if found is None or found[2] not in _DATA_UNITS or not re.fullmatch(r"\d+\.?\d*|\.\d+", found[1]):
        raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"Invalid data size: '{text}'")
    count = int(Decimal(found[1]) * 1024 ** _DATA_UNITS.index(found[2]))
    if count >= _LARGEST:
        raise StatementFailedError("NUMERIC_VALUE_OUT_OF_RANGE", f"Value out of range: '{text}' ('{count}B')")
    return str(count)


scalar("format_number(bigint) -> varchar", "athena_format_number({0})")
scalar("format_number(double) -> varchar", "athena_format_number(CAST(trunc({0}) AS BIGINT))")
scalar("parse_data_size(varchar) -> decimal(38,0)", "CAST(athena_data_size({0}) AS DECIMAL(38,0))")
