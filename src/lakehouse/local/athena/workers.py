"""The processes that execute statements, made of one that has loaded all libraries, one a statement that runs."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from lakehouse.local.athena.engine import Place
from lakehouse.local.athena.worker import Answer, Task, folder_of, serve

_MOST_AT_A_TIME = 4
# How often a statement that waits for its turn looks whether it was stopped.
_LOOK_SECONDS = 0.1
# A process has no statement's leftovers for ever.
_STATEMENTS_A_PROCESS = 200
_SHARE_OF_MEMORY = 0.5


@dataclass(slots=True)
class Worker:
    """A process.

    Attributes:
        process: The process.
        connection: Takes tasks, brings answers.
        executed: Statements so far.
    """

    process: ForkServerProcess
    connection: Connection
    executed: int = 0

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()

    def answers(self) -> bool:
        """Whether it is there; somebody may have ended it while it had nothing to do.

        Returns:
            True where it is.
        """
        try:
            self.connection.send(None)
            self.connection.recv()
        except (EOFError, OSError):
            return False
        return True


class WorkerEndedError(Exception):
    """A worker's process ended in the middle of a statement."""


class Workers:
    """The processes of an endpoint."""

    def __init__(self, place: Place, account: str) -> None:
        """Start nothing yet.

        Args:
            place: Where they work.
            account: The account whose objects they read.
        """
        # No process of an earlier endpoint is left that works there.
        shutil.rmtree(place.folder, ignore_errors=True)
        self._place = place
        self._account = account
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["lakehouse.local.athena.worker"])
        self._idle: list[Worker] = []
        self._slots = threading.BoundedSemaphore(_MOST_AT_A_TIME)
        self._lock = threading.Lock()
        self._is_warm = False

    def warm_up(self) -> None:
        """Have one process ready; the libraries take seconds to load."""
        with self._lock:
            if self._is_warm:
                return
            self._is_warm = True
        threading.Thread(target=lambda: self._put_back(self._started()), daemon=True).start()

    def _started(self) -> Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, self._place, self._account), daemon=True)
        process.start()
        theirs.close()
        worker = Worker(process, ours)
        try:
            ours.recv()
        except EOFError as error:
            raise WorkerEndedError("The engine's process could not start: the endpoint's log says why") from error
        return worker

    def take(self, is_wanted: Callable[[], bool]) -> Worker | None:
        """Wait until a statement may run, and take a process for it.

        Args:
            is_wanted: Whether the statement is still to run.

        Returns:
            The process, which must be given to ``run``; None where the statement was stopped before.
        """
        while not self._slots.acquire(timeout=_LOOK_SECONDS):
            if not is_wanted():
                return None
        try:
            with self._lock:
                while self._idle:
                    worker = self._idle.pop()
                    if worker.answers():
                        return worker
                    self._remove_folder(worker)
            return self._started()
        except BaseException:
            self._slots.release()
            raise

    def run(self, worker: Worker, task: Task, lets_go: Callable[[], None]) -> Answer:
        """Execute a statement, and give the process back.

        Args:
            worker: The process.
            task: The statement.
            lets_go: Called when the process is the statement's no more, and may be another's at once.

        Returns:
            What became of it.

        Raises:
            WorkerEndedError: The process ended meanwhile.
        """
        try:
            worker.connection.send(task)
            answer: Answer = worker.connection.recv()
        except (EOFError, OSError) as error:
            worker.process.join(timeout=5)
            code = worker.process.exitcode
            self._remove_folder(worker)
            raise WorkerEndedError(f"The engine's process ended with status {code}") from error
        else:
            worker.executed += 1
            lets_go()
            self._put_back(worker)
            return answer
        finally:
            self._slots.release()

    def _put_back(self, worker: Worker) -> None:
        if worker.executed >= _STATEMENTS_A_PROCESS:
            worker.connection.close()
            self._remove_folder(worker)
            return
        with self._lock:
            self._idle.append(worker)

    def _remove_folder(self, worker: Worker) -> None:
        shutil.rmtree(folder_of(self._place.folder, worker.process.pid), ignore_errors=True)


def place_of(url: str, region: str, credentials: dict[str, str], folder: Path) -> Place:
    """Where an endpoint's engine works.

    Args:
        url: The endpoint.
        region: Its region.
        credentials: Of the engine's clients.
        folder: For files on the way.

    Returns:
        The place, with this machine's memory and cores shared among the processes.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Place(
        url=url,
        region=region,
        credentials=tuple(sorted(credentials.items())),
        folder=folder,
        memory_bytes=int(memory * _SHARE_OF_MEMORY / _MOST_AT_A_TIME),
        threads=os.cpu_count() or 1,
    )
