"""What SQS tells CloudWatch about its queues, and the clock that alarms are evaluated by.

SQS publishes once a minute. Here the minute's data point is there as soon as it differs, and then follows the queue:
who waits for an alarm on a laptop does not wait for the minute's end.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch, sqs

from lakehouse.local import alarms

Json = dict[str, Any]

_LOG = logging.getLogger(__name__)
_TICK_SECONDS = 2.0
_MINUTE = 60
_VISIBLE = "ApproximateNumberOfMessagesVisible"
_AGE = "ApproximateAgeOfOldestMessage"
_UNITS = {_AGE: "Seconds"}


async def keep_publishing() -> None:
    """Publish the queues' metrics and evaluate the alarms every two seconds, until cancelled."""
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        try:
            await asyncio.to_thread(publish)
        except Exception:  # noqa: BLE001 - a queue or an alarm may be deleted while it is looked at: looked at again soon
            _LOG.exception("The queues' metrics were not published")


def publish() -> None:
    """Publish what the queues hold now, and evaluate the alarms."""
    now = time.time()
    for (account, region, _), queue in sqs._queues.all_items():
        with request_scope(account, region):
            _publish_queue(queue, now)
    alarms.evaluate_all()


def _publish_queue(queue: Json, now: float) -> None:
    """Publish a queue's numbers, unless it is empty and was so before: SQS says nothing of a queue that is not used."""
    messages = list(queue["messages"])
    visible = sum(one["visible_at"] <= now for one in messages)
    delayed = sum(one["visible_at"] > now and not one["receive_count"] for one in messages)
    numbers = {
        _VISIBLE: visible,
        "ApproximateNumberOfMessagesDelayed": delayed,
        "ApproximateNumberOfMessagesNotVisible": len(messages) - visible - delayed,
    }
    # The age grows with every look: it is told when the minute or another number changes.
    ages = {_AGE: int(max((now - one["sent_at"] for one in messages), default=0))}
    name = str(queue["attributes"]["QueueArn"]).rpartition(":")[2]
    latest = {metric: _latest(metric, name) for metric in numbers}
    is_known = all(point is not None and point["Value"] == numbers[metric] for metric, point in latest.items())
    is_idle = not messages and all(point is None or not point["Value"] for point in latest.values())
    is_of_this_minute = any(point and point["Timestamp"] >= now // _MINUTE * _MINUTE for point in latest.values())
    if is_idle or (is_known and is_of_this_minute):
        return
    for metric, value in (numbers | ages).items():
        _put(metric, name, value, now)


def _key(metric: str, queue: str) -> tuple[str, str, str]:
    return "AWS/SQS", metric, str(cloudwatch._dims_key({"QueueName": queue}))


def _latest(metric: str, queue: str) -> Json | None:
    points = cloudwatch._metrics.get(_key(metric, queue))
    return points[-1] if points else None


def _put(metric: str, queue: str, value: float, now: float) -> None:
    """Write the minute's data point, or what it is by now."""
    start = now // _MINUTE * _MINUTE
    point = _latest(metric, queue)
    if point is not None and point["Timestamp"] == start:
        point["Value"] = float(value)
        return
    cloudwatch._metric_bucket(_key(metric, queue)).append(
        {
            "Timestamp": start,
            "Value": float(value),
            "Unit": _UNITS.get(metric, "Count"),
            "Dimensions": {"QueueName": queue},
        }
    )
