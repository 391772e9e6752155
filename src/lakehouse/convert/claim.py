"""A run's hold on a file: what it writes to the file's record, and how it learns that somebody else took over."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from lakehouse.errors import LakehouseError, SchemaDriftError, StatusConflictError, TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakehouse.convert.job import ConversionJob
    from lakehouse.metadata.file_record import FileRecord
    from lakehouse.metadata.files import FileRecords

_log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 2.0


class Claim:
    """What ``FileRecords.start`` gave to one run.

    Every method but ``note_progress`` and ``fail`` raises ``StatusConflictError`` when another execution, a higher
    attempt or a later start of this one owns the file by now.
    """

    def __init__(self, records: FileRecords, job: ConversionJob, record: FileRecord) -> None:
        """Write nothing yet.

        Args:
            records: The file records.
            job: What is converted.
            record: The record as the run started it.
        """
        self._records = records
        self._job = job
        self._claim = record.claim
        self._written_at = time.monotonic()

    def note_progress(self, rows_read: int) -> None:
        """Write the rows read so far, not more often than every two seconds.

        Args:
            rows_read: Rows.

        Raises:
            StatusConflictError: Somebody else took over.
        """
        now = time.monotonic()
        if now - self._written_at < _PROGRESS_SECONDS:
            return
        self._written_at = now
        try:
            self.require(rows_read)
        except TransientError as error:
            # The next write may pass; the conversion itself is fine.
            _log.warning("Progress of %s was not recorded: %s", self._job.uri, error)

    def require(self, rows_read: int | None = None) -> None:
        """Write the progress, which fails when somebody else took over.

        Args:
            rows_read: Rows read so far, where they are known.
        """
        self._records.progress(self._job.file_id, attempt=self._job.attempt, rows_read=rows_read, claim=self._claim)

    def skip(self, *, needed_instead: str) -> None:
        """Record that nothing was published.

        Args:
            needed_instead: The file whose conversion takes this one's place.
        """
        self._records.skip(self._job.file_id, duplicate_of=needed_instead, claim=self._claim)
        _log.info("%s is not published: file %s is there instead", self._job.uri, needed_instead)

    def succeed(self, result: Mapping[str, Any]) -> None:
        """Record what was converted.

        Args:
            result: ``ConversionResult`` as a dictionary.
        """
        self._records.succeed(self._job.file_id, attempt=self._job.attempt, result=dict(result), claim=self._claim)

    def fail(self, error: BaseException) -> None:
        """Record why; the error itself goes on to the caller, unless it is not the file's but a taken-over run's.

        Args:
            error: What the conversion raised.

        Raises:
            StatusConflictError: Whoever took over aborted this run's upload: that is no failure of the file.
        """
        job = self._job
        try:
            self._records.fail(
                job.file_id,
                attempt=job.attempt,
                error_type=type(error).__name__,
                reason=str(error) or type(error).__name__,
                execution_arn=job.execution_arn,
                drift=error.differences if isinstance(error, SchemaDriftError) else None,
                claim=self._claim,
            )
        except StatusConflictError as conflict:
            raise conflict from error
        except LakehouseError as second:
            error.add_note(f"The failure could not be recorded: {second}")
            _log.warning("The failure of %s could not be recorded: %s", job.uri, second)
