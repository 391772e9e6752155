"""How long a JSONata expression may take: a second of its own work, whatever else the machine does meanwhile.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

_STARTED = "_lakehouse_thread_time"


def by_own_time(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """Measure an expression's time limit by its thread's processor time.

    Args:
        original: Raises where an expression has run for too long, by the clock on the wall.

    Returns:
        The replacement.
    """

    def replacement(self: Any) -> None:
        now = time.thread_time()
        started = self.__dict__.setdefault(_STARTED, now)
        self.time = self.current_milli_time() - round((now - started) * 1000)
        original(self)

    return replacement
