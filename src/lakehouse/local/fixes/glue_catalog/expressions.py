"""The expressions that select partitions, as SQL's WHERE: a key is compared with literals, by the key's type.

https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html
What cannot be read is an error: answered with all partitions, it would have the caller delete all of them.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from lakehouse.local.fixes.glue_catalog.key_types import PartitionKey
from lakehouse.local.fixes.glue_catalog.operations import CatalogError, invalid

__all__ = ["PartitionKey", "Predicate", "parse"]

# Whether a partition's values are selected; None where that is unknown, as comparing a null is.
Predicate = Callable[[list[str]], bool | None]

_LONGEST = 2048
_DEEPEST = 50

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
        | (?P<quoted>"(?:[^"]|"")+"|`[^`]+`)
        | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?!\w))
        | (?P<word>[^\W\d]\w*)
        | (?P<symbol><>|!=|<=|>=|[=<>(),])
        | (?P<end>\Z)
    )""",
    re.VERBOSE,
)

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class _Token(NamedTuple):
    kind: str
    text: str
    start: int

    def says(self, *words: str) -> bool:
        """Whether it is one of these symbols or (unquoted) words."""
        return self.kind in {"symbol", "word"} and self.text.upper() in words


def parse(expression: str, keys: Mapping[str, PartitionKey]) -> Predicate:
    """Read an expression.

    Args:
        expression: Its text.
        keys: The table's partition keys, by name in lower case.

    Returns:
        Decides whether a partition of these values is selected.

    Raises:
        CatalogError: It is not an expression over these keys.
    """
    if len(expression) > _LONGEST:
        raise invalid(f"Expression must have at most {_LONGEST} characters.")
    return _Parser(expression, keys).whole()


class _Parser:
    """Reads one expression: alternatives of conjunctions of terms."""

    def __init__(self, expression: str, keys: Mapping[str, PartitionKey]) -> None:
        self._keys = keys
        self._tokens = list(self._split(expression))
        self._position = 0
        self._depth = 0

    def _split(self, expression: str) -> Iterator[_Token]:
        position = 0
        while True:
            found = _TOKEN.match(expression, position)
            if found is None or found.lastgroup is None:
                raise invalid(f"Invalid partition expression! It cannot be read from character {position + 1} on.")
            yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup))
            if found.lastgroup == "end":
                return
            position = found.end()

    @property
    def _next(self) -> _Token:
        return self._tokens[self._position]

    def _take(self) -> _Token:
        token = self._next
        self._position += token.kind != "end"
        return token

    def _took(self, *words: str) -> bool:
        """Take the next token if it is one of these."""
        is_there = self._next.says(*words)
        self._position += is_there
        return is_there

    def _expect(self, *words: str) -> None:
        if not self._took(*words):
            raise self._unexpected(self._next, " or ".join(words))

    def _unexpected(self, token: _Token, wanted: str) -> CatalogError:
        found = f"'{token.text}'" if token.text else "its end"
        return invalid(f"Invalid partition expression! {wanted} expected, not {found} (character {token.start + 1}).")

    def whole(self) -> Predicate:
        predicate = self._alternatives()
        if self._next.kind != "end":
            raise self._unexpected(self._next, "AND, OR or the end")
        return predicate

    def _alternatives(self) -> Predicate:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise invalid(f"Invalid partition expression! It is nested more than {_DEEPEST} deep.")
        parts = [self._conjunction()]
        while self._took("OR"):
            parts.append(self._conjunction())
        self._depth -= 1
        return _first_of(parts, decisive=True)

    def _conjunction(self) -> Predicate:
        parts = [self._term()]
        while self._took("AND"):
            parts.append(self._term())
        return _first_of(parts, decisive=False)

    def _term(self) -> Predicate:
        is_negated = False
        while self._took("NOT"):
            is_negated = not is_negated
        if self._took("("):
            predicate = self._alternatives()
            self._expect(")")
        else:
            predicate = self._comparison()
        return _negated(predicate) if is_negated else predicate

    def _comparison(self) -> Predicate:
        key = self._key()
        compare = _COMPARISONS.get(self._next.text) if self._next.kind == "symbol" else None
        if compare is not None:
            self._take()
            literal = self._literal(key)
            return _known(key, lambda value: compare(value, literal))
        if self._took("IS"):
            is_negated = self._took("NOT")
            self._expect("NULL")
            return lambda values: (key.value(values) is None) != is_negated
        is_negated = self._took("NOT")
        predicate = self._range(key)
        return _negated(predicate) if is_negated else predicate

    def _range(self, key: PartitionKey) -> Predicate:
        if self._took("BETWEEN"):
            least = self._literal(key)
            self._expect("AND")
            greatest = self._literal(key)
            return _known(key, lambda value: least <= value <= greatest)
        if self._took("IN"):
            self._expect("(")
            literals = {self._literal(key)}
            while self._took(","):
                literals.add(self._literal(key))
            self._expect(")")
            return _known(key, lambda value: value in literals)
        if self._took("LIKE"):
            if not key.is_text():
                raise invalid(f"LIKE is not valid for partition key {key.name} of type {key.type}.")
            pattern = _like(self._literal(key))
            return _known(key, lambda value: pattern.fullmatch(value) is not None)
        raise self._unexpected(self._next, "an operator")

    def _key(self) -> PartitionKey:
        token = self._take()
        name = token.text
        if token.kind == "quoted":
            name = name[1:-1].replace('""', '"')
        elif token.kind != "word":
            raise self._unexpected(token, "a partition key")
        key = self._keys.get(name.lower())
        if key is None:
            known = ", ".join(self._keys) or "none"
            raise invalid(f"Invalid partition expression! {name} is not a partition key; the keys are: {known}.")
        key.family()
        return key

    def _literal(self, key: PartitionKey) -> Any:
        token = self._take()
        kind = token.kind
        if token.says("DATE", "TIMESTAMP"):
            kind = token.text.lower()
            token = self._take()
            if token.kind != "text":
                raise self._unexpected(token, "a quoted literal")
        if token.kind == "text":
            return key.literal(kind, token.text[1:-1].replace("''", "'"))
        if token.kind != "number":
            raise self._unexpected(token, "a literal")
        return key.literal(kind, token.text)


def _first_of(parts: list[Predicate], *, decisive: bool) -> Predicate:
    """OR (True decides) or AND (False does): what is unknown counts only where nothing decides."""
    if len(parts) == 1:
        return parts[0]

    def predicate(values: list[str]) -> bool | None:
        result: bool | None = not decisive
        for part in parts:
            found = part(values)
            if found is decisive:
                return decisive
            if found is None:
                result = None
        return result

    return predicate


def _negated(predicate: Predicate) -> Predicate:
    def negated(values: list[str]) -> bool | None:
        found = predicate(values)
        return None if found is None else not found

    return negated


def _known(key: PartitionKey, decide: Callable[[Any], bool]) -> Predicate:
    """A comparison, which is unknown where the key's value is null."""

    def predicate(values: list[str]) -> bool | None:
        value = key.value(values)
        return None if value is None else decide(value)

    return predicate


def _like(pattern: str) -> re.Pattern[str]:
    wild = {"%": ".*", "_": "."}
    return re.compile("".join(wild.get(each) or re.escape(each) for each in pattern), re.DOTALL)
