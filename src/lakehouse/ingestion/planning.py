"""Which files a run converts: what lies in the raw bucket, compared with the files' records.

Events bring low latency, this brings completeness: a lost event costs time, never data. Millions of keys are compared
in bounded memory: while one page of the bucket is listed, the records of the pages before are looked up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lakehouse.ingestion.landed_objects import LandedObject, ListedPage, listed_pages
from lakehouse.ingestion.standings import MOST_KEYS, FileStandings, Standing
from lakehouse.metadata.attribute_values import utc_now
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.identity import version_text

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Longer than a Glue job may run (60 minutes); a conversion that lives notes its progress far more often. A retry that
# waits in the queue is due after 15 minutes at the latest.
STALE_AFTER = timedelta(minutes=90)
# One processor parses the answers, so more threads would not look up more.
_THREADS = 8
# Look-ups under way or waiting to be read: two pages of the listing and a bit.
_MOST_AHEAD = 24


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to convert: the input of a file-conversion execution.

    Attributes:
        file_id: Its identity.
        bucket: Its bucket.
        key: Its key.
        version_id: Its version; ``null`` for none, as S3 says.
        attempt: The attempt to make, or to wait for.
    """

    file_id: str
    bucket: str
    key: str
    version_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class _Chunk:
    """As many objects as one look-up takes, and the key up to which everything is decided with them."""

    objects: tuple[LandedObject, ...]
    through: str


@dataclass(slots=True)
class Plan:
    """The files that a run converts, in the order of their keys. It is gone through once.

    Planned is the latest version of each ``.parquet`` object of a dataset below ``raw-data/``

    - that has no record;
    - that is under way (``REGISTERED`` or ``RUNNING``), with the attempt that is: the run waits for it, or starts it
      where it lies in the queue. The execution's name is the same, so it is converted once;
    - whose work died, with the next attempt: under way without a change for ``STALE_AFTER``;
    - that failed and waits for a retry in the queue, with the attempt that failed: it counts as failed for this run.
      After ``STALE_AFTER`` that retry is lost, and made by the run;
    - that failed, with the next attempt, where ``retry_failed`` asks for it.

    Attributes:
        client: S3 client.
        standings: How files stand.
        bucket: The raw bucket.
        datasets: Only these; all without any.
        retry_failed: Whether files that failed are tried again.
        start_after: Only keys behind this one.
        is_time_up: Whether to stop; asked before each hundred files but the first.
        now: The time, UTC; against it the age of unfinished work is measured.
        decided: The last key that was decided so far; where the plan ended early, the next one starts after it.
        is_whole: Whether everything was decided.
    """

    client: S3Client
    standings: FileStandings
    bucket: str
    datasets: Sequence[str] = ()
    retry_failed: bool = False
    start_after: str | None = None
    is_time_up: Callable[[], bool] = lambda: False
    now: datetime | None = None
    decided: str | None = None
    is_whole: bool = False

    def __iter__(self) -> Iterator[PlannedFile]:
        """Go through the files.

        Yields:
            Each file.

        Raises:
            LakehouseError: S3 or DynamoDB refused.
        """
        stale_before = (self.now or utc_now()) - STALE_AFTER
        self.decided = self.start_after
        pages = listed_pages(self.client, self.bucket, self.datasets, self.start_after)
        for number, (chunk, known) in enumerate(_looked_up(_chunks(pages), self.standings)):
            if number and self.is_time_up():
                return
            for landed in chunk.objects:
                attempt = _attempt(known.get(landed.file_id), stale_before, retry_failed=self.retry_failed)
                if attempt is not None:
                    version_id = version_text(landed.version_id)
                    yield PlannedFile(landed.file_id, self.bucket, landed.key, version_id, attempt)
            self.decided = chunk.through or self.decided
        self.is_whole = True


def _attempt(found: Standing | None, stale_before: datetime, *, retry_failed: bool) -> int | None:
    """The attempt to make; None where there is nothing to do."""
    if found is None:
        return 1
    if found.status.is_final:
        return None
    is_stale = found.updated_at < stale_before
    if found.status is not FileStatus.FAILED:
        return found.attempt + 1 if is_stale else found.attempt
    if retry_failed or (found.next_attempt is not None and is_stale):
        return found.attempt + 1
    return None if found.next_attempt is None else found.attempt


def _chunks(pages: Iterator[ListedPage]) -> Iterator[_Chunk]:
    for page in pages:
        whole = len(page.objects) - len(page.objects) % MOST_KEYS
        for first in range(0, whole, MOST_KEYS):
            objects = page.objects[first : first + MOST_KEYS]
            yield _Chunk(objects, objects[-1].key)
        yield _Chunk(page.objects[whole:], page.through)


def _looked_up(chunks: Iterator[_Chunk], standings: FileStandings) -> Iterator[tuple[_Chunk, dict[str, Standing]]]:
    """Look chunks up ahead of whoever reads them, several at a time, in their order."""
    waiting: deque[tuple[_Chunk, Future[dict[str, Standing]]]] = deque()
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="look-up")
    try:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(standings.of, [landed.file_id for landed in chunk.objects])))
            if len(waiting) >= _MOST_AHEAD:
                first, found = waiting.popleft()
                yield first, found.result()
        for first, found in waiting:
            yield first, found.result()
    finally:
        # Whoever reads may have enough, and what is looked up ahead is then of no use.
        pool.shutdown(cancel_futures=True)
