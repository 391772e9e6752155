"""An endpoint whose processes of Athena's engine can be stopped, and killed, right before and after they commit.

And commits whose request or answer is lost.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from lakehouse.local.endpoint import Endpoint
from lakehouse.local.processes import is_alive

# All files are written, and the Data Catalog is asked to change; the Data Catalog has changed, and nobody was told.
BEFORE, AFTER = "before", "after"
# The request did not arrive; its answer did not; it was sent again, as boto3 does then.
UNHEARD, UNANSWERED, TWICE = "unheard", "unanswered", "twice"


@dataclass(frozen=True)
class CommitPoints:
    """Where processes stop.

    Attributes:
        endpoint: The endpoint.
        folder: By files here the tests and the processes come to terms.
    """

    endpoint: Endpoint
    folder: Path

    def start(self) -> None:
        """Start the endpoint, so that its processes know of the points."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        hooks = str(Path(__file__).parent / "in_engine")
        paths = os.pathsep.join([hooks, *filter(None, [os.environ.get("PYTHONPATH")])])
        with patch.dict(os.environ, {"PYTHONPATH": paths, "COMMIT_POINTS": str(self.folder)}):
            self.endpoint.start()

    def stop_next(self, moment: str) -> None:
        """Let the next process that commits stop there, or its commit go wrong so."""
        (self.folder / moment).touch()

    def stopped(self, moment: str, seconds: float = 60) -> int:
        """Wait until one has stopped; its process id."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [path for path in self.folder.iterdir() if path.name.startswith(f"{moment} ")]
            if found:
                return int(found[0].name.rpartition(" ")[2])
            time.sleep(0.01)
        raise TimeoutError(f"nobody committed within {seconds} s")

    def kill(self, moment: str, pid: int) -> None:
        """Kill one that has stopped."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while is_alive(pid):
            time.sleep(0.01)
        self.go_on(moment, pid)

    def go_on(self, moment: str, pid: int) -> None:
        """Let one that has stopped go on."""
        (self.folder / f"{moment} {pid}").unlink(missing_ok=True)


@contextmanager
def commit_points(folder: Path) -> Iterator[CommitPoints]:
    """Such an endpoint, in a folder of its own."""
    points = CommitPoints(Endpoint(folder / "home", 0), folder / "points")
    points.endpoint.home.mkdir(parents=True)
    points.start()
    try:
        yield points
    finally:
        points.endpoint.stop()
