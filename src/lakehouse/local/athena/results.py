"""Results of statements: pages of the objects that statements wrote.

https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_FIELD = re.compile(rb'(?:"((?:[^"]|"")*)"|())(,|\n|\Z)')
_MOST_ROWS = 1000


def page(
    path: Path, kind: str, columns: Sequence[Sequence[Any]], start: int, most: int | None
) -> tuple[list[Json], int | None]:
    """Read some rows of a result.

    Args:
        path: The result's object.
        kind: ``DML`` for a table with a head, else lines of text.
        columns: The result's columns.
        start: Where the page begins, in bytes.
        most: How many rows at most.

    Returns:
        The rows, and where the next page begins; None behind the last row.
    """
    count = min(most or _MOST_ROWS, _MOST_ROWS)
    with path.open("rb") as file:
        file.seek(start)
        rows = _lines(file) if kind != "DML" else _records(file, len(columns))
        found: list[Json] = []
        position = start
        for values, length in rows:
            if len(found) == count:
                return found, position
            found.append({"Data": [{} if one is None else {"VarCharValue": one} for one in values]})
            position += length
    return found, None


def _lines(file: Any) -> Iterator[tuple[list[str | None], int]]:
    for line in file:
        yield [line.decode().removesuffix("\n")], len(line)


def _records(file: Any, count: int) -> Iterator[tuple[list[str | None], int]]:
    """Records of CSV as the engine writes it: every value in quotes, null as nothing."""
    pending = b""
    for line in file:
        pending += line
        # A record ends where its quotes are even.
        if pending.count(b'"') % 2:
            continue
        values: list[str | None] = []
        position = 0
        while len(values) < count:
            field = _FIELD.match(pending, position)
            if field is None:
                break
            values.append(None if field[1] is None else field[1].replace(b'""', b'"').decode())
            position = field.end()
        yield values, len(pending)
        pending = b""


def column_info(columns: Sequence[Sequence[Any]]) -> list[Json]:
    """Describe the columns of a result.

    Args:
        columns: Name, type, precision and scale of each.

    Returns:
        ``ColumnInfo`` of each.
    """
    return [
        {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": name,
            "Label": name,
            "Type": kind,
            "Precision": precision,
            "Scale": scale,
            "Nullable": "UNKNOWN",
            "CaseSensitive": kind in {"varchar", "char", "string"},
        }
        for name, kind, precision, scale in columns
    ]
