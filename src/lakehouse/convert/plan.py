"""How a file is cut into pieces of work: batches for one process, tasks and parts for many.

S3 sets the rules: parts are numbered from 1 without gaps, and every part but the last has at least 5 MiB. A task must
know its part numbers before it knows its output's size, so each task gets a fixed number of parts, planned such that
even the shortest possible JSON of its rows fills them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.contracts.model import OutputOptions
from lakehouse.convert.multipart import MAX_PARTS

if TYPE_CHECKING:
    from lakehouse.convert.source import ParquetFacts

_MOST_BATCH_ROWS = 98_304
_BATCH_BYTES = 48 * 1024**2

# Three times S3's minimum: two thirds of a task's rows may be rejected before its parts get too small.
_PART_BYTES = 16 * 1024**2
# How much smaller compression makes JSON, at most, as planned; where it does more, one process converts the file.
_PLANNED_RATIO = {"none": 1, "gzip": 16, "zstd": 16}
_MOST_TASK_BYTES = 512 * 1024**2
_TASKS_PER_CORE = 3
_PLAIN = OutputOptions()


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """Consecutive row groups that one task converts.

    Attributes:
        index: Position among the tasks, from 0.
        row_groups: Indexes of the row groups.
        rows: Rows in them.
        first_part: Number of the task's first part.
        parts: How many parts it uploads; None where it is the only task, which takes as many as it needs.
    """

    index: int
    row_groups: tuple[int, ...]
    rows: int
    first_part: int
    parts: int | None


def least_row_bytes(schema: pa.Schema) -> int:
    """Length of the shortest JSON line that a row of this schema can have, its line break included.

    Every column's name is on every line, nulls too, so this is most of the true length for tables of numbers.

    Args:
        schema: The file's schema.

    Returns:
        Bytes.
    """
    names = sum(len(json.dumps(field.name, ensure_ascii=False).encode()) + len(":,") for field in schema)
    values = len(schema)  # one digit each; anything else is longer
    commas_too_many = min(1, len(schema))
    return names + values + len("{}\n") - commas_too_many


def estimated_bytes(facts: ParquetFacts, rows: int, decoded_bytes: int) -> int:
    """A cautious estimate of the JSON's length: rarely more than it comes to.

    Args:
        facts: The file.
        rows: Rows of the piece in question.
        decoded_bytes: Their uncompressed length in the file. Long values show here; a list of small numbers, 8 bytes
            each in parquet, may take 2 in JSON.

    Returns:
        Bytes; none where there are no rows, whatever the footer says of their length.
    """
    return max(rows * least_row_bytes(facts.schema), decoded_bytes // 5) if rows else 0


def batch_rows(facts: ParquetFacts) -> int:
    """The most rows of a batch, so that its JSON stays around 48 MiB however many columns there are.

    The reader lowers it further where the values are long.

    Args:
        facts: The file.

    Returns:
        From 1 to 98,304.
    """
    return max(1, min(_MOST_BATCH_ROWS, _BATCH_BYTES // least_row_bytes(facts.schema)))


def single_task(facts: ParquetFacts) -> tuple[PlannedTask, ...]:
    """The plan that always works: one task for the whole file.

    Args:
        facts: The file.

    Returns:
        One task.
    """
    groups = tuple(group.index for group in facts.row_groups)
    return (PlannedTask(index=0, row_groups=groups, rows=facts.rows, first_part=1, parts=None),)


def plan_tasks(facts: ParquetFacts, cores: int, options: OutputOptions = _PLAIN) -> tuple[PlannedTask, ...]:
    """Cut a file into tasks.

    Args:
        facts: The file.
        cores: How many tasks run at a time.
        options: How the output is stored: compressed parts need more rows to be large enough.

    Returns:
        Tasks in row order, a few a core if the file is large enough; one task for a small file.
    """
    part_bytes = _PART_BYTES * _PLANNED_RATIO[options.compression]
    total = sum(estimated_bytes(facts, group.rows, group.decoded_bytes) for group in facts.row_groups)
    # Half of S3's part numbers are left for parts that tasks get because each needs at least one.
    part_bytes = max(part_bytes, total // (MAX_PARTS // 2))
    task_bytes = max(min(total // (cores * _TASKS_PER_CORE), _MOST_TASK_BYTES), 2 * part_bytes)
    pieces = _grouped(facts, total, max(1, total // task_bytes), 2 * part_bytes)
    if len(pieces) <= 1:
        return single_task(facts)
    tasks = []
    first_part = 1
    for index, (groups, rows, size) in enumerate(pieces):
        parts = max(1, min(size // part_bytes, rows))
        tasks.append(PlannedTask(index, groups, rows, first_part, parts))
        first_part += parts
    return tuple(tasks)


def _grouped(facts: ParquetFacts, total: int, count: int, least_bytes: int) -> list[tuple[tuple[int, ...], int, int]]:
    """Consecutive row groups as about ``count`` pieces of equal size, with their rows and estimated bytes.

    What remains at the end joins the piece before it when it is less than ``least_bytes``.
    """
    pieces: list[tuple[tuple[int, ...], int, int]] = []
    groups: list[int] = []
    rows = size = done = 0
    for group in facts.row_groups:
        groups.append(group.index)
        rows += group.rows
        size += estimated_bytes(facts, group.rows, group.decoded_bytes)
        if size >= least_bytes and (done + size) * count >= (len(pieces) + 1) * total:
            pieces.append((tuple(groups), rows, size))
            done += size
            groups, rows, size = [], 0, 0
    if groups and pieces:
        before, rows_before, size_before = pieces.pop()
        pieces.append((before + tuple(groups), rows_before + rows, size_before + size))
    elif groups:
        pieces.append((tuple(groups), rows, size))
    return pieces
