"""One statement, from its text to its outcome; a client of the endpoint's S3, Glue and Athena like any other."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lakehouse.local.athena.duck import Duck
from lakehouse.local.athena.outcome import Outcome
from lakehouse.local.athena.sql.statement import Session
from lakehouse.local.athena.statements.context import Context
from lakehouse.local.athena.statements.dispatch import execute
from lakehouse.local.athena.tables import file_io
from lakehouse.local.athena.tables.catalog import Catalog
from lakehouse.local.athena.tables.objects import Objects
from lakehouse.local.athena.tables.usage import Usage


@dataclass(frozen=True, slots=True)
class Place:
    """Where an engine works.

    Attributes:
        url: The endpoint.
        region: Its region.
        credentials: ``aws_access_key_id`` and so on, of clients.
        folder: For files on the way, and what does not fit into memory.
        memory_bytes: The most memory that a query may take.
        threads: How many threads it may use.
    """

    url: str
    region: str
    credentials: tuple[tuple[str, str], ...]
    folder: Path
    memory_bytes: int
    threads: int


@dataclass(frozen=True, slots=True)
class Request:
    """A statement to be executed.

    Attributes:
        sql: Its text.
        parameters: Values of its question marks, as they are written in SQL.
        catalog: Of names without one.
        database: Of names without one.
        now: When it was started, in UTC.
        output_location: Where results go.
        encryption: Options of every object that is written.
        workgroup: The workgroup.
        most_bytes: The workgroup's limit of bytes that are read.
    """

    sql: str
    parameters: Sequence[str]
    catalog: str
    database: str
    now: datetime
    output_location: str
    encryption: dict[str, Any]
    workgroup: str
    most_bytes: int | None


class Engine:
    """Executes statements, one at a time."""

    def __init__(self, place: Place, path_of: Callable[[str, str], Path | None]) -> None:
        """Connect.

        Args:
            place: Where it works.
            path_of: The file of a bucket's key on this machine.
        """
        place.folder.mkdir(parents=True, exist_ok=True)
        self._place = place
        self._path_of = path_of
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": "path", "payload_signing_enabled": False},
            max_pool_connections=16,
        )
        credentials: dict[str, Any] = dict(place.credentials)
        session: Any = boto3.Session(region_name=place.region, **credentials)
        self._clients = {
            name: session.client(name, endpoint_url=place.url, config=config) for name in ("s3", "glue", "athena")
        }
        self._usage = Usage()
        self.objects = Objects(self._clients["s3"], path_of, {})
        self._duck = Duck(memory_bytes=place.memory_bytes, threads=place.threads, spill=place.folder / "spilled")

    @property
    def scanned_bytes(self) -> int:
        """Bytes that the last statement read, or meant to."""
        return self._usage.scanned_bytes

    def run(self, request: Request) -> Outcome:
        """Execute a statement.

        Args:
            request: The statement.

        Returns:
            Its outcome; a result's file lies in the place's folder, and is the caller's.

        Raises:
            StatementFailedError: It fails.
        """
        folder = self._place.folder / uuid.uuid4().hex
        folder.mkdir()
        objects = self.objects = Objects(self._clients["s3"], self._path_of, request.encryption, folder)
        file_io.use(objects)
        self._usage = Usage(request.most_bytes)
        context = Context(
            session=Session(request.catalog.lower(), request.database.lower(), request.now),
            catalog=Catalog(self._clients["glue"], objects),
            objects=objects,
            duck=self._duck,
            usage=self._usage,
            folder=folder,
            output_location=request.output_location,
            workgroup=request.workgroup,
            athena=self._clients["athena"],
        )
        try:
            outcome = execute(context, request.sql, request.parameters)
            if outcome.csv is not None:
                outcome.csv = outcome.csv.rename(self._place.folder / outcome.csv.name)
            return context.scanned(outcome)
        finally:
            self._duck.clear()
            shutil.rmtree(folder, ignore_errors=True)
