"""Some of the kill points of ``kill_points.py``: run all of them with ``python tests/crashes/kill_points.py``."""

from __future__ import annotations

import sys

import pytest
from kill_points import run, scenario_of
from laboratory import Laboratory

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="victims are found by Linux's /proc"),
]

# One seed a victim and kind of request, as far as few can.
SEEDS = [7, 12, 14, 17, 21, 26, 29, 37, 39, 56, 114, 120]
# Each was wrong once.
ONCE_FAILED = [
    6,  # A converter that woke up after a re-run of its own attempt took its aborted upload for a fault of the file.
    125,  # Spark's JVM, killed: recorded as a failure of the file, so that Glue's own retry was refused.
    115,  # The same, after the object had been published: the record said FAILED of an object that was there.
]


@pytest.mark.parametrize("seed", [*SEEDS, *ONCE_FAILED])
def test_whoever_is_killed_whenever_a_re_run_gives_one_right_object_and_leaves_nothing_else(
    laboratory: Laboratory, seed: int
) -> None:
    outcome = run(laboratory, scenario_of(seed, laboratory))
    assert not outcome.wrong, f"{outcome.scenario}: {outcome.wrong}"
    assert outcome.is_reached, outcome.scenario
