"""Actors that take turns, in an order that a seed decides: concurrency that can be repeated."""

from __future__ import annotations

import contextvars
import random
import threading
from collections.abc import Callable, Sequence

_playing: contextvars.ContextVar[Actor | None] = contextvars.ContextVar("actor", default=None)


class Actor:
    """Somebody who works in a thread of its own, from pause to pause.

    Attributes:
        name: Who it is.
        is_done: Whether it has come to its end.
        is_dead: Whether the process that it is in was killed: it cannot send anything any more.
        error: What it raised at its end.

    Args:
        name: Who it is.
        work: What it does.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self.is_done = False
        self.is_dead = False
        self.error: BaseException | None = None
        self._work = work
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=contextvars.Context().run, args=(self._run,), daemon=True, name=name)
        self._thread.start()

    def _run(self) -> None:
        _playing.set(self)
        self._go.acquire()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - whoever plays the actors looks at it
            self.error = error
        self.is_done = True
        self._back.release()

    def play(self) -> None:
        """Let it work until it pauses or is done."""
        self._go.release()
        self._back.acquire()

    def pause(self) -> None:
        """Let others work; called by itself."""
        self._back.release()
        self._go.acquire()


class Stage:
    """Where actors play, one at a time.

    Args:
        seed: Decides whose turn it is.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._current: Actor | None = None

    def play(self, actors: Sequence[Actor]) -> None:
        """Let actors work to their ends.

        Args:
            actors: Them.

        Raises:
            BaseException: What an actor raised.
        """
        left = list(actors)
        while left:
            self._current = self._random.choice(left)
            self._current.play()
            left = [actor for actor in left if not actor.is_done]
        self._current = None
        for actor in actors:
            if actor.error is not None:
                raise actor.error

    def actor(self) -> Actor | None:
        """Who works now, be it in a thread that it started; others go first where that can be."""
        mine = _playing.get()
        if mine is not None:
            mine.pause()
            return mine
        return self._current
