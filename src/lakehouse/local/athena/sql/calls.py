"""Calls of functions: overloads, lambda expressions, aggregates and windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse.local.athena.failures import StatementFailedError, not_supported
from lakehouse.local.athena.sql.coercion import can_become, common_type
from lakehouse.local.athena.sql.functions import FUNCTIONS, NOT_EXECUTED
from lakehouse.local.athena.sql.signatures import Binding, Overload, Pattern, closest, filled
from lakehouse.local.athena.sql.sql_types import UNKNOWN, Function, SqlType, Varchar
from lakehouse.local.athena.sql.typed import Typed

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.statement import Statement


@dataclass(frozen=True, slots=True)
class Lambda:
    """A lambda expression, as an argument.

    Attributes:
        count: How many parameters it has.
        apply: Makes the body's expression of the parameters'.
    """

    count: int
    apply: Callable[[Sequence[Typed]], Typed]


Argument = Typed | Lambda


@dataclass(slots=True)
class Call:
    """A call, as what emits its expression sees it.

    Attributes:
        name: The function.
        arguments: Values in the parameters' types.
        lambdas: Lambda expressions by position.
        binding: What the signature's open places stand for.
        result: Type of the result.
        statement: The statement.
        depth: How many lambda expressions are around.
        is_distinct: Whether an aggregate counts equal values once.
        order: DuckDB's text of an aggregate's ORDER BY.
        tail: DuckDB's text of FILTER and OVER.
        parameters: The parameters' types.
        nulls: ``IGNORE NULLS`` or nothing, of a window function.
    """

    name: str
    arguments: list[Typed]
    lambdas: dict[int, Lambda]
    binding: Binding
    result: SqlType
    statement: Statement
    depth: int = 0
    is_distinct: bool = False
    order: str = ""
    tail: str = ""
    nulls: str = ""
    parameters: list[SqlType] = field(default_factory=list)

    def __getitem__(self, index: int) -> str:
        return self.arguments[index].sql

    @property
    def sql(self) -> list[str]:
        """DuckDB's texts of the arguments."""
        return [one.sql for one in self.arguments]

    def names(self, count: int) -> list[str]:
        """Names for a lambda expression's parameters.

        Args:
            count: How many.

        Returns:
            Names that no expression around uses.
        """
        return [f"p{self.depth}_{index}" for index in range(count)]

    def body(self, index: int, *parameters: str) -> str:
        """A lambda expression's body, in the type that the signature wants.

        Args:
            index: The argument's position.
            parameters: DuckDB's texts of its parameters.

        Returns:
            DuckDB's text.
        """
        kind = self.parameters[index]
        assert isinstance(kind, Function)  # noqa: S101 - only such have lambdas
        given = [Typed(sql, one) for sql, one in zip(parameters, kind.parameters, strict=True)]
        found = self.lambdas[index].apply(given)
        if not can_become(found.type, kind.result):
            raise StatementFailedError(
                "TYPE_MISMATCH", f"Lambda expression of {self.name} must be of type {kind.result}, not {found.type}"
            )
        return found.as_type(kind.result).sql


def resolve(name: str, arguments: Sequence[Argument]) -> tuple[Overload, Binding, list[SqlType]]:
    """Find the overload that a call means, and the types of its parameters.

    Args:
        name: The function, in lower case.
        arguments: The arguments.

    Returns:
        Overload, binding and the parameters' types.

    Raises:
        StatementFailedError: There is no such function, or none for these arguments.
    """
    overloads = FUNCTIONS.get(name)
    if overloads is None:
        if name in NOT_EXECUTED:
            raise not_supported(f"The function {name}", "Write it with other functions, or run the query on AWS.")
        raise StatementFailedError("FUNCTION_NOT_FOUND", f"Function '{name}' not registered")
    kinds = [one.type if isinstance(one, Typed) else None for one in arguments]
    found = closest(overloads, kinds)
    if found is None:
        shown = ", ".join("<function>" if kind is None else str(kind) for kind in kinds)
        expected = ", ".join(map(str, overloads))
        raise StatementFailedError(
            "FUNCTION_NOT_FOUND", f"Unexpected parameters ({shown}) for function {name}. Expected: {expected}"
        )
    overload, binding = found
    binding.arguments = arguments
    patterns = list(overload.parameters)
    if overload.is_variadic:
        patterns = [*patterns[:-1], *[patterns[-1]] * (len(arguments) - len(patterns) + 1)]
    _bind_lambdas(patterns, arguments, binding)
    return overload, binding, [filled(pattern, binding) for pattern in patterns]


def _bind_lambdas(patterns: Sequence[Pattern], arguments: Sequence[Argument], binding: Binding) -> None:
    """Learn from the bodies of lambda expressions what the letters in their results stand for."""
    for pattern, argument in zip(patterns, arguments, strict=True):
        if isinstance(argument, Typed):
            continue
        *parameters, result = pattern.arguments
        if len(parameters) != argument.count:
            raise StatementFailedError(
                "INVALID_PARAMETER_USAGE",
                f"Expected a lambda that takes {len(parameters)} argument(s) but got {argument.count}",
            )
        types = [filled(one, binding) for one in parameters]
        kind = argument.apply([Typed(f"p_{index}", one) for index, one in enumerate(types)]).type
        if not result.is_open:
            continue
        known = binding.types.get(result.name, UNKNOWN)
        # A text's length is no part of what is agreed on: the state of ``reduce`` may grow.
        if known == UNKNOWN or (isinstance(known, Varchar) and isinstance(kind, Varchar)):
            binding.types[result.name] = common_type(known, kind) or kind


def emitted(call: Call, overload: Overload) -> str:
    """DuckDB's expression of a call.

    Args:
        call: The call.
        overload: The overload that it means.

    Returns:
        DuckDB's text.
    """
    if not isinstance(overload.emit, str):
        return overload.emit(call)
    return overload.emit.format(
        *call.sql,
        args=", ".join(call.sql),
        distinct="DISTINCT " if call.is_distinct else "",
        order=call.order,
        tail=call.tail,
        nulls=call.nulls,
        type=call.result.duck,
    )
