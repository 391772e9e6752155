"""Payload templates, intrinsic functions, result paths, retries and scopes of the state machine interpreter."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.payload_template import place, resolve
from lakehouse.local.step_functions.retries import RetryPolicy, delay_seconds, matches
from lakehouse.local.step_functions.scope import Scope, ScopeCancelledError

DATA = {"name": "a", "sizes": [1, 2, 3], "files": [{"s": "F"}, {"s": "S"}]}
CONTEXT = {"Execution": {"Name": "run"}, "variables": {"kept": {"x": 1}}, "QueryLanguage": "JSONPath"}


def test_a_template_takes_paths_context_variables_and_functions_at_any_depth() -> None:
    template = {
        "literal": "$.name",
        "list": [{"name.$": "$.name"}, "$.name"],
        "deep": {"run.$": "$$.Execution.Name", "kept.$": "$kept.x"},
        "call.$": "States.Format('{}-{}: {}', $.name, States.ArrayLength($.files[?(@.s == 'F')]), $.sizes)",
    }

    assert resolve(template, DATA, CONTEXT) == {
        "literal": "$.name",
        "list": [{"name": "a"}, "$.name"],
        "deep": {"run": "run", "kept": 1},
        "call": "a-1: [1, 2, 3]",
    }


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("$.absent", "States.ParameterPathFailure"),
        ("$unknown", "States.ParameterPathFailure"),
        ("$$.Execution.Absent", "States.ParameterPathFailure"),
        ("States.ArrayGetItem($.sizes, 9)", "States.IntrinsicFailure"),
        ("States.StringToJson($.name)", "States.IntrinsicFailure"),
        ("States.Nonsense()", "States.IntrinsicFailure"),
        ("$.name[", "States.Runtime"),
        (1, "States.Runtime"),
    ],
)
def test_a_template_that_cannot_be_filled_fails_by_the_name_aws_gives(value: Any, error: str) -> None:
    with pytest.raises(StateError) as raised:
        resolve({"key.$": value}, DATA, CONTEXT)
    assert raised.value.error == error


@pytest.mark.parametrize(
    ("path", "original", "placed"),
    [
        ("$", {"a": 1}, "result"),
        (None, {"a": 1}, {"a": 1}),
        ("$.b", {"a": 1}, {"a": 1, "b": "result"}),
        ("$.b.c['d e']", {"a": 1}, {"a": 1, "b": {"c": {"d e": "result"}}}),
        ("$.list[1]", {"list": [0, 0]}, {"list": [0, "result"]}),
    ],
)
def test_a_result_is_placed_without_touching_the_input(path: str | None, original: Any, placed: Any) -> None:
    before = repr(original)
    assert place(path, original, "result") == placed
    assert repr(original) == before


@pytest.mark.parametrize(("path", "original"), [("$.a.b", {"a": 1}), ("$.b", [1]), ("$.list[5]", {"list": [0]})])
def test_a_result_without_a_place_fails(path: str, original: Any) -> None:
    with pytest.raises(StateError) as raised:
        place(path, original, 1)
    assert raised.value.error == "States.ResultPathMatchFailure"


@pytest.mark.parametrize(
    ("error_equals", "error", "is_matched"),
    [
        (["States.ALL"], "Anything", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.ALL"], "States.DataLimitExceeded", False),
        (["States.DataLimitExceeded"], "States.DataLimitExceeded", True),
        (["States.TaskFailed"], "NotParquetError", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["ThrottledError"], "NotParquetError", False),
    ],
)
def test_wildcards_match_what_aws_says(error_equals: list[str], error: str, is_matched: bool) -> None:
    assert matches(error_equals, error) is is_matched


def test_delays_back_off_up_to_the_longest_and_full_jitter_draws_below() -> None:
    retrier = {"IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 10}

    assert [delay_seconds(retrier, count) for count in range(4)] == [2, 6, 10, 10]
    assert delay_seconds({**retrier, "JitterStrategy": "FULL"}, 1, spread=lambda low, high: (low + high) / 2) == 3


def test_each_retrier_counts_its_own_attempts() -> None:
    policy = RetryPolicy([{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}])

    granted = [policy.next_delay(error) is not None for error in ("A", "B", "A", "B", "B")]

    assert granted == [True, True, False, True, False]
    assert policy.count == 3


def test_cancelling_a_scope_wakes_the_waits_inside_it_and_only_those() -> None:
    outer, other = Scope(), Scope()
    inner = Scope(Scope(outer))
    ended: list[str] = []

    def wait() -> None:
        try:
            inner.wait(60)
        except ScopeCancelledError:
            ended.append("cancelled")

    thread = threading.Thread(target=wait)
    thread.start()
    outer.cancel()
    thread.join(10)

    assert ended == ["cancelled"]
    assert not other.is_cancelled


def test_a_closed_scope_is_not_cancelled_with_its_parent() -> None:
    outer = Scope()
    inner = Scope(outer)
    inner.close()

    outer.cancel()

    assert not inner.is_cancelled
