"""How JSON_VALUE and its kin are written: their clauses, which sqlglot's grammar has only some of.

https://trino.io/docs/current/functions/json.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from lakehouse.local.athena.failures import not_supported


@dataclass(slots=True)
class JsonCall:
    """The clauses of a call; expressions are named by their places among the call's.

    Attributes:
        input: The document, or None.
        is_json: Which expressions are JSON, by FORMAT JSON.
        path: The path.
        passed: Names and values of what the path may refer to.
        returning: The result's type, as it is written.
        wrapper: ``without``, ``conditional`` or ``unconditional``.
        keeps_quotes: Whether a text stays in quotes.
        on_empty: What comes of no items: a word, or the place of a default.
        on_error: What comes of an error.
        members: Keys and values of an object; of an array, values.
        is_absent: Whether nulls are left out; None where nothing is said.
    """

    input: int | None = None
    is_json: set[int] = field(default_factory=set)
    path: str = ""
    passed: list[tuple[str, int]] = field(default_factory=list)
    returning: exp.DataType | None = None
    wrapper: str = "without"
    keeps_quotes: bool = True
    on_empty: str | int | None = None
    on_error: str | int | None = None
    members: list[tuple[int | None, int]] = field(default_factory=list)
    is_absent: bool | None = None


class _Clauses:
    """Reads the clauses of one call, from sqlglot's parser."""

    def __init__(self, parser: Any) -> None:
        self.parser = parser
        self.call = JsonCall()
        self.expressions: list[exp.Expression] = []

    def expression(self, *, may_be_json: bool = True) -> int:
        found = self.parser._parse_disjunction()
        if found is None:
            self.parser.raise_error("Expected an expression")
        self.expressions.append(found)
        place = len(self.expressions) - 1
        if may_be_json and self.format():
            self.call.is_json.add(place)
        return place

    def skip(self, *words: str) -> bool:
        return bool(self.parser._match_text_seq(*words))

    def format(self) -> bool:
        """FORMAT JSON."""
        if not self.skip("FORMAT", "JSON"):
            return False
        if self.skip("ENCODING") and not self.skip("UTF8"):
            raise not_supported("An encoding of JSON other than UTF8")
        return True

    def comma(self) -> bool:
        return bool(self.parser._match(TokenType.COMMA))

    def query(self) -> None:
        """The document, the path and what is passed to it."""
        self.call.input = self.expression()
        if not self.comma():
            self.parser.raise_error("Expected a JSON path")
        path = self.parser._parse_string()
        if path is None:
            self.parser.raise_error("Expected a JSON path")
        self.call.path = str(path.this)
        if self.skip("PASSING"):
            while True:
                place = self.expression()
                self.parser._match(TokenType.ALIAS)
                name = self.parser._parse_id_var()
                if name is None:
                    self.parser.raise_error("Expected a name")
                self.call.passed.append((name.name if name.args.get("quoted") else name.name.upper(), place))
                if not self.comma():
                    break

    def returning(self) -> None:
        if self.skip("RETURNING"):
            self.call.returning = self.parser._parse_types()
            self.format()

    def conditions(self, words: tuple[str, ...], *, has_default: bool = False) -> None:
        """ON EMPTY and ON ERROR."""
        while True:
            found: str | int | None = None
            for word in words:
                if self.skip(*word.split()):
                    found = word
                    break
            if found is None and has_default and self.skip("DEFAULT"):
                found = self.expression(may_be_json=False)
            if found is None:
                return
            if self.skip("ON", "EMPTY"):
                self.call.on_empty = found
            elif self.skip("ON", "ERROR"):
                self.call.on_error = found
            else:
                self.parser.raise_error("Expected ON EMPTY or ON ERROR")

    def nulls(self) -> None:
        if self.skip("NULL", "ON", "NULL"):
            self.call.is_absent = False
        elif self.skip("ABSENT", "ON", "NULL"):
            self.call.is_absent = True

    def finished(self, name: str) -> exp.Anonymous:
        made = exp.Anonymous(this=name, expressions=self.expressions)
        made.meta["json"] = self.call
        return made


def _value(parser: Any) -> exp.Expression:
    clauses = _Clauses(parser)
    clauses.query()
    clauses.returning()
    clauses.conditions(("ERROR", "NULL"), has_default=True)
    return clauses.finished("json_value")


def _exists(parser: Any) -> exp.Expression:
    clauses = _Clauses(parser)
    clauses.query()
    clauses.conditions(("TRUE", "FALSE", "UNKNOWN", "ERROR"))
    return clauses.finished("json_exists")


def _query(parser: Any) -> exp.Expression:
    clauses = _Clauses(parser)
    clauses.query()
    clauses.returning()
    if clauses.skip("WITHOUT"):
        clauses.skip("ARRAY")
        clauses.skip("WRAPPER")
    elif clauses.skip("WITH"):
        is_conditional = clauses.skip("CONDITIONAL")
        if not is_conditional:
            clauses.skip("UNCONDITIONAL")
        clauses.call.wrapper = "conditional" if is_conditional else "unconditional"
        clauses.skip("ARRAY")
        clauses.skip("WRAPPER")
    if clauses.skip("OMIT", "QUOTES"):
        clauses.call.keeps_quotes = False
    else:
        clauses.skip("KEEP", "QUOTES")
    clauses.skip("ON", "SCALAR", "STRING")
    clauses.conditions(("ERROR", "NULL", "EMPTY ARRAY", "EMPTY OBJECT"))
    return clauses.finished("json_query")


def _is_at_end(parser: Any) -> bool:
    token = parser._curr
    return token is None or token.token_type == TokenType.R_PAREN or token.text.upper() == "RETURNING"


def _array(parser: Any) -> exp.Expression:
    clauses = _Clauses(parser)
    while not _is_at_end(parser):
        clauses.call.members.append((None, clauses.expression()))
        if not clauses.comma():
            break
    clauses.nulls()
    clauses.returning()
    return clauses.finished("json_array")


def _object(parser: Any) -> exp.Expression:
    clauses = _Clauses(parser)
    while not _is_at_end(parser):
        has_key = clauses.skip("KEY")
        key = clauses.expression(may_be_json=False)
        if not clauses.skip("VALUE") and (has_key or not parser._match(TokenType.COLON)):
            parser.raise_error("Expected VALUE")
        clauses.call.members.append((key, clauses.expression()))
        if not clauses.comma():
            break
    clauses.nulls()
    if not clauses.skip("WITH", "UNIQUE"):
        clauses.skip("WITHOUT", "UNIQUE")
    clauses.skip("KEYS")
    clauses.returning()
    return clauses.finished("json_object")


# What reads the inside of the parentheses, by the function's name.
PARSERS: dict[str, Callable[[Any], exp.Expression]] = {
    "JSON_VALUE": _value,
    "JSON_EXISTS": _exists,
    "JSON_QUERY": _query,
    "JSON_ARRAY": _array,
    "JSON_OBJECT": _object,
}
