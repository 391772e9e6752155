"""Which types Trino turns into which by itself, and how DuckDB is told to.

https://github.com/trinodb/trino/blob/master/core/trino-main/src/main/java/io/trino/type/TypeCoercion.java
"""

from __future__ import annotations

from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTEGER,
    INTEGER_DIGITS,
    LARGEST_PRECISION,
    REAL,
    SMALLINT,
    TINYINT,
    UNKNOWN,
    Array,
    Char,
    Decimal,
    Map,
    Row,
    SqlType,
    Time,
    Timestamp,
    Varchar,
    ZonedTimestamp,
    is_integer,
    literal,
    quoted,
)

# What a type becomes by itself: the further right, the wider. Decimals stand between bigint and real.
_NUMBERS: dict[SqlType, int] = {TINYINT: 0, SMALLINT: 1, INTEGER: 2, BIGINT: 3, REAL: 5, DOUBLE: 6}
_DECIMAL_RANK = 4


def _rank(kind: SqlType) -> int | None:
    return _DECIMAL_RANK if isinstance(kind, Decimal) else _NUMBERS.get(kind)


def is_number(kind: SqlType) -> bool:
    """Whether a type is one of numbers, which are all compared with each other.

    Args:
        kind: The type.

    Returns:
        True for tinyint to double, and decimals.
    """
    return _rank(kind) is not None


def as_decimal(kind: SqlType) -> Decimal | None:
    """The decimal type that holds all values of an exact number's type.

    Args:
        kind: A type.

    Returns:
        The type; None for other types.
    """
    if isinstance(kind, Decimal):
        return kind
    return Decimal(INTEGER_DIGITS[kind], 0) if is_integer(kind) else None


def common_type(left: SqlType, right: SqlType) -> SqlType | None:
    """The type that both become where they meet, as in a comparison or a union.

    Args:
        left: A type.
        right: Another one.

    Returns:
        The type; None where Trino has none.
    """
    if left == right:
        return _with_common_zone(left, right)
    if UNKNOWN in (left, right):
        return right if left == UNKNOWN else left
    ranks = _rank(left), _rank(right)
    if None not in ranks:
        return _common_number(left, right)
    match left, right:
        case (Varchar(a), Varchar(b)):
            return Varchar(None if None in (a, b) else max(a or 0, b or 0))
        case (Char(a), Char(b)):
            return Char(max(a, b))
        case (Char(), Varchar(b)) | (Varchar(b), Char()):
            length = left.length if isinstance(left, Char) else right.length  # type: ignore[attr-defined]
            return Varchar(None if b is None else max(b, length))
        case (Time(a), Time(b)):
            return Time(max(a, b))
        case (Row(), Row()) if len(left.types) == len(right.types):
            return _common_row(left, right)
        case (Array(a), Array(b)):
            element = common_type(a, b)
            return None if element is None else Array(element)
        case (Map(), Map()):
            key, value = common_type(left.key, right.key), common_type(left.value, right.value)
            return None if key is None or value is None else Map(key, value)
    return _common_moment(left, right)


def _with_common_zone(left: SqlType, right: SqlType) -> SqlType:
    if isinstance(left, ZonedTimestamp) and isinstance(right, ZonedTimestamp) and left.zone != right.zone:
        return ZonedTimestamp(left.precision, None)
    if left.parts and left.duck != right.duck:
        # Equal but held in different ways, somewhere inside: names of fields, or zones.
        match left, right:
            case (Array(a), Array(b)):
                return Array(_with_common_zone(a, b))
            case (Map(), Map()):
                return Map(_with_common_zone(left.key, right.key), _with_common_zone(left.value, right.value))
            case (Row(), Row()):
                return Row(left.names, tuple(map(_with_common_zone, left.types, right.types)))
    return left


def _common_number(left: SqlType, right: SqlType) -> SqlType:
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        first, second = as_decimal(left), as_decimal(right)
        if first is None or second is None:
            return left if first is None else right
        scale = max(first.scale, second.scale)
        whole = max(first.precision - first.scale, second.precision - second.scale)
        return Decimal(min(LARGEST_PRECISION, whole + scale), scale)
    return max(left, right, key=lambda kind: _NUMBERS[kind])


def _common_row(left: Row, right: Row) -> Row | None:
    kinds = [common_type(a, b) for a, b in zip(left.types, right.types, strict=True)]
    names = tuple(a if a == b else None for a, b in zip(left.names, right.names, strict=True))
    return None if None in kinds else Row(names, tuple(kind for kind in kinds if kind is not None))


def _common_moment(left: SqlType, right: SqlType) -> SqlType | None:
    moments = [kind for kind in (left, right) if isinstance(kind, Timestamp | ZonedTimestamp)]
    if not moments or any(kind != DATE and kind not in moments for kind in (left, right)):
        return None
    precision = max(kind.precision for kind in moments)
    zoned = [kind for kind in moments if isinstance(kind, ZonedTimestamp)]
    if not zoned:
        return Timestamp(precision)
    # What has no zone is taken to be in the session's, which is UTC.
    zones = {kind.zone for kind in zoned} | ({"UTC"} if len(zoned) == 1 else set())
    return ZonedTimestamp(precision, zones.pop() if len(zones) == 1 else None)


def common_type_of(kinds: list[SqlType]) -> SqlType | None:
    """The type that all become where they meet.

    Args:
        kinds: Types, one at least.

    Returns:
        The type; None where Trino has none.
    """
    found: SqlType | None = kinds[0]
    for kind in kinds[1:]:
        found = None if found is None else common_type(found, kind)
    return found


def can_become(given: SqlType, wanted: SqlType) -> bool:
    """Whether Trino turns a type into another by itself.

    Args:
        given: The type that is there.
        wanted: The type that is needed.

    Returns:
        True where it does, or need not.
    """
    if given in (wanted, UNKNOWN):
        return True
    if isinstance(given, Decimal) and isinstance(wanted, Decimal):
        return given.scale <= wanted.scale and given.precision - given.scale <= wanted.precision - wanted.scale
    if is_integer(given) and isinstance(wanted, Decimal):
        return INTEGER_DIGITS[given] <= wanted.precision - wanted.scale
    return common_type(given, wanted) == wanted


def can_be_stored(given: SqlType, wanted: SqlType) -> bool:
    """Whether a value may be written into a column: a wider one may, and fails where it does not fit.

    Args:
        given: The value's type.
        wanted: The column's.

    Returns:
        True where it may.
    """
    if any(map(_has_bounded_text, wanted.parts)):
        return can_become(given, wanted)
    return common_type(given, wanted) is not None


def _has_bounded_text(kind: SqlType) -> bool:
    is_bounded = isinstance(kind, Char) or (isinstance(kind, Varchar) and kind.length is not None)
    return is_bounded or any(map(_has_bounded_text, kind.parts))


def converted(sql: str, given: SqlType, wanted: SqlType) -> str:
    """Turn a value into a type that it can become.

    Args:
        sql: DuckDB's expression of the value.
        given: Its type.
        wanted: A type for which ``can_become`` holds.

    Returns:
        DuckDB's expression of the value in the other type.
    """
    if given == UNKNOWN:
        return f"CAST({sql} AS {wanted.duck})"
    if isinstance(wanted, ZonedTimestamp):
        return _zoned(sql, given, wanted)
    if given.duck == wanted.duck and not (given == DATE and wanted != DATE):
        return sql
    match given, wanted:
        case (Array(a), Array(b)) if _needs_steps(a, b):
            return f"list_transform({sql}, lambda x: {converted('x', a, b)})"
        case (Map(), Map()) if _needs_steps(given, wanted):
            key, value = converted("x.key", given.key, wanted.key), converted("x.value", given.value, wanted.value)
            return f"map_from_entries(list_transform(map_entries({sql}), lambda x: {{'key': {key}, 'value': {value}}}))"
        case (Row(), Row()):
            return _converted_row(sql, given, wanted)
    return f"CAST({sql} AS {wanted.duck})"


def _needs_steps(given: SqlType, wanted: SqlType) -> bool:
    """Whether DuckDB's own cast does not do: it goes by names of fields, and knows no zones."""
    if isinstance(given, Row | ZonedTimestamp) or isinstance(wanted, ZonedTimestamp):
        return given.duck != wanted.duck
    return any(_needs_steps(a, b) for a, b in zip(given.parts, wanted.parts, strict=False))


def _converted_row(sql: str, given: Row, wanted: Row) -> str:
    fields = ", ".join(
        f"{quoted(new)} := {converted(f'struct_extract({sql}, {literal(old)})', a, b)}"
        for old, new, a, b in zip(given.held_names, wanted.held_names, given.types, wanted.types, strict=True)
    )
    return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack({fields}) END"


def _zoned(sql: str, given: SqlType, wanted: ZonedTimestamp) -> str:
    if isinstance(given, ZonedTimestamp):
        if given.zone == wanted.zone:
            return sql
        if given.zone is None:
            return f"struct_extract({sql}, 'instant')"
        instant, zone = sql, given.zone
    else:
        instant, zone = f"CAST({sql} AS TIMESTAMP)", "UTC"
    if wanted.zone is not None:
        return instant
    return f"CASE WHEN {sql} IS NOT NULL THEN struct_pack(instant := {instant}, zone := {literal(zone)}) END"
