"""Types as they are written: in Trino's SQL, and in the Data Catalog, which has Hive's names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    INTERVAL_DAY,
    INTERVAL_YEAR,
    IPADDRESS,
    JSON,
    REAL,
    SMALLINT,
    TINYINT,
    UNKNOWN,
    UUID,
    VARBINARY,
    VARCHAR,
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
)

# DuckDB's timestamps have microseconds.
FINEST_PRECISION = 6

_PLAIN = {
    str(kind): kind
    for kind in (
        *(BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, REAL, DOUBLE, DATE, VARBINARY, JSON, UUID),
        *(UNKNOWN, INTERVAL_DAY, INTERVAL_YEAR, IPADDRESS),
    )
} | {"int": INTEGER, "float": REAL, "double precision": DOUBLE, "string": VARCHAR, "binary": VARBINARY}

_NOT_HELD = frozenset(
    {"hyperloglog", "p4hyperloglog", "qdigest", "tdigest", "setdigest", "geometry", "sphericalgeography"}
)
_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|`[^`]*`|[\w$.\-]+|[(),<>:])')


class _Reader:
    """Reads a type, token by token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._next = 0

    @staticmethod
    def _split(text: str) -> Iterator[str]:
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if not found:
                raise StatementFailedError("TYPE_NOT_FOUND", f"Unknown type: {text}")
            yield found[1]
            position = found.end()

    def whole(self) -> SqlType:
        kind = self.type()
        if self._next < len(self._tokens):
            raise self._unknown()
        return kind

    def _unknown(self) -> StatementFailedError:
        return StatementFailedError("TYPE_NOT_FOUND", f"Unknown type: {self._text}")

    def _peek(self) -> str:
        return self._tokens[self._next].lower() if self._next < len(self._tokens) else ""

    def _take(self, *expected: str) -> str:
        token = self._tokens[self._next] if self._next < len(self._tokens) else ""
        if not token or (expected and token.lower() not in expected):
            raise self._unknown()
        self._next += 1
        return token

    def _skip(self, *words: str) -> bool:
        found = [token.lower() for token in self._tokens[self._next : self._next + len(words)]] == list(words)
        if found:
            self._next += len(words)
        return found

    def _listed(self, item: Callable[[], SqlType]) -> list[SqlType]:
        self._take("(", "<")
        found = [item()]
        while self._peek() == ",":
            self._take()
            found.append(item())
        self._take(")", ">")
        return found

    def _numbers(self) -> list[int]:
        if self._peek() != "(":
            return []
        self._take("(")
        found = [int(self._take())]
        while self._peek() == ",":
            self._take()
            found.append(int(self._take()))
        self._take(")")
        return found

    def type(self) -> SqlType:
        name = self._take().lower()
        if name == "double":
            self._skip("precision")
        if name == "interval":
            if self._skip("day", "to", "second"):
                return INTERVAL_DAY
            if self._skip("year", "to", "month"):
                return INTERVAL_YEAR
            raise self._unknown()
        if name == "array":
            return Array(self._listed(self.type)[0])
        if name == "map":
            key, value = self._listed(self.type)
            return Map(key, value)
        if name in {"row", "struct"}:
            return self._row()
        return self._scalar(name)

    def _row(self) -> Row:
        names: list[str | None] = []

        def field() -> SqlType:
            following = self._tokens[self._next + 1 : self._next + 2]
            is_named = following not in (["("], ["<"], [","], [")"], [">"], []) and not self._is_type_of_words()
            names.append(_unquoted(self._take()) if is_named else None)
            if self._peek() == ":":
                self._take()
            return self.type()

        kinds = self._listed(field)
        return Row(tuple(names), tuple(kinds))

    def _is_type_of_words(self) -> bool:
        """Whether a field without a name has a type of several words."""
        words = [token.lower() for token in self._tokens[self._next : self._next + 2]]
        return words == ["double", "precision"] or words[0] == "interval"

    def _scalar(self, name: str) -> SqlType:
        numbers = self._numbers()
        match name:
            case "decimal" | "numeric" | "dec":
                precision, scale = (*numbers, 0) if len(numbers) == 1 else numbers or (38, 0)
                if not 0 < precision <= 38 or scale > precision:
                    raise StatementFailedError("INVALID_FUNCTION_ARGUMENT", f"Invalid DECIMAL: {self._text}")
                return Decimal(precision, scale)
            case "varchar":
                return Varchar(numbers[0] if numbers else None)
            case "char":
                return Char(numbers[0] if numbers else 1)
            case "time":
                return self._time(numbers)
            case "timestamp" | "timestamptz":
                precision = numbers[0] if numbers else 3
                return self._timestamp(precision, is_zoned=name == "timestamptz")
        if name in _NOT_HELD:
            raise not_supported(f"The type {name}")
        if name not in _PLAIN or numbers:
            raise self._unknown()
        return _PLAIN[name]

    def _time(self, numbers: list[int]) -> Time:
        if self._skip("with", "time", "zone"):
            raise not_supported("The type time with time zone", "Use a timestamp with time zone.")
        self._skip("without", "time", "zone")
        return Time(_held(numbers[0] if numbers else 3, "time"))

    def _timestamp(self, precision: int, *, is_zoned: bool) -> SqlType:
        if self._skip("with", "time", "zone") or is_zoned:
            return ZonedTimestamp(_held(precision, "timestamp"), None)
        self._skip("without", "time", "zone")
        return Timestamp(_held(precision, "timestamp"))


def _held(precision: int, name: str) -> int:
    if precision > FINEST_PRECISION:
        raise not_supported(f"The type {name}({precision})", f"Use {name}({FINEST_PRECISION}) at most.")
    return precision


def _unquoted(name: str) -> str:
    if name[0] in '"`':
        return name[1:-1].replace(name[0] * 2, name[0])
    return name.lower()


def parse_type(text: str) -> SqlType:
    """Read a type as Trino writes it.

    Args:
        text: As ``array(row(a bigint, b varchar(3)))``.

    Returns:
        The type.

    Raises:
        StatementFailedError: There is no such type, or the laptop does not hold its values.
    """
    return _Reader(text).whole()


def parse_hive_type(text: str, *, is_iceberg: bool = False) -> SqlType:
    """Read a type as the Data Catalog has it.

    Args:
        text: As ``array<struct<a:bigint,b:varchar(3)>>``.
        is_iceberg: Whether the table is one of Iceberg, whose timestamps have microseconds.

    Returns:
        The type.

    Raises:
        StatementFailedError: There is no such type, or the laptop does not hold its values.
    """
    kind = _Reader(re.sub(r"\bdecimal\b(?!\s*\()", "decimal(10,0)", text, flags=re.IGNORECASE)).whole()
    return with_precision(kind, FINEST_PRECISION) if is_iceberg else kind


def with_precision(kind: SqlType, precision: int) -> SqlType:
    """The type with other fractions of seconds.

    Args:
        kind: A type.
        precision: Digits, for each timestamp in it.

    Returns:
        The type.
    """
    match kind:
        case Timestamp():
            return Timestamp(precision)
        case ZonedTimestamp():
            return ZonedTimestamp(precision, kind.zone)
        case Array(element):
            return Array(with_precision(element, precision))
        case Map(key, value):
            return Map(with_precision(key, precision), with_precision(value, precision))
        case Row(names, types):
            return Row(names, tuple(with_precision(one, precision) for one in types))
    return kind


_HIVE_NAMES = {INTEGER: "int", REAL: "float", VARBINARY: "binary", UNKNOWN: "string"}


def hive_type(kind: SqlType) -> str:
    """Write a type as the Data Catalog has it.

    Args:
        kind: The type.

    Returns:
        As ``array<struct<a:bigint>>``.

    Raises:
        StatementFailedError: Hive has no such type.
    """
    match kind:
        case Array(element):
            return f"array<{hive_type(element)}>"
        case Map(key, value):
            return f"map<{hive_type(key)},{hive_type(value)}>"
        case Row():
            return f"struct<{','.join(f'{name}:{hive_type(one)}' for name, one in _named_fields(kind))}>"
        case Varchar(None):
            return "string"
        case Varchar() | Char() | Decimal():
            return str(kind)
        case Timestamp():
            return "timestamp"
    if kind in _HIVE_NAMES:
        return _HIVE_NAMES[kind]
    if kind in (BOOLEAN, TINYINT, SMALLINT, BIGINT, DOUBLE, DATE):
        return str(kind)
    raise StatementFailedError("NOT_SUPPORTED", f"Unsupported Hive type: {kind}")


def _named_fields(kind: Row) -> Iterator[tuple[str, SqlType]]:
    for name, one in kind.fields:
        if not name:
            raise StatementFailedError("NOT_SUPPORTED", f"Anonymous row type is not supported in Hive: {kind}")
        yield name, one
