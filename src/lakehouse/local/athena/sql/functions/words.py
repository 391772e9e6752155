"""Functions of words and characters: distances, sounds, translations.

https://trino.io/docs/current/functions/string.html
https://trino.io/docs/current/functions/teradata.html
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.functions.library import python, scalar
from lakehouse.local.athena.sql.functions.support import lets, refuse

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call


@python("athena_levenshtein", "VARCHAR, VARCHAR", "BIGINT")
def levenshtein(left: str, right: str) -> int:
    """How many characters must be changed, put in or taken out.

    Args:
        left: A text.
        right: Another one.

    Returns:
        The distance.
    """
    row = list(range(len(right) + 1))
    for index, one in enumerate(left, start=1):
        before, row[0] = row[0], index
        for place, other in enumerate(right, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (one != other))
    return row[-1]


def _distance(call: Call) -> str:
    def body(given: list[str]) -> str:
        left, right = given
        # DuckDB counts bytes.
        is_plain = f"strlen({left}) = length({left}) AND strlen({right}) = length({right})"
        return f"CASE WHEN {is_plain} THEN levenshtein({left}, {right}) ELSE athena_levenshtein({left}, {right}) END"

    return lets(call.sql, body)


@python("athena_hamming", "VARCHAR, VARCHAR", "BIGINT")
def hamming(left: str, right: str) -> int:
    """At how many places two texts differ.

    Args:
        left: A text.
        right: Another one.

    Returns:
        The distance.
    """
    if len(left) != len(right):
        refuse("The input strings to hamming_distance function must have the same length")
    return sum(one != other for one, other in zip(left, right, strict=True))


scalar("hamming_distance(varchar, varchar) -> bigint", "athena_hamming({0}, {1})")
scalar("levenshtein_distance(varchar, varchar) -> bigint", _distance)


@python("athena_translate", "VARCHAR, VARCHAR, VARCHAR", "VARCHAR")
def translate(text: str, old: str, new: str) -> str:
    """Replace characters by characters.

    Args:
        text: The text.
        old: The characters to be replaced; the first of two alike counts.
        new: What replaces them; those without one are taken out.

    Returns:
        The text.
    """
    table: dict[int, str | None] = {}
    for index, one in enumerate(old):
        table.setdefault(ord(one), new[index] if index < len(new) else None)
    return text.translate(table)


@python("athena_normalize", "VARCHAR, VARCHAR", "VARCHAR")
def normalize(text: str, form: str) -> str:
    """A text in one of Unicode's normal forms.

    Args:
        text: The text.
        form: ``NFC``, ``NFD``, ``NFKC`` or ``NFKD``.

    Returns:
        The text.
    """
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        refuse("Normalization form must be one of [NFD, NFC, NFKD, NFKC]")
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]


scalar("translate(varchar, varchar, varchar) -> varchar", "athena_translate({args})")
scalar("normalize(varchar) -> varchar", "nfc_normalize({0})")
scalar("normalize(varchar, varchar) -> varchar", "athena_normalize({0}, {1})")

_SOUNDS = {
    one: str(code) for code, group in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), start=1) for one in group
}


@python("athena_soundex", "VARCHAR", "VARCHAR")
def soundex(text: str) -> str:
    """How a word sounds in English.

    Args:
        text: The word.

    Returns:
        A letter and three digits.
    """
    letters = [one for one in text.upper() if one.isalpha()]
    if any(not "A" <= one <= "Z" for one in letters):
        refuse(f"The character is not mapped: {next(one for one in letters if not 'A' <= one <= 'Z')}")
    if not letters:
        return ""
    code, last = letters[0], _SOUNDS.get(letters[0], "")
    for one in letters[1:]:
        if one in "HW":
            continue
        digit = _SOUNDS.get(one, "")
        if digit and digit != last:
            code += digit
        last = digit
    return code[:4].ljust(4, "0")


@python("athena_luhn_check", "VARCHAR", "BOOLEAN")
def luhn_check(text: str) -> bool:
    """Whether a number's last digit fits by Luhn's rule.

    Args:
        text: The digits.

    Returns:
        True where it does.
    """
    if not text:
        return False
    if any(not "0" <= one <= "9" for one in text):
        refuse("input contains non-digit character")
    doubled = (int(one) * (1 + index % 2) for index, one in enumerate(reversed(text)))
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0


scalar("soundex(varchar) -> varchar(4)", "athena_soundex({0})")
scalar("luhn_check(varchar) -> boolean", "athena_luhn_check({0})")


@python("athena_char2hexint", "VARCHAR", "VARCHAR")
def char2hexint(text: str) -> str:
    """The bytes of a text in UTF-16.

    Args:
        text: The text.

    Returns:
        Hexadecimal digits.
    """
    return text.encode("utf-16-be").hex().upper()


scalar("char2hexint(varchar) -> varchar", "athena_char2hexint({0})")
