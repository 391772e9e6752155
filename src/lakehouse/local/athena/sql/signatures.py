"""Signatures of functions, and which of a name's overloads a call means.

A signature is written as Trino's documentation does: ``split(varchar, varchar) -> array(varchar)``. A name of one
capital letter stands for any type (``element_at(map(K, V), K) -> V``), small letters in parentheses for any length or
precision (``date_trunc(varchar, timestamp(p)) -> timestamp(p)``); a last argument with dots may come any number of
times.

https://github.com/trinodb/trino/blob/master/core/trino-main/src/main/java/io/trino/metadata/FunctionBinder.java
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakehouse.local.athena.sql.coercion import as_decimal, can_become, common_type
from lakehouse.local.athena.sql.sql_types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTEGER,
    REAL,
    SMALLINT,
    TINYINT,
    UNKNOWN,
    Array,
    Char,
    Decimal,
    Function,
    Map,
    Row,
    SqlType,
    Time,
    Timestamp,
    Varchar,
    ZonedTimestamp,
    is_comparable,
    is_orderable,
)
from lakehouse.local.athena.sql.type_text import parse_type

Result = Callable[["Binding"], SqlType]
Emit = str | Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A type in a signature, with what is left open in it.

    Attributes:
        name: The type's name, or the capital letter.
        arguments: What is in the parentheses.
    """

    name: str
    arguments: tuple[Pattern, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it stands for any type."""
        return len(self.name) == 1 and self.name.isupper()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})" if self.arguments else self.name


@dataclass(slots=True)
class Binding:
    """What the open places of a signature stand for in one call.

    Attributes:
        types: By capital letter.
        numbers: By small letter.
        zone: The zone of a timestamp with time zone, where it is known.
        cost: How far the arguments' types are from the parameters'.
        arguments: The call's arguments, as they are given: a literal can say what the result's type is.
    """

    types: dict[str, SqlType] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    zone: str | None = "UTC"
    cost: int = 0
    arguments: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function.

    Attributes:
        name: The function.
        parameters: Its parameters.
        is_variadic: Whether the last one may come any number of times.
        result: Its result: a pattern, or what computes it.
        emit: DuckDB's expression: a template, or what makes it of the call.
        kind: ``scalar``, ``aggregate`` or ``window``.
        orderable: The capital letters whose types must have an order.
    """

    name: str
    parameters: tuple[Pattern, ...]
    is_variadic: bool
    result: Pattern | Result
    emit: Emit
    kind: str = "scalar"
    orderable: str = ""

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})"


def parse_pattern(text: str) -> Pattern:
    """Read a type of a signature.

    Args:
        text: As ``map(K, array(V))``.

    Returns:
        The pattern.
    """
    name, _, rest = text.strip().partition("(")
    if not rest:
        return Pattern(name.strip())
    inside, _, after = rest.rpartition(")")
    return Pattern(
        f"{name.strip()}{' ' + after.strip() if after.strip() else ''}", tuple(map(parse_pattern, split(inside)))
    )


def split(text: str) -> list[str]:
    """Split at the commas that are in no parentheses.

    Args:
        text: Types, separated by commas.

    Returns:
        The types.
    """
    found, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            found.append(text[start:position])
            start = position + 1
    return [one.strip() for one in (*found, text[start:]) if one.strip()]


def parse_signature(text: str) -> tuple[str, tuple[Pattern, ...], bool, Pattern]:
    """Read a signature.

    Args:
        text: As ``concat(varchar...) -> varchar``.

    Returns:
        Name, parameters, whether the last may come any number of times, and the result.
    """
    call, _, result = text.partition("->")
    name, _, inside = call.strip().partition("(")
    arguments = split(inside.rpartition(")")[0])
    is_variadic = bool(arguments) and arguments[-1].endswith("...")
    parameters = tuple(parse_pattern(one.removesuffix("...")) for one in arguments)
    return name, parameters, is_variadic, parse_pattern(result)


_CLASSES: dict[str, type] = {
    "array": Array,
    "map": Map,
    "function": Function,
    "row": Row,
}
_DISTANCES: dict[SqlType, int] = {TINYINT: 0, SMALLINT: 1, INTEGER: 2, BIGINT: 3, REAL: 6, DOUBLE: 7}


def bind(overload: Overload, arguments: Sequence[SqlType | None]) -> Binding | None:
    """Match a call's arguments with a signature.

    Args:
        overload: The signature.
        arguments: Types; None for a lambda expression, which is looked at later.

    Returns:
        What the open places stand for; None where it does not match.
    """
    wanted = list(overload.parameters)
    if overload.is_variadic:
        if len(arguments) < len(wanted) - 1:
            return None
        wanted = [*wanted[:-1], *[wanted[-1]] * (len(arguments) - len(wanted) + 1)]
    if len(wanted) != len(arguments):
        return None
    binding = Binding()
    # What is certain comes first: a parameter that is only a letter takes what the others say.
    for is_letter in (False, True):
        for pattern, given in zip(wanted, arguments, strict=True):
            if (given is None) != (pattern.name == "function"):
                return None
            if given is not None and pattern.is_open == is_letter and not _match(pattern, given, binding):
                return None
    if not all(is_orderable(kind) for name, kind in binding.types.items() if name in overload.orderable):
        return None
    if not all(is_comparable(kind) for kind in binding.types.values()):
        return None
    return binding


def _match(pattern: Pattern, given: SqlType, binding: Binding) -> bool:
    if pattern.is_open:
        return _match_letter(pattern.name, given, binding)
    if given == UNKNOWN:
        for argument in pattern.arguments:
            _bind_default(argument, binding)
        binding.cost += 1
        return True
    kind = _CLASSES.get(pattern.name)
    if kind is not None:
        return (
            isinstance(given, kind)
            and len(given.parts) == len(pattern.arguments)
            and all(_match(one, part, binding) for one, part in zip(pattern.arguments, given.parts, strict=True))
        )
    return _match_scalar(pattern, given, binding)


def _bind_default(pattern: Pattern, binding: Binding) -> None:
    if pattern.is_open:
        binding.types.setdefault(pattern.name, UNKNOWN)
    elif len(pattern.name) == 1:
        binding.numbers.setdefault(pattern.name, 3)
    for argument in pattern.arguments:
        _bind_default(argument, binding)


def _match_letter(name: str, given: SqlType, binding: Binding) -> bool:
    known = binding.types.get(name)
    both = given if known is None else common_type(known, given)
    if both is None:
        return False
    if known is not None and known != given:
        binding.cost += 1
    binding.types[name] = both
    return True


def _match_scalar(pattern: Pattern, given: SqlType, binding: Binding) -> bool:
    numbers = [one.name for one in pattern.arguments]
    match pattern.name, given:
        case ("decimal", _) if (exact := as_decimal(given)) is not None and numbers:
            _bind_numbers(numbers, (exact.precision, exact.scale), binding)
            binding.cost += 0 if exact is given else 5 - _DISTANCES[given]
            return True
        case ("varchar", Varchar() | Char()):
            binding.cost += isinstance(given, Char)
            return True
        case ("char", Char()):
            return True
        case ("timestamp", Timestamp()) if numbers:
            _bind_numbers(numbers, (given.precision,), binding)
            return True
        case ("timestamp", _) if given == DATE and numbers:
            _bind_numbers(numbers, (0,), binding)
            binding.cost += 1
            return True
        case ("timestamp with time zone", ZonedTimestamp()):
            _bind_numbers(numbers, (given.precision,), binding)
            binding.zone = given.zone
            return True
        case ("timestamp with time zone", Timestamp()):
            _bind_numbers(numbers, (given.precision,), binding)
            binding.cost += 2
            return True
        case ("timestamp with time zone", _) if given == DATE:
            _bind_numbers(numbers, (0,), binding)
            binding.cost += 3
            return True
        case ("time", Time()):
            _bind_numbers(numbers, (given.precision,), binding)
            return True
    if pattern.name in {"timestamp", "timestamp with time zone", "time", "char", "decimal"} and numbers:
        return False
    wanted = parse_type(str(pattern))
    if not can_become(given, wanted):
        return False
    if given != wanted:
        binding.cost += _distance(given, wanted)
    return True


def _bind_numbers(names: Sequence[str], values: Sequence[int], binding: Binding) -> None:
    for name, value in zip(names, values, strict=False):
        binding.numbers[name] = max(value, binding.numbers.get(name, 0))


def _distance(given: SqlType, wanted: SqlType) -> int:
    ranks = [4 if isinstance(kind, Decimal) else _DISTANCES.get(kind, 0) for kind in (given, wanted)]
    return max(1, ranks[1] - ranks[0])


def filled(pattern: Pattern, binding: Binding) -> SqlType:
    """The type that a pattern stands for in a call.

    Args:
        pattern: The pattern.
        binding: What its open places stand for.

    Returns:
        The type.
    """
    if pattern.is_open:
        return binding.types.get(pattern.name, UNKNOWN)
    match pattern.name:
        case "array":
            return Array(filled(pattern.arguments[0], binding))
        case "map":
            return Map(filled(pattern.arguments[0], binding), filled(pattern.arguments[1], binding))
        case "function":
            *parameters, result = (filled(one, binding) for one in pattern.arguments)
            return Function(tuple(parameters), result)
        case "row":
            return Row((None,) * len(pattern.arguments), tuple(filled(one, binding) for one in pattern.arguments))
        case "timestamp with time zone":
            precision = _number(pattern.arguments[0], binding) if pattern.arguments else 3
            return ZonedTimestamp(precision, binding.zone)
        case "decimal" if pattern.arguments:
            return Decimal(_number(pattern.arguments[0], binding), _number(pattern.arguments[1], binding))
        case "timestamp" if pattern.arguments:
            return Timestamp(_number(pattern.arguments[0], binding))
        case "time" if pattern.arguments:
            return Time(_number(pattern.arguments[0], binding))
    return parse_type(str(pattern))


def _number(pattern: Pattern, binding: Binding) -> int:
    return int(pattern.name) if pattern.name.isdigit() else binding.numbers.get(pattern.name, 3)


def closest(overloads: Sequence[Overload], arguments: Sequence[SqlType | None]) -> tuple[Overload, Binding] | None:
    """The overload that a call means.

    Args:
        overloads: All of the function.
        arguments: Types of the arguments; None for lambda expressions.

    Returns:
        The overload whose parameters are closest, and its binding; None where none matches.
    """
    found = [(overload, binding) for overload in overloads if (binding := bind(overload, arguments)) is not None]
    return min(found, key=lambda one: one[1].cost) if found else None


Signatures = Mapping[str, Sequence[Overload]]
