"""CloudWatch's metric alarms: evaluated over periods, of the metric they name, also while nobody publishes.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state

from __future__ import annotations

import json
import operator
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from lakehouse.local.registry import fixes

Json = dict[str, Any]

_CLOUDWATCH = "ministack.services.cloudwatch"
# AWS looks at some periods more than the alarm names, since data points come late.
_LATE_PERIODS = 2
_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@fixes(
    "monitoring",
    "PutMetricAlarm",
    replaces=f"{_CLOUDWATCH}:_evaluate_alarm",
    signature="(alarm)",
    symptom="an alarm looks at all metrics of its metric's name, whatever their dimensions, and knows neither periods "
    "nor what to make of missing data",
)
def evaluate_alarm(original: Callable[[Json], None]) -> Callable[[Json], None]:
    """M of the last N periods decide; missing data is treated as the alarm says."""

    def replacement(alarm: Json) -> None:
        if alarm.get("ComparisonOperator") not in _COMPARISONS or not alarm.get("MetricName"):
            original(alarm)  # bands, which nobody here computes
            return
        state, reason = _state(alarm, time.time())
        if state != alarm["StateValue"]:
            _enter(alarm, state, reason)

    return replacement


def _state(alarm: Json, now: float) -> tuple[str, str]:
    """What an alarm's metric says, and why; the alarm's own state where it is to stay as it is."""
    periods = alarm["EvaluationPeriods"]
    wanted = alarm.get("DatapointsToAlarm") or periods
    values = _values(alarm, now)[-periods:]
    compare, words = _COMPARISONS[alarm["ComparisonOperator"]]
    threshold = alarm["Threshold"]
    breaching = [compare(value, threshold) for _, value in values]
    missing, treatment = periods - len(values), alarm.get("TreatMissingData") or "missing"
    if not values and treatment == "ignore":
        return alarm["StateValue"], ""
    if not values and treatment == "missing":
        return "INSUFFICIENT_DATA", "Insufficient Data: no data points were received in the evaluation range."
    state = "ALARM" if sum(breaching) + missing * (treatment == "breaching") >= wanted else "OK"
    if not values:
        return state, f"Threshold Crossed: no datapoints were received; missing ones are treated as [{treatment}]."
    is_alarm = state == "ALARM"
    told = [
        f"{value} ({_clock(start)})"
        for (start, value), breaches in zip(values, breaching, strict=True)
        if breaches is is_alarm
    ]
    verb = ("was" if len(told) == 1 else "were") + ("" if is_alarm else " not")
    return state, (
        f"Threshold Crossed: {len(told)} out of the last {len(values)} datapoints [{', '.join(told)}] {verb} {words} "
        f"the threshold ({threshold}) (minimum {wanted} datapoint{'s' * (wanted > 1)} for OK -> ALARM transition)."
    )


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d/%m/%y %H:%M:%S")


def _values(alarm: Json, now: float) -> list[tuple[float, float]]:
    """The start and the statistic of each period of the evaluation range that has data, oldest first."""
    dimensions = {one["Name"]: one["Value"] for one in alarm.get("Dimensions") or ()}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    length = alarm["Period"]
    first = now // length - (alarm["EvaluationPeriods"] + _LATE_PERIODS - 1)
    points: defaultdict[float, list[Json]] = defaultdict(list)
    for point in list(cloudwatch._metrics.get(key) or ()):
        period = point["Timestamp"] // length
        if period >= first and (not alarm.get("Unit") or point.get("Unit") == alarm["Unit"]):
            points[period].append(point)
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    found = []
    for period in sorted(points):
        value = cloudwatch._stat_value(cloudwatch._calc_stats(points[period]), statistic, points[period])
        if value is not None:
            found.append((period * length, float(value)))
    return found


def _enter(alarm: Json, state: str, reason: str) -> None:
    old = alarm["StateValue"]
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def evaluate_all() -> None:
    """Evaluate every alarm: its data may be missing by now."""
    for (account, region, _), alarm in cloudwatch._alarms.all_items():
        with request_scope(account, region):
            cloudwatch._evaluate_alarm(alarm)


@fixes(
    "monitoring",
    "DescribeAlarms",
    replaces=f"{_CLOUDWATCH}:_describe_alarms",
    signature="(params, cbor_data, is_cbor, is_json=False)",
    symptom="terraform plan shows an alarm's period, statistic, dimensions and actions as drift",
)
def describe_alarms(original: Callable[..., Any]) -> Callable[..., Any]:
    """The XML that Terraform's provider asks for says all that was put."""

    def replacement(params: Json, cbor_data: Json, is_cbor: bool, is_json: bool = False) -> Any:
        if is_cbor or is_json:
            return original(params, cbor_data, is_cbor, is_json)
        status, _, body = original({}, _request(params), False, True)
        if status != 200:
            return original(params, cbor_data, is_cbor, is_json)
        found = json.loads(body)
        shown = "".join(
            _element(name, [_shown(one) for one in found[name]]) for name in ("MetricAlarms", "CompositeAlarms")
        )
        token = _element("NextToken", found["NextToken"]) if found.get("NextToken") else ""
        return cloudwatch._xml(
            200, "DescribeAlarmsResponse", f"<DescribeAlarmsResult>{shown}{token}</DescribeAlarmsResult>"
        )

    return replacement


def _request(params: Json) -> Json:
    """The request's parameters as JSON clients give them."""
    lists: Json = {name: _members(params, name) for name in ("AlarmNames", "AlarmTypes")}
    single = {
        name: cloudwatch._p(params, name) for name in ("AlarmNamePrefix", "StateValue", "MaxRecords", "NextToken")
    }
    return {name: value for name, value in (lists | single).items() if value}


def _members(params: Json, name: str) -> list[str]:
    numbers: Iterable[int] = range(1, 101)
    return [value for number in numbers if (value := cloudwatch._p(params, f"{name}.member.{number}"))]


def _shown(alarm: Json) -> Json:
    """An alarm as a client reads it: times as ISO-8601, what is not set left out."""
    shown = {}
    for name, value in alarm.items():
        if value is not None and not name.startswith("_"):
            shown[name] = _iso(value) if name.endswith("Timestamp") else value
    return shown


def _iso(moment: Any) -> str:
    return datetime.fromtimestamp(float(moment), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        inner = "".join(_element("member", one) for one in value)
    elif isinstance(value, dict):
        inner = "".join(_element(key, one) for key, one in value.items())
    elif isinstance(value, bool):
        inner = str(value).lower()
    else:
        inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"
