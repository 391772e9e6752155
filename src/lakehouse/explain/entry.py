"""One happening in the story of a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened to a file.

    Attributes:
        time: When, UTC; None for what has no time of its own.
        source: Who tells it: ``S3``, ``record``, ``execution``, ``job run``, ``log``, ``dead letter``.
        text: What happened.
        is_bad: Whether it went wrong.
    """

    time: datetime | None
    source: str
    text: str
    is_bad: bool = False
