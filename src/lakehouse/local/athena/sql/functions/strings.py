"""Functions of texts.

https://trino.io/docs/current/functions/string.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.functions.library import alias, macro, python, scalar
from lakehouse.local.athena.sql.functions.support import lets, refuse, refused, strict
from lakehouse.local.athena.sql.sql_types import VARCHAR

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

# What Java takes for white space.
_SPACES = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2008\u2009\u200a\u2028\u2029\u205f\u3000"
)
_ZERO_LENGTH = "The delimiter may not be the empty string"


@python("athena_chr", "BIGINT", "VARCHAR")
def character(point: int) -> str:
    """A code point as text.

    Args:
        point: The code point.

    Returns:
        The character.
    """
    if not 0 <= point <= 0x10FFFF or 0xD800 <= point <= 0xDFFF:
        refuse(f"Not a valid Unicode code point: {point}")
    return chr(point)


def _codepoint(call: Call) -> str:
    message = "Input string must be a single character string"
    return strict(call.sql, refused(f"length({call[0]}) <> 1", message, call.result, f"unicode({call[0]})"))


scalar("chr(bigint) -> varchar(1)", "athena_chr({0})")
scalar("codepoint(varchar) -> integer", _codepoint)
scalar("concat(varchar...) -> varchar", lambda call: f"({' || '.join(call.sql)})")
scalar("concat(varbinary...) -> varbinary", lambda call: f"({' || '.join(call.sql)})")
scalar("concat(array(E)...) -> array(E)", lambda call: strict(call.sql, f"list_concat({', '.join(call.sql)})"))
scalar(
    "concat_ws(varchar, varchar...) -> varchar",
    lambda call: strict(call.sql[:1], f"concat_ws({', '.join([*call.sql, 'NULL::VARCHAR'])})"),
)
scalar("concat_ws(varchar, array(varchar)) -> varchar", "array_to_string({1}, {0})")
scalar("length(varchar) -> bigint", "length({0})")


@python("athena_lower", "VARCHAR", "VARCHAR")
def lower(text: str) -> str:
    """Small letters, one for one.

    Args:
        text: Any text.

    Returns:
        The text.
    """
    return "".join(one.lower() if len(one.lower()) == 1 else one for one in text.replace("\u0130", "i"))


@python("athena_upper", "VARCHAR", "VARCHAR")
def upper(text: str) -> str:
    """Capital letters, one for one: what would become two stays.

    Args:
        text: Any text.

    Returns:
        The text.
    """
    return "".join(one.upper() if len(one.upper()) == 1 else one for one in text)


def _cased(call: Call) -> str:
    return lets(
        call.sql,
        lambda x: (
            f"CASE WHEN strlen({x[0]}) = length({x[0]}) THEN {call.name}({x[0]}) ELSE athena_{call.name}({x[0]}) END"
        ),
    )


scalar("lower(varchar) -> varchar", _cased)
scalar("upper(varchar) -> varchar", _cased)


def _padded(call: Call) -> str:
    def body(given: list[str]) -> str:
        text, size, padding = given
        made = f"{call.name}({text}, CAST({size} AS INTEGER), {padding})"
        made = refused(f"{padding} = ''", "Padding string must not be empty", VARCHAR, made)
        made = refused(
            f"{size} < 0 OR {size} > 2147483647", "Target length must be in the range [0..2147483647]", VARCHAR, made
        )
        return strict(given, made)

    return lets(call.sql, body)


for _name in ("lpad", "rpad"):
    scalar(f"{_name}(varchar, bigint, varchar) -> varchar", _padded)
for _name in ("ltrim", "rtrim", "trim"):
    scalar(f"{_name}(varchar) -> varchar", f"{_name}({{0}}, '{_SPACES}')")
    scalar(f"{_name}(varchar, varchar) -> varchar", f"{_name}({{0}}, {{1}})")


@python("athena_replace_nothing", "VARCHAR, VARCHAR", "VARCHAR")
def replace_nothing(text: str, other: str) -> str:
    """Put a text between all characters, before the first and after the last.

    Args:
        text: The characters.
        other: What is put there.

    Returns:
        The text.
    """
    return text.replace("", other)


def _replaced(call: Call) -> str:
    if call.arguments[1].is_literal and call.arguments[1].value:
        return f"replace({', '.join(call.sql)})"
    return lets(
        call.sql,
        lambda x: (
            f"CASE WHEN {x[1]} = '' THEN athena_replace_nothing({x[0]}, {x[2]}) "
            f"ELSE replace({x[0]}, {x[1]}, {x[2]}) END"
        ),
    )


scalar("replace(varchar, varchar) -> varchar", "replace({0}, {1}, '')")
scalar("replace(varchar, varchar, varchar) -> varchar", _replaced)
# DuckDB's own keeps characters together with the marks on them.
scalar(
    "reverse(varchar) -> varchar",
    lambda call: lets(
        call.sql,
        lambda x: (
            f"CASE WHEN strlen({x[0]}) = length({x[0]}) THEN reverse({x[0]}) "
            f"ELSE array_to_string(list_reverse(string_split({x[0]}, '')), '') END"
        ),
    ),
)


def _split(call: Call) -> str:
    def body(given: list[str]) -> str:
        text, delimiter, *limit = given
        parts = f"string_split({text}, {delimiter})"
        if limit:
            count = f"CAST({limit[0]} AS BIGINT)"
            rest = f"array_to_string({parts}[{count}:], {delimiter})"
            parts = (
                f"CASE WHEN len({parts}) <= {count} THEN {parts} ELSE list_append({parts}[:{count} - 1], {rest}) END"
            )
            parts = refused(f"{limit[0]} <= 0", "Limit must be positive", call.result, parts)
        return strict(given, refused(f"{delimiter} = ''", _ZERO_LENGTH, call.result, parts))

    return lets(call.sql, body)


def _split_part(call: Call) -> str:
    def body(given: list[str]) -> str:
        text, delimiter, index = given
        found = f"list_extract(string_split({text}, {delimiter}), {index})"
        return strict(given, refused(f"{index} <= 0", "Index must be greater than zero", VARCHAR, found))

    return lets(call.sql, body)


scalar("split(varchar, varchar) -> array(varchar)", _split)
scalar("split(varchar, varchar, bigint) -> array(varchar)", _split)
scalar("split_part(varchar, varchar, bigint) -> varchar", _split_part)


def _pairs(text: str, between: str, inside: str) -> list[tuple[str, str]]:
    if not between:
        refuse("entryDelimiter is empty")
    if not inside:
        refuse("keyValueDelimiter is empty")
    if between == inside:
        refuse("entryDelimiter and keyValueDelimiter must not be the same")
    found = []
    parts = text.split(between)
    for entry in parts[:-1] if not parts[-1] else parts:
        key, _, value = entry.partition(inside)
        if entry.count(inside) != 1:
            refuse(f"Key-value delimiter must appear exactly once in each entry. Bad input: '{entry}'")
        found.append((key, value))
    return found


@python("athena_split_to_map", "VARCHAR, VARCHAR, VARCHAR", "MAP(VARCHAR, VARCHAR)")
def split_to_map(text: str, between: str, inside: str) -> dict[str, str]:
    """A map of its text.

    Args:
        text: Keys and values.
        between: What separates entries.
        inside: What separates a key from its value.

    Returns:
        The map.
    """
    found: dict[str, str] = {}
    for key, value in _pairs(text, between, inside):
        if key in found:
            refuse(f"Duplicate keys ({key}) are not allowed")
        found[key] = value
    return found


@python("athena_split_to_multimap", "VARCHAR, VARCHAR, VARCHAR", "MAP(VARCHAR, VARCHAR[])")
def split_to_multimap(text: str, between: str, inside: str) -> dict[str, list[str]]:
    """A map of its text, with all values of a key.

    Args:
        text: Keys and values.
        between: What separates entries.
        inside: What separates a key from its value.

    Returns:
        The map.
    """
    found: dict[str, list[str]] = {}
    for key, value in _pairs(text, between, inside):
        found.setdefault(key, []).append(value)
    return found


scalar("split_to_map(varchar, varchar, varchar) -> map(varchar, varchar)", "athena_split_to_map({args})")
scalar(
    "split_to_multimap(varchar, varchar, varchar) -> map(varchar, array(varchar))", "athena_split_to_multimap({args})"
)


@python("athena_strpos", "VARCHAR, VARCHAR, BIGINT", "BIGINT")
def position(text: str, part: str, instance: int) -> int:
    """Where a text is in another one for the n-th time.

    Args:
        text: The text.
        part: What is looked for.
        instance: Which time; from the end where it is negative.

    Returns:
        The position from 1; 0 where it is not there.
    """
    if not instance:
        refuse("'instance' must be a positive or negative number.")
    if not part:
        return 1
    found = -1 if instance > 0 else len(text)
    for _ in range(abs(instance)):
        found = text.find(part, found + 1) if instance > 0 else text.rfind(part, 0, found - 1 + len(part))
        if found < 0:
            return 0
    return found + 1


scalar("strpos(varchar, varchar) -> bigint", "strpos({0}, {1})")
scalar("strpos(varchar, varchar, bigint) -> bigint", "athena_strpos({0}, {1}, {2})")
scalar("starts_with(varchar, varchar) -> boolean", "starts_with({0}, {1})")
alias("index", "strpos")
macro("athena_substr(s, n)", "CASE WHEN n = 0 OR abs(n) > length(s) THEN '' ELSE substr(s, CAST(n AS BIGINT)) END")
macro(
    "athena_substr_of(s, n, c)",
    "CASE WHEN n = 0 OR abs(n) > length(s) OR c <= 0 THEN '' ELSE substr(s, CAST(n AS BIGINT), CAST(c AS BIGINT)) END",
)
for _name in ("substr", "substring"):
    scalar(
        f"{_name}(varchar, bigint) -> varchar",
        lambda call: lets(call.sql, lambda x: strict(x, f"athena_substr({', '.join(x)})")),
    )
    scalar(
        f"{_name}(varchar, bigint, bigint) -> varchar",
        lambda call: lets(call.sql, lambda x: strict(x, f"athena_substr_of({', '.join(x)})")),
    )
