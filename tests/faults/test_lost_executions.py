"""An execution that dies and leaves no trace keeps its name: the file is tried again under the next one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from lake import RAW, Content, Lake, Landed

from lakehouse.metadata.file_record import FileStatus

pytestmark = pytest.mark.e2e


def lose_execution(lake: Lake, aws: Callable[..., Any], landed: Landed, attempt: int) -> None:
    """Start an attempt that does nothing."""
    name = f"{landed.file_id}-{attempt}"
    given = {"bucket": RAW, "key": landed.key, "version_id": landed.version_id, "attempt": attempt, "run_id": "lost"}
    aws("stepfunctions").start_execution(stateMachineArn=lake.machine.arn, name=name, input=json.dumps(given))
    lake.machine.executed.add(name)


def test_a_file_whose_first_execution_left_no_trace_is_converted_after_the_next_run(
    aws: Callable[..., Any], new_lake: Callable[[int], Lake], contents: list[Content]
) -> None:
    lake = new_lake(1_000_002)
    landed = lake.land(contents[0], "lost")
    lake.drop_an_event()
    lose_execution(lake, aws, landed, 1)
    lake.reconcile(retry_failed=False)
    lake.come_to_rest()
    record = lake.records.get(landed.file_id)
    assert (record.status, record.attempt) == (FileStatus.SUCCEEDED, 2)
    lake.require_everything_in_order()
    lake.clean_up()


def test_a_failed_file_whose_next_execution_left_no_trace_is_converted_too(
    aws: Callable[..., Any], new_lake: Callable[[int], Lake], contents: list[Content]
) -> None:
    lake = new_lake(1_000_003)
    landed = lake.land(contents[0], "lost")
    # Registered by its event, and nothing more.
    lake.play_round()
    lake.machine.executed |= set(lake.machine.started())
    lake.records.fail(landed.file_id, attempt=1, error_type="JobRunStopped", reason="somebody stopped it")
    lose_execution(lake, aws, landed, 2)
    lake.reconcile(retry_failed=True)
    lake.come_to_rest()
    record = lake.records.get(landed.file_id)
    assert (record.status, record.attempt) == (FileStatus.SUCCEEDED, 3)
    lake.require_everything_in_order()
    lake.clean_up()
