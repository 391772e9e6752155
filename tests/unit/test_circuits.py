"""Circuit breakers: opened by refusals, closed by a probe that was taken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse.metadata.circuits import (
    FAILURES,
    FIRST_COOL_DOWN,
    LONGEST_COOL_DOWN,
    PROBE_LASTS,
    WINDOW,
    Circuits,
    Outcome,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, span: timedelta) -> None:
        self.now += span


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuits(dynamodb: Any, circuits_table: str, clock: Clock) -> Iterator[Circuits]:
    return Circuits(dynamodb, circuits_table, clock)


def unknown(_file_id: str) -> Outcome:
    return Outcome.UNKNOWN


def taken(_file_id: str) -> Outcome:
    return Outcome.TAKEN


def open_up(circuits: Circuits) -> None:
    for number in range(FAILURES):
        circuits.refused("glue", f"throttled {number}")


def test_work_is_sent_to_a_dependency_that_refused_nothing(circuits: Circuits) -> None:
    assert circuits.wait_seconds("glue", "a", unknown) == 0


def test_some_refusals_within_the_window_open_the_circuit_and_say_for_how_long(circuits: Circuits) -> None:
    open_up(circuits)
    assert circuits.get("glue").reason == f"throttled {FAILURES - 1}"
    assert 0 < circuits.wait_seconds("glue", "a", unknown) <= FIRST_COOL_DOWN.total_seconds() + 1
    assert circuits.wait_seconds("lambda", "a", unknown) == 0


def test_refusals_far_apart_open_nothing(circuits: Circuits, clock: Clock) -> None:
    for _ in range(FAILURES * 3):
        circuits.refused("glue", "throttled")
        clock.move(WINDOW + timedelta(seconds=1))
    assert circuits.get("glue").is_closed


def test_after_the_cool_down_one_file_is_the_probe_and_the_others_wait(circuits: Circuits, clock: Clock) -> None:
    open_up(circuits)
    clock.move(FIRST_COOL_DOWN)
    assert circuits.wait_seconds("glue", "probe", unknown) == 0
    assert circuits.wait_seconds("glue", "probe", unknown) == 0
    assert circuits.wait_seconds("glue", "other", unknown) > 0


def test_a_probe_that_was_taken_closes_the_circuit(circuits: Circuits, clock: Clock) -> None:
    open_up(circuits)
    clock.move(FIRST_COOL_DOWN)
    circuits.wait_seconds("glue", "probe", unknown)
    assert circuits.wait_seconds("glue", "other", taken) == 0
    assert circuits.get("glue").is_closed


def test_a_probe_that_was_refused_doubles_the_cool_down_up_to_a_limit(circuits: Circuits, clock: Clock) -> None:
    open_up(circuits)
    expected = FIRST_COOL_DOWN
    for _ in range(10):
        clock.move(expected)
        assert circuits.wait_seconds("glue", "probe", unknown) == 0
        circuits.refused("glue", "still throttled")
        expected = min(expected * 2, LONGEST_COOL_DOWN)
        assert circuits.get("glue").cool_down_seconds == expected.total_seconds()


def test_a_probe_of_which_nothing_is_heard_is_followed_by_another(circuits: Circuits, clock: Clock) -> None:
    open_up(circuits)
    clock.move(FIRST_COOL_DOWN)
    circuits.wait_seconds("glue", "lost", unknown)
    clock.move(PROBE_LASTS)
    assert circuits.wait_seconds("glue", "other", unknown) == 0
    assert circuits.get("glue").probe == "other"


def test_refusals_of_work_that_was_on_its_way_do_not_prolong_the_cool_down(circuits: Circuits) -> None:
    open_up(circuits)
    before = circuits.get("glue").open_until
    circuits.refused("glue", "late")
    assert circuits.get("glue").open_until == before


def test_writers_that_meet_lose_no_refusal(dynamodb: Any, circuits_table: str, clock: Clock) -> None:
    first, second = (Circuits(dynamodb, circuits_table, clock) for _ in range(2))
    stale = first.get("glue")
    second.refused("glue", "one")
    assert not first._write(stale, stale.after_failure(clock(), "two"))
    first.refused("glue", "two")
    assert first.get("glue").failures == 2
