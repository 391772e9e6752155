"""Log lines that executors write: into CloudWatch Logs, like the services they stand for."""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

import time

from ministack.services import cloudwatch_logs


def write_log(group: str, stream: str, messages: list[str]) -> None:
    """Append lines to a log stream; group and stream are made where they are missing.

    Args:
        group: The log group's name.
        stream: The stream's name.
        messages: The lines, none of them empty.
    """
    if group not in cloudwatch_logs._log_groups:
        cloudwatch_logs._create_log_group({"logGroupName": group})
    if stream not in cloudwatch_logs._log_groups[group]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": message} for message in messages]
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})
