"""Log lines are found by CloudWatch Logs' filter patterns."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

LINES = [json.dumps({"level": "ERROR", "rows": 3}), json.dumps({"level": "INFO", "rows": 5}), "the page is broken"]


@pytest.fixture
def found() -> Callable[..., list[str]]:
    """Finds lines of a new log group by a pattern."""

    def find(aws: Callable[..., Any], pattern: str) -> list[str]:
        logs, group = aws("logs"), f"/patterns/{uuid4().hex[:8]}"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="one")
        now = int(time.time() * 1000)
        events = [{"timestamp": now + number, "message": line} for number, line in enumerate(LINES)]
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)
        answer = logs.filter_log_events(logGroupName=group, filterPattern=pattern)
        return [event["message"] for event in answer["events"]]

    return find


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.level = "ERROR" }', LINES[:1]),
        ("{ $.rows > 3 }", LINES[1:2]),
        ('"is page"', []),
        ("error", []),
        ("?ERROR ?broken", [LINES[0], LINES[2]]),
    ],
)
def test_a_pattern_finds_its_lines(
    pattern: str,
    expected: list[str],
    found: Callable[..., list[str]],
    aws: Callable[..., Any],
    bare_aws: Callable[..., Any],
) -> None:
    assert found(aws, pattern) == expected
    assert found(bare_aws, pattern) != expected


def test_a_pattern_that_cannot_be_read_is_refused_by_name(
    found: Callable[..., list[str]], aws: Callable[..., Any], bare_aws: Callable[..., Any]
) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameterException.*space-delimited"):
        found(aws, "[ip, user]")
    assert found(bare_aws, "[ip, user]") == []
