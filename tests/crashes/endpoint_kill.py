"""kill -9 of a local endpoint."""

from __future__ import annotations

import json
import os
import signal
import time

from lakehouse.local.endpoint import Endpoint
from lakehouse.local.processes import is_alive


def kill(endpoint: Endpoint) -> None:
    """Kill the endpoint's process, and wait until it is gone."""
    pid = json.loads((endpoint.home / "endpoint.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    while is_alive(pid):
        time.sleep(0.01)
