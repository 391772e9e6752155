"""Statements on Iceberg tables that are interrupted around their commit: they are done once, or not at all."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from commit_points import AFTER, BEFORE, TWICE, UNANSWERED, UNHEARD, commit_points
from endpoint_kill import kill

from lakehouse.local.athena.executions import Running

DAY_SECONDS = 86_400
# A statement, and the rows of (1, 'a'), (2, 'b') after it.
STATEMENTS = {
    "INSERT INTO {table} VALUES (3, 'new')": [("1", "a"), ("2", "b"), ("3", "new")],
    "UPDATE {table} SET s = 'new' WHERE id = 1": [("1", "new"), ("2", "b")],
    "DELETE FROM {table} WHERE id = 1": [("2", "b")],
    "MERGE INTO {table} t USING (VALUES (2, 'new'), (3, 'new')) s(id, s) ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET s = s.s WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.s)": [
        ("1", "a"), ("2", "new"), ("3", "new"),
    ],
}  # fmt: skip
OLD_ROWS = [("1", "a"), ("2", "b")]


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    with commit_points(tmp_path_factory.mktemp("interrupted")) as found:
        yield found


@pytest.fixture(scope="module")
def sql(points, statements_of):
    return statements_of(clients(points))


def clients(points):
    session = boto3.Session("test", "test", region_name=points.endpoint.region)
    config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    return lambda service: session.client(service, endpoint_url=points.endpoint.url, config=config)


@pytest.fixture
def ledger(sql, table):
    """A table of two rows."""
    sql.run(
        f"CREATE TABLE {table} WITH (table_type = 'ICEBERG', is_external = false, location = '{sql.location(table)}') "
        "AS SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(id, s)"
    )
    return table


def rows(sql, table):
    return sql.rows(f"SELECT * FROM {table} ORDER BY id")


def files(sql, table):
    """The data files of the table, and all that lie in its folder."""
    found = sql.rows(f'SELECT DISTINCT "$path" FROM {table}')
    return {path.split("/", 3)[3] for (path,) in found}, set(sql.keys(f"{table}/data/"))


def killed(sql, points, text, moment):
    """The record of a statement whose process is killed at a moment of its commit."""
    points.stop_next(moment)
    number = sql.start(text)
    points.kill(moment, points.stopped(moment))
    return sql.ended(number)


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_process_killed_before_the_commit_leaves_the_table_as_it_was(sql, points, ledger, text) -> None:
    execution = killed(sql, points, text.format(table=ledger), BEFORE)

    assert execution["Status"]["State"] == "FAILED"
    assert "process ended with status -9" in execution["Status"]["AthenaError"]["ErrorMessage"]
    assert rows(sql, ledger) == OLD_ROWS
    assert len(sql.rows(f'SELECT snapshot_id FROM "{ledger}$snapshots"')) == 1

    sql.run(text.format(table=ledger))
    assert rows(sql, ledger) == STATEMENTS[text]


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_process_killed_after_the_commit_has_done_its_statement_once(sql, points, ledger, text) -> None:
    execution = killed(sql, points, text.format(table=ledger), AFTER)

    # Nobody can be told of a success that its process did not live to tell.
    assert execution["Status"]["State"] == "FAILED"
    assert rows(sql, ledger) == STATEMENTS[text]


def test_a_killed_process_leaves_no_files_on_the_way(sql, points, ledger) -> None:
    folder = points.endpoint.home / "athena"
    points.stop_next(BEFORE)
    number = sql.start(f"UPDATE {ledger} SET s = 'new'")
    pid = points.stopped(BEFORE)
    assert list((folder / str(pid)).iterdir())
    points.kill(BEFORE, pid)
    sql.ended(number)

    assert not (folder / str(pid)).exists()


def test_vacuum_removes_what_a_killed_process_left_when_it_is_old_enough(sql, points, ledger) -> None:
    killed(sql, points, f"UPDATE {ledger} SET s = 'new' WHERE id = 1", BEFORE)
    used, there = files(sql, ledger)
    (orphan,) = there - used
    path = points.endpoint.home / "s3" / "000000000000" / sql.bucket / orphan

    # Young files may be of a statement that runs.
    sql.run(f"VACUUM {ledger}")
    assert files(sql, ledger) == (used, there)

    aged = time.time() - 2 * DAY_SECONDS
    os.utime(path, (aged, aged))
    sql.run(f"VACUUM {ledger}")
    assert files(sql, ledger) == (used, there)

    sql.run(f"ALTER TABLE {ledger} SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds' = '{DAY_SECONDS}')")
    sql.run(f"VACUUM {ledger}")
    assert files(sql, ledger) == (used, used)
    assert rows(sql, ledger) == OLD_ROWS


@pytest.mark.parametrize("moment", [UNANSWERED, TWICE])
@pytest.mark.parametrize("text", STATEMENTS)
def test_a_commit_whose_answer_is_lost_is_done_once(sql, points, ledger, text, moment) -> None:
    points.stop_next(moment)
    sql.run(text.format(table=ledger))

    assert rows(sql, ledger) == STATEMENTS[text]
    assert len(sql.rows(f'SELECT snapshot_id FROM "{ledger}$snapshots"')) == 2


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_commit_that_may_come_yet_keeps_its_files(sql, points, ledger, text) -> None:
    points.stop_next(UNHEARD)
    reason = sql.fails(text.format(table=ledger))

    # Whom a commit error is told starts the statement again.
    assert "ICEBERG_COMMIT_ERROR" not in reason
    assert "timeout" in reason.lower()
    assert rows(sql, ledger) == OLD_ROWS
    used, there = files(sql, ledger)
    assert there > used


def test_a_statement_that_has_ended_stops_no_process_of_another() -> None:
    ended = []
    statement = Running()
    assert statement.takes(SimpleNamespace(kill=lambda: ended.append("killed")))
    statement.lets_go()
    statement.stop()

    assert ended == []


@pytest.mark.e2e
@pytest.mark.parametrize(("moment", "left"), [(BEFORE, "acknowledged"), (AFTER, "interrupted")])
def test_an_endpoint_killed_around_a_commit_keeps_what_it_acknowledged(tmp_path, statements_of, moment, left) -> None:
    with commit_points(tmp_path) as points:
        sql = statements_of(clients(points))
        sql.run(
            f"CREATE TABLE t WITH (table_type = 'ICEBERG', is_external = false, location = '{sql.location('t')}') AS "
            "SELECT 1 AS id, 'written' AS s"
        )
        sql.run("UPDATE t SET s = 'acknowledged'")
        points.stop_next(moment)
        number = sql.start("UPDATE t SET s = 'interrupted'")
        points.stopped(moment)
        kill(points.endpoint)
        points.start()

        assert sql.rows("SELECT * FROM t") == [("1", left)]
        assert was_forgotten_or_failed(sql, number)
        sql.run("UPDATE t SET s = 'again'")
        assert sql.rows("SELECT * FROM t") == [("1", "again")]


def was_forgotten_or_failed(sql, number):
    """The record of a statement that was started just before a kill may not have been written."""
    try:
        return sql.ended(number)["Status"]["State"] == "FAILED"
    except ClientError as error:
        return "was not found" in str(error)
