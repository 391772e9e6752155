"""The endpoint's process: ``python -m lakehouse.local.server --home DIR --port N``.

It binds the port, prepares the emulator's environment, installs the executors and fixes, and serves until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from lakehouse.errors import LakehouseError, LocalError, PortTakenError
from lakehouse.local import executors, object_files, registry
from lakehouse.local.checkpoint import Checkpoints, check
from lakehouse.local.front import Front
from lakehouse.local.gate import Gate
from lakehouse.local.journal import Journal
from lakehouse.local.place import DEFAULT_REGION, HOST, Place, enter
from lakehouse.local.processes import guard_session, holder_of_port, kill_session
from lakehouse.local.registry import Declaration
from lakehouse.local.services import SERVED

# The exit status by which the starter knows that the log's last line is an error of ours.
REFUSED_TO_START = 3
# How long a thread may keep Python to itself while others wait: answers wait for a checkpoint's thread, for example.
_SWITCH_SECONDS = 0.0005
# Held for the server's life.
LOCK_NAME = "endpoint.lock"
_LOCK_SECONDS = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one endpoint until it is told to stop.

    Args:
        arguments: The command line without the program's name.

    Returns:
        The exit status: 0 after a stop, ``REFUSED_TO_START`` when it could not start.
    """
    parser = argparse.ArgumentParser(prog="lakehouse.local.server", description="The local AWS endpoint.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the endpoint's state, logs and jobs")
    parser.add_argument("--port", type=int, required=True, help="port on the loopback interface, 0: any free one")
    parser.add_argument("--region", default=DEFAULT_REGION, help="region the endpoint answers for")
    parser.add_argument(
        "--unpatched", action="store_true", help="serve the bare emulator: only to show what a fix is for"
    )
    options = parser.parse_args(arguments)
    try:
        _run(options.home.resolve(), options.port, options.region, is_patched=not options.unpatched)
    except LakehouseError as error:
        # The starter reads this line back (endpoint.py).
        sys.stderr.write(json.dumps({"error": type(error).__name__, "message": str(error)}) + "\n")
        return REFUSED_TO_START
    return 0


def _run(home: Path, port: int, region: str, *, is_patched: bool) -> None:
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK_NAME).open("w") as lock:
        _lock(lock.fileno(), home)
        guard_session()
        listener = _listen(port)
        place = Place(home, listener.getsockname()[1], region)
        enter(place)
        check(place.state)
        _remove_leftovers(place)
        declared = registry.install(executors.MODULES) if is_patched else None
        try:
            asyncio.run(_serve(place, listener, declared))
        finally:
            kill_session(os.getpid(), spare=os.getpid())
            (home / "endpoint.json").unlink(missing_ok=True)


def _remove_leftovers(place: Place) -> None:
    """Finish or undo what a kill interrupted: bodies half received, objects half written."""
    shutil.rmtree(place.received, ignore_errors=True)
    object_files.recover(place.objects)


def _lock(descriptor: int, home: Path) -> None:
    """Hold the home for this process's life: the kernel lets go of it however the process ends."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            # Somebody who only looks whether the folder is served holds it for a moment.
            if time.monotonic() > deadline:
                raise LocalError(
                    f"Another endpoint serves {home}. Stop it (lakehouse down), "
                    "or choose another folder in LAKEHOUSE_HOME."
                ) from error
            time.sleep(0.02)
    os.set_inheritable(descriptor, False)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        holder = holder_of_port(port)
        raise PortTakenError(
            f"Port {port} is taken{f' by {holder}' if holder else ' by another process'}. "
            f"Stop that process, or choose another port: lakehouse up --port {port + 1 if port < 65535 else 4567}"
        ) from error
    return listener


async def _serve(place: Place, listener: socket.socket, declared: list[Declaration] | None) -> None:
    # ministack reads its environment when it is imported, so not before enter().
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app

    from lakehouse.local.fixes import dynamodb
    from lakehouse.local.fixes.glue_catalog import durable

    sys.setswitchinterval(_SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    for service in SERVED.values():
        _load(app, service.name)
    items, catalog = Journal(place.state, "dynamodb"), Journal(place.state, "glue")
    answered = {journal.service: journal.read() for journal in (items, catalog)}
    checkpoints = Checkpoints(place.state, (items, catalog))
    gate = None
    clocks: list[Coroutine[Any, Any, None]] = []
    if declared is not None:
        from lakehouse.local.fixes import s3_uploads
        from lakehouse.local.lambdas.code import remove_unused
        from lakehouse.local.queue_metrics import keep_publishing

        clocks.append(keep_publishing())
        remove_unused(place)
        s3_uploads.restore()
        gate = Gate(declared, checkpoints.note_change, checkpoints.save)
        gate.guard(app.SERVICE_HANDLERS)

    def on_ready() -> None:
        # The emulator has loaded its state; from here on the checkpoints save it, and it need not do so itself.
        app.PERSIST_STATE = False
        dynamodb.resume(items, answered["dynamodb"])
        durable.resume(catalog, answered["glue"])
        _announce(place)

    front = Front(app.app, place, on_ready=on_ready, gate=gate)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.loglevel = "WARNING"
    config.keep_alive_timeout = 75
    config.graceful_timeout = 2
    config.shutdown_timeout = 10
    background = [asyncio.create_task(work) for work in (checkpoints.keep_saving(), *clocks)]
    try:
        await serve(front, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
    finally:
        for task in background:
            task.cancel()
        checkpoints.save()


def _load(app: Any, service: str) -> None:
    """Import a service's modules now: the emulator would answer 500 to every call of one that cannot be imported."""
    entry = app.SERVICE_REGISTRY[service]
    for module in (entry["module"], *entry.get("sub_modules", ())):
        if isinstance(app._get_module(module), app._ErrorModule):  # noqa: SLF001
            raise LocalError(
                f"The emulator's module {module} cannot be imported; its log line above says why. "
                "Install the environment again: make setup"
            )


def _announce(place: Place) -> None:
    """Tell the starter where the endpoint answers."""
    record = {"pid": os.getpid(), "port": place.port, "region": place.region, "started_at": time.time()}
    partial = place.home / "endpoint.json.partial"
    partial.write_text(json.dumps(record))
    partial.replace(place.home / "endpoint.json")


if __name__ == "__main__":
    raise SystemExit(main())
