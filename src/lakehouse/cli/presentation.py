"""How the command line shows things: tables to a person, JSON to a program."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_STATUS_STYLES = {
    "SUCCEEDED": "green",
    "SKIPPED": "green",
    "SUCCESS": "green",
    "FAILED": "red",
    "FAIL": "red",
    "ERROR": "red",
    "TIMED_OUT": "red",
    "ABORTED": "red",
    "RUNNING": "yellow",
    "REGISTERED": "yellow",
}


def console() -> Console:
    """The terminal to print to, made anew so that a test's captured stdout is the one used."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=False)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its heading.
        is_number: Right-aligned when true.
        is_flexible: Takes what room is left, folding long text; the others keep their width.
    """

    title: str
    is_number: bool = False
    is_flexible: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]]) -> Table:
    """A plain table: no frame but a line under the headings.

    Args:
        columns: The columns, left to right.
        rows: Cells, one sequence a row.

    Returns:
        The table, to be printed by a console.
    """
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        shown.add_column(
            column.title,
            justify="right" if column.is_number else "left",
            no_wrap=not column.is_flexible,
            overflow="fold" if column.is_flexible else "ellipsis",
            ratio=None,
        )
    for row in rows:
        shown.add_row(*row)
    return shown


def indented(text: str, columns: int) -> Padding:
    """A paragraph that keeps its indent where it wraps, taken as it is."""
    return Padding(Text(text), (0, 0, 0, columns), expand=False)


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=_STATUS_STYLES.get(status, ""))


def count_text(value: int | None) -> str:
    """A count with thousands separators, a dash where it is not known."""
    return "-" if value is None else f"{value:,}"


def seconds_text(value: float | None) -> str:
    """A duration in seconds, as a person reads it."""
    if value is None:
        return "-"
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def bytes_text(value: int | None) -> str:
    """A size in binary units."""
    if value is None:
        return "-"
    size = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def moment_text(value: datetime | None) -> str:
    """A time in UTC without its fraction: ``2026-01-31 06:07:08``."""
    return "-" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def print_json(value: Any) -> None:
    """One JSON document for a program, on standard output."""
    json.dump(value, sys.stdout, indent=2, default=_plain)
    sys.stdout.write("\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)
