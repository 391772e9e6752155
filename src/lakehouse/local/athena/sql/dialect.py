"""Athena's SQL as a tree: sqlglot's parser for Trino, with functions left as they are written.

sqlglot gives functions of many dialects one class, so that a function can be written in another dialect; which of
Trino's functions a call means is lost on the way. Here functions are looked up in our own table (``functions``), so the
parser keeps names and arguments.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.parsers.trino import TrinoParser

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql import json_grammar

# Functions with a syntax of their own.
_KEPT = frozenset({"CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "NORMALIZE", "LISTAGG"})


class AthenaParser(TrinoParser):
    """Trino's grammar; what is called is not interpreted."""

    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: parse for name, parse in TrinoParser.FUNCTION_PARSERS.items() if name in _KEPT
    } | json_grammar.PARSERS
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}

    def _parse_type(self, *arguments: Any, **options: Any) -> Any:
        """A value; one with its type before it, as ``DATE '2024-01-01'``, is marked as such: it is no CAST."""
        first = self._curr
        found = super()._parse_type(*arguments, **options)
        if isinstance(found, exp.Cast) and first is not None and first.text.upper() not in {"CAST", "TRY_CAST"}:
            found.meta["typed_literal"] = first.text
        return found

    def _parse_escape(self, this: Any) -> Any:
        """LIKE … ESCAPE takes any value, not literals only."""
        if not self._match(TokenType.ESCAPE):
            return this
        return self.expression(exp.Escape(this=this, expression=self._parse_bitwise()))


class AthenaSql(Trino):
    """The dialect: subscripts stay as they are written."""

    INDEX_OFFSET = 0
    Parser = AthenaParser


_BINARY = re.compile(r"\bX'([0-9A-Fa-f\s]*)'")
_UNICODE = re.compile(r"\bU&'((?:[^']|'')*)'(?:\s+UESCAPE\s+'(.)')?", re.IGNORECASE)


def parse(text: str) -> exp.Expr:
    """Read one statement.

    Args:
        text: SQL without a semicolon at the end.

    Returns:
        The tree.

    Raises:
        StatementFailedError: It is no SQL, or more than one statement.
    """
    try:
        trees = sqlglot.parse(_plain_literals(text), read=AthenaSql)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        line, column = first.get("line"), first.get("col")
        found = str(first.get("highlight") or "")
        told = f"mismatched input '{found}'" if found else str(first.get("description") or error)
        raise StatementFailedError("SYNTAX_ERROR", told, line=line, column=column) from error
    except (TokenError, SqlglotError) as error:
        raise StatementFailedError("SYNTAX_ERROR", str(error)) from error
    if len(trees) != 1 or trees[0] is None:
        raise StatementFailedError("SYNTAX_ERROR", "Only one sql statement is allowed")
    return trees[0]


def _plain_literals(text: str) -> str:
    """Literals that sqlglot does not read, written as such that it does."""
    if "X'" in text or "x'" in text:
        text = _BINARY.sub(lambda found: "X'" + re.sub(r"\s", "", found[1]) + "'", text)
    if "U&'" in text.upper():
        text = _UNICODE.sub(_decoded, text)
    return text


def _decoded(found: re.Match[str]) -> str:
    escape = re.escape(found[2] or "\\")
    body = re.sub(
        rf"{escape}(?:([0-9A-Fa-f]{{4}})|\+([0-9A-Fa-f]{{6}})|({escape}))",
        lambda part: part[3] or chr(int(part[1] or part[2], 16)),
        found[1],
    )
    return f"'{body}'"
