"""What ``lakehouse failed`` finds and shows, and how ``redrive`` and ``reprocess`` read their options."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
from click.testing import CliRunner

from lakehouse.cli.failures import Duration, print_failures, print_reprocessing
from lakehouse.cli.main import lakehouse
from lakehouse.cli.presentation import console
from lakehouse.failures import Failures, find
from lakehouse.ingestion.dead_letters import DeadLetter, DeadLetters
from lakehouse.ingestion.messages import LandedFile
from lakehouse.ingestion.reprocessing import Reprocessing
from lakehouse.metadata.circuits import FAILURES, Circuit, Circuits
from lakehouse.metadata.file_record import FileRecord, NewFile
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import file_id
from lakehouse.settings import Workplace

NOW = datetime(2026, 1, 31, 6, 7, 8, tzinfo=UTC)


class World:
    """The tables and the queue that failures are found in."""

    def __init__(self, dynamodb: Any, files_table: str, circuits_table: str) -> None:
        self.records = FileRecords(dynamodb, files_table)
        self.circuits = Circuits(dynamodb, circuits_table)
        self.sqs = boto3.client("sqs")
        self.dead = self.sqs.create_queue(QueueName="dead")["QueueUrl"]

    def failed(self, name: str, version: str = "v1", **options: Any) -> FileRecord:
        key = f"raw-data/trips/{name}.parquet"
        identity = file_id("raw", key, version_id=version)
        self.records.register(NewFile(identity, "raw", key, "trips", version_id=version))
        options = {"error_type": "CorruptFileError", "reason": "page 3 is broken"} | options
        return self.records.fail(identity, attempt=1, **options)

    def find(self, limit: int = 50) -> Failures:
        return find(self.records, DeadLetters(self.sqs, self.dead, self.dead), self.circuits, limit=limit)


@pytest.fixture
def world(dynamodb: Any, files_table: str, circuits_table: str) -> World:
    return World(dynamodb, files_table, circuits_table)


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def shown(found: Failures, capsys: pytest.CaptureFixture[str]) -> str:
    print_failures(console(), found, NOW)
    return capsys.readouterr().out


def test_nothing_failed_is_said_in_so_many_words(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = world.find()
    assert found.is_empty
    assert shown(found, capsys) == "Nothing failed.\n"


def test_a_failed_file_is_shown_with_its_reason_and_what_to_do(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    record = world.failed("a")
    text = shown(world.find(), capsys)
    assert f"{record.file_id[:12]}  a.parquet of trips: CorruptFileError" in text
    assert "page 3 is broken" in text
    assert "To do: Replace the file at its source and upload it again" in text


def test_a_file_that_is_tried_again_by_itself_needs_nobody_and_is_shown_as_such(world: World) -> None:
    world.failed("a", error_type="ThrottledError", next_attempt=2)
    (one,) = world.find().files
    assert one.next_step == "Nothing: it is tried again as attempt 2."


def test_a_failed_version_is_not_shown_any_more_once_a_newer_one_has_landed(world: World) -> None:
    world.failed("a", "v1")
    newer = world.failed("a", "v2")
    other = world.failed("b")
    assert {one.record.file_id for one in world.find().files} == {newer.file_id, other.file_id}


def test_a_failed_version_is_shown_where_the_newer_one_relies_on_it(world: World) -> None:
    record = world.failed("a")
    same = file_id("raw", record.key, version_id="v2")
    world.records.register(NewFile(same, "raw", record.key, "trips", version_id="v2"))
    world.records.skip(same, duplicate_of=record.file_id)
    assert [one.record.file_id for one in world.find().files] == [record.file_id]


def test_no_more_files_are_shown_than_asked_for_and_it_is_said(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        world.failed(name)
    found = world.find(limit=2)
    assert (len(found.files), found.has_more_files) == (2, True)
    assert "… and more: lakehouse files --failed" in shown(found, capsys)


def test_an_open_circuit_is_shown_with_its_reason_and_a_closed_one_is_not(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.circuits.refused("lambda", "too many requests")
    for _ in range(FAILURES):
        world.circuits.refused("glue", "no capacity [eu]")
    found = world.find()
    assert [circuit.dependency for circuit in found.circuits] == ["glue"]
    text = shown(found, capsys)
    assert "no capacity [eu]" in text
    assert "too many requests" not in text


def test_a_circuit_whose_time_is_over_waits_for_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    circuit = Circuit("glue", open_until=NOW - timedelta(minutes=1), cool_down_seconds=30, reason="no")
    assert "over: the next file tries" in shown(Failures((), False, (), 0, (circuit,)), capsys)


def test_dead_letters_are_shown_with_their_files_or_their_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    message = LandedFile("raw", "raw-data/trips/a.parquet", "v1", 2).message
    readable = DeadLetter("11111111-1111-4111-8111-111111111111", NOW - timedelta(minutes=5), 6, message, "r")
    junk = replace(readable, message_id="22222222-2222-4222-8222-222222222222", body="[junk] " * 50)
    text = shown(Failures((), False, (readable, junk), 3, ()), capsys)
    assert "a.parquet (attempt 2)" in text
    assert "5 min 00 s" in text
    assert "nobody can read it: [junk] [junk]" in text
    assert "about 3 more" in text
    assert "lakehouse redrive" in text


def test_letters_that_somebody_else_looks_at_are_no_reason_to_say_that_nothing_failed(world: World) -> None:
    world.sqs.send_message(QueueUrl=world.dead, MessageBody="junk")
    world.sqs.receive_message(QueueUrl=world.dead, VisibilityTimeout=60)
    found = world.find()
    assert (found.letters, found.other_letters, found.is_empty) == ((), 1, False)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
    ],
)
def test_a_length_of_time_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert Duration().convert(text, None, None) == length


@pytest.mark.parametrize("text", ["2", "h", "2 h", "-2h", "2w", ""])
def test_another_length_of_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="as in 2h"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    "arguments",
    [[], ["abcdef123456", "--dataset", "users"], ["abcdef123456", "--from", "2026-01-01"]],
)
def test_reprocess_takes_either_files_or_a_dataset(arguments: list[str], tmp_path: Path) -> None:
    workplace = Workplace(root=Path.cwd(), home=tmp_path, environment="local")
    result = CliRunner().invoke(lakehouse, ["reprocess", *arguments], obj=workplace)
    assert result.exit_code == 2
    assert "--dataset" in result.output


def test_files_that_are_left_alone_for_one_reason_are_shown_together(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [world.failed(name) for name in "abc"]
    done = [Reprocessing(records[0], 2), *(Reprocessing(record, 2, "It was deleted.") for record in records[1:])]
    print_reprocessing(console(), done, is_dry=True)
    text = capsys.readouterr().out
    assert text.count("It was deleted.") == 1
    assert f"left alone: {records[1].file_id[:12]}, {records[2].file_id[:12]}" in text
    assert "1 of 3 would be converted anew. Nothing was done" in text
