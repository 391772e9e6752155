"""Choice rules of JSONPath states.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.json_path import InvalidPathError, Json, PathNotFoundError
from lakehouse.local.step_functions.payload_template import select_for
from lakehouse.local.step_functions.references import Context, select

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda a, b: a == b,
    "LessThan": lambda a, b: a < b,
    "LessThanEquals": lambda a, b: a <= b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanEquals": lambda a, b: a >= b,
}
_COMPARISON = re.compile(r"(String|Numeric|Boolean|Timestamp)(Equals|(?:Less|Greater)Than(?:Equals)?)(Path)?")


def is_true(rule: Mapping[str, Any], data: Json, context: Context) -> bool:
    """Evaluate a choice rule.

    Args:
        rule: A data test, or And, Or, Not.
        data: The state's effective input.
        context: The execution's context.

    Returns:
        Whether it holds.

    Raises:
        StateError: ``States.Runtime``, where the rule's variable is missing (and the rule is not ``IsPresent``).
    """
    if "And" in rule:
        return all(is_true(each, data, context) for each in rule["And"])
    if "Or" in rule:
        return any(is_true(each, data, context) for each in rule["Or"])
    if "Not" in rule:
        return not is_true(rule["Not"], data, context)
    return _holds(rule, data, context)


def _holds(rule: Mapping[str, Any], data: Json, context: Context) -> bool:
    """Evaluate a data test."""
    variable = rule["Variable"]
    if "IsPresent" in rule:
        return _is_present(variable, data, context) is rule["IsPresent"]
    value = select_for("Variable", variable, data, context)
    for operator, operand in rule.items():
        if operator in _TYPE_TESTS:
            return _TYPE_TESTS[operator](value) is operand
        if operator == "StringMatches":
            return isinstance(value, str) and _wildcard(operand).fullmatch(value) is not None
        comparison = _COMPARISON.fullmatch(operator)
        if comparison is not None:
            kind, order, is_path = comparison.groups()
            expected = select_for(operator, operand, data, context) if is_path else operand
            return _compare(kind, order, value, expected)
    raise StateError("States.Runtime", f"The choice rule on '{variable}' has no comparison: found {sorted(rule)}")


def _is_present(variable: str, data: Json, context: Context) -> bool:
    try:
        select(variable, data, context)
    except PathNotFoundError:
        return False
    except InvalidPathError as error:
        raise StateError("States.Runtime", str(error)) from error
    return True


def _compare(kind: str, order: str, value: Json, expected: Json) -> bool:
    convert = _KINDS[kind]
    left, right = convert(value), convert(expected)
    return left is not None and right is not None and _ORDER[order](left, right)


def _number(value: Json) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _timestamp(value: Json) -> datetime | None:
    """RFC 3339 with an upper-case T and a time zone, as Step Functions wants it."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


_KINDS: dict[str, Callable[[Json], Any]] = {
    "String": lambda value: value if isinstance(value, str) else None,
    "Numeric": _number,
    "Boolean": lambda value: value if isinstance(value, bool) else None,
    "Timestamp": _timestamp,
}

_TYPE_TESTS: dict[str, Callable[[Json], bool]] = {
    "IsNull": lambda value: value is None,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsNumeric": lambda value: _number(value) is not None,
    "IsString": lambda value: isinstance(value, str),
    "IsTimestamp": lambda value: _timestamp(value) is not None,
}


def _wildcard(pattern: str) -> re.Pattern[str]:
    r"""``*`` stands for any text, ``\*`` for a star."""
    parts = re.split(r"(\\\\|\\\*|\*)", pattern)
    special = {"*": ".*", "\\*": r"\*", "\\\\": r"\\"}
    return re.compile("".join(special.get(part, re.escape(part)) for part in parts), re.DOTALL)
