"""JSONPath as Step Functions evaluates it: complete, and strict about what is missing.

Step Functions uses the Jayway implementation. A *definite* path (names and indexes only) selects exactly one node, and
fails where that node is absent; any other path (wildcard, slice, union, descent, filter) selects a list, maybe empty.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lakehouse.local.step_functions.json_path_reader import InvalidPathError, Reader

__all__ = ["InvalidPathError", "Json", "JsonPath", "PathNotFoundError", "find", "parse"]

Json = Any
Predicate = Callable[[Json, Json], bool]

_NAME = re.compile(r"[^.\[\]()\s,'\"?@$*]+")
_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_OPERATOR = re.compile(r"==|!=|<=|>=|=~|<|>|in\b|nin\b")


class PathNotFoundError(LookupError):
    """A definite path selects nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path.

    Attributes:
        select: Yields the nodes that the step selects from one node; the second argument is the document's root.
        is_definite: Whether it selects at most one node.
    """

    select: Callable[[Json, Json], Iterator[Json]]
    is_definite: bool


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A parsed path.

    Attributes:
        text: As written.
        steps: What it does, from the root on.
        counts: Whether it ends in ``.length()``.
    """

    text: str
    steps: tuple[Step, ...]
    counts: bool = False

    @property
    def is_definite(self) -> bool:
        """Whether it selects exactly one node."""
        return all(step.is_definite for step in self.steps)

    def nodes(self, document: Json, root: Json) -> list[Json]:
        """Every node it selects.

        Args:
            document: Where the path starts.
            root: What ``$`` means inside its filters.

        Returns:
            The nodes, in document order.
        """
        nodes = [document]
        for step in self.steps:
            nodes = [selected for node in nodes for selected in step.select(node, root)]
        return nodes

    def find(self, document: Json) -> Json:
        """Evaluate the path.

        Args:
            document: The JSON document.

        Returns:
            The node of a definite path, else the list of the nodes.

        Raises:
            PathNotFoundError: The path is definite and selects nothing.
        """
        found: Json = self.nodes(document, document)
        if self.is_definite:
            if not found:
                raise PathNotFoundError(self.text)
            found = found[0]
        if self.counts:
            if not isinstance(found, list | dict | str):
                raise PathNotFoundError(self.text)
            return len(found)
        return found


@lru_cache(maxsize=4096)
def parse(text: str) -> JsonPath:
    """Parse a path.

    Args:
        text: For example ``$.files[?(@.status == 'FAILED')].key``.

    Returns:
        The path.

    Raises:
        InvalidPathError: It is malformed; the message says where.
    """
    reader = Reader(text)
    if not reader.take("$"):
        raise reader.error("a path starts with $")
    steps, counts = _read_steps(reader)
    if not reader.at_end():
        raise reader.error("unexpected text")
    return JsonPath(text, steps, counts)


def find(text: str, document: Json) -> Json:
    """Parse and evaluate a path.

    Args:
        text: The path.
        document: The JSON document.

    Returns:
        One node, or a list of them: see `JsonPath.find`.

    Raises:
        InvalidPathError: The path is malformed.
        PathNotFoundError: The path is definite and selects nothing.
    """
    return parse(text).find(document)


def _read_steps(reader: Reader) -> tuple[tuple[Step, ...], bool]:
    steps: list[Step] = []
    while not reader.at_end():
        if reader.take(".."):
            steps.append(_DESCENT)
            if not reader.peek("["):
                steps.append(_read_name(reader))
        elif reader.take(".length()"):
            return tuple(steps), True
        elif reader.take("."):
            if not reader.peek("["):
                steps.append(_read_name(reader))
        elif reader.take("["):
            steps.append(_read_bracket(reader))
        else:
            break
    return tuple(steps), False


def _read_name(reader: Reader) -> Step:
    if reader.take("*"):
        return _WILDCARD
    name = reader.match(_NAME)
    if name is None:
        raise reader.error("expected a field name")
    if reader.peek("("):
        raise reader.error(f"the function {name}() is not supported (only length() is)")
    return _fields([name])


def _read_bracket(reader: Reader) -> Step:
    reader.skip_spaces()
    if reader.take("*"):
        step = _WILDCARD
    elif reader.take("?"):
        reader.skip_spaces()
        reader.need("(")
        step = _filter(_read_or(reader))
        reader.skip_spaces()
        reader.need(")")
    elif reader.peek("'") or reader.peek('"'):
        names = [reader.quoted()]
        while _take_comma(reader):
            names.append(reader.quoted())
        step = _fields(names)
    else:
        step = _read_indexes(reader)
    reader.skip_spaces()
    reader.need("]")
    return step


def _take_comma(reader: Reader) -> bool:
    reader.skip_spaces()
    if not reader.take(","):
        return False
    reader.skip_spaces()
    return True


def _read_indexes(reader: Reader) -> Step:
    parts: list[int | None] = []
    while True:
        found = reader.match(_INTEGER)
        parts.append(None if found is None else int(found))
        if not reader.take(":"):
            break
    if len(parts) in (2, 3):
        return _slice(slice(*parts))
    if len(parts) > 3 or parts[0] is None:
        raise reader.error("expected an index, a slice, a quoted name, * or a filter")
    indexes = [parts[0]]
    while _take_comma(reader):
        found = reader.match(_INTEGER)
        if found is None:
            raise reader.error("expected an index")
        indexes.append(int(found))
    return _indexes(indexes)


def _fields(names: list[str]) -> Step:
    def select(node: Json, _root: Json) -> Iterator[Json]:
        if isinstance(node, dict):
            yield from (node[name] for name in names if name in node)

    return Step(select, is_definite=len(names) == 1)


def _indexes(indexes: list[int]) -> Step:
    def select(node: Json, _root: Json) -> Iterator[Json]:
        if isinstance(node, list):
            yield from (node[index] for index in indexes if -len(node) <= index < len(node))

    return Step(select, is_definite=len(indexes) == 1)


def _slice(bounds: slice) -> Step:
    def select(node: Json, _root: Json) -> Iterator[Json]:
        if isinstance(node, list):
            yield from node[bounds]

    return Step(select, is_definite=False)


def _filter(keeps: Predicate) -> Step:
    def select(node: Json, root: Json) -> Iterator[Json]:
        # On an object, Jayway applies the filter to the object itself.
        candidates = node if isinstance(node, list) else [node] if isinstance(node, dict) else []
        yield from (candidate for candidate in candidates if keeps(candidate, root))

    return Step(select, is_definite=False)


def _children(node: Json) -> Iterator[Json]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _descendants(node: Json, root: Json) -> Iterator[Json]:
    yield node
    for child in _children(node):
        yield from _descendants(child, root)


_WILDCARD = Step(lambda node, _root: _children(node), is_definite=False)
_DESCENT = Step(_descendants, is_definite=False)


# --- filters ------------------------------------------------------------------------------------------------------

Operand = Callable[[Json, Json], list[Json]]


def _read_or(reader: Reader) -> Predicate:
    terms = [_read_and(reader)]
    while _take_operator(reader, "||"):
        terms.append(_read_and(reader))
    return lambda node, root: any(term(node, root) for term in terms)


def _read_and(reader: Reader) -> Predicate:
    terms = [_read_term(reader)]
    while _take_operator(reader, "&&"):
        terms.append(_read_term(reader))
    return lambda node, root: all(term(node, root) for term in terms)


def _take_operator(reader: Reader, operator: str) -> bool:
    reader.skip_spaces()
    return reader.take(operator)


def _read_term(reader: Reader) -> Predicate:
    reader.skip_spaces()
    if reader.take("!"):
        negated = _read_term(reader)
        return lambda node, root: not negated(node, root)
    if reader.take("("):
        inner = _read_or(reader)
        reader.skip_spaces()
        reader.need(")")
        return inner
    left = _read_operand(reader)
    reader.skip_spaces()
    operator = reader.match(_OPERATOR)
    if operator is None:
        return lambda node, root: bool(left(node, root))
    reader.skip_spaces()
    if operator == "=~":
        pattern = _read_pattern(reader)
        return lambda node, root: any(isinstance(v, str) and pattern.fullmatch(v) for v in left(node, root))
    right = _read_operand(reader)
    compare = _COMPARISONS[operator]
    return lambda node, root: compare(left(node, root), right(node, root))


def _read_operand(reader: Reader) -> Operand:
    """A path or a literal; either gives the list of its values, empty where a path selects nothing."""
    if reader.take("@"):
        path = JsonPath(reader.text, *_read_steps(reader))
        return lambda node, root: _operand_values(path, node, root)
    if reader.take("$"):
        path = JsonPath(reader.text, *_read_steps(reader))
        return lambda _node, root: _operand_values(path, root, root)
    literal = _read_literal(reader)
    return lambda _node, _root: [literal]


def _operand_values(path: JsonPath, node: Json, root: Json) -> list[Json]:
    values = path.nodes(node, root)
    if path.counts:
        return [len(value) for value in values if isinstance(value, list | dict | str)]
    return values if path.is_definite or not values else [values]


def _read_literal(reader: Reader) -> Json:
    if reader.peek("'") or reader.peek('"'):
        return reader.quoted()
    for word, value in (("true", True), ("false", False), ("null", None)):
        if reader.take(word):
            return value
    if reader.take("["):
        values: list[Json] = []
        reader.skip_spaces()
        while not reader.take("]"):
            values.append(_read_literal(reader))
            if not _take_comma(reader) and not reader.peek("]"):
                raise reader.error("expected , or ]")
        return values
    number = reader.match(_NUMBER)
    if number is None:
        raise reader.error("expected a path, a string, a number, true, false, null or a list")
    return float(number) if set(number) & set(".eE") else int(number)


def _read_pattern(reader: Reader) -> re.Pattern[str]:
    """A regular expression as ``/text/`` or ``/text/i``."""
    reader.need("/")
    end = reader.text.find("/", reader.position)
    if end < 0:
        raise reader.error("the regular expression is not closed")
    pattern = reader.text[reader.position : end]
    reader.position = end + 1
    return re.compile(pattern, re.IGNORECASE if reader.take("i") else 0)


def _equal(left: list[Json], right: list[Json]) -> bool:
    return bool(left) == bool(right) and all(_same(a, b) for a, b in zip(left, right, strict=False))


def _same(left: Json, right: Json) -> bool:
    # In JSON, true is not 1.
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[list[Json], list[Json]], bool]:
    def holds(left: list[Json], right: list[Json]) -> bool:
        return any(_comparable(a, b) and compare(a, b) for a in left for b in right)

    return holds


def _comparable(left: Json, right: Json) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    both_numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return both_numbers or (isinstance(left, str) and isinstance(right, str))


def _contained(left: list[Json], right: list[Json]) -> bool:
    choices = right[0] if right and isinstance(right[0], list) else right
    return bool(left) and any(_same(left[0], choice) for choice in choices)


_COMPARISONS: dict[str, Callable[[list[Json], list[Json]], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
    "in": _contained,
    "nin": lambda left, right: not _contained(left, right),
}
