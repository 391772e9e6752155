"""Java's regular expressions, as Trino takes them, in the words of Python's and of DuckDB's.

DuckDB's are RE2's: fast, but without looking around, references and possessive quantifiers, and with classes of ASCII
only. A pattern of the parts that mean the same in both goes to DuckDB, all others to Python.

https://trino.io/docs/current/functions/regexp.html
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from lakehouse.local.athena.failures import StatementFailedError

# What is behind a letter, inside and outside of brackets, in RE2.
_RE2_CLASSES = {"d": r"\p{Nd}", "w": r"\p{L}\p{M}\p{N}\p{Pc}", "s": r"\s\x0b\x{85}\p{Z}"}
_POSIX: dict[str, str] = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F",
    "Space": r" \t\n\x0b\f\r",
}
_PROPERTIES: dict[str, Callable[[str], bool]] = {
    "isalphabetic": str.isalpha,
    "islowercase": str.islower,
    "isuppercase": str.isupper,
    "iswhite_space": str.isspace,
    "isdigit": lambda one: unicodedata.category(one) == "Nd",
    "ispunctuation": lambda one: unicodedata.category(one).startswith("P"),
    "isletter": lambda one: unicodedata.category(one).startswith("L"),
}


def _invalid(text: str) -> StatementFailedError:
    return StatementFailedError("INVALID_FUNCTION_ARGUMENT", text)


def _unknown(pattern: str, part: str) -> StatementFailedError:
    return StatementFailedError("NOT_SUPPORTED", f"{part} in the pattern {pattern} is not executed on the laptop.")


@lru_cache(maxsize=64)
def _property(name: str) -> str:
    """The inside of brackets for a property of characters."""
    if name in _POSIX:
        return _POSIX[name]
    key = name.lower()
    plain = key.removeprefix("is").removeprefix("general_category=").removeprefix("gc=")
    if key in _PROPERTIES:
        holds = _PROPERTIES[key]
    elif plain in {"l", "m", "n", "p", "s", "z", "c"} or re.fullmatch("[lmnpszc][a-z]", plain):

        def holds(one: str) -> bool:
            return unicodedata.category(one).lower().startswith(plain)

    else:
        raise _invalid(f"invalid character property name <{name}>")
    found, start = [], -1
    for point in range(sys.maxunicode + 2):
        is_in = point <= sys.maxunicode and holds(chr(point))
        if is_in and start < 0:
            start = point
        elif not is_in and start >= 0:
            found.append(f"\\U{start:08x}-\\U{point - 1:08x}")
            start = -1
    return "".join(found)


class _Translator:
    """Reads a pattern of Java's from left to right, and writes one of Python's."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def translate(self) -> str:
        found = self._alternatives()
        if self.at < len(self.pattern):
            raise _invalid("unmatched close parenthesis")
        return found

    def _alternatives(self) -> str:
        out: list[str] = []
        open_flags = 0
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            flags = re.compile(r"\(\?([imsx]*)(?:-([imsx]+))?\)").match(self.pattern, self.at)
            if flags and (flags[1] or flags[2]):
                # What stands behind, up to the end of the group, as in Joni.
                self.at = flags.end()
                out.append(f"(?{flags[1]}{'-' + flags[2] if flags[2] else ''}:")
                open_flags += 1
                continue
            out.append(self._part())
        return "".join(out) + ")" * open_flags

    def _part(self) -> str:
        one = self.pattern[self.at]
        if one == "\\":
            return self._escape()
        if one == "[":
            return self._brackets()
        if one == "(":
            return self._group()
        self.at += 1
        return one

    def _group(self) -> str:
        rest = self.pattern[self.at :]
        named = re.match(r"\(\?<([A-Za-z]\w*)>", rest)
        opening = re.match(r"\(\?(?:[:=!>]|<[=!]|[imsx]*-?[imsx]*:)", rest)
        head = named or opening
        if head is None and rest.startswith("(?"):
            raise _invalid("undefined group option")
        self.at += head.end() if head else 1
        inside = self._alternatives()
        if self.at >= len(self.pattern):
            raise _invalid("end pattern with unmatched parenthesis")
        self.at += 1
        text = f"(?P<{named[1]}>" if named else head[0] if head else "("
        return f"{text}{inside})"

    def _escape(self) -> str:
        rest = self.pattern[self.at :]
        if len(rest) < 2:
            raise _invalid("end pattern at escape")
        if rest.startswith("\\Q"):
            end = rest.find("\\E")
            text = rest[2:] if end < 0 else rest[2:end]
            self.at += len(rest) if end < 0 else end + 2
            return re.escape(text)
        backward = re.match(r"\\k<(\w+)>", rest)
        if backward:
            self.at += backward.end()
            return f"(?P={backward[1]})" if not backward[1].isdigit() else f"(?:\\{backward[1]})"
        known = {"\\z": r"\Z", "\\Z": r"(?=\n?\Z)", "\\R": r"(?:\r\n|[\n-\r\x85\u2028\u2029])", "\\h": r"[0-9a-fA-F]"}
        if rest[:2] in known:
            self.at += 2
            return known[rest[:2]]
        if rest[1] in "GX":
            raise _unknown(self.pattern, rest[:2])
        if rest[1] in "pP":
            inside, is_negated = self._named_class()
            return f"[{'^' if is_negated else ''}{inside}]"
        return self._character()

    def _named_class(self) -> tuple[str, bool]:
        found = re.compile(r"\\([pP])(?:\{(\^?)([\w=]+)\}|(\w))").match(self.pattern, self.at)
        if found is None:
            raise _invalid("invalid character property name")
        self.at = found.end()
        return _property(found[3] or found[4]), (found[1] == "P") != bool(found[2])

    def _character(self) -> str:
        """An escape that stands for one character, or that Python knows too."""
        rest = self.pattern[self.at :]
        wide = re.match(r"\\x\{([0-9A-Fa-f]+)\}|\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})", rest)
        if wide:
            self.at += wide.end()
            return f"\\U{int(wide[1] or wide[2] or wide[3], 16):08x}"
        octal = re.match(r"\\0([0-7]{1,3})", rest)
        if octal:
            self.at += octal.end()
            return f"\\U{int(octal[1], 8):08x}"
        control = re.match(r"\\c([@-_])", rest)
        if control:
            self.at += control.end()
            return f"\\U{ord(control[1]) ^ 64:08x}"
        self.at += 2
        one = rest[1]
        if one == "e":
            return r"\x1b"
        if one.isalnum() and one not in "AbBdDsSwWtnrfav123456789":
            return re.escape(one)
        return rest[:2]

    def _brackets(self) -> str:
        """A class of characters; Java's may be put together of others, Python's may not."""
        self.at += 1
        is_negated = self.pattern.startswith("^", self.at)
        self.at += is_negated
        sides: list[str] = []
        nested: list[str] = []
        plain, is_first = "", True
        while True:
            if self.at >= len(self.pattern):
                raise _invalid("premature end of char-class")
            rest = self.pattern[self.at :]
            if rest[0] == "]" and not is_first:
                self.at += 1
                break
            if rest.startswith("&&"):
                self.at += 2
                sides.append(_union(plain, nested))
                plain, nested = "", []
            elif posix := re.match(r"\[:(\^?)(\w+):\]", rest):
                self.at += posix.end()
                inside = _property(posix[2].capitalize().replace("Xdigit", "XDigit"))
                plain, nested = (plain, [*nested, f"[^{inside}]"]) if posix[1] else (plain + inside, nested)
            elif rest[0] == "[":
                nested.append(self._brackets())
            elif rest[:2] in ("\\p", "\\P"):
                inside, is_other = self._named_class()
                plain, nested = (plain, [*nested, f"[^{inside}]"]) if is_other else (plain + inside, nested)
            elif rest.startswith("\\Q"):
                plain += self._escape()
            elif rest[0] == "\\":
                plain += self._character()
            else:
                self.at += 1
                plain += f"\\{rest[0]}" if rest[0] in "&~|[" else rest[0]
            is_first = False
        sides.append(_union(plain, nested))
        if len(sides) == 1 and not nested:
            return f"[{'^' if is_negated else ''}{plain}]"
        every = "".join(f"(?={side})" for side in sides)
        return f"(?:(?!{every})[\\s\\S])" if is_negated else f"(?:{every}[\\s\\S])"


def _union(plain: str, nested: list[str]) -> str:
    parts = [*([f"[{plain}]"] if plain else []), *nested]
    return f"(?:{'|'.join(parts)})" if parts else r"(?!)"


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of Java's, ready to be used.

    Args:
        pattern: The pattern.

    Returns:
        Python's pattern.

    Raises:
        StatementFailedError: It is wrong, or Python has no such thing.
    """
    try:
        return re.compile(_Translator(pattern).translate())
    except re.error as error:
        if "look-behind" in str(error):
            raise _unknown(pattern, "A look-behind of no fixed length") from error
        raise _invalid(str(error)) from error


def plain(pattern: str, *, is_test: bool = False) -> str | None:
    """A pattern as RE2 takes it, where it means the same there.

    Args:
        pattern: Java's pattern.
        is_test: Whether it is only asked if something matches.

    Returns:
        RE2's pattern; None where Python must do.
    """
    out, at = "", 0
    while at < len(pattern):
        one, two = pattern[at], pattern[at : at + 2]
        brackets = re.compile(r"\[\^?(?:[\w .,;:@%/+*?(){}<>=!#'\"$-]|\\[dwstnrf.\-\]\[/\\])+\]").match(pattern, at)
        if one == "\\":
            if len(two) < 2 or (two[1].isalnum() and two[1] not in "dwsDWStnrf"):
                return None
            low = two[1].lower()
            is_class = low in _RE2_CLASSES
            out += f"[{'^' if two[1].isupper() else ''}{_RE2_CLASSES[low]}]" if is_class else two
            at += 2
        elif brackets:
            inside = re.sub(r"\\([dws])", lambda found: _RE2_CLASSES[found[1]], brackets[0])
            out += inside
            at = brackets.end()
        elif one == "^":
            if at:
                return None
            out, at = "^", 1
        elif one == "$":
            if not is_test or at != len(pattern) - 1:
                return None
            # Before a line's end at the text's end, too.
            out, at = rf"(?:{out})(?:\n?\z)" if "|" in out else out + r"\n?\z", at + 1
            if "|" in pattern:
                return None
        elif two == "(?":
            if pattern[at : at + 3] != "(?:":
                return None
            out, at = f"{out}(?:", at + 3
        elif one in "[]{":
            count = re.compile(r"\{(\d{1,3})(,\d{0,3})?\}").match(pattern, at)
            if count is None:
                return None
            out, at = out + count[0], count.end()
            if pattern[at : at + 1] in ("+", "*", "?", "{"):
                return None
        elif one in "*+?" and pattern[at + 1 : at + 2] in ("+", "*", "{"):
            return None
        else:
            out, at = out + one, at + 1
    try:
        expression = compiled(pattern)
    except StatementFailedError:
        return None
    # Where nothing matches, too, the two go on differently.
    return None if not is_test and expression.match("") else out


def has_certain_groups(pattern: str) -> bool:
    """Whether every group of a pattern takes part in every match: DuckDB does not tell an empty one from none.

    Args:
        pattern: Java's pattern.

    Returns:
        True where all do.
    """
    return "|" not in pattern and not re.search(r"\)[*?{]", pattern)


def group_count(pattern: str) -> int | None:
    """How many groups a pattern has.

    Args:
        pattern: Java's pattern.

    Returns:
        The number; None where the pattern is wrong.
    """
    try:
        return compiled(pattern).groups
    except StatementFailedError:
        return None
