"""The words of a statement that is not a query: data definition, mostly in Hive's syntax.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lakehouse.local.athena.failures import StatementFailedError

_PATTERN = re.compile(
    r"""\s+ | --[^\n]* | /\*.*?\*/
    | (?P<string>'(?:[^']|'')*' | "(?:[^"\\]|\\.|"")*")
    | (?P<back>`(?:[^`]|``)*`)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<word>[\w$@]+)
    | (?P<sign><>|!=|<=|>=|=>|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Token:
    """A word.

    Attributes:
        kind: ``string``, ``back``, ``number``, ``word`` or ``sign``.
        text: As it is written.
        start: Where it begins in the statement.
        end: Where it ends.
    """

    kind: str
    text: str
    start: int
    end: int


class Tokens:
    """A statement, read word by word."""

    def __init__(self, statement: str) -> None:
        """Split a statement.

        Args:
            statement: Its text.
        """
        self.statement = statement
        self._tokens = [
            Token(found.lastgroup, found[0], found.start(), found.end())
            for found in _PATTERN.finditer(statement)
            if found.lastgroup is not None
        ]
        self._next = 0

    @property
    def is_done(self) -> bool:
        """Whether all words were read."""
        return self._next >= len(self._tokens)

    def peek(self, ahead: int = 0) -> str:
        """A word that comes, in lower case.

        Args:
            ahead: How many words are before it.

        Returns:
            The word; empty behind the last one.
        """
        index = self._next + ahead
        return self._tokens[index].text.lower() if index < len(self._tokens) else ""

    def take(self) -> Token:
        """Read the next word.

        Returns:
            The word.

        Raises:
            StatementFailedError: There is none.
        """
        if self.is_done:
            raise self.unexpected()
        token = self._tokens[self._next]
        self._next += 1
        return token

    def accept(self, *words: str) -> bool:
        """Read these words if they come next.

        Args:
            words: In lower case.

        Returns:
            True where they did.
        """
        if all(self.peek(index) == word for index, word in enumerate(words)):
            self._next += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        """Read words that must come next.

        Args:
            words: In lower case.

        Raises:
            StatementFailedError: Others do.
        """
        for word in words:
            if not self.accept(word):
                raise self.unexpected(word)

    def unexpected(self, wanted: str = "") -> StatementFailedError:
        """The failure of a word that cannot stand where it does.

        Args:
            wanted: What was expected.

        Returns:
            The failure, to be raised.
        """
        found = "<EOF>" if self.is_done else self._tokens[self._next].text
        place = len(self.statement) if self.is_done else self._tokens[self._next].start
        before = self.statement[:place]
        expecting = f". Expecting: '{wanted.upper()}'" if wanted else ""
        return StatementFailedError(
            "SYNTAX_ERROR",
            f"mismatched input '{found}'{expecting}",
            line=before.count("\n") + 1,
            column=place - before.rfind("\n"),
        )

    def identifier(self) -> str:
        """Read a name.

        Returns:
            It, without quotes.

        Raises:
            StatementFailedError: No name comes next.
        """
        token = self._tokens[self._next] if not self.is_done else None
        if token is None or token.kind in {"sign", "number"} or token.text.startswith("'"):
            raise self.unexpected("identifier")
        self._next += 1
        return unquoted(token)

    def name(self) -> list[str]:
        """Read a name with dots.

        Returns:
            Its parts.
        """
        parts = [self.identifier()]
        while self.peek() == ".":
            self.take()
            parts.append(self.identifier())
        return parts

    def string(self) -> str:
        """Read a text in quotes.

        Returns:
            It, without them.

        Raises:
            StatementFailedError: None comes next.
        """
        if self.is_done or self._tokens[self._next].kind != "string":
            raise self.unexpected("string")
        return unquoted(self.take())

    def listed(self, item: Callable[[], T]) -> list[T]:
        """Read a list in parentheses.

        Args:
            item: Reads one of its items.

        Returns:
            The items.
        """
        self.expect("(")
        found = [item()]
        while self.accept(","):
            found.append(item())
        self.expect(")")
        return found

    def properties(self) -> dict[str, str]:
        """Read properties, as ``('a'='b', 'c'='d')``.

        Returns:
            Values by name.
        """

        def pair() -> tuple[str, str]:
            name = self.string() if self._tokens[self._next].kind == "string" else self.identifier()
            self.expect("=")
            token = self.take()
            return name, unquoted(token)

        return dict(self.listed(pair))

    def type(self) -> str:
        """Read a type, up to what cannot belong to it.

        Returns:
            Its text.
        """
        first = self.take()
        end, depth = first.end, 0
        while not self.is_done:
            following = self.peek()
            if not depth and following not in {"(", "<"}:
                break
            depth += (following in {"(", "<"}) - (following in {")", ">"})
            if following == ">>":
                depth -= 2
            end = self.take().end
        return self.statement[first.start : end]

    def balanced(self) -> str:
        """Read what is in parentheses.

        Returns:
            The text between them.
        """
        self.expect("(")
        start, depth, end = self._tokens[self._next].start if not self.is_done else len(self.statement), 1, 0
        while depth:
            token = self.take()
            depth += (token.text == "(") - (token.text == ")")
            end = token.start
        return self.statement[start:end]

    def rest(self) -> str:
        """Read all that is left.

        Returns:
            Its text.
        """
        start = len(self.statement) if self.is_done else self._tokens[self._next].start
        self._next = len(self._tokens)
        return self.statement[start:].strip()

    def done(self) -> None:
        """Refuse words that are left.

        Raises:
            StatementFailedError: There are some.
        """
        if not self.is_done:
            raise self.unexpected("<EOF>")


def unquoted(token: Token) -> str:
    """A word's meaning.

    Args:
        token: The word.

    Returns:
        Its text, without quotes.
    """
    if token.kind in {"string", "back"}:
        quote = token.text[0]
        return token.text[1:-1].replace(quote * 2, quote)
    return token.text


def without_comments(text: str) -> str:
    """A statement without the comments before it, and without semicolons at its end.

    Args:
        text: What was sent.

    Returns:
        The statement.
    """
    body = re.sub(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", "", text, flags=re.DOTALL)
    stripped = body.rstrip()
    while stripped.endswith(";"):
        stripped = stripped[:-1].rstrip()
    return stripped
