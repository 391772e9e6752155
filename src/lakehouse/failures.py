"""What needs a person: files that failed, dead letters, dependencies that refuse work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from lakehouse.alerting.alerts import of_file
from lakehouse.metadata.file_record import FileRecord, FileStatus

if TYPE_CHECKING:
    from lakehouse.ingestion.dead_letters import DeadLetter, DeadLetters
    from lakehouse.metadata.circuits import Circuit, Circuits
    from lakehouse.metadata.files import FileRecords

# Who work is sent to: what circuits are kept for.
DEPENDENCIES = ("glue", "lambda")


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that failed and whose failure is not mended yet.

    Attributes:
        record: Its record.
        next_step: What to do about it.
    """

    record: FileRecord
    next_step: str


@dataclass(frozen=True, slots=True)
class Failures:
    """All that needs a person, as of now.

    Attributes:
        files: Failed files, newest first.
        has_more_files: Whether there are more.
        letters: Dead letters, oldest first.
        other_letters: About how many dead letters there are besides: more of them, or such as somebody else looks at.
        circuits: Circuits that are not closed.
    """

    files: Sequence[FailedFile]
    has_more_files: bool
    letters: Sequence[DeadLetter]
    other_letters: int
    circuits: Sequence[Circuit]

    @property
    def is_empty(self) -> bool:
        """Whether nothing needs a person."""
        return not (self.files or self.letters or self.other_letters or self.circuits)


def find(records: FileRecords, letters: DeadLetters, circuits: Circuits, *, limit: int) -> Failures:
    """Find what needs a person.

    Args:
        records: The file records.
        letters: The dead letters of the queue of landed files.
        circuits: The circuits of the engines.
        limit: The most files, and the most letters.

    Returns:
        All of it.

    Raises:
        LakehouseError: AWS refused.
    """
    failed = list(islice(failed_files(records), limit + 1))
    total = letters.count()
    dead = letters.find(limit)
    found = (circuits.get(dependency) for dependency in DEPENDENCIES)
    return Failures(
        files=tuple(failed[:limit]),
        has_more_files=len(failed) > limit,
        letters=tuple(dead),
        other_letters=max(0, total - len(dead)),
        circuits=tuple(circuit for circuit in found if not circuit.is_closed),
    )


def failed_files(records: FileRecords) -> Iterator[FailedFile]:
    """Find the files that failed. One whose object has a newer version is not among them: that one counts.

    Args:
        records: The file records.

    Yields:
        The files, newest first.
    """
    for record in records.iterate(status=FileStatus.FAILED):
        if newer_version(record, records) is None:
            yield FailedFile(record, next_step_of(record))


def next_step_of(record: FileRecord) -> str:
    """What to do about a failed file.

    Args:
        record: Its record, ``FAILED``.

    Returns:
        The alert's advice; nothing where the file is tried again by itself.
    """
    if record.next_attempt is not None:
        return f"Nothing: it is tried again as attempt {record.next_attempt}."
    return of_file(record).next_step


def newer_version(record: FileRecord, records: FileRecords) -> FileRecord | None:
    """Find a version of the same object that was registered later. One that relies on this one does not count.

    Args:
        record: A file.
        records: The file records.

    Returns:
        The newest of them, None where there is none.
    """
    later = records.iterate(key=record.key, since=record.created_at)
    others = (
        other
        for other in later
        if other.bucket == record.bucket and record.file_id not in {other.file_id, other.duplicate_of}
    )
    return next(others, None)
