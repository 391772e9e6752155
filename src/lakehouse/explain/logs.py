"""What the functions and the Glue job logged about a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.explain.entry import Entry
from lakehouse.metadata.attribute_values import read_time

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

    from lakehouse.metadata.file_record import FileRecord

_GLUE_LOGS = "/aws-glue/jobs/"
_BAD = frozenset({"CRITICAL", "ERROR", "WARNING"})
# Read a group and pattern; shown in all.
_MOST_READ = 500
_MOST_SHOWN = 20
_LONGEST_TEXT = 500
# What an event waits, and what is logged after a record's last change.
_MARGIN = timedelta(minutes=15)
# Every call of a function begins and ends with one of these; the record and the executions say the same.
_NOISE = frozenset({"started", "done"})
_REFUSED = "StatusConflictError"
# What else than the message a line of the log says that matters here.
_TOLD = ("decision", "error_type", "reason", "exception_name", "caused_by")


@dataclass(frozen=True, slots=True)
class LogGroups:
    """Where the components of a deployment log.

    Attributes:
        functions: The functions' groups.
        jobs: The Glue job's groups.
    """

    functions: tuple[str, ...]
    jobs: tuple[str, ...]


def log_groups(logs: CloudWatchLogsClient, functions: Iterable[str], name_prefix: str) -> LogGroups:
    """Find the log groups of a deployment.

    Args:
        logs: CloudWatch Logs client.
        functions: Names of the functions that work on files.
        name_prefix: ``<project>-<environment>``: a job's group has the name of its role in it, where the job has a
            security configuration.

    Returns:
        The groups.

    Raises:
        LakehouseError: CloudWatch Logs refused.

    Source:
        https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging.html
    """
    try:
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_GLUE_LOGS)
        names = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    except (ClientError, BotoCoreError) as error:
        raise translate(error, f"Listing the log groups {_GLUE_LOGS}*") from error
    jobs = (name for name in names if name.count("/") == _GLUE_LOGS.count("/") or f"/{name_prefix}-" in name)
    return LogGroups(tuple(f"/aws/lambda/{name}" for name in functions), tuple(jobs))


def log_lines(logs: CloudWatchLogsClient, groups: LogGroups, record: FileRecord, since: datetime) -> list[Entry]:
    """Read what was logged about a file: errors and warnings, and as much of the rest as there is room for.

    Args:
        logs: CloudWatch Logs client.
        groups: Where to look.
        record: The file.
        since: When it landed.

    Returns:
        At most twenty lines, in the order of time.

    Raises:
        LakehouseError: CloudWatch Logs refused.
    """
    # A line before the file is registered knows its key only.
    wanted = [(group, text) for group in groups.functions for text in (record.file_id, record.key)]
    wanted += [(group, record.file_id) for group in groups.jobs]
    found: dict[tuple[str, int, str], Entry] = {}
    for group, text in wanted:
        for event in _events(logs, group, text, since - _MARGIN, record.updated_at + _MARGIN):
            line = _parsed(event["message"])
            if text in event["message"] and _is_about(line, record) and not _is_noise(event["message"], line):
                found[group, event["timestamp"], event["message"]] = _entry(group, event, line)
    entries = sorted(found.values(), key=lambda entry: (not entry.is_bad, entry.time))
    return sorted(entries[:_MOST_SHOWN], key=lambda entry: entry.time or since)


def _events(
    logs: CloudWatchLogsClient, group: str, text: str, since: datetime, until: datetime
) -> Iterator[Mapping[str, Any]]:
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group,
        filterPattern=json.dumps(text),
        startTime=int(since.timestamp() * 1000),
        endTime=int(until.timestamp() * 1000),
    )
    try:
        yield from islice((event for page in pages for event in page["events"]), _MOST_READ)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise translate(error, f"Reading the log group {group}") from error
    except BotoCoreError as error:
        raise translate(error, f"Reading the log group {group}") from error


def _parsed(message: str) -> dict[str, Any]:
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_about(line: Mapping[str, Any], record: FileRecord) -> bool:
    """Whether a line is not about another version of the same object."""
    event = line.get("event")
    version = event.get("version_id") if isinstance(event, Mapping) else None
    return line.get("file_id") in {None, record.file_id} and version in {None, "null", record.version_id}


def _is_noise(message: str, line: Mapping[str, Any]) -> bool:
    # The job's error log has an uncaught error a second time, as text.
    return line.get("message") in _NOISE or (not line and _REFUSED in message)


def _entry(group: str, event: Mapping[str, Any], line: Mapping[str, Any]) -> Entry:
    level = str(line.get("level") or "")
    if _REFUSED in {line.get("exception_name"), line.get("error_type")}:
        # Glue repeats a failed run by itself; an event may come twice.
        level = "INFO"
        line = {**line, "message": "a start that came too late was refused, as it should be: the attempt was over"}
    told = [str(line.get("message") or event["message"]).strip()]
    told += [f"{name}: {line[name]}" for name in _TOLD if line.get(name)]
    text = "; ".join(told)
    shown = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
    where = str(line.get("service") or group)
    moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    with suppress(ValueError):
        # CloudWatch's own time may be that of the delivery.
        moment = read_time(str(line.get("timestamp")))
    return Entry(moment, "log", f"{where}: {f'{level}: ' if level else ''}{shown}", level in _BAD)
