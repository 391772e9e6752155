"""What runs inside an execution, and how it is stopped.

An execution, a branch of a Parallel or Map and a task are scopes, each within the one that started it. Cancelling a
scope wakes every wait inside it and calls back whoever must stop real work (a Glue job run, a child execution).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar


class ScopeCancelledError(Exception):
    """The surrounding execution, branch or task was stopped: unwind, whatever Retry and Catch say."""


class Scope:
    """A part of an execution that can be stopped as a whole.

    Args:
        parent: The scope that started this one; cancelling it cancels this one.
    """

    def __init__(self, parent: Scope | None = None) -> None:
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._next = 0
        self._leave_parent = parent.on_cancel(self.cancel) if parent else lambda: None

    @property
    def is_cancelled(self) -> bool:
        """Whether it was stopped."""
        return self._cancelled.is_set()

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have a function called when the scope is stopped; at once if it already was.

        Args:
            callback: Called once, in the thread that stops the scope.

        Returns:
            Takes the callback back.
        """
        with self._lock:
            if not self._cancelled.is_set():
                number, self._next = self._next, self._next + 1
                self._callbacks[number] = callback
                return lambda: self._forget(number)
        callback()
        return lambda: None

    def _forget(self, number: int) -> None:
        with self._lock:
            self._callbacks.pop(number, None)

    def cancel(self) -> None:
        """Stop everything inside; a second call does nothing."""
        with self._lock:
            if self._cancelled.is_set():
                return
            self._cancelled.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def close(self) -> None:
        """Detach from the parent: the work inside is over."""
        self._leave_parent()

    def check(self) -> None:
        """Go on only while the scope lives.

        Raises:
            ScopeCancelledError: It was stopped.
        """
        if self._cancelled.is_set():
            raise ScopeCancelledError

    def wait(self, seconds: float) -> None:
        """Sleep, unless the scope is stopped meanwhile.

        Args:
            seconds: How long; zero or less only checks.

        Raises:
            ScopeCancelledError: It was stopped.
        """
        self._cancelled.wait(max(seconds, 0.0))
        self.check()


_current: ContextVar[Scope | None] = ContextVar("lakehouse_step_functions_scope", default=None)


def current() -> Scope:
    """The scope that the calling thread works in.

    Returns:
        The scope; outside of any execution, one that nobody stops.
    """
    return _current.get() or Scope()


@contextlib.contextmanager
def entered(scope: Scope) -> Iterator[Scope]:
    """Work inside a scope; it is closed at the end.

    Args:
        scope: The scope.

    Yields:
        The same scope.
    """
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)
        scope.close()
