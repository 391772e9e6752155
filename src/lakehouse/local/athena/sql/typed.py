"""An expression that was understood: DuckDB's text of it, and its type."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lakehouse.local.athena.sql.coercion import common_type_of, converted
from lakehouse.local.athena.sql.sql_types import SqlType

_ATOM = re.compile(r"""[\w."$]+|'(?:[^']|'')*'|\d+(\.\d+)?""")


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression.

    Attributes:
        sql: DuckDB's text, which can stand anywhere: it is in parentheses where it needs them.
        type: Its type.
        value: A literal's value.
        is_literal: Whether it is a literal.
    """

    sql: str
    type: SqlType
    value: Any = None
    is_literal: bool = False

    def as_type(self, wanted: SqlType) -> Typed:
        """The expression in a type that it can become.

        Args:
            wanted: The type.

        Returns:
            The expression; a literal stays one.
        """
        if self.type == wanted and self.type.duck == wanted.duck:
            return self
        return Typed(converted(self.sql, self.type, wanted), wanted, self.value, self.is_literal)


def is_atom(sql: str) -> bool:
    """Whether an expression can be written twice without work being done twice.

    Args:
        sql: DuckDB's text.

    Returns:
        True for names and literals.
    """
    return bool(_ATOM.fullmatch(sql))


def let(sql: str, body: Callable[[str], str]) -> str:
    """Use an expression several times, and have it computed once.

    Args:
        sql: DuckDB's text.
        body: Makes the text that uses it.

    Returns:
        DuckDB's text.
    """
    if is_atom(sql):
        return body(sql)
    # A name of its own, so that nothing inside hides it, and always the same one: DuckDB compares texts in GROUP BY.
    name = f"v{zlib.crc32(sql.encode()):08x}"
    return f"list_extract(list_transform([{sql}], lambda {name}: {body(name)}), 1)"


def unified(expressions: Iterable[Typed]) -> list[Typed] | None:
    """Expressions in the type that all become where they meet.

    Args:
        expressions: One at least.

    Returns:
        The expressions; None where Trino has no such type.
    """
    listed = list(expressions)
    kind = common_type_of([one.type for one in listed])
    return None if kind is None else [one.as_type(kind) for one in listed]
