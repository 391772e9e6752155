"""A process that executes statements, one after the other, for the endpoint.

It has what a statement costs (memory, processor, a crash) to itself; the endpoint kills it to stop a statement.
"""

from __future__ import annotations

import json
import logging
import os
import signal
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
from botocore.exceptions import BotoCoreError, ClientError
from ministack.services import s3

from lakehouse.local.athena.duck import failure_of
from lakehouse.local.athena.engine import Engine, Place, Request
from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.outcome import Outcome
from lakehouse.local.athena.tables.objects import Objects
from lakehouse.local.athena.tables.usage import ScanLimitError
from lakehouse.local.athena.write.commit import missing_metadata

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """A statement, and where its result goes.

    Attributes:
        request: The statement.
        execution_id: Names the result's objects.
    """

    request: Request
    execution_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a statement.

    Attributes:
        statement_type: See ``Outcome``.
        substatement_type: See ``Outcome``.
        columns: Name, type, precision and scale of each.
        location: The result's object, or what its objects' names begin with.
        manifest: The object that lists the files that were written.
        update_count: Rows that were written.
        scanned_bytes: Bytes that were read.
        error: Code, message, category and type of the failure; None where there is none.
        is_cancelled: Whether it was stopped because it read too much.
    """

    statement_type: str = "DML"
    substatement_type: str = ""
    columns: tuple[tuple[str, str, int, int], ...] = ()
    location: str = ""
    manifest: str | None = None
    update_count: int | None = None
    scanned_bytes: int = 0
    error: tuple[str, str, int, int] | None = None
    is_cancelled: bool = False


def folder_of(folder: Path, pid: int | None) -> Path:
    """Where a process has its files on the way; whoever ends it deletes them.

    Args:
        folder: Of all processes.
        pid: The process.

    Returns:
        The folder.
    """
    return folder / str(pid)


def serve(connection: Connection, place: Place, account: str) -> None:
    """Execute statements until the endpoint closes the connection.

    Args:
        connection: Brings tasks, takes answers; None asks only whether somebody is there.
        place: Where to work.
        account: The account whose objects are read.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def path_of(bucket: str, key: str) -> Path | None:
        found = s3._object_disk_path(bucket, key, account)
        return None if found is None else Path(found)

    engine = Engine(replace(place, folder=folder_of(place.folder, os.getpid())), path_of)
    connection.send(None)  # ready
    while True:
        try:
            task: Task | None = connection.recv()
        except EOFError:
            return
        connection.send(None if task is None else _answer(engine, task))


def _answer(engine: Engine, task: Task) -> Answer:
    try:
        outcome = engine.run(task.request)
        return _stored(engine.objects, outcome, task)
    except ScanLimitError as error:
        return Answer(error=_described(error), is_cancelled=True, scanned_bytes=engine.scanned_bytes)
    except StatementFailedError as error:
        return Answer(error=_described(error), scanned_bytes=engine.scanned_bytes)
    except duckdb.Error as error:
        return Answer(error=_described(failure_of(error)), scanned_bytes=engine.scanned_bytes)
    except FileNotFoundError as error:
        return Answer(error=_described(missing_metadata(error)), scanned_bytes=engine.scanned_bytes)
    except (ClientError, BotoCoreError) as error:
        denied = "AccessDenied" in str(error)
        failure = StatementFailedError("PERMISSION_DENIED" if denied else "HIVE_METASTORE_ERROR", str(error))
        return Answer(error=_described(failure), scanned_bytes=engine.scanned_bytes)
    except Exception as error:  # noqa: BLE001 - a defect of ours fails the statement, and nothing else
        _log.exception("Statement %s failed in the engine itself: %s", task.execution_id, task.request.sql)
        failure = StatementFailedError("GENERIC_INTERNAL_ERROR", f"{type(error).__name__}: {error}")
        return Answer(error=_described(failure), scanned_bytes=engine.scanned_bytes)


def _described(error: StatementFailedError) -> tuple[str, str, int, int]:
    return error.code, str(error), error.category, error.error_type


def _stored(objects: Objects, outcome: Outcome, task: Task) -> Answer:
    """Write a statement's result where Athena does.

    https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html
    """
    base = f"{task.request.output_location.rstrip('/')}/{task.execution_id}"
    location, manifest = base, None
    columns = tuple((one.name, one.type, one.precision, one.scale) for one in outcome.columns)
    if outcome.csv is not None:
        location = f"{base}.csv"
        objects.put_file(location, outcome.csv)
        outcome.csv.unlink()
    elif outcome.lines is not None:
        location = f"{base}.txt"
        objects.put(location, "".join(f"{line}\n" for line in outcome.lines).encode())
    if outcome.manifest is not None:
        manifest = f"{base}-manifest.csv"
        objects.put(manifest, "".join(f"{uri}\n" for uri in outcome.manifest).encode())
    described: list[dict[str, Any]] = [asdict(one) for one in outcome.columns]
    objects.put(f"{location}.metadata", json.dumps(described).encode())
    return Answer(
        outcome.statement_type,
        outcome.substatement_type,
        columns,
        location,
        manifest,
        outcome.update_count,
        outcome.scanned_bytes,
    )
