"""Whatever several writers do to one file's record, and in whatever order: the record keeps its promises."""

from __future__ import annotations

import boto3
from effort import examples
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from moto import mock_aws

from lakehouse.errors import StatusConflictError
from lakehouse.metadata.file_record import FileRecord, FileStatus, NewFile
from lakehouse.metadata.files import FileRecords

TABLE = "files"
FILE_ID = "1" * 32
ATTEMPTS = st.integers(min_value=1, max_value=4)
WRITERS = st.sampled_from(["arn:a", "arn:b", "arn:c"])
DONE = {"rows_read": 3, "rows_written": 2, "rows_quarantined": 1}
ALLOWED = {
    FileStatus.REGISTERED: {FileStatus.RUNNING, FileStatus.FAILED, FileStatus.SKIPPED},
    FileStatus.RUNNING: {FileStatus.RUNNING, FileStatus.SUCCEEDED, FileStatus.FAILED},
    FileStatus.FAILED: {FileStatus.RUNNING, FileStatus.FAILED, FileStatus.REGISTERED},
    FileStatus.SUCCEEDED: {FileStatus.REGISTERED},
    FileStatus.SKIPPED: set(),
}


class OneFileManyWriters(RuleBasedStateMachine):
    """Writers are executions; each believes to own the attempt that it gives."""

    @initialize()
    def deploy(self) -> None:
        self.account = mock_aws()
        self.account.start()
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "file_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "file_id", "KeyType": "HASH"}],
        )
        self.records = FileRecords(client, TABLE)
        self.before = self.records.register(NewFile(FILE_ID, "raw", "raw-data/trips/a.parquet", "trips"))
        # Who succeeded in starting each attempt, and who succeeded in ending it.
        self.owners: dict[int, set[str]] = {}
        self.winners: list[str] = []
        # The output that is published, as its writer named it.
        self.published: str | None = None

    def teardown(self) -> None:
        self.account.stop()

    def _after(self, change: object) -> FileRecord | None:
        """The record that a writer gets, None where it is refused: then nothing may have changed."""
        try:
            got = change()  # type: ignore[operator]
        except StatusConflictError:
            assert self.records.get(FILE_ID) == self.before
            return None
        now = self.records.get(FILE_ID)
        assert got is None or got == now
        assert now.status in ALLOWED[self.before.status]
        assert now.attempt >= self.before.attempt
        if self.before.status is FileStatus.FAILED:
            assert now.attempt > self.before.attempt
        self.before = now
        return now

    @rule(attempt=ATTEMPTS, writer=WRITERS)
    def start(self, attempt: int, writer: str) -> None:
        taken = self.before
        now = self._after(lambda: self.records.start(FILE_ID, attempt=attempt, engine="spark", execution_arn=writer))
        if now is not None:
            self.owners.setdefault(attempt, set()).add(writer)
        if taken.status is FileStatus.REGISTERED and attempt >= taken.attempt:
            assert now is not None, "a registered file can always be started"

    @rule(attempt=ATTEMPTS, rows=st.integers(0, 3))
    def progress(self, attempt: int, rows: int) -> None:
        if self._after(lambda: self.records.progress(FILE_ID, attempt=attempt, rows_read=rows)):
            assert (self.before.attempt, self.before.rows_read) == (attempt, rows)

    @rule(attempt=ATTEMPTS, writer=WRITERS)
    def succeed(self, attempt: int, writer: str) -> None:
        result = DONE | {"output_uri": f"s3://processed/{writer}"}
        now = self._after(lambda: self.records.succeed(FILE_ID, attempt=attempt, result=result))
        if now is not None:
            self.winners.append(writer)
            self.published = now.output_uri
            assert now.attempt == attempt
            assert now.output_uri == result["output_uri"]
            assert now.reason is None

    @rule(attempt=ATTEMPTS, writer=WRITERS)
    def fail(self, attempt: int, writer: str) -> None:
        was = self.before
        now = self._after(
            lambda: self.records.fail(FILE_ID, attempt=attempt, error_type="E", reason=writer, execution_arn=writer)
        )
        if now is not None:
            assert (now.attempt, now.reason) == (attempt, writer)
            if was.status is FileStatus.RUNNING and was.attempt == attempt:
                assert was.execution_arn == writer, "only the owner fails its attempt"

    @rule()
    def skip(self) -> None:
        was = self.before
        if self._after(lambda: self.records.skip(FILE_ID, duplicate_of="2" * 32)):
            assert was.status is FileStatus.REGISTERED
            self.published = None

    @rule(attempt=ATTEMPTS)
    def reopen(self, attempt: int) -> None:
        was = self.before
        now = self._after(lambda: self.records.reopen(FILE_ID, attempt=attempt))
        if now is not None:
            assert (now.attempt, now.execution_arn, now.reason) == (was.attempt + 1, None, None)
            self.winners.clear()
        elif was.status in {FileStatus.SUCCEEDED, FileStatus.FAILED}:
            assert attempt != was.attempt + 1, "a file that is done can always be reopened as its next attempt"

    @precondition(lambda self: self.before.status is FileStatus.RUNNING)
    @rule(writer=WRITERS, another=WRITERS)
    def two_end_the_same_attempt(self, writer: str, another: str) -> None:
        attempt = self.before.attempt
        self.succeed(attempt, writer)
        self.succeed(attempt, another)
        assert self.winners == [writer]

    @invariant()
    def exactly_one_writer_owns_an_attempt(self) -> None:
        assert all(len(writers) == 1 for writers in self.owners.values())

    @invariant()
    def the_record_names_the_output_that_is_published(self) -> None:
        assert self.before.output_uri == self.published

    @invariant()
    def at_most_one_writer_wins(self) -> None:
        assert len(self.winners) == (1 if self.before.status is FileStatus.SUCCEEDED else 0)


OneFileManyWriters.TestCase.settings = settings(
    max_examples=examples(25), stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_file_record_status = OneFileManyWriters.TestCase
