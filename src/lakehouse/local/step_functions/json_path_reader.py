"""A cursor over the text of a JSONPath."""

from __future__ import annotations

import re


class InvalidPathError(ValueError):
    """The text is no JSONPath."""


class Reader:
    """A cursor over a path's text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.text)

    def peek(self, expected: str) -> bool:
        """Whether the text goes on with something."""
        return self.text.startswith(expected, self.position)

    def take(self, expected: str) -> bool:
        """Pass over something, where it is there."""
        if not self.peek(expected):
            return False
        self.position += len(expected)
        return True

    def need(self, expected: str) -> None:
        """Pass over something that must be there."""
        if not self.take(expected):
            raise self.error(f"expected {expected!r}")

    def match(self, pattern: re.Pattern[str]) -> str | None:
        """Pass over what a pattern matches."""
        found = pattern.match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found.group()

    def skip_spaces(self) -> None:
        """Pass over white space."""
        while not self.at_end() and self.text[self.position].isspace():
            self.position += 1

    def quoted(self) -> str:
        """A string in single or double quotes; the cursor is on the opening quote."""
        quote = self.text[self.position]
        self.position += 1
        characters: list[str] = []
        while not self.at_end():
            character = self.text[self.position]
            self.position += 1
            if character == "\\" and not self.at_end():
                characters.append(self.text[self.position])
                self.position += 1
            elif character == quote:
                return "".join(characters)
            else:
                characters.append(character)
        raise self.error("the quote is not closed")

    def error(self, problem: str) -> InvalidPathError:
        """An error that says where the cursor is."""
        return InvalidPathError(f"Invalid path '{self.text}': {problem} at character {self.position + 1}")
