"""What a path of JSON_VALUE and its kin gives.

https://trino.io/docs/current/functions/json.html#json-path-syntax-and-semantics
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from typing import Any

from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.functions.json_path import Node, Path

Items = list[Any]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_INTEGER_LIMIT, _BIGINT_LIMIT = 2**31, 2**63


class PathError(Exception):
    """A path cannot be followed in a document; the clause ON ERROR says what comes of it."""


def _is_number(item: Any) -> bool:
    return isinstance(item, int | float | Decimal) and not isinstance(item, bool)


@dataclass(slots=True)
class Evaluation:
    """Follows one path in one document.

    Attributes:
        is_lax: Whether structural errors are passed over.
        context: The document.
        variables: Values that were passed, by name.
        item: What a filter looks at.
        last: The last index of the array whose subscripts are looked at.
    """

    is_lax: bool
    context: Any
    variables: Mapping[str, Any]
    item: Any = None
    last: int = -1
    _objects: int = field(default=0)

    def values(self, node: Node) -> Items:
        """What a part of the path gives.

        Args:
            node: The part.

        Returns:
            The items.

        Raises:
            PathError: It cannot be followed.
        """
        match node.kind:
            case "literal":
                return [node.value]
            case "context":
                return [self.context]
            case "item":
                return [self.item]
            case "last":
                return [self.last]
            case "variable":
                if node.value not in self.variables:
                    raise StatementFailedError("INVALID_PATH", f"no value passed for parameter {node.value}")
                return [self.variables[node.value]]
            case "sign":
                return [self._signed(node.value, one) for one in self._unwrapped(node.parts[0])]
            case "binary":
                return [self._arithmetic(node.value, *map(self._single_number, node.parts))]
            case "method":
                return self._method(node.value, node.parts[0])
        return list(self._accessed(node))

    def _unwrapped(self, node: Node) -> Items:
        """Items; in lax mode the elements of those that are arrays."""
        items = self.values(node)
        if not self.is_lax:
            return items
        return [one for item in items for one in (item if isinstance(item, list) else [item])]

    def _accessed(self, node: Node) -> Iterator[Any]:
        match node.kind:
            case "member" | "members":
                yield from self._members(node)
            case "descendant":
                for item in self.values(node.parts[0]):
                    yield from _descendants(item, node.value)
            case "elements" | "subscripts":
                yield from self._elements(node)
            case "filter":
                for item in self._unwrapped(node.parts[0]):
                    if self._with_item(item).holds(node.parts[1]) is True:
                        yield item

    def _with_item(self, item: Any) -> Evaluation:
        return Evaluation(self.is_lax, self.context, self.variables, item, self.last)

    def _members(self, node: Node) -> Iterator[Any]:
        for item in self._unwrapped(node.parts[0]):
            if not isinstance(item, dict):
                if not self.is_lax:
                    raise PathError("invalid item type. Expected: OBJECT")
            elif node.kind == "members":
                yield from item.values()
            elif node.value in item:
                yield item[node.value]
            elif not self.is_lax:
                raise PathError(f"missing member '{node.value}' in JSON object")

    def _elements(self, node: Node) -> Iterator[Any]:
        for item in self.values(node.parts[0]):
            if not isinstance(item, list) and not self.is_lax:
                raise PathError("invalid item type. Expected: ARRAY")
            array = item if isinstance(item, list) else [item]
            if node.kind == "elements":
                yield from array
                continue
            inside = Evaluation(self.is_lax, self.context, self.variables, self.item, len(array) - 1)
            for first, last in node.value:
                low = inside.index(first)
                high = low if last is None else inside.index(last)
                if not self.is_lax and not 0 <= low <= high < len(array):
                    raise PathError(f"invalid array subscript: [{low}, {high}] for array of size {len(array)}")
                yield from array[max(low, 0) : max(high + 1, 0)]

    def index(self, node: Node) -> int:
        """An array's index.

        Args:
            node: The part that computes it.

        Returns:
            The index.

        Raises:
            PathError: It is no number.
        """
        return int(Decimal(self._single_number(node)).to_integral_value(ROUND_HALF_UP))

    def _single_number(self, node: Node) -> Any:
        items = self._unwrapped(node)
        if len(items) != 1 or not _is_number(items[0]):
            raise PathError("arithmetic binary expression requires singleton numeric operands")
        return items[0]

    def _signed(self, sign: str, item: Any) -> Any:
        if not _is_number(item):
            raise PathError("invalid item type. Expected: NUMBER")
        return -item if sign == "-" else item

    def _arithmetic(self, name: str, left: Any, right: Any) -> Any:
        if isinstance(left, float) or isinstance(right, float):
            return _floating(name, float(left), float(right))
        if name in "/%" and right == 0:
            raise PathError("Division by zero")
        if isinstance(left, Decimal) or isinstance(right, Decimal):
            return _exact(name, Decimal(left), Decimal(right))
        quotient = abs(left) // abs(right) if name in "/%" else 0
        quotient = quotient if (left < 0) == (right < 0) else -quotient
        found = {
            "+": left + right,
            "-": left - right,
            "*": left * right,
            "/": quotient,
            "%": left - quotient * right,
        }[name]
        is_small = all(-_INTEGER_LIMIT <= one < _INTEGER_LIMIT for one in (left, right))
        limit = _INTEGER_LIMIT if is_small else _BIGINT_LIMIT
        if not -limit <= found < limit:
            raise PathError("number overflow")
        return found

    def _method(self, name: str, node: Node) -> Items:
        if name == "type":
            return [_type(one) for one in self.values(node)]
        if name == "size":
            items = self.values(node)
            if not self.is_lax and not all(isinstance(one, list) for one in items):
                raise PathError("invalid item type. Expected: ARRAY")
            return [len(one) if isinstance(one, list) else 1 for one in items]
        items = self._unwrapped(node)
        if name == "keyvalue":
            return [pair for one in items for pair in self._pairs(one)]
        if name == "double":
            return [_double(one) for one in items]
        if not all(map(_is_number, items)):
            raise PathError("invalid item type. Expected: NUMBER")
        rounded: dict[str, Callable[[Any], Any]] = {"abs": abs, "ceiling": math.ceil, "floor": math.floor}
        return [type(one)(rounded[name](one)) for one in items]

    def _pairs(self, item: Any) -> Items:
        if not isinstance(item, dict):
            raise PathError("invalid item type. Expected: OBJECT")
        number, self._objects = self._objects, self._objects + 1
        return [{"name": name, "value": value, "id": number} for name, value in item.items()]

    # --- predicates ---------------------------------------------------------------------------------------------------

    def holds(self, node: Node) -> bool | None:
        """Whether a predicate holds.

        Args:
            node: The predicate.

        Returns:
            The answer; None where it is unknown.
        """
        match node.kind:
            case "and" | "or":
                return _joined(node.kind == "and", [self.holds(one) for one in node.parts])
            case "not":
                inside = self.holds(node.parts[0])
                return None if inside is None else not inside
            case "unknown":
                return self.holds(node.parts[0]) is None
        try:
            if node.kind == "exists":
                return bool(self.values(node.parts[0]))
            left, right = (self._unwrapped(one) for one in node.parts)
        except PathError:
            return None
        test = _starts if node.kind == "starts" else lambda a, b: _compared(node.value, a, b)
        return self._any(test(a, b) for a, b in product(left, right))

    def _any(self, answers: Iterator[bool | None]) -> bool | None:
        found: bool | None = False
        for answer in answers:
            if answer is True and found is False:
                found = True
                if self.is_lax:
                    return True
            elif answer is None:
                return None
        return found


def _joined(is_and: bool, answers: list[bool | None]) -> bool | None:
    if (not is_and) in answers:
        return not is_and
    return None if None in answers else is_and


def _compared(name: str, a: Any, b: Any) -> bool | None:
    if a is None or b is None:
        return a is None and b is None and name == "=="
    is_same = (_is_number(a) and _is_number(b)) or (type(a) is type(b) and isinstance(a, str | bool))
    return _ORDERS[name](a, b) if is_same else None


def _starts(a: Any, b: Any) -> bool | None:
    return a.startswith(b) if isinstance(a, str) and isinstance(b, str) else None


def _descendants(item: Any, key: str) -> Iterator[Any]:
    if isinstance(item, dict):
        if key in item:
            yield item[key]
        for one in item.values():
            yield from _descendants(one, key)
    elif isinstance(item, list):
        for one in item:
            yield from _descendants(one, key)


def _type(item: Any) -> str:
    if item is None:
        return "null"
    names = {bool: "boolean", str: "string", list: "array", dict: "object"}
    return names.get(type(item), "number")


def _double(item: Any) -> float:
    if isinstance(item, str) or _is_number(item):
        try:
            return float(item)
        except ValueError as error:
            raise PathError(f"cannot convert {item} to double") from error
    raise PathError("invalid item type. Expected: NUMBER or TEXT")


def _floating(name: str, left: float, right: float) -> float:
    if name in "/%" and right == 0:
        is_known = name == "/" and left != 0 and not math.isnan(left)
        return math.copysign(math.inf, left) * math.copysign(1, right) if is_known else math.nan
    found: float = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "%": math.fmod,
    }[name](left, right)
    return found


def _exact(name: str, left: Decimal, right: Decimal) -> Decimal:
    """Exact numbers; a quotient has as many digits after its point as the longer of the two."""
    if name == "/":
        scale = min(0, *(int(one.as_tuple().exponent) for one in (left, right)))
        return (left / right).quantize(Decimal(1).scaleb(scale), ROUND_HALF_UP)
    return {"+": left + right, "-": left - right, "*": left * right, "%": left % right}[name]


def follow(path: Path, document: Any, variables: Mapping[str, Any]) -> Items:
    """Follow a path.

    Args:
        path: The path.
        document: Where it starts.
        variables: Values that were passed, by name.

    Returns:
        What it gives.

    Raises:
        PathError: It cannot be followed.
    """
    return Evaluation(path.is_lax, document, variables).values(path.root)
