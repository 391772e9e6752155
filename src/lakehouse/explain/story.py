"""The whole story of a file, in the order of time, and what is to be done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.model import output_options
from lakehouse.convert import layout
from lakehouse.errors import InputFileError, LakehouseError
from lakehouse.explain.entry import Entry
from lakehouse.explain.executions import Attempts, attempts_of, job_runs
from lakehouse.explain.logs import log_groups, log_lines
from lakehouse.explain.objects import landed_at, output_versions
from lakehouse.failures import newer_version, next_step_of
from lakehouse.ingestion.planning import STALE_AFTER
from lakehouse.metadata.attribute_values import utc_now
from lakehouse.metadata.file_record import FileRecord, FileStatus

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

    from lakehouse.ingestion.dead_letters import DeadLetters
    from lakehouse.metadata.files import FileRecords

T = TypeVar("T")

_SHORT_ID = 12
# So much of a reason tells it from others.
_REASON_BEGINS = 150
_REPEATERS = frozenset({"execution", "job run", "log"})


@dataclass(frozen=True, slots=True)
class Sources:
    """Who knows something about files.

    Attributes:
        records: The file records.
        letters: The dead letters of the queue of landed files.
        s3: S3 client.
        states: Step Functions client.
        glue: Glue client.
        logs: CloudWatch Logs client.
        state_machine_arn: The file-conversion state machine.
        job_name: The Glue job that converts.
        functions: Names of the functions that work on files.
        name_prefix: ``<project>-<environment>``.
        processed_bucket: Bucket of the processed layer.
        clock: Tells the time, UTC.
    """

    records: FileRecords
    letters: DeadLetters
    s3: S3Client
    states: SFNClient
    glue: GlueClient
    logs: CloudWatchLogsClient
    state_machine_arn: str
    job_name: str
    functions: tuple[str, ...]
    name_prefix: str
    processed_bucket: str
    clock: Callable[[], datetime] = utc_now


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to a file.

    Attributes:
        record: Its record.
        entries: What happened, in the order of time; what has no time comes last.
        next_step: What to do.
    """

    record: FileRecord
    entries: tuple[Entry, ...]
    next_step: str


def tell(sources: Sources, record: FileRecord) -> Story:
    """Tell the story of a file. A source that refuses leaves a gap, which is told as well.

    Args:
        sources: Who knows something.
        record: The file.

    Returns:
        Its story.

    Raises:
        LakehouseError: DynamoDB refused.
    """
    now = sources.clock()
    entries: list[Entry] = list(_of_record(record))
    landed = _or_gap(entries, "S3", lambda: landed_at(sources.s3, record), None)
    if landed is not None:
        entries.append(Entry(landed, "S3", f"landed as s3://{record.bucket}/{record.key}{_facts(record)}"))
    elif not any(entry.source == "S3" for entry in entries):
        entries.append(Entry(None, "S3", "the raw object, or this version of it, is not there any more", is_bad=True))
    entries += _or_gap(entries, "dead letter", lambda: list(_dead_letters(sources, record)), [])
    attempts = _or_gap(
        entries,
        "execution",
        lambda: attempts_of(sources.states, sources.state_machine_arn, record, now),
        Attempts((), (record.job_run_id,) if record.job_run_id else ()),
    )
    entries += attempts.entries
    runs = attempts.job_run_ids
    entries += _or_gap(entries, "job run", lambda: list(job_runs(sources.glue, sources.job_name, runs)), [])
    entries += _or_gap(entries, "log", lambda: _logged(sources, record, landed or record.created_at), [])
    if landed is not None:
        since = landed
        entries += _or_gap(entries, "S3", lambda: list(_outputs(sources, record, since)), [])
    newer = newer_version(record, sources.records)
    if newer is not None:
        entries.append(
            Entry(newer.created_at, "record", f"a newer version was registered: file {newer.file_id[:_SHORT_ID]}")
        )
    return Story(record, tuple(_without_repetition(record, _in_order(entries))), _next_step(record, newer, now))


def _or_gap(entries: list[Entry], source: str, read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    except LakehouseError as error:
        entries.append(Entry(None, source, f"could not be read: {error}", is_bad=True))
        return otherwise


def _in_order(entries: Iterable[Entry]) -> Iterator[Entry]:
    last = datetime.max.replace(tzinfo=UTC)
    yield from sorted(entries, key=lambda entry: entry.time or last)


def _without_repetition(record: FileRecord, entries: Iterable[Entry]) -> Iterator[Entry]:
    """A reason goes from the log to the execution to the record: the record tells it whole, the others refer to it."""
    beginning = (record.reason or "")[:_REASON_BEGINS]
    for entry in entries:
        before, found, _ = entry.text.partition(beginning) if beginning else (entry.text, "", "")
        is_again = bool(found) and entry.source in _REPEATERS
        yield replace(entry, text=f"{before}(the reason that the record tells)") if is_again else entry


def _facts(record: FileRecord) -> str:
    facts = (
        f"version {record.version_id}" if record.version_id else None,
        f"{record.size_bytes:,} bytes" if record.size_bytes is not None else None,
    )
    told = ", ".join(filter(None, facts))
    return f" ({told})" if told else ""


def _of_record(record: FileRecord) -> Iterator[Entry]:
    """What the file's record says; of attempts that are over, it keeps only what the last one made."""
    yield Entry(record.created_at, "record", f"registered as file {record.file_id} of dataset {record.dataset}")
    if record.reopened_at is not None:
        yield Entry(record.reopened_at, "record", "somebody asked for it to be converted anew (lakehouse reprocess)")
    is_waiting = record.status is FileStatus.REGISTERED
    attempt = "the attempt before" if is_waiting else f"attempt {record.attempt}"
    if record.started_at is not None:
        yield Entry(record.started_at, "record", f"{attempt}: {_engine(record)} began to convert it")
    if record.status is FileStatus.RUNNING:
        rows = f"{record.rows_read or 0:,} of {_count(record.rows_total)} rows"
        yield Entry(record.updated_at, "record", f"{attempt} is RUNNING: {rows} were read by then")
    if is_waiting:
        yield Entry(record.updated_at, "record", f"attempt {record.attempt} is REGISTERED: it waits for its conversion")
    if record.finished_at is not None:
        yield Entry(
            record.finished_at, "record", f"{attempt} ended: {_ending(record)}", record.status is FileStatus.FAILED
        )


def _engine(record: FileRecord) -> str:
    return f"the engine {record.engine}" if record.engine else "an engine"


def _ending(record: FileRecord) -> str:
    if record.status is FileStatus.FAILED:
        return f"FAILED with {record.error_type}: {record.reason}"
    if record.status is FileStatus.SKIPPED:
        return f"SKIPPED, since file {(record.duplicate_of or 'unknown')[:_SHORT_ID]} has the same bytes or is newer"
    return (
        f"{_count(record.rows_read)} rows read = {_count(record.rows_written)} written + "
        f"{_count(record.rows_quarantined)} quarantined"
    )


def _count(value: int | None) -> str:
    return "an unknown number of" if value is None else f"{value:,}"


def _dead_letters(sources: Sources, record: FileRecord) -> Iterator[Entry]:
    for letter in sources.letters.find():
        for landed in letter.files:
            is_same = (landed.bucket, landed.key) == (record.bucket, record.key)
            if is_same and landed.version_id in {None, record.version_id}:
                text = f"the message that asks for attempt {landed.attempt} was sent, and is a dead letter now"
                yield Entry(letter.sent_at, "dead letter", f"{text}: {letter.message_id}", is_bad=True)


def _logged(sources: Sources, record: FileRecord, since: datetime) -> list[Entry]:
    groups = log_groups(sources.logs, sources.functions, sources.name_prefix)
    return log_lines(sources.logs, groups, record, since)


def _outputs(sources: Sources, record: FileRecord, landed: datetime) -> Iterator[Entry]:
    """The versions of the output and of the quarantine, also where the record names none: an earlier attempt's stay."""
    bucket = sources.processed_bucket
    try:
        contract = ContractCatalog.packaged().find(record.dataset)
        output = layout.output_key(record.key, landed, output_options(contract).compression)
        quarantine = layout.quarantine_key(record.key, landed)
    except InputFileError:
        return
    if record.output_uri is not None:
        output = record.output_uri.removeprefix(f"s3://{bucket}/")
    yield from output_versions(sources.s3, bucket, output, "output")
    yield from output_versions(sources.s3, bucket, quarantine, "quarantine")


def _next_step(record: FileRecord, newer: FileRecord | None, now: datetime) -> str:
    short = record.file_id[:_SHORT_ID]
    if newer is not None and record.status in {FileStatus.FAILED, FileStatus.SUCCEEDED}:
        return f"Nothing: a newer version of it has landed. See that one: lakehouse explain {newer.file_id[:_SHORT_ID]}"
    if record.status is FileStatus.FAILED:
        # Where the whole story is told, the advice need not say how to have it told.
        stays = f" Until then its earlier output stays in place: {record.output_uri}." if record.output_uri else ""
        return next_step_of(record).partition(" Its whole story:")[0] + stays
    if record.status is FileStatus.SKIPPED:
        return f"Nothing: see the other file: lakehouse explain {(record.duplicate_of or 'unknown')[:_SHORT_ID]}"
    if record.status is FileStatus.SUCCEEDED:
        rejected = f" The rows that broke a rule: lakehouse quarantine {short}" if record.rows_quarantined else ""
        return f"Nothing: it is converted to {record.output_uri}.{rejected}"
    if record.updated_at < now - STALE_AFTER:
        return f"Nothing was heard of it for a long time. Start it anew: lakehouse reprocess {short}"
    return "Wait: it is being converted. What holds work up: lakehouse failed"
