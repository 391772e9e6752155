"""How functions are declared.

    scalar("abs(bigint) -> bigint", "abs({0})")

declares an overload. The text is DuckDB's, with the arguments in their places; it may also be a function that makes
the text of a ``Call``. Where DuckDB has nothing that does the same, a macro (``macro``) or a Python function
(``python``) is declared once and called like a function of DuckDB's; a query is given those whose names it calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.signatures import Emit, Overload, Result, parse_signature, split

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

FUNCTIONS: dict[str, list[Overload]] = {}
# DuckDB's statements that make a macro, by its name.
MACROS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A function that DuckDB calls.

    Attributes:
        function: Takes and returns values; None in is None out.
        parameters: DuckDB's types.
        result: DuckDB's type.
    """

    function: Callable[..., Any]
    parameters: tuple[str, ...]
    result: str


# Functions in Python, by the name under which DuckDB calls them.
UDFS: dict[str, PythonFunction] = {}


def scalar(
    signature: str,
    emit: Emit | Callable[[Call], str],
    *,
    orderable: str = "",
    result: Result | None = None,
    kind: str = "scalar",
) -> None:
    """Declare an overload of a function.

    Args:
        signature: As Trino's documentation has it, see ``signatures``.
        emit: DuckDB's text with ``{0}`` for the first argument, ``{args}`` for all; or what makes it.
        orderable: The capital letters whose types must have an order.
        result: Computes the result's type where a pattern cannot say it.
        kind: ``scalar``, ``aggregate`` or ``window``.
    """
    name, parameters, is_variadic, pattern = parse_signature(signature)
    FUNCTIONS.setdefault(name, []).append(
        Overload(name, parameters, is_variadic, result or pattern, emit, kind, orderable)
    )


def aggregate(
    signature: str,
    emit: Emit | Callable[[Call], str],
    *,
    orderable: str = "",
    result: Result | None = None,
) -> None:
    """Declare an overload of an aggregate function.

    Args:
        signature: See ``scalar``.
        emit: DuckDB's text; ``{distinct}``, ``{order}`` and ``{tail}`` say where DISTINCT, ORDER BY, and FILTER and
            OVER go.
        orderable: See ``scalar``.
        result: See ``scalar``.
    """
    scalar(signature, emit, orderable=orderable, result=result, kind="aggregate")


def alias(name: str, known: str) -> None:
    """Declare another name of a function.

    Args:
        name: The name.
        known: The function, declared before.
    """
    FUNCTIONS[name] = FUNCTIONS[known]


def macro(name: str, body: str) -> str:
    """Declare a macro of DuckDB's.

    Args:
        name: Its name and parameters, as ``athena_x(a, b)``.
        body: What it computes.

    Returns:
        The name alone.
    """
    plain = name.partition("(")[0]
    MACROS[plain] = f"CREATE OR REPLACE MACRO {name} AS {body}"
    return plain


def python(name: str, parameters: str, result: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a function in Python that DuckDB calls, where no argument is null.

    It fails as a statement does, with ``StatementFailedError``, and may return null.

    Args:
        name: The name under which it is called.
        parameters: DuckDB's types, separated by commas.
        result: DuckDB's type.

    Returns:
        The decorator; it returns the function unchanged.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def called(*arguments: Any) -> Any:
            try:
                return None if any(one is None for one in arguments) else function(*arguments)
            except StatementFailedError as error:
                # DuckDB passes on only the text; ``duck.failure_of`` finds it there.
                raise ValueError(f"[[{error.code}: {error.text}]]") from error

        UDFS[name] = PythonFunction(called, tuple(split(parameters)), result)
        return function

    return decorate
