"""One file's conversion from record to record, the same under every runner.

::

    start record ─► look at the file, its contract, its drift ─► run ─► rows conserved? still ours? needed? threshold?
        ─► publish the quarantine, then the output ─► record SUCCEEDED

Nothing is visible before all rows are accounted for. A permanent error is recorded as FAILED with its class and
message; after a transient one the record stays RUNNING, since the state machine tries the same attempt again and a
FAILED attempt could not be. Whoever is killed in between leaves a RUNNING record and no object: the same execution, or
a higher attempt, does it again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.contracts.drift import compare
from lakehouse.contracts.model import output_options
from lakehouse.convert import layout
from lakehouse.convert.multipart import uploads_in_progress
from lakehouse.convert.needless import made_needless_by
from lakehouse.convert.result import ConversionResult
from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.source import inspect
from lakehouse.errors import (
    FileVanishedError,
    LakehouseError,
    QuarantineThresholdError,
    SchemaDriftError,
    ServiceUnavailableError,
    StatusConflictError,
    TransientError,
)
from lakehouse.metadata.file_record import FileStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from lakehouse.contracts.catalog import ContractCatalog
    from lakehouse.contracts.difference import Difference
    from lakehouse.contracts.model import Contract
    from lakehouse.convert.kernel import Counts
    from lakehouse.convert.multipart import WrittenObject
    from lakehouse.convert.object_writer import Publication
    from lakehouse.convert.source import ParquetFacts
    from lakehouse.metadata.file_record import FileRecord
    from lakehouse.metadata.files import FileRecords

_log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ConversionJob:
    """What is to be converted, and on whose behalf.

    Attributes:
        file_id: The file's record.
        bucket: The raw object's bucket.
        key: The raw object's key.
        version_id: Its version, None where the bucket has no versioning.
        attempt: The attempt, from 1.
        execution_arn: The file-conversion execution that owns the attempt.
        run_id: The pipeline run.
        job_run_id: The Glue job run, where there is one.
    """

    file_id: str
    bucket: str
    key: str
    version_id: str | None
    attempt: int
    execution_arn: str | None = None
    run_id: str | None = None
    job_run_id: str | None = None

    @property
    def uri(self) -> str:
        """The raw object's address, without its version."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a runner needs to know of a job.

    Attributes:
        bucket: The raw object's bucket.
        key: The raw object's key.
        version_id: Its version, None where the bucket has no versioning.
        facts: What its footer states.
        contract: Its dataset's contract, None for an unknown dataset.
        output_bucket: The processed bucket.
        output_key: Key of the JSON object.
        quarantine_key: Key of the rejected rows.
        object_metadata: User metadata of both objects.
    """

    bucket: str
    key: str
    version_id: str | None
    facts: ParquetFacts
    contract: Contract | None
    output_bucket: str
    output_key: str
    quarantine_key: str
    object_metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A conversion whose objects are uploaded and not yet visible.

    Attributes:
        counts: What became of the rows.
        output: The JSON object to be.
        quarantine: The quarantine object to be; aborted when no row was rejected.
    """

    counts: Counts
    output: Publication
    quarantine: Publication

    def require_threshold(self, name: str, contract: Contract | None) -> None:
        """Fail a file of which too many rows were rejected, after publishing the rejected rows: they tell why.

        Args:
            name: The file, for the message.
            contract: Its dataset's contract.

        Raises:
            QuarantineThresholdError: More rows broke rules than the contract tolerates.
        """
        try:
            self.counts.require_threshold(name, contract)
        except QuarantineThresholdError as error:
            quarantine = self.quarantine.complete()
            raise QuarantineThresholdError(f"{error} The rejected rows are in {quarantine.uri}.") from error

    def publish(self) -> tuple[WrittenObject, WrittenObject | None]:
        """Make the objects visible, the quarantine first: whoever sees the output can see what it leaves out.

        Returns:
            The output, and the quarantine where any row was rejected.
        """
        quarantine = self.quarantine.complete() if self.counts.rows_rejected else None
        self.quarantine.abort()  # does nothing when it is complete
        return self.output.complete(), quarantine

    def discard(self) -> None:
        """Make nothing visible, and leave nothing behind."""
        self.output.abort()
        self.quarantine.abort()


class Runner(Protocol):
    """Converts a file with the kernel, in one process or in many."""

    @property
    def engine(self) -> str:
        """``in_process`` or ``spark``, as the record shows it."""
        ...

    def draft(self, assignment: Assignment, note_progress: Callable[[int], None]) -> AbstractContextManager[Draft]:
        """Convert and upload everything.

        Args:
            assignment: What to convert.
            note_progress: To be called now and then with the rows read so far; what it raises must end the work.

        Returns:
            A context manager that gives the draft; on leaving it, whatever was not completed is aborted.
        """
        ...


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts files of the raw layer and keeps their records true.

    Attributes:
        s3: S3 client.
        records: The file records.
        contracts: The known contracts.
        processed_bucket: Where the output goes.
    """

    s3: S3Client
    records: FileRecords
    contracts: ContractCatalog
    processed_bucket: str

    def convert(self, job: ConversionJob, runner: Runner) -> ConversionResult | None:
        """Convert one file.

        Doing it again is safe: a file that is converted already is left alone, and a run that died starts anew.

        Args:
            job: What to convert.
            runner: Does the work.

        Returns:
            What was converted, now or before; None where nothing was published, since the key has a newer version by
            now or the same bytes were converted meanwhile: the record is ``SKIPPED`` and names that one.

        Raises:
            LakehouseError: The file cannot be converted; every permanent reason is recorded.
            StatusConflictError: Another execution, a higher attempt or a later start of this one owns the file; nothing
                was recorded.
        """
        started = time.monotonic()
        try:
            record = self.records.start(
                job.file_id,
                attempt=job.attempt,
                engine=runner.engine,
                execution_arn=job.execution_arn,
                run_id=job.run_id,
                job_run_id=job.job_run_id,
            )
        except StatusConflictError:
            # A retry of a run that died between recording its success and reporting it.
            earlier = self.records.get(job.file_id)
            if not earlier.status.is_final:
                raise
            _log.info("%s is %s already", job.uri, earlier.status)
            return _result_of(earlier) if earlier.status is FileStatus.SUCCEEDED else None
        try:
            result = self._convert_started(job, record, runner, started)
            if result is None:
                return None
            self.records.succeed(job.file_id, attempt=job.attempt, result=asdict(result), claim=record.claim)
        except (TransientError, StatusConflictError, KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a panic inside Polars is no Exception
            _record_failure(job, self.records, record, error)
            raise
        _log.info("%s converted to %s", job.uri, result.output_uri)
        return result

    def _convert_started(
        self, job: ConversionJob, record: FileRecord, runner: Runner, started: float
    ) -> ConversionResult | None:
        progress = _Progress(self.records, job, record)
        try:
            contract = self.contracts.find(record.dataset)
            facts = inspect(S3Source(self.s3, job.bucket, job.key, job.version_id))
            drift = _allowed_drift(contract, facts)
            assignment = _assignment(job, self.s3, facts, contract, self.processed_bucket)
            _abort_stale_uploads(self.s3, self.records, job, assignment)
            with runner.draft(assignment, progress) as draft:
                draft.counts.require_conserved(job.uri, facts.rows)
                progress.require_ownership(draft.counts.rows_read)
                needed_instead = made_needless_by(self.s3, self.records, record)
                if needed_instead is not None:
                    draft.discard()
                    self.records.skip(job.file_id, duplicate_of=needed_instead, claim=record.claim)
                    _log.info("%s is not published: file %s is there instead", job.uri, needed_instead)
                    return None
                draft.require_threshold(job.uri, contract)
                output, quarantine = draft.publish()
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == "NoSuchUpload":
                progress.require_ownership()
                raise ServiceUnavailableError(
                    f"Converting {job.uri} failed: somebody else aborted its upload, as the run of another version of "
                    "it may do. Try again."
                ) from error
            raise translate(error, f"Converting {job.uri}") from error
        return ConversionResult(
            rows_total=facts.rows,
            rows_read=draft.counts.rows_read,
            rows_written=draft.counts.rows_written,
            rows_quarantined=draft.counts.rows_rejected,
            bytes_written=output.size_bytes,
            output_uri=output.uri,
            output_objects=output.objects,
            output_checksum=output.checksum or "",
            quarantine_uri=quarantine.uri if quarantine else None,
            duration_seconds=round(time.monotonic() - started, 3),
            engine=runner.engine,
            rule_results=dict(draft.counts.rule_results),
            nonfinite_values=draft.counts.nonfinite_values,
            drift=drift,
        )


def _allowed_drift(contract: Contract | None, facts: ParquetFacts) -> tuple[Difference, ...]:
    if contract is None:
        return ()
    drift = compare(contract, facts.schema)
    drift.require_allowed()
    return drift.differences


def _assignment(
    job: ConversionJob, s3: S3Client, facts: ParquetFacts, contract: Contract | None, processed_bucket: str
) -> Assignment:
    landed_at = _landed_at(s3, job)
    metadata = {
        "file-id": job.file_id,
        "source": quote(job.uri, safe=":/"),  # metadata is sent as HTTP headers: ASCII only
        "source-rows": str(facts.rows),
    }
    if job.version_id:
        metadata["source-version"] = job.version_id
    return Assignment(
        bucket=job.bucket,
        key=job.key,
        version_id=job.version_id,
        facts=facts,
        contract=contract,
        output_bucket=processed_bucket,
        output_key=layout.output_key(job.key, landed_at, output_options(contract).compression),
        quarantine_key=layout.quarantine_key(job.key, landed_at),
        object_metadata=metadata,
    )


def _landed_at(s3: S3Client, job: ConversionJob) -> datetime:
    try:
        if job.version_id:
            return s3.head_object(Bucket=job.bucket, Key=job.key, VersionId=job.version_id)["LastModified"]
        return s3.head_object(Bucket=job.bucket, Key=job.key)["LastModified"]
    except ClientError as error:
        # HEAD has no body, so S3 gives the bare status instead of NoSuchKey.
        if error_code(error) in {"404", "405", "NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}:
            raise FileVanishedError(
                f"{job.uri} was deleted after it was registered. Upload it again to have it converted."
            ) from error
        raise


def _abort_stale_uploads(s3: S3Client, records: FileRecords, job: ConversionJob, assignment: Assignment) -> None:
    """Drop what a dead run of this file left half-uploaded.

    Another version of the same raw object writes to the same keys. While one is being converted, its uploads cannot
    be told from dead ones: then the bucket's lifecycle rule has to remove them.
    """
    stale = [
        upload
        for key in (
            assignment.output_key,
            layout.parts_folder(assignment.output_key),
            assignment.quarantine_key,
        )
        for upload in uploads_in_progress(s3, assignment.output_bucket, key)
    ]
    if not stale:
        return
    running = records.iterate(key=job.key, status=FileStatus.RUNNING)
    if any(other.file_id != job.file_id for other in running):
        return
    for upload in stale:
        _log.info("Aborting %s, left by a run that died", upload)
        upload.abort(s3)


class _Progress:
    """Writes the rows read so far to the record, not more often than every two seconds."""

    def __init__(self, records: FileRecords, job: ConversionJob, record: FileRecord) -> None:
        self._records = records
        self._job = job
        self._claim = record.claim
        self._written_at = time.monotonic()

    def __call__(self, rows_read: int) -> None:
        now = time.monotonic()
        if now - self._written_at < _PROGRESS_SECONDS:
            return
        self._written_at = now
        try:
            self.require_ownership(rows_read)
        except TransientError as error:
            # The next write may pass; the conversion itself is fine.
            _log.warning("Progress of %s was not recorded: %s", self._job.uri, error)

    def require_ownership(self, rows_read: int | None = None) -> None:
        """Write the progress, which fails when somebody else took over."""
        self._records.progress(self._job.file_id, attempt=self._job.attempt, rows_read=rows_read, claim=self._claim)


def _record_failure(job: ConversionJob, records: FileRecords, record: FileRecord, error: BaseException) -> None:
    """Record why; the error itself goes on to the caller, unless it is not the file's but that of a taken-over run."""
    try:
        records.fail(
            job.file_id,
            attempt=job.attempt,
            error_type=type(error).__name__,
            reason=str(error) or type(error).__name__,
            execution_arn=job.execution_arn,
            drift=error.differences if isinstance(error, SchemaDriftError) else None,
            claim=record.claim,
        )
    except StatusConflictError as conflict:
        # Whoever took over aborted this run's upload: that is no failure of the file.
        raise conflict from error
    except LakehouseError as second:
        error.add_note(f"The failure could not be recorded: {second}")
        _log.warning("The failure of %s could not be recorded: %s", job.uri, second)


def _result_of(record: FileRecord) -> ConversionResult:
    return ConversionResult(
        rows_total=record.rows_total or 0,
        rows_read=record.rows_read or 0,
        rows_written=record.rows_written or 0,
        rows_quarantined=record.rows_quarantined or 0,
        bytes_written=record.bytes_written or 0,
        output_uri=record.output_uri or "",
        output_objects=record.output_objects or 1,
        output_checksum=record.output_checksum or "",
        quarantine_uri=record.quarantine_uri,
        duration_seconds=record.duration_seconds or 0.0,
        engine=record.engine or "",
        rule_results=dict(record.rule_results),
        nonfinite_values=record.nonfinite_values or 0,
        drift=record.drift,
    )
