"""Which error a Retry or Catch matches, and how long a retry waits.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

# AWS: these end the execution whatever Retry and Catch say; States.ALL does not match them.
_TERMINAL = frozenset({"States.Runtime", "States.DataLimitExceeded"})
_DEFAULT_INTERVAL_SECONDS = 1
_DEFAULT_ATTEMPTS = 3
_DEFAULT_BACKOFF_RATE = 2.0


def matches(error_equals: Sequence[str], error: str) -> bool:
    """Tell whether an ``ErrorEquals`` names an error.

    Args:
        error_equals: The names, wildcards included.
        error: The error's name.

    Returns:
        True where it does.
    """
    if error in _TERMINAL:
        return error in error_equals and error != "States.Runtime"
    if error in error_equals or "States.ALL" in error_equals:
        return True
    return "States.TaskFailed" in error_equals and error != "States.Timeout"


def delay_seconds(
    retrier: Mapping[str, Any], retries_so_far: int, spread: Callable[[float, float], float] = random.uniform
) -> float:
    """How long to wait before the next attempt.

    Args:
        retrier: One entry of a state's ``Retry``.
        retries_so_far: Attempts that this retrier has already granted.
        spread: Draws from an interval, for ``JitterStrategy: FULL``.

    Returns:
        Seconds, before any scaling of waits.
    """
    interval = float(retrier.get("IntervalSeconds", _DEFAULT_INTERVAL_SECONDS))
    delay = interval * float(retrier.get("BackoffRate", _DEFAULT_BACKOFF_RATE)) ** retries_so_far
    if "MaxDelaySeconds" in retrier:
        delay = min(delay, float(retrier["MaxDelaySeconds"]))
    return spread(0.0, delay) if retrier.get("JitterStrategy", "NONE") == "FULL" else delay


class RetryPolicy:
    """The retriers of one state, with the attempts that each has granted.

    Attributes:
        count: Retries granted so far, by all of them.
    """

    def __init__(self, retriers: Sequence[Mapping[str, Any]]) -> None:
        self._retriers = retriers
        self._granted = [0] * len(retriers)
        self.count = 0

    def next_delay(self, error: str) -> float | None:
        """Grant a retry.

        Args:
            error: The error's name.

        Returns:
            Seconds to wait, or None where the error is not to be retried (any more).
        """
        for index, retrier in enumerate(self._retriers):
            if not matches(retrier.get("ErrorEquals", []), error):
                continue
            granted = self._granted[index]
            if granted >= int(retrier.get("MaxAttempts", _DEFAULT_ATTEMPTS)):
                return None
            self._granted[index] += 1
            self.count += 1
            return delay_seconds(retrier, granted)
        return None
