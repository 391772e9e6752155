"""What several sections of functions are made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.casts import failing
from lakehouse.local.athena.sql.functions.library import python
from lakehouse.local.athena.sql.sql_types import SqlType, literal
from lakehouse.local.athena.sql.typed import is_atom, let

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call


def lets(texts: Sequence[str], body: Callable[[list[str]], str]) -> str:
    """Use several expressions where they are needed more than once, or inside a lambda expression of DuckDB's.

    Args:
        texts: DuckDB's texts.
        body: Makes the text that uses them.

    Returns:
        DuckDB's text; each expression is computed once.
    """
    held = {f"a{index}": text for index, text in enumerate(texts) if not is_atom(text)}
    if not held:
        return body(list(texts))
    packed = ", ".join(f"{name} := {text}" for name, text in held.items())
    return let(
        f"struct_pack({packed})",
        lambda x: body([f"{x}.a{index}" if f"a{index}" in held else text for index, text in enumerate(texts)]),
    )


def strict(texts: Sequence[str], body: str) -> str:
    """Null where an argument is null.

    Args:
        texts: DuckDB's texts of the arguments.
        body: What it is where none is null.

    Returns:
        DuckDB's text.
    """
    return f"CASE WHEN {' AND '.join(f'{one} IS NOT NULL' for one in texts)} THEN {body} END"


def refused(condition: str, message: str, kind: SqlType, otherwise: str) -> str:
    """An expression that fails for some arguments.

    Args:
        condition: DuckDB's text of when it fails.
        message: What is wrong.
        kind: The result's type.
        otherwise: DuckDB's text of the result.

    Returns:
        DuckDB's text.
    """
    failure = failing("INVALID_FUNCTION_ARGUMENT", literal(message), kind)
    return f"CASE WHEN {condition} THEN {failure} ELSE {otherwise} END"


def refuse(text: str, code: str = "INVALID_FUNCTION_ARGUMENT") -> NoReturn:
    """Fail, in a function that DuckDB calls.

    Args:
        text: What is wrong.
        code: Trino's name of the error.

    Raises:
        StatementFailedError: Always.
    """
    raise StatementFailedError(code, text)


def optional(name: str, parameters: str, result: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a function in Python whose result may be None: DuckDB is given a list of one or no value.

    Args:
        name: The name under which it is called; ``first`` takes the value out of the list.
        parameters: DuckDB's types, separated by commas.
        result: DuckDB's type of the value.

    Returns:
        The decorator; it returns the function unchanged.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def listed(*arguments: Any) -> list[Any]:
            found = function(*arguments)
            return [] if found is None else [found]

        python(name, parameters, f"{result}[]")(listed)
        return function

    return decorate


def first(name: str, *arguments: str) -> str:
    """A call of an ``optional`` function.

    Args:
        name: The function.
        arguments: DuckDB's texts; by default the call's own arguments, as a template.

    Returns:
        DuckDB's text.
    """
    return f"list_extract({name}({', '.join(arguments) or '{args}'}), 1)"


def entries(call: Call, pairs: str) -> str:
    """A map of pairs, of which the first with a key counts.

    Args:
        call: The call whose result it is.
        pairs: DuckDB's text of a list of structs of ``k`` and ``v``, without null keys.

    Returns:
        DuckDB's text.
    """

    def body(x: str) -> str:
        keys = f"list_transform({x}, lambda e_k: e_k.k)"
        return let(keys, lambda k: f"map_from_entries(list_filter({x}, lambda e, i: list_position({k}, e.k) = i))")

    return f"CAST({let(pairs, body)} AS {call.result.duck})"
