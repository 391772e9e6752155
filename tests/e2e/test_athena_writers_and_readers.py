"""Five writers and ten readers on one Iceberg table, while the processes of statements, and the endpoint, are killed.

`ATHENA_RACE_SECONDS=60 pytest tests/e2e/test_athena_writers_and_readers.py` does so for a minute.

Accounts hold a sum that transfers do not change; counters count; receipts come and go. A statement that writes commits
one snapshot, so that the table tells what became of the killed ones.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from commit_points import AFTER, BEFORE, CommitPoints, commit_points
from endpoint_kill import kill

pytestmark = pytest.mark.e2e

SECONDS = float(os.environ.get("ATHENA_RACE_SECONDS", "20"))
WRITERS, READERS = 5, 10
ACCOUNTS, COUNTERS, BALANCE = 6, 3, 1000
BUCKET = DATABASE = "race"
PROCESS_ENDED = "The engine's process ended"

# Both scans of the statement have to see one snapshot.
LOOK = """
SELECT rows_of_ledger - keys, accounts, balance, transfers, counted, changes
FROM (
    SELECT count(*) AS rows_of_ledger,
           count(DISTINCT kind || cast(id AS varchar)) AS keys,
           count_if(kind = 'account') AS accounts,
           coalesce(sum(amount) FILTER (WHERE kind = 'counter'), 0) AS counted
    FROM ledger
) CROSS JOIN (
    SELECT sum(amount) FILTER (WHERE kind = 'account') AS balance,
           sum(changes) FILTER (WHERE kind = 'account') AS transfers,
           coalesce(sum(changes) FILTER (WHERE kind = 'counter'), 0) AS changes
    FROM ledger
)
"""


class UnsureError(Exception):
    """A statement whose process was killed, or the endpoint: it was done once, or not at all."""


class Athena:
    """One user's access: statements, started again where they came too late."""

    def __init__(self, points: CommitPoints) -> None:
        region = points.endpoint.environment()["AWS_DEFAULT_REGION"]
        session = boto3.Session("test", "test", region_name=region)
        config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        self.client: Callable[[str], Any] = lambda service: session.client(
            service, endpoint_url=points.endpoint.url, config=config
        )
        self._athena = self.client("athena")

    def run(self, sql: str) -> str:
        """Execute a statement; its number."""
        while True:
            try:
                number, status = self._ended(sql)
            except BotoCoreError as error:
                raise UnsureError from error
            if status["State"] == "SUCCEEDED":
                return number
            reason = status["StateChangeReason"]
            if PROCESS_ENDED in reason:
                raise UnsureError
            assert reason.startswith("ICEBERG_COMMIT_ERROR"), f"{sql}: {status}"

    def _ended(self, sql: str) -> tuple[str, dict[str, Any]]:
        number = self._athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": DATABASE},
            ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"},
        )["QueryExecutionId"]
        while True:
            status = self._athena.get_query_execution(QueryExecutionId=number)["QueryExecution"]["Status"]
            if status["State"] not in {"QUEUED", "RUNNING"}:
                return number, status
            time.sleep(0.3)

    def rows(self, sql: str) -> list[list[int]]:
        """The rows of a query of numbers."""
        answer = self._athena.get_query_results(QueryExecutionId=self.run(sql))
        return [[int(value["VarCharValue"]) for value in row["Data"]] for row in answer["ResultSet"]["Rows"][1:]]


@dataclass
class Written:
    """What a writer knows of its statements, by their kind.

    Attributes:
        done: Those that succeeded.
        unsure: Those of which nobody was told.
        receipts: The receipts that must be there.
        perhaps_written: Those that may be there.
        perhaps_removed: Those that may be there still.
    """

    done: Counter = field(default_factory=Counter)
    unsure: Counter = field(default_factory=Counter)
    receipts: set[int] = field(default_factory=set)
    perhaps_written: set[int] = field(default_factory=set)
    perhaps_removed: set[int] = field(default_factory=set)


class Writer:
    """Transfers, counts, writes and removes receipts, in turn."""

    def __init__(self, points: CommitPoints, number: int) -> None:
        self._athena = Athena(points)
        self.written = Written()
        self._random = random.Random(number)
        self._turn = number
        self._next_receipt = number * 1_000_000
        self._steps = (self._transfer, self._count, self._write, self._remove)

    def step(self) -> None:
        step = self._steps[self._turn % len(self._steps)]
        if step == self._remove and not self.written.receipts:
            step = self._write
        self._turn += 1
        try:
            step()
            self.written.done[step.__name__] += 1
        except UnsureError:
            self.written.unsure[step.__name__] += 1

    def _transfer(self) -> None:
        giver, taker = self._random.sample(range(ACCOUNTS), 2)
        amount = self._random.randint(1, 50)
        self._athena.run(
            f"UPDATE ledger SET amount = amount + CASE id WHEN {giver} THEN -{amount} ELSE {amount} END, "
            f"changes = changes + 1 WHERE kind = 'account' AND id IN ({giver}, {taker})"
        )

    def _count(self) -> None:
        counter = self._random.randrange(COUNTERS)
        self._athena.run(
            f"MERGE INTO ledger l USING (VALUES ('counter', {counter})) s(kind, id) ON l.kind = s.kind AND l.id = s.id "
            "WHEN MATCHED THEN UPDATE SET amount = l.amount + 1, changes = l.changes + 1 "
            "WHEN NOT MATCHED THEN INSERT VALUES (s.kind, s.id, 1, 1)"
        )

    def _write(self) -> None:
        self._next_receipt += 1
        self.written.perhaps_written.add(self._next_receipt)
        self._athena.run(f"INSERT INTO ledger VALUES ('receipt', {self._next_receipt}, 1, 0)")
        self.written.perhaps_written.remove(self._next_receipt)
        self.written.receipts.add(self._next_receipt)

    def _remove(self) -> None:
        receipt = self.written.receipts.pop()
        self.written.perhaps_removed.add(receipt)
        self._athena.run(f"DELETE FROM ledger WHERE kind = 'receipt' AND id = {receipt}")
        self.written.perhaps_removed.remove(receipt)


class Reader:
    """Looks at the table; what it has seen does not come undone."""

    def __init__(self, points: CommitPoints) -> None:
        self._athena = Athena(points)
        self._seen = (0, 0)
        self.looks = 0

    def step(self) -> None:
        ((duplicates, accounts, balance, transfers, counted, changes),) = self._athena.rows(LOOK)
        assert (duplicates, accounts, balance) == (0, ACCOUNTS, ACCOUNTS * BALANCE)
        assert (transfers % 2, counted) == (0, changes)
        assert transfers >= self._seen[0]
        assert counted >= self._seen[1]
        self._seen = (transfers, counted)
        self.looks += 1


class Killer:
    """Kills the process of a statement that commits: in turn right before it does, and right after."""

    def __init__(self, points: CommitPoints) -> None:
        self._points = points
        self.kills: Counter = Counter()

    def step(self) -> None:
        moment = AFTER if self.kills[BEFORE] > self.kills[AFTER] else BEFORE
        self._points.stop_next(moment)
        self._points.kill(moment, self._points.stopped(moment))
        self.kills[moment] += 1
        time.sleep(3)


class Actors:
    """Threads that repeat a step each until they are told to end, or one of them fails."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._repeat, args=(step,)) for step in steps]
        for thread in self._threads:
            thread.start()

    def _repeat(self, step: Callable[[], None]) -> None:
        try:
            while not self._over.is_set():
                step()
        except BaseException as error:  # noqa: BLE001 - the test's own thread tells
            self._failures.append(error)
            self._over.set()

    def end(self, after: float = 0) -> None:
        self._over.wait(after)
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]


@pytest.fixture
def points(tmp_path: Path) -> Iterator[CommitPoints]:
    with commit_points(tmp_path) as found:
        athena = Athena(found)
        athena.client("s3").create_bucket(Bucket=BUCKET)
        athena.client("glue").create_database(DatabaseInput={"Name": DATABASE})
        athena.run(
            f"CREATE TABLE ledger WITH (table_type = 'ICEBERG', is_external = false, location = 's3://{BUCKET}/ledger/')"
            f" AS SELECT 'account' AS kind, x AS id, bigint '{BALANCE}' AS amount, bigint '0' AS changes "
            f"FROM UNNEST(sequence(0, {ACCOUNTS - 1})) AS t(x)"
        )
        yield found


def test_no_change_is_lost_or_done_twice_and_readers_see_whole_snapshots(points: CommitPoints) -> None:
    writers = [Writer(points, number) for number in range(WRITERS)]
    readers = [Reader(points) for _ in range(READERS)]
    killer = Killer(points)
    others = Actors(*(one.step for one in (*writers, *readers)))
    try:
        # It ends first: whom it waits for has to come.
        Actors(killer.step).end(after=SECONDS)
    finally:
        others.end()

    assert all(reader.looks for reader in readers)
    done, unsure, more = what_became(points, writers)
    assert set(done + unsure) == {"_transfer", "_count", "_write", "_remove"}
    # Of those that were killed, these were done: all that had committed, and no other.
    assert unsure.total() == killer.kills.total()
    assert more.total() == killer.kills[AFTER]
    ((snapshots,),) = Athena(points).rows('SELECT count(*) FROM "ledger$snapshots"')
    assert snapshots == 1 + done.total() + killer.kills[AFTER]


def test_what_was_acknowledged_is_there_after_the_endpoint_was_killed(points: CommitPoints) -> None:
    writers = [Writer(points, number) for number in range(WRITERS)]
    actors = Actors(*(one.step for one in writers))
    try:
        while sum(one.written.done.total() for one in writers) < WRITERS:
            time.sleep(0.1)
        points.stop_next(AFTER)
        points.stopped(AFTER)
        kill(points.endpoint)
    finally:
        actors.end()
    points.start()

    what_became(points, writers)
    for writer in writers:
        writer.step()
    what_became(points, writers)


def what_became(points: CommitPoints, writers: list[Writer]) -> tuple[Counter, Counter, Counter]:
    """How many statements of each kind succeeded, of how many nobody was told, and how many of these were done."""
    Reader(points).step()
    written = [one.written for one in writers]
    done = sum((one.done for one in written), Counter())
    unsure = sum((one.unsure for one in written), Counter())
    athena = Athena(points)
    ((transfers, counted),) = athena.rows(
        "SELECT sum(changes) FILTER (WHERE kind = 'account') / 2, "
        "coalesce(sum(amount) FILTER (WHERE kind = 'counter'), 0) FROM ledger"
    )
    found = {receipt for (receipt,) in athena.rows("SELECT id FROM ledger WHERE kind = 'receipt'")}
    sure, written_perhaps, removed_perhaps = (
        set[int]().union(*(getattr(one, kind) for one in written))
        for kind in ("receipts", "perhaps_written", "perhaps_removed")
    )
    assert sure <= found <= sure | written_perhaps | removed_perhaps
    more = Counter(
        _transfer=transfers - done["_transfer"],
        _count=counted - done["_count"],
        _write=len(written_perhaps & found),
        _remove=len(removed_perhaps - found),
    )
    assert all(0 <= more[kind] <= unsure[kind] for kind in more), (more, unsure)
    return done, unsure, more
