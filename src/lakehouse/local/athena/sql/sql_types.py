"""Trino's types, as Athena has them, and how DuckDB holds their values.

https://trino.io/docs/current/language/types.html
https://docs.aws.amazon.com/athena/latest/ug/data-types.html

Two types are held in a form of their own, since DuckDB's do not keep what Trino's mean:

- ``timestamp with time zone``: an instant and a zone. Where all values have one zone, which is known before the query
  runs, as those of a table's column do, DuckDB holds the instant in UTC; otherwise a struct of instant and zone.
- ``interval day to second`` is a number of milliseconds, ``interval year to month`` a number of months.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

LARGEST_PRECISION = 38


@dataclass(frozen=True, slots=True)
class SqlType(ABC):
    """A type. Two are equal where Trino takes them for the same."""

    @property
    @abstractmethod
    def duck(self) -> str:
        """DuckDB's type that holds the values."""

    @property
    def parts(self) -> tuple[SqlType, ...]:
        """The types that it is made of."""
        return ()


@dataclass(frozen=True, slots=True)
class Plain(SqlType):
    """A type without parameters.

    Attributes:
        name: Trino's name.
        held_as: DuckDB's type.
    """

    name: str
    held_as: str

    def __str__(self) -> str:
        return self.name

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return self.held_as


UNKNOWN = Plain("unknown", "VARCHAR")
BOOLEAN = Plain("boolean", "BOOLEAN")
TINYINT = Plain("tinyint", "TINYINT")
SMALLINT = Plain("smallint", "SMALLINT")
INTEGER = Plain("integer", "INTEGER")
BIGINT = Plain("bigint", "BIGINT")
REAL = Plain("real", "FLOAT")
DOUBLE = Plain("double", "DOUBLE")
VARBINARY = Plain("varbinary", "BLOB")
DATE = Plain("date", "DATE")
JSON = Plain("json", "VARCHAR")
UUID = Plain("uuid", "UUID")
# Sixteen bytes, as in Trino: those of IPv4 are mapped.
IPADDRESS = Plain("ipaddress", "BLOB")
INTERVAL_DAY = Plain("interval day to second", "BIGINT")
INTERVAL_YEAR = Plain("interval year to month", "INTEGER")

INTEGERS = (TINYINT, SMALLINT, INTEGER, BIGINT)
INTEGER_DIGITS: dict[SqlType, int] = {TINYINT: 3, SMALLINT: 5, INTEGER: 10, BIGINT: 19}


@dataclass(frozen=True, slots=True)
class Decimal(SqlType):
    """Exact numbers.

    Attributes:
        precision: Digits in all, from 1 to 38.
        scale: Digits after the point.
    """

    precision: int = LARGEST_PRECISION
    scale: int = 0

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return f"DECIMAL({self.precision},{self.scale})"


@dataclass(frozen=True, slots=True)
class Varchar(SqlType):
    """Text.

    Attributes:
        length: The most characters; None where there is no bound.
    """

    length: int | None = None

    def __str__(self) -> str:
        return "varchar" if self.length is None else f"varchar({self.length})"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return "VARCHAR"


VARCHAR = Varchar()


@dataclass(frozen=True, slots=True)
class Char(SqlType):
    """Text of one length, filled up with spaces; held without them.

    Attributes:
        length: Characters.
    """

    length: int = 1

    def __str__(self) -> str:
        return f"char({self.length})"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return "VARCHAR"


@dataclass(frozen=True, slots=True)
class Time(SqlType):
    """A time of day.

    Attributes:
        precision: Digits of the second's fraction, up to 6.
    """

    precision: int = 3

    def __str__(self) -> str:
        return f"time({self.precision})"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return "TIME"


@dataclass(frozen=True, slots=True)
class ZonedTime(SqlType):
    """A time of day and its distance to UTC; held as text, so that it can be shown, and not compared.

    Attributes:
        precision: Digits of the second's fraction, up to 6.
    """

    precision: int = 3

    def __str__(self) -> str:
        return f"time({self.precision}) with time zone"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return "VARCHAR"


@dataclass(frozen=True, slots=True)
class Timestamp(SqlType):
    """A date and a time of day, nowhere in particular.

    Attributes:
        precision: Digits of the second's fraction, up to 6.
    """

    precision: int = 3

    def __str__(self) -> str:
        return f"timestamp({self.precision})"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return "TIMESTAMP"


@dataclass(frozen=True, slots=True)
class ZonedTimestamp(SqlType):
    """An instant, and the zone that it is shown in.

    Attributes:
        precision: Digits of the second's fraction, up to 6.
        zone: The zone of all values, where there is one; it is not part of the type.
    """

    precision: int = 3
    zone: str | None = field(default="UTC", compare=False)

    def __str__(self) -> str:
        return f"timestamp({self.precision}) with time zone"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return "TIMESTAMP" if self.zone is not None else "STRUCT(instant TIMESTAMP, zone VARCHAR)"


@dataclass(frozen=True, slots=True)
class Array(SqlType):
    """Values of one type, in order.

    Attributes:
        element: Their type.
    """

    element: SqlType

    def __str__(self) -> str:
        return f"array({self.element})"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return f"{self.element.duck}[]"

    @property
    def parts(self) -> tuple[SqlType, ...]:
        """The types that it is made of."""
        return (self.element,)


@dataclass(frozen=True, slots=True)
class Map(SqlType):
    """Values by key.

    Attributes:
        key: The keys' type.
        value: The values' type.
    """

    key: SqlType
    value: SqlType

    def __str__(self) -> str:
        return f"map({self.key}, {self.value})"

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        return f"MAP({self.key.duck}, {self.value.duck})"

    @property
    def parts(self) -> tuple[SqlType, ...]:
        """The types that it is made of."""
        return (self.key, self.value)


@dataclass(frozen=True, slots=True)
class Row(SqlType):
    """Fields.

    Attributes:
        names: Their names, None for one without; they are not part of the type.
        types: Their types.
    """

    names: tuple[str | None, ...] = field(compare=False)
    types: tuple[SqlType, ...]

    def __str__(self) -> str:
        return f"row({', '.join(f'{name} {kind}' if name else str(kind) for name, kind in self.fields)})"

    @property
    def fields(self) -> Iterator[tuple[str | None, SqlType]]:
        """Names and types."""
        return zip(self.names, self.types, strict=True)

    @property
    def held_names(self) -> tuple[str, ...]:
        """DuckDB's names of the fields: it wants one for each, and no two alike."""
        named = [name for name in self.names if name]
        if len(named) == len({name.lower() for name in named}) == len(self.names):
            return tuple(named)
        return tuple(f"field{index}" for index in range(len(self.names)))

    @property
    def duck(self) -> str:
        """DuckDB's type that holds the values."""
        fields = zip(self.held_names, self.types, strict=True)
        return f"STRUCT({', '.join(f'{quoted(name)} {kind.duck}' for name, kind in fields)})"

    @property
    def parts(self) -> tuple[SqlType, ...]:
        """The types that it is made of."""
        return self.types


@dataclass(frozen=True, slots=True)
class Function(SqlType):
    """A lambda expression, as an argument.

    Attributes:
        parameters: Types of its parameters.
        result: Type of its result.
    """

    parameters: tuple[SqlType, ...]
    result: SqlType

    def __str__(self) -> str:
        return f"function({', '.join(map(str, (*self.parameters, self.result)))})"

    @property
    def duck(self) -> str:
        """Nothing: a lambda expression is part of a call, and no value.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{self}: a lambda expression is no value that a column could hold")

    @property
    def parts(self) -> tuple[SqlType, ...]:
        """The types that it is made of."""
        return (*self.parameters, self.result)


def quoted(name: str) -> str:
    """A name as an identifier of DuckDB's.

    Args:
        name: Any text.

    Returns:
        It in double quotes.
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal of DuckDB's.

    Args:
        text: Any text.

    Returns:
        It in single quotes.
    """
    return "'" + text.replace("'", "''") + "'"


def is_integer(kind: SqlType) -> bool:
    """Whether a type is one of whole numbers.

    Args:
        kind: The type.

    Returns:
        True for tinyint to bigint.
    """
    return kind in INTEGERS


def is_text(kind: SqlType) -> bool:
    """Whether a type is one of text.

    Args:
        kind: The type.

    Returns:
        True for varchar and char.
    """
    return isinstance(kind, Varchar | Char)


def is_comparable(kind: SqlType) -> bool:
    """Whether values of a type can be equal to each other.

    Args:
        kind: The type.

    Returns:
        False for functions and times with a zone, and for what is made of them.
    """
    return not isinstance(kind, Function | ZonedTime) and all(map(is_comparable, kind.parts))


def is_orderable(kind: SqlType) -> bool:
    """Whether values of a type have an order.

    Args:
        kind: The type.

    Returns:
        False for maps, JSON and times with a zone, and for what is made of them.
    """
    return not isinstance(kind, Function | Map | ZonedTime) and kind != JSON and all(map(is_orderable, kind.parts))
