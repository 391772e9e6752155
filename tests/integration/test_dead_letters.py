"""Dead letters are looked at without being lost, and go back: all of them, or those that were chosen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from lakehouse.errors import PermanentError, ServiceUnavailableError
from lakehouse.ingestion.dead_letters import Choice, DeadLetters
from lakehouse.ingestion.messages import LandedFile

MANY = 35


class Queues:
    """A queue and its dead letters."""

    def __init__(self, sqs: Any) -> None:
        self.sqs = sqs
        name = f"landed-{uuid4().hex[:8]}"
        self.dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        policy = json.dumps({"deadLetterTargetArn": self.arn_of(self.dead), "maxReceiveCount": 1})
        attributes = {"RedrivePolicy": policy, "VisibilityTimeout": "0"}
        self.origin = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def arn_of(self, url: str) -> str:
        return str(self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def die(self, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.origin, MessageBody=body)
        while self.sqs.receive_message(QueueUrl=self.origin, MaxNumberOfMessages=10).get("Messages"):
            pass

    def bodies(self, url: str) -> list[str]:
        """What a queue holds, in any order; it is taken out."""
        found: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60).get(
            "Messages"
        ):
            found += [message["Body"] for message in messages]
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def letters(self, **options: Any) -> DeadLetters:
        return DeadLetters(self.sqs, self.dead, self.origin, **options)


@pytest.fixture
def queues(aws: Callable[..., Any]) -> Queues:
    return Queues(aws("sqs"))


def message(name: str) -> str:
    return LandedFile("raw", f"raw-data/trips/{name}.parquet", "v1").message


def test_all_of_many_are_found_and_stay_where_they_are_for_everybody(queues: Queues) -> None:
    queues.die(*(message(str(number)) for number in range(MANY)))
    first, second = queues.letters().find(), queues.letters().find()
    assert len({letter.message_id for letter in first}) == len(first) == MANY
    assert {letter.message_id for letter in second} == {letter.message_id for letter in first}
    assert queues.letters().count() == MANY
    assert all(letter.receives >= 1 for letter in first)
    assert first == sorted(first, key=lambda letter: letter.sent_at)


def test_no_more_are_looked_at_than_asked_for(queues: Queues) -> None:
    queues.die(*(message(str(number)) for number in range(13)))
    assert len(queues.letters().find(most=12)) == 12


def test_a_letter_names_its_file_and_one_that_nobody_can_read_names_none(queues: Queues) -> None:
    queues.die(message("a"), "junk")
    files = {letter.body: letter.files for letter in queues.letters().find()}
    assert files == {message("a"): (LandedFile("raw", "raw-data/trips/a.parquet", "v1"),), "junk": ()}


def test_what_somebody_else_is_looking_at_is_counted_though_it_cannot_be_seen(queues: Queues) -> None:
    queues.die(message("a"), message("b"))
    queues.sqs.receive_message(QueueUrl=queues.dead, MaxNumberOfMessages=1, VisibilityTimeout=60)
    assert (queues.letters().count(), len(queues.letters().find())) == (2, 1)


def test_everything_goes_back_by_a_move_task(queues: Queues) -> None:
    queues.die(*(message(str(number)) for number in range(MANY)), "junk")
    assert queues.letters().redrive(Choice()) == MANY + 1
    assert queues.letters().count() == 0
    assert sorted(queues.bodies(queues.origin)) == sorted([*(message(str(number)) for number in range(MANY)), "junk"])


def test_nothing_goes_back_where_nothing_is_dead(queues: Queues) -> None:
    assert queues.letters().redrive(Choice()) == 0
    assert queues.letters().redrive(Choice(key="*")) == 0


def test_a_move_that_runs_already_is_waited_for(queues: Queues) -> None:
    queues.die(message("a"), message("b"))
    queues.sqs.start_message_move_task(SourceArn=queues.arn_of(queues.dead), MaxNumberOfMessagesPerSecond=1)
    assert queues.letters().redrive(Choice()) == 2


def test_a_move_that_somebody_stops_is_no_success(queues: Queues) -> None:
    queues.die(*(message(str(number)) for number in range(5)))
    started = queues.sqs.start_message_move_task(SourceArn=queues.arn_of(queues.dead), MaxNumberOfMessagesPerSecond=1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(queues.letters().redrive, Choice())
        time.sleep(0.3)
        queues.sqs.cancel_message_move_task(TaskHandle=started["TaskHandle"])
        with pytest.raises(ServiceUnavailableError, match=r"CANCEL.*stays moved"):
            waiting.result()


@pytest.mark.parametrize("pattern", ["yellow_*", "raw-data/trips/yellow_2*.parquet", "yellow_???.parquet"])
def test_files_are_chosen_by_name_or_key_and_all_others_stay_and_can_be_seen(queues: Queues, pattern: str) -> None:
    chosen = [message(f"yellow_{number}") for number in range(200, 200 + MANY // 2)]
    others = ["junk", *(message(f"green_{number}") for number in range(MANY // 2))]
    queues.die(*chosen, *others)
    assert queues.letters().redrive(Choice(key=pattern)) == len(chosen)
    assert sorted(queues.bodies(queues.origin)) == sorted(chosen)
    assert sorted(queues.bodies(queues.dead)) == sorted(others)


def test_the_oldest_go_first_where_only_some_are_wanted(queues: Queues) -> None:
    bodies = [message(str(number)) for number in range(12)]
    for body in bodies:
        queues.sqs.send_message(QueueUrl=queues.dead, MessageBody=body)
        time.sleep(0.002)  # SQS tells milliseconds
    assert queues.letters().redrive(Choice(count=3)) == 3
    assert sorted(queues.bodies(queues.origin)) == sorted(bodies[:3])


@pytest.mark.parametrize(
    ("choice", "moved"),
    [
        (Choice(older_than=timedelta(hours=1)), 1),
        (Choice(older_than=timedelta(hours=3)), 0),
        (Choice(younger_than=timedelta(hours=1)), 0),
        (Choice(younger_than=timedelta(hours=3)), 1),
        (Choice(older_than=timedelta(hours=1), younger_than=timedelta(hours=3), key="a*"), 1),
    ],
)
def test_age_chooses(queues: Queues, choice: Choice, moved: int) -> None:
    queues.die(message("a"))
    in_two_hours = datetime.now(UTC) + timedelta(hours=2)
    assert queues.letters(clock=lambda: in_two_hours).redrive(choice) == moved


def test_one_that_cannot_be_deleted_after_it_was_sent_is_there_twice_never_lost(queues: Queues) -> None:
    queues.die(message("a"), message("b"))
    broken = queues.sqs

    def refuse(**_: Any) -> None:
        raise ConnectionError

    broken.meta.events.register("before-call.sqs.DeleteMessage", refuse)
    try:
        with pytest.raises(ConnectionError):
            queues.letters().redrive(Choice(key="*"))
    finally:
        broken.meta.events.unregister("before-call.sqs.DeleteMessage", refuse)
    assert len(queues.letters().find()) == 2, "both can be seen at once"
    assert queues.letters().redrive(Choice(key="*")) == 2
    assert set(queues.bodies(queues.origin)) == {message("a"), message("b")}


def test_a_queues_dead_letters_are_found_by_its_redrive_policy(queues: Queues) -> None:
    queues.die(message("a"))
    assert [letter.body for letter in DeadLetters.of_queue(queues.sqs, queues.origin).find()] == [message("a")]
    with pytest.raises(PermanentError, match="has no dead-letter queue"):
        DeadLetters.of_queue(queues.sqs, queues.dead)
