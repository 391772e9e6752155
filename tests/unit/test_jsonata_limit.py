"""A JSONata expression has a second of its own work, as on AWS, and is not blamed for a busy machine."""

from __future__ import annotations

import time

import jsonata
import pytest
from jsonata.jexception import JException
from jsonata.timebox import Timebox

from lakehouse.local.step_functions.jsonata_limit import by_own_time

LIMIT_MS = 200


def evaluated_after_a_pause(expression: str) -> object:
    """Evaluate with nothing done for longer than the limit."""
    prepared = jsonata.Jsonata.jsonata(expression, timeout=LIMIT_MS)
    time.sleep(1.5 * LIMIT_MS / 1000)
    found: object = prepared.evaluate(None)
    return found


def test_the_emulators_evaluator_counts_the_time_in_which_others_work() -> None:
    with pytest.raises(JException, match="timeout"):
        evaluated_after_a_pause("1 + 1")


def test_here_only_its_own_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Timebox, "check_runaway", by_own_time(Timebox.check_runaway))
    assert evaluated_after_a_pause("1 + 1") == 2


def test_an_expression_without_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Timebox, "check_runaway", by_own_time(Timebox.check_runaway))
    with pytest.raises(JException, match="timeout"):
        evaluated_after_a_pause("($loop := function($n) {$loop($n + 1)}; $loop(0))")
