"""Other threads take items and work on them ahead; this one writes the results, in order."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


class _End:
    """There are no more items."""


class WorkAhead(Generic[Item, Result]):
    """Results of items, worked on by other threads before they are asked for.

    The threads also take the items: where that means to wait (for a file, for another process), nobody else does.
    """

    def __init__(self, items: Iterator[Item], work: Callable[[Item], Result], threads: int) -> None:
        """Start nothing yet.

        Args:
            items: Asked for one item at a time, in order, by several threads.
            work: Makes a result of an item; called by as many threads at a time as there are.
            threads: How many. One item more is out at a time, the one included whose result was given last.
        """
        self._items = items
        self._work = work
        self._threads = threads
        self._turn = threading.Condition()
        self._taken = 0

    def results(self) -> Iterator[Result]:
        """Work until there are no more items.

        Yields:
            The results, in the order of the items.

        Raises:
            BaseException: What taking an item or working on it raised, after the results of the items before it.
        """
        under_way: deque[Future[Result | _End]] = deque()
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="work-ahead")
        numbers = itertools.count()
        try:
            while True:
                while len(under_way) <= self._threads:
                    under_way.append(pool.submit(self._next, next(numbers)))
                result = under_way.popleft().result()
                if isinstance(result, _End):
                    return
                yield result
                del result  # who took it may let go of it before the next one is there
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _next(self, number: int) -> Result | _End:
        """Take the item of a number, and work on it."""
        with self._turn:
            self._turn.wait_for(lambda: self._taken == number)
            try:
                item = next(self._items, _End())
            finally:
                self._taken += 1
                self._turn.notify_all()
        return item if isinstance(item, _End) else self._work(item)
