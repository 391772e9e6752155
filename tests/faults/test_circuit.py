"""While Glue takes no work, files wait; when it does again, all are converted, and nobody had to do anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from injector import Fault, FaultPlan
from lake import CIRCUITS, Content, Lake

from lakehouse.metadata.circuits import Circuit, Circuits
from lakehouse.metadata.file_record import FileStatus

pytestmark = pytest.mark.e2e

FILES = 6
OUTAGE_ROUNDS = 12
# Throttled once, and by five retries of the state machine.
REFUSALS_OF_A_START = 6


def circuit(aws: Callable[..., Any], lake: Lake) -> Circuit:
    return Circuits(aws("dynamodb"), CIRCUITS, lake.clock).get("glue")


def test_the_circuit_opens_while_glue_throttles_and_closes_by_itself(
    aws: Callable[..., Any], new_lake: Callable[[int], Lake], contents: list[Content]
) -> None:
    lake = new_lake(1_000_001)
    spark = next(one for one in contents if one.name == "spark")
    small = next(one for one in contents if one.name == "few")
    lake.plan = FaultPlan(lake.seed, 1.0, [Fault.THROTTLED], ["glue.StartJobRun"])
    for number in range(FILES):
        lake.land(spark, str(number))
    for _ in range(3):
        lake.play_round()
    assert not circuit(aws, lake).is_closed

    # What lands meanwhile for the other engine is not held up, and what is for Glue spends no attempt on waiting.
    lake.land(small, "small")
    refusals = len(lake.plan.happened)
    for number in range(OUTAGE_ROUNDS):
        lake.land(spark, f"later-{number}")
        lake.play_round()
    attempts = [record.attempt for one in lake.landed if (record := lake.records.find(one.file_id))]
    assert lake.records.get(lake.landed[FILES].file_id).status is FileStatus.SUCCEEDED
    assert max(attempts) <= 4
    probes = (len(lake.plan.happened) - refusals) / REFUSALS_OF_A_START
    assert probes < OUTAGE_ROUNDS

    lake.come_to_rest()
    assert circuit(aws, lake).is_closed
    assert {lake.records.get(one.file_id).status for one in lake.landed} == {FileStatus.SUCCEEDED}
    lake.require_everything_in_order()
    lake.clean_up()
