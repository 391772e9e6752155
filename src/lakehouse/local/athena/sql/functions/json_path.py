"""The path language of JSON_VALUE and its kin: from a text to a tree.

https://trino.io/docs/current/functions/json.html#json-path-language
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from lakehouse.local.athena.failures import StatementFailedError, not_supported

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<text>"(?:[^"\\]|\\.)*")
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<variable>\$(?:"[^"]*"|[A-Za-z_][A-Za-z0-9_]*)?)
    |(?P<sign>&&|\|\||\.\.|==|<>|!=|<=|>=|[-+*/%.,\[\]()?@<>!]))""",
    re.VERBOSE,
)
METHODS = frozenset({"type", "size", "double", "ceiling", "floor", "abs", "keyvalue"})
_COMPARISONS = ("==", "<>", "!=", "<", ">", "<=", ">=")
_CONSTANTS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a path.

    Attributes:
        kind: What it does: ``literal``, ``context``, ``variable``, ``item``, ``last``, ``sign``, ``binary``,
            ``member``, ``members``, ``descendant``, ``elements``, ``subscripts``, ``filter``, ``method``; and of
            predicates ``and``, ``or``, ``not``, ``exists``, ``unknown``, ``starts``, ``compare``.
        value: A literal's value, or a name, or an operator.
        parts: What it is made of.
    """

    kind: str
    value: Any = None
    parts: tuple[Any, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Path:
    """A path.

    Attributes:
        is_lax: Whether structural errors are passed over.
        root: What it does.
    """

    is_lax: bool
    root: Node


class _Parser:
    """Reads a path, token by token."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                raise self._wrong()
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            position = found.end()
        self._next = 0

    def _wrong(self) -> StatementFailedError:
        return StatementFailedError("INVALID_PATH", f"Invalid JSON path: '{self._text}'")

    def _peek(self, offset: int = 0) -> str:
        place = self._next + offset
        return self._tokens[place][1] if place < len(self._tokens) else ""

    def _take(self) -> tuple[str, str]:
        if self._next >= len(self._tokens):
            raise self._wrong()
        self._next += 1
        return self._tokens[self._next - 1]

    def _skip(self, *texts: str) -> bool:
        if [self._peek(index) for index in range(len(texts))] != list(texts):
            return False
        self._next += len(texts)
        return True

    def _expect(self, text: str) -> None:
        if not self._skip(text):
            raise self._wrong()

    def whole(self) -> Path:
        mode = self._take()[1]
        if mode not in {"lax", "strict"}:
            raise self._wrong()
        root = self._sum()
        if self._next < len(self._tokens):
            raise self._wrong()
        return Path(mode == "lax", root)

    def _sum(self) -> Node:
        found = self._product()
        while self._peek() in {"+", "-"}:
            found = Node("binary", self._take()[1], (found, self._product()))
        return found

    def _product(self) -> Node:
        found = self._signed()
        while self._peek() in {"*", "/", "%"}:
            found = Node("binary", self._take()[1], (found, self._signed()))
        return found

    def _signed(self) -> Node:
        if self._peek() in {"+", "-"}:
            return Node("sign", self._take()[1], (self._signed(),))
        return self._accessors(self._primary())

    def _primary(self) -> Node:
        kind, text = self._take()
        if kind == "number":
            if re.fullmatch(r"\d+", text):
                return Node("literal", int(text))
            return Node("literal", float(text) if "e" in text.lower() else Decimal(text))
        if kind == "text":
            return Node("literal", json.loads(text))
        if kind == "variable":
            return Node("variable", text[1:].strip('"')) if len(text) > 1 else Node("context")
        if text in _CONSTANTS:
            return Node("literal", _CONSTANTS[text])
        if text in {"@", "last"}:
            return Node("item" if text == "@" else "last")
        if text == "(":
            found = self._sum()
            self._expect(")")
            return found
        raise self._wrong()

    def _accessors(self, base: Node) -> Node:
        found = base
        while True:
            if self._skip("."):
                found = self._member(found)
            elif self._skip(".."):
                found = Node("descendant", self._key(), (found,))
            elif self._skip("["):
                found = self._subscripts(found)
            elif self._skip("?"):
                self._expect("(")
                found = Node("filter", None, (found, self._predicate()))
                self._expect(")")
            else:
                return found

    def _key(self) -> str:
        kind, text = self._take()
        if kind == "text":
            return str(json.loads(text))
        if kind != "name":
            raise self._wrong()
        return text

    def _member(self, base: Node) -> Node:
        if self._skip("*"):
            return Node("members", None, (base,))
        is_method = self._peek(1) == "(" and self._tokens[self._next][0] == "name"
        name = self._key()
        if not is_method:
            return Node("member", name, (base,))
        if name not in METHODS:
            raise not_supported(f"The path method {name}()")
        self._expect("(")
        self._expect(")")
        return Node("method", name, (base,))

    def _subscripts(self, base: Node) -> Node:
        if self._skip("*", "]"):
            return Node("elements", None, (base,))
        ranges = []
        while True:
            first = self._sum()
            ranges.append((first, self._sum() if self._skip("to") else None))
            if not self._skip(","):
                break
        self._expect("]")
        return Node("subscripts", tuple(ranges), (base,))

    def _predicate(self) -> Node:
        found = self._conjunction()
        while self._skip("||"):
            found = Node("or", None, (found, self._conjunction()))
        return found

    def _conjunction(self) -> Node:
        found = self._test()
        while self._skip("&&"):
            found = Node("and", None, (found, self._test()))
        return found

    def _test(self) -> Node:
        if self._skip("!"):
            return Node("not", None, (self._delimited(),))
        if self._peek() == "exists":
            return self._delimited()
        if self._peek() == "(":
            start = self._next
            try:
                found = self._delimited()
            except StatementFailedError:
                found = None
            if found is not None and self._skip("is", "unknown"):
                return Node("unknown", None, (found,))
            if found is not None and self._peek() in {"", ")", "&&", "||"}:
                return found
            # The parentheses were those of a value.
            self._next = start
        return self._compared()

    def _delimited(self) -> Node:
        if self._skip("exists"):
            self._expect("(")
            found = Node("exists", None, (self._sum(),))
        else:
            self._expect("(")
            found = self._predicate()
        self._expect(")")
        return found

    def _compared(self) -> Node:
        left = self._sum()
        if self._peek() == "like_regex":
            raise not_supported("The path predicate like_regex")
        if self._skip("starts", "with"):
            return Node("starts", None, (left, self._primary()))
        operator = self._take()[1]
        if operator not in _COMPARISONS:
            raise self._wrong()
        return Node("compare", operator, (left, self._sum()))


@lru_cache(maxsize=500)
def parse_path(text: str) -> Path:
    """Read a path.

    Args:
        text: As ``lax $.children[*]?(@ > 10)``.

    Returns:
        The path.

    Raises:
        StatementFailedError: It is none.
    """
    return _Parser(text).whole()
