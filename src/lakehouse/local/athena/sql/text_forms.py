"""Values as text: as CAST to varchar writes them, and as a query's result shows them."""

from __future__ import annotations

from lakehouse.local.athena.sql.sql_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTERVAL_DAY,
    INTERVAL_YEAR,
    IPADDRESS,
    REAL,
    UNKNOWN,
    VARBINARY,
    Array,
    Char,
    Decimal,
    Map,
    Row,
    SqlType,
    Time,
    Timestamp,
    ZonedTime,
    ZonedTimestamp,
    literal,
)
from lakehouse.local.athena.sql.typed import let
from lakehouse.local.athena.sql.zones import wall_time, zone_of

# Athena shows milliseconds where a type has fewer digits.
_FEWEST_DIGITS_SHOWN = 3


def as_varchar(sql: str, kind: SqlType) -> str:
    """A scalar value as CAST to varchar writes it.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.

    Returns:
        DuckDB's text of the text; null for null.
    """
    match kind:
        case Timestamp(precision):
            return _moment(sql, precision)
        case ZonedTimestamp(precision):
            return let(sql, lambda x: f"{_moment(wall_time(x, kind), precision)} || ' ' || {zone_of(x, kind)}")
        case Time(precision):
            return f"strftime(DATE '1970-01-01' + {sql}, '%H:%M:%S{_fraction_format(precision)}')" + _cut(precision)
        case Decimal(precision, scale) if precision == scale:
            # DuckDB writes no zero before the point where the type has no digit for it.
            return f"regexp_replace(CAST({sql} AS VARCHAR), '^(-?)\\.', '\\10.')"
        case Char(length):
            return f"rpad({sql}, {length}, ' ')"
    if kind in (DOUBLE, REAL):
        return _with_exponent(sql, kind)
    if kind == IPADDRESS:
        return f"athena_ip_text({sql})"
    if kind == DATE:
        return _dated(sql, "-%m-%d")
    if kind == INTERVAL_DAY:
        return let(
            sql,
            lambda x: (
                f"CASE WHEN {x} < 0 THEN '-' ELSE '' END || CAST(abs({x}) // 86400000 AS VARCHAR) || ' ' || "
                f"strftime(make_timestamp((abs({x}) % 86400000) * 1000), '%H:%M:%S.%g')"
            ),
        )
    if kind == INTERVAL_YEAR:
        return let(
            sql,
            lambda x: (
                f"CASE WHEN {x} < 0 THEN '-' ELSE '' END || CAST(abs({x}) // 12 AS VARCHAR) || '-' || "
                f"CAST(abs({x}) % 12 AS VARCHAR)"
            ),
        )
    return f"CAST({sql} AS VARCHAR)"


def _fraction_format(precision: int) -> str:
    return "" if not precision else ".%g" if precision <= 3 else ".%f"


def _cut(precision: int) -> str:
    """Takes away digits that DuckDB's formats have too many of."""
    digits = precision % 3
    return f"[:-{4 - digits}]" if digits else ""


def _moment(sql: str, precision: int) -> str:
    form = _dated(sql, f"-%m-%d %H:%M:%S{_fraction_format(precision)}")
    return f"({form}){_cut(precision)}" if _cut(precision) else form


def _dated(sql: str, form: str) -> str:
    """A date and what follows it; years that have not four digits have a sign, as in Java's ``uuuu``."""
    return let(
        sql,
        lambda x: (
            f"(CASE WHEN year({x}) BETWEEN 0 AND 9999 THEN strftime({x}, '%Y{form}') "
            f"ELSE athena_year(year({x})) || strftime({x}, '{form}') END)"
        ),
    )


def _with_exponent(sql: str, kind: SqlType) -> str:
    """The form of SQL's standard, as 1.5E0; a real has seven digits at most."""
    digits = "CAST({x} AS VARCHAR)" if kind == DOUBLE else "format('{{:.6e}}', CAST({x} AS DOUBLE))"
    return let(
        sql,
        lambda x: (
            f"CASE WHEN isnan({x}) THEN 'NaN' WHEN isinf({x}) THEN CASE WHEN {x} > 0 THEN 'Infinity' "
            f"ELSE '-Infinity' END WHEN {x} = 0 THEN CASE WHEN signbit({x}) THEN '-0E0' ELSE '0E0' END "
            f"ELSE athena_scientific({digits.format(x=x)}) END"
        ),
    )


def java_number(sql: str) -> str:
    """A double or real as Java writes it, and a query's result: from 0.001 to 10 million without an exponent.

    Args:
        sql: DuckDB's text of the value.

    Returns:
        DuckDB's text of the text.
    """
    return let(
        sql,
        lambda x: (
            f"CASE WHEN isnan({x}) THEN 'NaN' WHEN isinf({x}) THEN CASE WHEN {x} > 0 THEN 'Infinity' "
            f"ELSE '-Infinity' END WHEN {x} = 0 OR (abs({x}) >= 1e-3 AND abs({x}) < 1e7) THEN CAST({x} AS VARCHAR) "
            f"ELSE athena_scientific(CAST({x} AS VARCHAR)) END"
        ),
    )


def shown(sql: str, kind: SqlType, *, is_inside: bool = False) -> str:
    """A value as a query's result shows it.

    Args:
        sql: DuckDB's text of the value.
        kind: Its type.
        is_inside: Whether it is a part of another value, where null shows as a word.

    Returns:
        DuckDB's text of the text.
    """
    text = _shown(sql, kind)
    return f"coalesce({text}, 'null')" if is_inside else text


def _shown(sql: str, kind: SqlType) -> str:
    match kind:
        case Array(element):
            inside = (
                f"list_transform({sql}, lambda x{_depth(kind)}: {shown(f'x{_depth(kind)}', element, is_inside=True)})"
            )
            return f"('[' || array_to_string({inside}, ', ') || ']')"
        case Map(key, value):
            name = f"x{_depth(kind)}"
            entry = (
                f"{shown(f'{name}.key', key, is_inside=True)} || '=' || {shown(f'{name}.value', value, is_inside=True)}"
            )
            inside = f"list_transform(map_entries({sql}), lambda {name}: {entry})"
            return f"('{{' || array_to_string({inside}, ', ') || '}}')"
        case Row():
            return let(sql, lambda x: _shown_row(x, kind))
        case Timestamp(precision):
            return as_varchar(sql, Timestamp(max(precision, _FEWEST_DIGITS_SHOWN)))
        case ZonedTimestamp(precision, zone):
            return as_varchar(sql, ZonedTimestamp(max(precision, _FEWEST_DIGITS_SHOWN), zone))
        case Time(precision):
            return as_varchar(sql, Time(max(precision, _FEWEST_DIGITS_SHOWN)))
        case ZonedTime(precision):
            end = len("00:00:00") + (precision + 1 if precision else 0)
            return f"(({sql})[:8] || rpad(coalesce(nullif(({sql})[9:{end}], ''), '.'), 4, '0') || ({sql})[{end + 1}:])"
        case Char():
            return as_varchar(sql, kind)
    if kind == VARBINARY:
        return f"trim(regexp_replace(lower(hex({sql})), '(..)', '\\1 ', 'g'))"
    if kind in (BOOLEAN, UNKNOWN):
        return f"CAST({sql} AS VARCHAR)"
    if kind in (DOUBLE, REAL):
        return java_number(sql)
    return as_varchar(sql, kind)


def _shown_row(sql: str, kind: Row) -> str:
    fields = [
        f"{literal((name or f'field{index}') + '=')} || "
        + shown(f"struct_extract({sql}, {literal(held)})", one, is_inside=True)
        for index, (held, (name, one)) in enumerate(zip(kind.held_names, kind.fields, strict=True))
    ]
    joined = " || ', ' || ".join(fields)
    return f"CASE WHEN {sql} IS NOT NULL THEN '{{' || {joined} || '}}' END"


def _depth(kind: SqlType) -> int:
    """How many types a type is made of, one in the other: a name for what is bound at each."""
    return 1 + max(map(_depth, kind.parts), default=0)
