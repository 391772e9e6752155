"""Filter patterns of CloudWatch Logs: terms, phrases, and conditions on the fields of JSON lines.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ministack.services.cloudwatch_logs import error_response_json

from lakehouse.local.registry import fixes

Matcher = Callable[[str], bool]
Condition = Callable[[Any], bool]

_MISSING = object()
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:\\.|[^"\\])*")|(?P<selector>\$(?:\.[\w-]+|\[\d+\]|\["[^"]*"\])+)|(?P<operator>&&|\|\||!=|<=|>=|[=<>()])
    |(?P<regex>%[^%]*%)|(?P<word>[^\s()=<>!&|"]+))""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class PatternError(ValueError):
    """A pattern that CloudWatch Logs or the laptop does not take."""


def compile_pattern(pattern: str) -> Matcher:
    """Make a matcher of a filter pattern.

    Args:
        pattern: As FilterLogEvents takes it; empty for everything.

    Returns:
        Tells of a log line whether the pattern matches it.

    Raises:
        PatternError: It is none, or one of space-delimited columns, which the laptop does not read.
    """
    text = pattern.strip()
    if text.startswith("["):
        raise PatternError(
            f"the laptop reads no space-delimited patterns, such as {text!r}: use terms, or JSON's fields"
        )
    if not text.startswith("{"):
        return _terms(text)
    if not text.endswith("}"):
        raise PatternError(f"{text!r} begins with a brace and does not end with one")
    condition = _Conditions(text[1:-1]).read()

    def matches(line: str) -> bool:
        try:
            document = json.loads(line)
        except ValueError:
            return False
        return isinstance(document, dict) and condition(document)

    return matches


def _terms(text: str) -> Matcher:
    """All terms, or any of those with a question mark; none of those with a minus sign."""
    required: list[Matcher] = []
    optional: list[Matcher] = []
    excluded: list[Matcher] = []
    for sign, phrase, regex, word in re.findall(r'([-?]?)(?:"((?:\\.|[^"\\])*)"|%([^%]*)%|(\S+))', text):
        kind = {"-": excluded, "?": optional, "": required}[sign]
        kind.append(_containing(regex) if regex else _with(phrase or word))
    return lambda line: (
        all(term(line) for term in required)
        # Beside other terms, AWS pays no attention to optional ones.
        and (bool(required) or not optional or any(term(line) for term in optional))
        and not any(term(line) for term in excluded)
    )


def _with(term: str) -> Matcher:
    wanted = re.sub(r"\\(.)", r"\1", term)
    return lambda line: wanted in line


def _containing(regex: str) -> Matcher:
    found = re.compile(regex)
    return lambda line: found.search(line) is not None


class _Conditions:
    """Reads the conditions between the braces of a JSON pattern."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while text[place:].strip():
            token = _TOKEN.match(text, place)
            if token is None or token.lastgroup is None:
                raise PatternError(f"{text[place:].strip()!r} cannot be read in {{{text}}}")
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            place = token.end()

    def read(self) -> Condition:
        """The condition; nothing may follow it."""
        condition = self._any()
        if self._tokens:
            raise PatternError(f"{self._tokens[0][1]!r} is unexpected in {{{self._text}}}")
        return condition

    def _take(self) -> tuple[str, str]:
        if not self._tokens:
            raise PatternError(f"{{{self._text}}} ends too early")
        return self._tokens.pop(0)

    def _next_is(self, *words: str) -> bool:
        if self._tokens and self._tokens[0][1].upper() in words:
            self._tokens.pop(0)
            return True
        return False

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._next_is("||"):
            parts.append(self._all())
        return lambda document: any(part(document) for part in parts)

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._next_is("&&"):
            parts.append(self._one())
        return lambda document: all(part(document) for part in parts)

    def _one(self) -> Condition:
        if self._next_is("("):
            inner = self._any()
            if not self._next_is(")"):
                raise PatternError(f"a parenthesis is not closed in {{{self._text}}}")
            return inner
        kind, selector = self._take()
        if kind != "selector":
            raise PatternError(f"{selector!r} is no field, such as $.level, in {{{self._text}}}")
        return self._about(_path(selector))

    def _about(self, path: list[str | int]) -> Condition:
        if self._next_is("IS"):
            return self._is(path)
        if self._next_is("NOT"):
            if not self._next_is("EXISTS"):
                raise PatternError(f"NOT is followed by EXISTS only, in {{{self._text}}}")
            return lambda document: _at(document, path) is _MISSING
        _, sign = self._take()
        if sign not in _COMPARE:
            raise PatternError(f"{sign!r} is no comparison in {{{self._text}}}")
        return _comparison(path, sign, *self._take())

    def _is(self, path: list[str | int]) -> Condition:
        _, word = self._take()
        values = {"NULL": None, "TRUE": True, "FALSE": False}
        if word.upper() not in values:
            raise PatternError(f"IS is followed by NULL, TRUE or FALSE, not by {word!r}")
        value = values[word.upper()]
        return lambda document: _at(document, path) is value


def _comparison(path: list[str | int], sign: str, kind: str, word: str) -> Condition:
    compare = _COMPARE[sign]
    if kind == "regex":
        found = re.compile(word.strip("%"))
        return lambda document: (
            isinstance(value := _at(document, path), str) and (found.search(value) is not None) == (sign == "=")
        )
    if kind == "word" and _NUMBER.fullmatch(word):
        number = float(word)
        return lambda document: (
            isinstance(value := _at(document, path), int | float)
            and not isinstance(value, bool)
            and compare(value, number)
        )
    if sign not in {"=", "!="}:
        raise PatternError(f"{sign} compares numbers, not {word!r}")
    text = json.loads(word) if kind == "text" else word
    escaped = text.replace("[", "[[]").replace("?", "[?]")

    def matches(document: Any) -> bool:
        value = _at(document, path)
        shown = value if isinstance(value, str) else None if value is _MISSING else json.dumps(value)
        return shown is not None and fnmatchcase(shown, escaped) == (sign == "=")

    return matches


def _path(selector: str) -> list[str | int]:
    steps = re.findall(r'\.([\w-]+)|\[(\d+)\]|\["([^"]*)"\]', selector)
    return [int(index) if index else name or quoted for name, index, quoted in steps]


def _at(document: Any, path: list[str | int]) -> Any:
    for step in path:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return _MISSING
            document = document[step]
        else:
            if not isinstance(document, dict) or step not in document:
                return _MISSING
            document = document[step]
    return document


_LOGS = "ministack.services.cloudwatch_logs"


@fixes(
    "logs",
    "FilterLogEvents",
    replaces=f"{_LOGS}:_compile_filter_pattern",
    signature="(raw)",
    symptom="a pattern of JSON's fields matches every line, a phrase is only its words, and case does not matter",
)
def compile_filter_pattern(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Patterns mean what they mean on AWS."""
    return lambda raw: compile_pattern(raw or "")


@fixes(
    "logs",
    "PutSubscriptionFilter",
    replaces=f"{_LOGS}:_subscription_pattern_matches",
    signature="(pattern, message)",
    symptom="of a subscription's pattern only its bare words count",
)
def subscription_pattern_matches(_original: Callable[..., Any]) -> Callable[..., Any]:
    """Patterns mean what they mean on AWS."""
    return lambda pattern, message: compile_pattern(pattern or "")(message or "")


@fixes(
    "logs",
    "FilterLogEvents",
    replaces=f"{_LOGS}:_filter_log_events",
    signature="(data)",
    symptom="a pattern that cannot be read is taken for one that matches everything",
)
def filter_log_events(original: Callable[..., Any]) -> Callable[..., Any]:
    """A pattern that cannot be read is refused by name."""

    def replacement(data: dict[str, Any]) -> Any:
        try:
            return original(data)
        except PatternError as error:
            return error_response_json("InvalidParameterException", f"Invalid filter pattern: {error}", 400)

    return replacement
