"""One file's conversion from record to record, the same under every runner.

::

    start record ─► look at the file, its contract, its drift ─► run ─► rows conserved? still ours? needed? threshold?
        ─► publish the quarantine, then the output, if nobody else did meanwhile ─► record SUCCEEDED

Nothing is visible before all rows are accounted for. A permanent error is recorded as FAILED with its class and
message; after a transient one the record stays RUNNING, since the state machine tries the same attempt again and a
FAILED attempt could not be. Whoever is killed in between leaves a RUNNING record and no object: the same execution, or
a higher attempt, does it again.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.contracts.drift import compare
from lakehouse.contracts.model import output_options
from lakehouse.convert import layout
from lakehouse.convert.claim import Claim
from lakehouse.convert.multipart import uploads_in_progress
from lakehouse.convert.needless import made_needless_by
from lakehouse.convert.result import ConversionResult
from lakehouse.convert.runner import Assignment
from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.source import inspect
from lakehouse.errors import (
    FileVanishedError,
    PublishedMeanwhileError,
    ServiceUnavailableError,
    StatusConflictError,
    TransientError,
)
from lakehouse.metadata.file_record import FileStatus

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from lakehouse.contracts.catalog import ContractCatalog
    from lakehouse.contracts.difference import Difference
    from lakehouse.contracts.model import Contract
    from lakehouse.convert.multipart import WrittenObject
    from lakehouse.convert.runner import Draft, Runner
    from lakehouse.convert.source import ParquetFacts
    from lakehouse.metadata.file_record import FileRecord
    from lakehouse.metadata.files import FileRecords

_log = logging.getLogger(__name__)

# Each one that is lost was won by another file of the same key, and few are converted at a time.
_MOST_PUBLICATIONS = 5


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
        claim = Claim(self.records, job, record)
        try:
            result = self._convert_started(job, record, claim, runner, started)
            if result is None:
                return None
            claim.succeed(asdict(result))
        except (TransientError, StatusConflictError, KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a panic inside Polars is no Exception
            claim.fail(error)
            raise
        _log.info("%s converted to %s", job.uri, result.output_uri)
        return result

    def _convert_started(
        self, job: ConversionJob, record: FileRecord, claim: Claim, runner: Runner, started: float
    ) -> ConversionResult | None:
        try:
            contract = self.contracts.find(record.dataset)
            facts = inspect(S3Source(self.s3, job.bucket, job.key, job.version_id))
            drift = _allowed_drift(contract, facts)
            assignment = _assignment(job, self.s3, facts, contract, self.processed_bucket)
            _abort_stale_uploads(self.s3, self.records, job, assignment)
            with runner.draft(assignment, claim.note_progress) as draft:
                draft.counts.require_conserved(job.uri, facts.rows)
                published = self._publish(job, record, claim, draft, contract)
                if published is None:
                    return None
                output, quarantine = published
        except (ClientError, BotoCoreError) as error:
            if error_code(error) == "NoSuchUpload":
                claim.require()
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

    def _publish(
        self, job: ConversionJob, record: FileRecord, claim: Claim, draft: Draft, contract: Contract | None
    ) -> tuple[WrittenObject, WrittenObject | None] | None:
        """Publish a draft, unless it is needless: what the newest version published is never replaced.

        What is there is looked at before the question whether a newer version landed. One that lands after the question
        publishes after the look: then the condition fails, and the question is asked again.

        Not held: where KMS does not encrypt the bucket, equal bytes look equal (``Precondition``); where the newest
        version failed, the others are not compared with each other (``made_needless_by``).
        """
        for _ in range(_MOST_PUBLICATIONS):
            draft.expect_unchanged()
            claim.require(draft.counts.rows_read)
            needed_instead = made_needless_by(self.s3, self.records, record)
            if needed_instead is not None:
                draft.discard()
                claim.skip(needed_instead=needed_instead)
                return None
            try:
                draft.require_threshold(job.uri, contract)
                return draft.publish()
            except PublishedMeanwhileError as error:
                _log.info("%s is not published yet: %s", job.uri, error)
        raise ServiceUnavailableError(
            f"Converting {job.uri} failed: others published under its keys {_MOST_PUBLICATIONS} times in a row, just "
            "before this one each time. Try again when fewer versions of it are converted."
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
