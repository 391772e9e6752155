"""Files are converted anew: the output is replaced by a new version of itself, and only where it is theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from file_table import create_file_table

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.job import ConversionJob, Converter
from lakehouse.errors import EmptyFileError, LakehouseError, SchemaDriftError, StatusConflictError
from lakehouse.functions.register_file import Registration, register
from lakehouse.ingestion.messages import LandedFile, landed_files
from lakehouse.ingestion.planning import STALE_AFTER
from lakehouse.ingestion.reprocessing import Reprocessing, Reprocessor
from lakehouse.metadata.attribute_values import utc_now
from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import execution_name
from lakehouse.sample import generate

ROLE = "arn:aws:iam::000000000000:role/any"
WAITING = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}})
ALREADY = {FileStatus.SUCCEEDED.value, FileStatus.SKIPPED.value}


class Lakehouse:
    """Buckets, table, queue and a state machine; registering and converting as the functions do."""

    def __init__(self, aws: Callable[..., Any], folder: Any) -> None:
        name = f"reprocessing-{uuid4().hex[:8]}"
        self.raw, self.processed, self.folder = f"{name}-raw", f"{name}-processed", folder
        self.s3, self.sqs, self.states = aws("s3"), aws("sqs"), aws("stepfunctions")
        for bucket in (self.raw, self.processed):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        create_file_table(aws("dynamodb"), name)
        self.records = FileRecords(aws("dynamodb"), name)
        self.queue = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        made = self.states.create_state_machine(name=name, definition=WAITING, roleArn=ROLE)
        self.machine = made["stateMachineArn"]

    def reprocessor(self, **options: Any) -> Reprocessor:
        return Reprocessor(self.records, self.s3, self.sqs, self.queue, self.states, self.machine, **options)

    def upload(self, seed: int, name: str = "a", *, dirty_share: float = 0.04) -> LandedFile:
        """Put a version of a file into the raw layer; the same seed makes the same bytes."""
        key = f"raw-data/users/{name}.parquet"
        facts = generate(self.folder / "users.parquet", rows=50, dirty_share=dirty_share, seed=seed, dataset="users")
        version = self.s3.put_object(Bucket=self.raw, Key=key, Body=facts.path.read_bytes())["VersionId"]
        return LandedFile(self.raw, key, version)

    def convert(self, landed: LandedFile) -> FileRecord:
        """Register and convert an attempt."""
        arn = f"arn:{landed.version_id}-{landed.attempt}"
        wanted = Registration(landed.bucket, landed.key, landed.version_id, landed.attempt, execution_arn=arn)
        contracts = ContractCatalog.packaged()
        answer = register(wanted, self.s3, self.records, contracts)
        if answer["status"] not in ALREADY:
            job = ConversionJob(
                answer["file_id"], landed.bucket, landed.key, landed.version_id, landed.attempt, execution_arn=arn
            )
            Converter(self.s3, self.records, contracts, self.processed).convert(job, InProcessRunner(self.s3))
        return self.records.get(answer["file_id"])

    def landed(self, seed: int, name: str = "a", **options: Any) -> FileRecord:
        return self.convert(self.upload(seed, name, **options))

    def refused(self, name: str) -> FileRecord:
        """A file that failed at its registration."""
        key = f"raw-data/users/{name}.parquet"
        version = self.s3.put_object(Bucket=self.raw, Key=key, Body=b"")["VersionId"]
        with pytest.raises(EmptyFileError):
            self.convert(LandedFile(self.raw, key, version))
        (record,) = [one for one in self.records.iterate(key=key) if one.version_id == version]
        return self.records.fail(record.file_id, attempt=1, error_type="EmptyFileError", reason="no bytes")

    def reprocess(self, *records: FileRecord) -> list[Reprocessing]:
        """Plan and carry out."""
        reprocessor = self.reprocessor()
        return [reprocessor.carry_out(planned) for planned in reprocessor.plan(records)]

    def asked_for(self) -> list[LandedFile]:
        """The files in the queue; they are taken out."""
        answer = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return [landed for message in answer.get("Messages", []) for landed in landed_files(message["Body"])]

    def versions(self, uri: str | None) -> list[str]:
        """The versions of an object, newest first."""
        assert uri is not None
        key = uri.removeprefix(f"s3://{self.processed}/")
        found = self.s3.list_object_versions(Bucket=self.processed, Prefix=key).get("Versions", [])
        return [one["VersionId"] for one in found if one["Key"] == key]

    def refusal(self, record: FileRecord) -> str:
        """Why a file is left alone; nothing happens to it."""
        (planned,) = self.reprocessor().plan([self.records.get(record.file_id)])
        assert planned.refusal is not None
        assert self.reprocessor().carry_out(planned) == planned
        assert self.asked_for() == []
        return planned.refusal


@pytest.fixture
def lakehouse(aws: Callable[..., Any], tmp_path: Any) -> Lakehouse:
    return Lakehouse(aws, tmp_path)


def test_a_converted_file_gets_a_new_version_of_its_objects_and_the_old_ones_stay(lakehouse: Lakehouse) -> None:
    before = lakehouse.landed(1)
    (done,) = lakehouse.reprocess(before)
    assert (done.refusal, done.attempt, done.record.status) == (None, 2, FileStatus.REGISTERED)
    assert done.record.output_uri == before.output_uri, "what the last result says stays until there is a new one"
    (asked,) = lakehouse.asked_for()
    assert asked == LandedFile(lakehouse.raw, before.key, before.version_id, 2)
    after = lakehouse.convert(asked)
    assert (after.status, after.attempt, after.output_uri) == (FileStatus.SUCCEEDED, 2, before.output_uri)
    for uri in (after.output_uri, after.quarantine_uri):
        newest, older = lakehouse.versions(uri)
        assert newest != older
    assert (after.rows_written, after.rows_quarantined) == (before.rows_written, before.rows_quarantined)


def test_a_failed_file_is_converted_as_its_next_attempt(lakehouse: Lakehouse) -> None:
    failed = lakehouse.refused("b")
    (done,) = lakehouse.reprocess(failed)
    assert (done.refusal, done.attempt) == (None, 2)
    assert [asked.attempt for asked in lakehouse.asked_for()] == [2]
    assert done.record.reason is None, "the failure is over"


def test_a_file_is_looked_at_anew_since_its_contract_may_have_changed(lakehouse: Lakehouse) -> None:
    record = lakehouse.landed(1)
    lakehouse.reprocess(record)
    (asked,) = lakehouse.asked_for()
    contract = ContractCatalog.packaged().for_file_name("users_2024-02.parquet")
    assert contract is not None
    column = replace(contract.columns[0], name="new_and_required", is_required=True)
    changed = ContractCatalog([replace(contract, columns=(*contract.columns, column))])
    wanted = Registration(asked.bucket, asked.key, asked.version_id, asked.attempt)
    with pytest.raises(SchemaDriftError, match="new_and_required is missing"):
        register(wanted, lakehouse.s3, lakehouse.records, changed)


def test_planning_changes_nothing(lakehouse: Lakehouse) -> None:
    before = lakehouse.landed(1)
    (planned,) = lakehouse.reprocessor().plan([before])
    assert (planned.refusal, planned.attempt) == (None, 2)
    assert lakehouse.records.get(before.file_id) == before
    assert lakehouse.asked_for() == []


def test_a_version_whose_output_was_replaced_is_left_alone(lakehouse: Lakehouse) -> None:
    older, newer = lakehouse.landed(1), lakehouse.landed(2)
    assert f"replaced by that of the newer version {newer.file_id[:12]}" in lakehouse.refusal(older)
    assert lakehouse.reprocess(newer)[0].refusal is None


def test_a_version_is_left_alone_while_a_newer_one_is_taken_in_or_converted_anew(lakehouse: Lakehouse) -> None:
    older = lakehouse.landed(1)
    announced = lakehouse.upload(2)
    assert "has landed and is taken in at present" in lakehouse.refusal(older)
    newer = lakehouse.convert(announced)
    lakehouse.reprocess(newer)
    lakehouse.asked_for()
    assert f"{newer.file_id[:12]}, REGISTERED" in lakehouse.refusal(older)


def test_of_two_versions_in_one_plan_only_the_newest_is_taken(lakehouse: Lakehouse) -> None:
    older = lakehouse.landed(1)
    newer = lakehouse.refused("a")
    planned = list(lakehouse.reprocessor().plan([newer, older, newer]))
    assert [(one.record.file_id, one.refusal is None) for one in planned] == [
        (newer.file_id, True),
        (older.file_id, False),
    ]
    assert lakehouse.reprocess(older)[0].refusal is None, "alone it may: what failed replaces nothing"


def test_a_skipped_file_points_at_the_one_that_was_converted(lakehouse: Lakehouse) -> None:
    converted, same = lakehouse.landed(1), lakehouse.landed(1)
    assert same.status is FileStatus.SKIPPED
    assert f"lakehouse reprocess {converted.file_id[:12]}" in lakehouse.refusal(same)


def test_a_file_that_a_newer_upload_of_the_same_bytes_relies_on_is_converted_anew(lakehouse: Lakehouse) -> None:
    converted, same = lakehouse.landed(1), lakehouse.landed(1)
    assert lakehouse.reprocess(converted)[0].refusal is None
    (asked,) = lakehouse.asked_for()
    after = lakehouse.convert(asked)
    assert (after.status, after.attempt) == (FileStatus.SUCCEEDED, 2)
    assert len(lakehouse.versions(after.output_uri)) == 2
    assert lakehouse.records.get(same.file_id) == same


def test_what_lands_while_a_file_is_converted_anew_is_no_duplicate_of_what_that_one_had_replaced(
    lakehouse: Lakehouse,
) -> None:
    first, second = lakehouse.landed(1), lakehouse.landed(2)
    assert lakehouse.reprocess(second)[0].refusal is None
    third = lakehouse.landed(1)
    assert third.status is FileStatus.SUCCEEDED, "the first one's output is not there any more"
    (asked,) = lakehouse.asked_for()
    late = lakehouse.convert(asked)
    assert (late.status, late.duplicate_of, late.output_uri) == (FileStatus.SKIPPED, third.file_id, None)
    assert first.output_uri == third.output_uri


def test_a_file_that_fails_when_it_is_converted_anew_keeps_its_output(lakehouse: Lakehouse) -> None:
    older, newer = lakehouse.landed(1), lakehouse.landed(2)
    lakehouse.reprocess(newer)
    (asked,) = lakehouse.asked_for()
    lakehouse.records.start(newer.file_id, attempt=2, engine="spark", execution_arn="arn:2")
    failed = lakehouse.records.fail(newer.file_id, attempt=2, error_type="CorruptFileError", reason="broken")
    assert (failed.output_uri, failed.rows_written) == (newer.output_uri, newer.rows_written)
    assert len(lakehouse.versions(newer.output_uri)) == 2, "the older one's and its own, nothing since"
    assert "replaced by that of the newer version" in lakehouse.refusal(older)
    assert lakehouse.reprocess(failed)[0].attempt == asked.attempt + 1


def test_a_file_without_rejected_rows_any_more_names_no_quarantine(lakehouse: Lakehouse) -> None:
    before = lakehouse.landed(1)
    reopened = lakehouse.reprocess(before)[0].record
    running = lakehouse.records.start(before.file_id, attempt=2, engine="spark", execution_arn="arn:2")
    assert reopened.quarantine_uri == running.quarantine_uri == before.quarantine_uri is not None
    result = {"rows_read": 50, "rows_written": 50, "rows_quarantined": 0, "output_uri": before.output_uri}
    after = lakehouse.records.succeed(before.file_id, attempt=2, result=result)
    assert (after.quarantine_uri, after.rule_results) == (None, {})


def test_a_file_that_was_deleted_is_left_as_it_is(lakehouse: Lakehouse) -> None:
    record = lakehouse.landed(1)
    lakehouse.s3.delete_object(Bucket=lakehouse.raw, Key=record.key, VersionId=record.version_id)
    assert "was deleted. Upload it again" in lakehouse.refusal(record)
    assert lakehouse.records.get(record.file_id) == record


def test_a_deleted_objects_last_version_is_still_converted_anew(lakehouse: Lakehouse) -> None:
    record = lakehouse.landed(1)
    lakehouse.s3.delete_object(Bucket=lakehouse.raw, Key=record.key)
    assert lakehouse.reprocess(record)[0].refusal is None
    assert lakehouse.convert(lakehouse.asked_for()[0]).attempt == 2


def test_work_under_way_is_left_alone_unless_it_is_dead(lakehouse: Lakehouse) -> None:
    record = lakehouse.landed(1)
    landed = LandedFile(lakehouse.raw, "raw-data/users/b.parquet", lakehouse.upload(2, "b").version_id)
    name = f"{uuid4().hex}"
    arn = lakehouse.states.start_execution(stateMachineArn=lakehouse.machine, name=name)["executionArn"]
    wanted = Registration(landed.bucket, landed.key, landed.version_id, execution_arn=arn)
    answer = register(wanted, lakehouse.s3, lakehouse.records, ContractCatalog.packaged())
    running = lakehouse.records.start(answer["file_id"], attempt=1, engine="spark", execution_arn=arn)
    assert "RUNNING as attempt 1 already" in lakehouse.refusal(running)

    lakehouse.states.stop_execution(executionArn=arn)
    (done,) = lakehouse.reprocess(running)
    assert (done.refusal, done.attempt) == (None, 2)
    with pytest.raises(StatusConflictError):
        lakehouse.records.progress(running.file_id, attempt=1, rows_read=1, claim=running.claim)
    assert record.status is FileStatus.SUCCEEDED


def test_work_of_which_nothing_was_heard_for_long_is_dead(lakehouse: Lakehouse) -> None:
    landed = lakehouse.upload(1)
    wanted = Registration(landed.bucket, landed.key, landed.version_id)
    register(wanted, lakehouse.s3, lakehouse.records, ContractCatalog.packaged())
    (record,) = lakehouse.records.iterate(key=landed.key)
    assert "REGISTERED as attempt 1 already" in lakehouse.refusal(record)
    later = utc_now() + STALE_AFTER + timedelta(minutes=1)
    reprocessor = lakehouse.reprocessor(clock=lambda: later)
    (planned,) = reprocessor.plan([record])
    assert reprocessor.carry_out(planned).refusal is None
    assert [asked.attempt for asked in lakehouse.asked_for()] == [2]


def test_work_that_moved_after_it_was_taken_for_dead_goes_on(lakehouse: Lakehouse) -> None:
    landed = lakehouse.upload(1)
    wanted = Registration(landed.bucket, landed.key, landed.version_id)
    answer = register(wanted, lakehouse.s3, lakehouse.records, ContractCatalog.packaged())
    reprocessor = lakehouse.reprocessor(clock=lambda: utc_now() + 2 * STALE_AFTER)
    (planned,) = reprocessor.plan([lakehouse.records.get(answer["file_id"])])
    lakehouse.records.start(answer["file_id"], attempt=1, engine="spark", execution_arn="arn:alive")
    refusal = reprocessor.carry_out(planned).refusal
    assert refusal is not None
    assert "RUNNING at attempt 1 of arn:alive" in refusal
    assert lakehouse.asked_for() == []


def test_of_two_people_who_ask_at_once_one_reopens_and_both_end_in_one_attempt(lakehouse: Lakehouse) -> None:
    record = lakehouse.landed(1)
    first, second = (next(lakehouse.reprocessor().plan([record])) for _ in range(2))
    assert lakehouse.reprocessor().carry_out(first).refusal is None
    refusal = lakehouse.reprocessor().carry_out(second).refusal
    assert refusal is not None
    assert "REGISTERED at attempt 2" in refusal
    assert len(lakehouse.asked_for()) == 1


def test_after_a_crash_between_reopening_and_sending_it_is_sent_by_asking_again(lakehouse: Lakehouse) -> None:
    record = lakehouse.landed(1)
    broken = Reprocessor(
        lakehouse.records, lakehouse.s3, lakehouse.sqs, f"{lakehouse.queue}-not-there", lakehouse.states,
        lakehouse.machine,
    )  # fmt: skip
    (planned,) = broken.plan([record])
    with pytest.raises(LakehouseError):
        broken.carry_out(planned)
    (done,) = lakehouse.reprocess(lakehouse.records.get(record.file_id))
    assert (done.refusal, done.attempt) == (None, 2)
    assert [asked.attempt for asked in lakehouse.asked_for()] == [2]


def test_an_event_that_comes_late_does_not_disturb_the_new_attempt(lakehouse: Lakehouse) -> None:
    record = lakehouse.landed(1)
    lakehouse.reprocess(record)
    (asked,) = lakehouse.asked_for()
    with pytest.raises(StatusConflictError, match="attempt 1 cannot begin"):
        lakehouse.convert(LandedFile(lakehouse.raw, record.key, record.version_id))
    assert lakehouse.convert(asked).attempt == 2
    assert execution_name(record.file_id, 2).endswith("-2")
