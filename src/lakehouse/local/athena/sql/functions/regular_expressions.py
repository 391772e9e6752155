"""Regular expressions.

https://trino.io/docs/current/functions/regexp.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.functions.java_patterns import compiled, group_count, has_certain_groups, plain
from lakehouse.local.athena.sql.functions.library import python, scalar
from lakehouse.local.athena.sql.functions.support import first, optional, refuse
from lakehouse.local.athena.sql.sql_types import literal

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call


@python("athena_regexp_like", "VARCHAR, VARCHAR", "BOOLEAN")
def regexp_like(text: str, pattern: str) -> bool:
    """Whether something in a text matches.

    Args:
        text: The text.
        pattern: The pattern.

    Returns:
        True where it does.
    """
    return compiled(pattern).search(text) is not None


def _checked_group(expression: re.Pattern[str], group: int) -> None:
    if group < 0:
        refuse("Group cannot be negative")
    if group > expression.groups:
        refuse(f"Pattern has {expression.groups} groups. Cannot access group {group}")


@optional("athena_regexp_extract", "VARCHAR, VARCHAR, BIGINT", "VARCHAR")
def regexp_extract(text: str, pattern: str, group: int) -> str | None:
    """What matches first.

    Args:
        text: The text.
        pattern: The pattern.
        group: Which of its groups; 0 for the whole.

    Returns:
        The text of the group; None where nothing matches, or the group has no part in it.
    """
    expression = compiled(pattern)
    _checked_group(expression, group)
    found = expression.search(text)
    return None if found is None else found[group]


@python("athena_regexp_extract_all", "VARCHAR, VARCHAR, BIGINT", "VARCHAR[]")
def regexp_extract_all(text: str, pattern: str, group: int) -> list[str | None]:
    """All that matches.

    Args:
        text: The text.
        pattern: The pattern.
        group: Which of its groups; 0 for the whole.

    Returns:
        The texts.
    """
    expression = compiled(pattern)
    _checked_group(expression, group)
    return [found[group] for found in expression.finditer(text)]


def _replacement(text: str, expression: re.Pattern[str]) -> list[str | int]:
    """A replacement's texts and groups, in their order."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        one, rest = text[at], text[at + 1 :]
        if one in "$\\" and not rest:
            refuse(f"Illegal replacement sequence: {text}")
        if one == "\\":
            parts.append(rest[0])
            at += 2
        elif one == "$" and rest[0] == "{":
            name = rest[1:].partition("}")[0]
            if name not in expression.groupindex:
                refuse(f"Illegal replacement sequence: unknown group {{ {name} }}")
            parts.append(expression.groupindex[name])
            at += len(name) + 3
        elif one == "$":
            digits = re.match("[0-9]+", rest)
            if digits is None:
                refuse(f"Illegal replacement sequence: {text}")
            number = digits[0]
            while len(number) > 1 and int(number) > expression.groups:
                number = number[:-1]
            if int(number) > expression.groups:
                refuse(f"Illegal replacement sequence: unknown group {number}")
            parts.append(int(number))
            at += len(number) + 1
        else:
            parts.append(one)
            at += 1
    return parts


@python("athena_regexp_replace", "VARCHAR, VARCHAR, VARCHAR", "VARCHAR")
def regexp_replace(text: str, pattern: str, replacement: str) -> str:
    """Replace all that matches.

    Args:
        text: The text.
        pattern: The pattern.
        replacement: What comes instead; ``$1`` and ``${name}`` are groups.

    Returns:
        The text.
    """
    expression = compiled(pattern)
    if expression.search(text) is None:
        return text
    parts = _replacement(replacement, expression)

    def made(found: re.Match[str]) -> str:
        return "".join(one if isinstance(one, str) else found[one] or "" for one in parts)

    return expression.sub(made, text)


_PIECES = "STRUCT(before VARCHAR, groups VARCHAR[])[]"


@python("athena_regexp_pieces", "VARCHAR, VARCHAR", _PIECES)
def regexp_pieces(text: str, pattern: str) -> list[dict[str, object]]:
    """A text, cut at what matches.

    Args:
        text: The text.
        pattern: The pattern.

    Returns:
        What is before each match, with the match's groups, and in the end what is behind the last.
    """
    pieces: list[dict[str, object]] = []
    last = 0
    for found in compiled(pattern).finditer(text):
        pieces.append({"before": text[last : found.start()], "groups": list(found.groups())})
        last = found.end()
    return [*pieces, {"before": text[last:], "groups": None}]


@python("athena_regexp_position", "VARCHAR, VARCHAR, BIGINT, BIGINT", "INTEGER")
def regexp_position(text: str, pattern: str, start: int, occurrence: int) -> int:
    """Where something matches.

    Args:
        text: The text.
        pattern: The pattern.
        start: Where to begin, from 1.
        occurrence: Which match, from 1.

    Returns:
        The position from 1; -1 where there is none.
    """
    if start < 1:
        refuse("start position cannot be smaller than 1")
    if occurrence < 1:
        refuse("occurrence cannot be smaller than 1")
    if start > len(text):
        return -1
    for count, found in enumerate(compiled(pattern).finditer(text, start - 1), start=1):
        if count == occurrence:
            return found.start() + 1
    return -1


def _pattern(call: Call, *, is_test: bool = False) -> str | None:
    """DuckDB's literal of a pattern that its own functions take; None for other patterns, and for those of columns."""
    given = call.arguments[1]
    if not given.is_literal or not isinstance(given.value, str):
        return None
    found = plain(given.value, is_test=is_test)
    return None if found is None else literal(found)


def _group(call: Call) -> int | None:
    """The group of a call, where it is known and DuckDB's functions can be asked for it."""
    if len(call.arguments) == 2:
        return 0
    group, pattern = call.arguments[2].value, str(call.arguments[1].value)
    if not isinstance(group, int) or not 0 <= group <= (group_count(pattern) or 0):
        return None
    return group if not group or has_certain_groups(pattern) else None


def _like(call: Call) -> str:
    pattern = _pattern(call, is_test=True)
    if pattern is None:
        return f"athena_regexp_like({call[0]}, {call[1]})"
    return f"regexp_matches({call[0]}, {pattern})"


def _extract(call: Call) -> str:
    pattern, group = _pattern(call), _group(call)
    if pattern is None or group is None:
        return first("athena_regexp_extract", *call.sql[:2], call[2] if len(call.arguments) > 2 else "0::BIGINT")
    # DuckDB has an empty text where nothing matches; all of the texts tell the two apart.
    return f"list_extract(regexp_extract_all({call[0]}, {pattern}, {group}), 1)"


def _extract_all(call: Call) -> str:
    pattern, group = _pattern(call), _group(call)
    if pattern is None or group is None:
        number = call[2] if len(call.arguments) > 2 else "0::BIGINT"
        return f"athena_regexp_extract_all({call[0]}, {call[1]}, {number})"
    return f"regexp_extract_all({call[0]}, {pattern}, {group})"


def _replace(call: Call) -> str:
    pattern = _pattern(call)
    given = call.arguments[2].value if len(call.arguments) > 2 else ""
    groups = group_count(str(call.arguments[1].value)) or 0
    is_plain = isinstance(given, str) and re.fullmatch(r"(?:[^\\$]|\$[0-9](?![0-9]))*", given) is not None
    if pattern is None or not is_plain or any(int(one) > groups for one in re.findall(r"\$(\d)", given)):
        return f"athena_regexp_replace({call[0]}, {call[1]}, {call[2] if len(call.arguments) > 2 else literal('')})"
    made = literal(re.sub(r"\$(\d)", r"\\\1", given))
    return f"regexp_replace({call[0]}, {pattern}, {made}, 'g')"


def _replace_by_lambda(call: Call) -> str:
    (piece,) = call.names(1)
    made = f"coalesce({call.body(2, f'{piece}.groups')}, '')"
    text = f"{piece}.before || CASE WHEN {piece}.groups IS NULL THEN '' ELSE {made} END"
    pieces = f"athena_regexp_pieces({call[0]}, {call[1]})"
    return f"array_to_string(list_transform({pieces}, lambda {piece}: {text}), '')"


scalar("regexp_like(varchar, varchar) -> boolean", _like)
scalar("regexp_extract(varchar, varchar) -> varchar", _extract)
scalar("regexp_extract(varchar, varchar, bigint) -> varchar", _extract)
scalar("regexp_extract_all(varchar, varchar) -> array(varchar)", _extract_all)
scalar("regexp_extract_all(varchar, varchar, bigint) -> array(varchar)", _extract_all)
scalar("regexp_replace(varchar, varchar) -> varchar", _replace)
scalar("regexp_replace(varchar, varchar, varchar) -> varchar", _replace)
scalar("regexp_replace(varchar, varchar, function(array(varchar), varchar)) -> varchar", _replace_by_lambda)
scalar(
    "regexp_split(varchar, varchar) -> array(varchar)",
    lambda call: f"list_transform(athena_regexp_pieces({call[0]}, {call[1]}), lambda split_x: split_x.before)",
)
scalar(
    "regexp_count(varchar, varchar) -> bigint",
    lambda call: f"CAST(len({_extract_all(call)}) AS BIGINT)",
)
scalar("regexp_position(varchar, varchar) -> integer", "athena_regexp_position({0}, {1}, 1, 1)")
scalar("regexp_position(varchar, varchar, integer) -> integer", "athena_regexp_position({0}, {1}, {2}, 1)")
scalar("regexp_position(varchar, varchar, integer, integer) -> integer", "athena_regexp_position({args})")
