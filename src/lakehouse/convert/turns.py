"""Several threads work on items at the same time, and take and write them one after the other, in order."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


class Turns(Generic[Item, Result]):
    """Each thread takes an item, works on it, and writes the result when it is its turn.

    So nobody waits for a slower stage with nothing to do, as in a pipeline of one thread a stage, and no more items are
    in memory than there are threads.
    """

    def __init__(self, items: Iterator[Item], work: Callable[[Item], Result], write: Callable[[Result], None]) -> None:
        """Start nothing yet.

        Args:
            items: Asked for one item at a time, by several threads.
            work: Makes a result of an item; called by several threads at a time.
            write: Takes the results one at a time, in the order of the items; called by several threads.
        """
        self._items = items
        self._work = work
        self._write = write
        self._numbers = itertools.count()
        self._taking = threading.Lock()
        self._turns = threading.Condition()
        self._turn = 0
        self._is_over = False

    def run(self, threads: int) -> None:
        """Work until there are no more items.

        Args:
            threads: How many, this one included.

        Raises:
            BaseException: What an item, its work or its writing raised. Nothing is written after it.
        """
        if threads == 1:
            self._take_part()
            return
        with ThreadPoolExecutor(threads - 1, thread_name_prefix="turns") as pool:
            others = [pool.submit(self._take_part) for _ in range(threads - 1)]
            self._take_part()
            for other in others:
                other.result()

    def _take_part(self) -> None:
        try:
            while not self._is_over and self._had_turn():
                pass
        except BaseException:
            self._end()
            raise

    def _had_turn(self) -> bool:
        """Take, work, write. False where there is nothing more to do."""
        with self._taking:
            item, number = next(self._items, None), next(self._numbers)
        if item is None:
            return False
        result = self._work(item)
        del item  # its memory, while this thread waits
        with self._turns:
            self._turns.wait_for(lambda: self._is_over or self._turn == number)
        if self._is_over:
            return False
        self._write(result)
        with self._turns:
            self._turn += 1
            self._turns.notify_all()
        return True

    def _end(self) -> None:
        with self._turns:
            self._is_over = True
            self._turns.notify_all()
