"""Several workers on one file, several versions of one file, at the same time: one wins, the others leave no trace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from file_table import create_file_table

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.job import ConversionJob, Converter
from lakehouse.errors import StatusConflictError
from lakehouse.functions.register_file import Registration, register
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.sample import generate

RAW, PROCESSED, TABLE = "conversion-concurrency-raw", "conversion-concurrency-processed", "conversion-concurrency-files"
ROWS = 30_000  # more JSON than one part holds: a multipart upload is under way
PATIENCE_SECONDS = 60
PLACES = ("midway", "drafted")


class Pausing:
    """The in-process runner, which stops at a place until it may go on."""

    engine = "in_process"

    def __init__(self, runner: InProcessRunner, place: str) -> None:
        self._runner = runner
        self._place = place
        self.has_arrived = threading.Event()
        self.may_go_on = threading.Event()

    @contextmanager
    def draft(self, assignment: Any, note_progress: Callable[[int], None]) -> Iterator[Any]:
        def note(rows: int) -> None:
            self._pause("midway")
            note_progress(rows)

        with self._runner.draft(assignment, note) as draft:
            self._pause("drafted")
            yield draft

    def _pause(self, place: str) -> None:
        if place == self._place:
            self.has_arrived.set()
            assert self.may_go_on.wait(PATIENCE_SECONDS)


class Lakehouse:
    def __init__(self, s3: Any, dynamodb: Any, folder: Any) -> None:
        self.s3 = s3
        for bucket in (RAW, PROCESSED):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        create_file_table(dynamodb, TABLE)
        self.records = FileRecords(dynamodb, TABLE)
        self.converter = Converter(s3, self.records, ContractCatalog.packaged(), PROCESSED)
        self.contents = {}
        for seed in (1, 2):
            facts = generate(folder / f"{seed}.parquet", rows=ROWS, dirty_share=0.02, seed=seed)
            self.contents[seed] = facts.path.read_bytes()

    def land(self, name: str, seed: int = 1) -> str:
        """Upload a version; its id."""
        key = f"raw-data/yellow_tripdata/{name}.parquet"
        return str(self.s3.put_object(Bucket=RAW, Key=key, Body=self.contents[seed])["VersionId"])

    def register(self, name: str, version: str, attempt: int = 1, arn: str = "arn:1") -> ConversionJob:
        """Register a version as an execution does; the job it gives."""
        key = f"raw-data/yellow_tripdata/{name}.parquet"
        wanted = Registration(RAW, key, version, attempt, run_id="run", execution_arn=arn)
        answer = register(wanted, self.s3, self.records, ContractCatalog.packaged())
        return ConversionJob(answer["file_id"], RAW, key, version, attempt, execution_arn=arn, run_id="run")

    def paused(self, place: str) -> Pausing:
        return Pausing(InProcessRunner(self.s3), place)

    def convert(self, job: ConversionJob, runner: Any = None) -> Any:
        return self.converter.convert(job, runner or InProcessRunner(self.s3))

    def converted_from(self, name: str) -> list[str]:
        """The source versions of all versions of a file's output, newest first."""
        found = self.s3.list_object_versions(Bucket=PROCESSED, Prefix="processed-data/").get("Versions", [])
        return [
            self.s3.head_object(Bucket=PROCESSED, Key=one["Key"], VersionId=one["VersionId"])["Metadata"][
                "source-version"
            ]
            for one in found
            if one["Key"].endswith(f"/{name}.json")
        ]

    def require_whole(self, job: ConversionJob) -> None:
        """The file's record is true of what is there, and nothing else is left."""
        record = self.records.get(job.file_id)
        assert record.status is FileStatus.SUCCEEDED
        assert record.output_uri is not None
        key = record.output_uri.removeprefix(f"s3://{PROCESSED}/")
        answer = self.s3.get_object(Bucket=PROCESSED, Key=key, ChecksumMode="ENABLED")
        assert answer["Metadata"]["source-version"] == job.version_id
        assert f"CRC32={answer['ChecksumCRC32']}" == record.output_checksum
        assert answer["Body"].read().count(b"\n") == record.rows_written == ROWS * 0.98
        assert self.uploads() == []

    def uploads(self) -> list[str]:
        return [one["Key"] for one in self.s3.list_multipart_uploads(Bucket=PROCESSED).get("Uploads", [])]


@pytest.fixture(scope="module")
def lakehouse(aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    return Lakehouse(aws("s3"), aws("dynamodb"), tmp_path_factory.mktemp("conversion-concurrency"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("attempt", "arn"), [(1, "arn:1"), (2, "arn:2")], ids=["same attempt", "next attempt"])
def test_a_worker_that_is_taken_over_stops_and_the_other_ones_object_stands(
    lakehouse: Lakehouse, place: str, attempt: int, arn: str
) -> None:
    name = f"taken-over-{place}-{attempt}"
    version = lakehouse.land(name)
    first = lakehouse.register(name, version)
    slow = lakehouse.paused(place)
    with ThreadPoolExecutor(1) as pool:
        overtaken = pool.submit(lakehouse.convert, first, slow)
        assert slow.has_arrived.wait(PATIENCE_SECONDS)
        second = lakehouse.register(name, version, attempt, arn)
        assert lakehouse.convert(second).rows_read == ROWS
        done = lakehouse.records.get(second.file_id)
        slow.may_go_on.set()
        with pytest.raises(StatusConflictError):
            overtaken.result()
    assert lakehouse.records.get(second.file_id) == done
    assert lakehouse.converted_from(name) == [version]
    lakehouse.require_whole(second)


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_that_takes_over_goes_on_whatever_the_other_one_still_does(lakehouse: Lakehouse, place: str) -> None:
    name = f"taking-over-{place}"
    version = lakehouse.land(name)
    job = lakehouse.register(name, version)
    slow, fast = lakehouse.paused(place), lakehouse.paused("midway")
    with ThreadPoolExecutor(2) as pool:
        overtaken = pool.submit(lakehouse.convert, job, slow)
        assert slow.has_arrived.wait(PATIENCE_SECONDS)
        taking_over = pool.submit(lakehouse.convert, job, fast)
        assert fast.has_arrived.wait(PATIENCE_SECONDS)
        slow.may_go_on.set()
        with pytest.raises(StatusConflictError):
            overtaken.result()
        assert lakehouse.records.get(job.file_id).status is FileStatus.RUNNING
        fast.may_go_on.set()
        assert taking_over.result().rows_read == ROWS
    assert lakehouse.converted_from(name) == [version]
    lakehouse.require_whole(job)


@pytest.mark.parametrize("arns", [("arn:1", "arn:1"), ("arn:1", "arn:2")], ids=["one execution", "two executions"])
def test_of_two_workers_that_start_together_one_converts_the_file(lakehouse: Lakehouse, arns: tuple[str, str]) -> None:
    name = f"together-{len(set(arns))}"
    version = lakehouse.land(name)
    job = lakehouse.register(name, version)
    barrier = threading.Barrier(2)

    def work(arn: str) -> object:
        barrier.wait()
        try:
            return lakehouse.convert(ConversionJob(job.file_id, RAW, job.key, version, 1, arn, "run"))
        except StatusConflictError as error:
            return type(error)

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(work, arns))
    # One that starts when the other is done is told the other's result.
    assert len([one for one in ended if one is not StatusConflictError]) >= 1
    assert lakehouse.converted_from(name) == [version]
    lakehouse.require_whole(job)


@pytest.mark.parametrize("place", PLACES)
def test_an_older_version_that_is_converted_after_the_newer_one_is_not_published(
    lakehouse: Lakehouse, place: str
) -> None:
    name = f"older-last-{place}"
    older = lakehouse.land(name, seed=1)
    older_job = lakehouse.register(name, older, arn="arn:older")
    slow = lakehouse.paused(place)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(lakehouse.convert, older_job, slow)
        assert slow.has_arrived.wait(PATIENCE_SECONDS)
        newer_job = lakehouse.register(name, lakehouse.land(name, seed=2), arn="arn:newer")
        assert lakehouse.convert(newer_job).rows_read == ROWS
        slow.may_go_on.set()
        assert late.result() is None
    record = lakehouse.records.get(older_job.file_id)
    assert (record.status, record.duplicate_of) == (FileStatus.SKIPPED, newer_job.file_id)
    assert lakehouse.convert(older_job) is None, "a retry of a worker that died before it told of this"
    assert lakehouse.converted_from(name) == [newer_job.version_id]
    lakehouse.require_whole(newer_job)


def test_the_same_bytes_that_land_again_during_their_conversion_are_published_once(lakehouse: Lakehouse) -> None:
    name = "same-bytes"
    first_job = lakehouse.register(name, lakehouse.land(name), arn="arn:first")
    slow = lakehouse.paused("drafted")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lakehouse.convert, first_job, slow)
        assert slow.has_arrived.wait(PATIENCE_SECONDS)
        again_job = lakehouse.register(name, lakehouse.land(name), arn="arn:again")
        slow.may_go_on.set()
        assert first.result() is None
    assert lakehouse.convert(again_job).rows_read == ROWS
    assert lakehouse.converted_from(name) == [again_job.version_id]
    lakehouse.require_whole(again_job)


def test_bytes_that_come_back_after_others_replaced_them_are_converted_again(lakehouse: Lakehouse) -> None:
    name = "back-again"
    jobs = []
    for seed in (1, 2, 1):
        jobs.append(lakehouse.register(name, lakehouse.land(name, seed), arn=f"arn:{len(jobs)}"))
        assert lakehouse.convert(jobs[-1]).rows_read == ROWS
    assert lakehouse.converted_from(name) == [job.version_id for job in reversed(jobs)]
    lakehouse.require_whole(jobs[-1])


def test_a_newer_version_that_cannot_be_converted_does_not_stop_the_older_one(lakehouse: Lakehouse) -> None:
    name = "newer-broken"
    job = lakehouse.register(name, lakehouse.land(name))
    slow = lakehouse.paused("drafted")
    with ThreadPoolExecutor(1) as pool:
        converting = pool.submit(lakehouse.convert, job, slow)
        assert slow.has_arrived.wait(PATIENCE_SECONDS)
        newer = lakehouse.register(name, lakehouse.land(name, seed=2), arn="arn:newer")
        lakehouse.records.fail(newer.file_id, attempt=1, error_type="CorruptFileError", reason="page 3 is broken")
        slow.may_go_on.set()
        assert converting.result().rows_read == ROWS
    lakehouse.require_whole(job)
