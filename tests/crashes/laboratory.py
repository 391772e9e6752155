"""An endpoint of its own, real conversions as processes of their own, and what an undisturbed one makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from file_table import create_circuits_table, create_file_table
from request_proxy import RequestProxy

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.functions import record_failure
from lakehouse.functions.register_file import Registration, register
from lakehouse.ingestion.retries import Retries
from lakehouse.local import glue_jobs
from lakehouse.local.endpoint import Endpoint
from lakehouse.local.glue_jobs import spark
from lakehouse.metadata.circuits import Circuits
from lakehouse.metadata.files import FileRecords
from lakehouse.sample import SampleFacts, generate
from lakehouse.settings import Settings

_HERE = Path(__file__).resolve().parent
_JOB = _HERE.parents[1] / "glue_jobs" / "parquet_to_json.py"
RAW, PROCESSED, TABLE, CIRCUITS = "crashes-raw", "crashes-processed", "crashes-files", "crashes-circuits"
_SETTINGS = {
    **{setting.name.upper(): "unused" for setting in fields(Settings)},
    "RAW_BUCKET": RAW,
    "PROCESSED_BUCKET": PROCESSED,
    "FILES_TABLE": TABLE,
}


@dataclass(frozen=True)
class Kind:
    """A kind of conversion.

    Attributes:
        engine: ``in_process`` or ``spark``.
        rows: Rows of its file: enough for several parts, and for several Spark tasks.
        max_object_bytes: The most bytes of an output object, None for one object.
    """

    engine: str
    rows: int
    max_object_bytes: int | None = None


KINDS = {
    "one object": Kind("in_process", 70_000),
    "several objects": Kind("in_process", 70_000, 12_000_000),
    "Spark": Kind("spark", 225_000),
}


@dataclass
class Undisturbed:
    """What a conversion does that nobody disturbs.

    Attributes:
        facts: Its input file.
        objects: The output's and the quarantine's bytes, by ``File.label``.
        requests: How many requests of each kind it sends.
        seconds: How long it takes from its first request.
    """

    facts: SampleFacts
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Laboratory:
    """Where conversions are run.

    Attributes:
        endpoint: The endpoint.
        proxy: The way to it for conversions; the tests take the direct one.
        s3: A client that waits for no endpoint that is down.
        records: The file records.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endpoint = Endpoint(folder / "endpoint", port=0)
        self.proxy = RequestProxy(lambda: self.endpoint.port)
        self._undisturbed: dict[str, Undisturbed] = {}

    def __enter__(self) -> Self:
        self.endpoint.start()
        self.proxy.__enter__()
        variables = self.endpoint.environment()
        session = boto3.Session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_DEFAULT_REGION"],
        )
        options: dict[str, Any] = {
            "endpoint_url": self.endpoint.url,
            "config": Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
        }
        self.s3 = session.client("s3", **options)
        dynamodb = session.client("dynamodb", **options)
        for bucket in (RAW, PROCESSED):
            self.s3.create_bucket(Bucket=bucket)
        create_file_table(dynamodb, TABLE)
        create_circuits_table(dynamodb, CIRCUITS)
        self._circuits, self._sqs = Circuits(dynamodb, CIRCUITS), session.client("sqs", **options)
        self._queue = self._sqs.create_queue(QueueName="crashes-landed")["QueueUrl"]
        self.records = FileRecords(dynamodb, TABLE)
        return self

    def __exit__(self, *error: object) -> None:
        self.proxy.__exit__(*error)
        self.endpoint.stop()
        shutil.rmtree(self.folder / "endpoint", ignore_errors=True)

    @property
    def endpoint_pid(self) -> int:
        """The endpoint's process."""
        return int(json.loads((self.endpoint.home / "endpoint.json").read_text())["pid"])

    def undisturbed(self, name: str) -> Undisturbed:
        """What an undisturbed conversion of this kind does; done once."""
        if name not in self._undisturbed:
            kind = KINDS[name]
            path = self.folder / f"{kind.rows}.parquet"
            # Just below the contract's threshold.
            found = Undisturbed(generate(path, rows=kind.rows, dirty_share=0.045, seed=kind.rows))
            self._undisturbed[name] = found
            file = self.land(name, f"undisturbed-{name.replace(' ', '-')}")
            self.proxy.watch(None, lambda: False)
            started = time.monotonic()
            conversion = self.start(file, attempt=1)
            while not self.proxy.seen:
                time.sleep(0.001)
            found.seconds = -time.monotonic()
            status = conversion.wait()
            found.seconds += time.monotonic()
            if status:
                raise AssertionError(
                    f"The undisturbed conversion failed after {time.monotonic() - started:.1f} s: "
                    + conversion.log.read_text()[-2000:]
                )
            found.requests = self.proxy.seen
            found.objects = {file.label(key): self.read(key) for key in self.keys(file.name)}
            self.remove(file)
        return self._undisturbed[name]

    def land(self, kind: str, name: str) -> File:
        """Put a file into the raw bucket and register it."""
        key = f"raw-data/yellow_tripdata/{name}.parquet"
        self.s3.put_object(Bucket=RAW, Key=key, Body=self._undisturbed[kind].facts.path.read_bytes())
        file = File(kind, name, key)
        file.file_id = self.register(file, attempt=1)
        return file

    def register(self, file: File, attempt: int) -> str:
        """Register a file as an execution does."""
        wanted = Registration(RAW, file.key, attempt=attempt, run_id="run", execution_arn=_arn(file, attempt))
        return str(register(wanted, self.s3, self.records, ContractCatalog.packaged())["file_id"])

    def record_failure(self, file: File, attempt: int) -> None:
        """Record that an attempt's process died, as the state machine does."""
        record_failure.record(
            {
                "file_id": file.file_id,
                "bucket": RAW,
                "key": file.key,
                "attempt": attempt,
                "execution_arn": _arn(file, attempt),
                "error": {"Error": "Runtime.ExitError", "Cause": "the process ended with signal 9"},
            },
            self.records,
            Retries(self._circuits, self._sqs, self._queue),
        )

    def start(self, file: File, attempt: int) -> Conversion:
        """Start a conversion in a process of its own."""
        job: dict[str, Any] = {
            "file_id": file.file_id,
            "bucket": RAW,
            "key": file.key,
            "attempt": attempt,
            "execution_arn": _arn(file, attempt),
            "run_id": "run",
        }
        folder = self.folder / "conversions" / f"{file.name}-{time.monotonic_ns()}"
        for name in ("tmp", "scratch", "conf"):
            (folder / name).mkdir(parents=True)
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LAKEHOUSE_", "PYTHON"))
        }
        variables |= self.endpoint.environment() | {"TMPDIR": str(folder / "tmp")}
        variables["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{self.proxy.port}"
        kind = KINDS[file.kind]
        if kind.engine == "spark":
            command = [sys.executable, str(_JOB), "--JOB_NAME", "parquet_to_json", "--JOB_RUN_ID", "jr"]
            options = job | {"version_id": "null"} | {f"LAKEHOUSE_{name}": value for name, value in _SETTINGS.items()}
            command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
            given = {"spark.driver.memory": "1g", "spark.hadoop.fs.s3.impl": "none"}
            defaults = spark.defaults(folder / "objects", [], folder / "scratch", given, cores=2)
            (folder / "conf" / "spark-defaults.conf").write_text(defaults)
            variables |= {
                "PYTHONPATH": str(Path(glue_jobs.__file__).parent / "awsglue_shim"),
                "PYSPARK_PYTHON": sys.executable,
                "SPARK_CONF_DIR": str(folder / "conf"),
            }
        else:
            names = {"processed_bucket": PROCESSED, "table": TABLE, "max_object_bytes": kind.max_object_bytes}
            arguments = json.dumps(names | {"job": job | {"version_id": None}})
            command = [sys.executable, str(_HERE / "conversion_process.py"), arguments]
        return Conversion(command, variables, folder)

    def keys(self, part: str) -> list[str]:
        """Keys of the processed bucket with this in their name."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=PROCESSED)
        return [one["Key"] for page in pages for one in page.get("Contents", []) if part in one["Key"]]

    def read(self, key: str) -> bytes:
        """The bytes of an object of the processed bucket."""
        body: bytes = self.s3.get_object(Bucket=PROCESSED, Key=key)["Body"].read()
        return body

    def uploads(self) -> list[str]:
        """Keys of the multipart uploads that are neither completed nor aborted."""
        return [one["Key"] for one in self.s3.list_multipart_uploads(Bucket=PROCESSED).get("Uploads", [])]

    def remove(self, file: File) -> None:
        """Delete a file's objects."""
        self.s3.delete_object(Bucket=RAW, Key=file.key)
        for key in self.keys(file.name):
            self.s3.delete_object(Bucket=PROCESSED, Key=key)


@dataclass
class File:
    """A landed file.

    Attributes:
        kind: One of ``KINDS``.
        name: Without its ending.
        key: Its key in the raw bucket.
        file_id: Its record.
    """

    kind: str
    name: str
    key: str
    file_id: str = ""

    def label(self, key: str) -> str:
        """An object's key without what differs from file to file: its date and its name."""
        return key.partition("/")[0] + key.rpartition(self.name)[2]


def _arn(file: File, attempt: int) -> str:
    return f"arn:{file.name}-{attempt}"


class Conversion:
    """A process that converts one file, and its children: a session of their own.

    Attributes:
        process: It.
        log: What it said.
    """

    def __init__(self, command: list[str], variables: dict[str, str], folder: Path) -> None:
        self.log = folder / "log"
        self.folder = folder
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self, seconds: float = 150) -> int:
        """Its exit status."""
        return self.process.wait(timeout=seconds)

    def processes(self, *words: str) -> list[int]:
        """Its processes that live and whose command lines have these words."""
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if not entry.name.isdigit() or os.getsid(int(entry.name)) != self.process.pid:
                    continue
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                command = (entry / "cmdline").read_bytes()
                if state not in "ZX" and all(word.encode() in command for word in words):
                    found.append(int(entry.name))
        return found


class Observer:
    """Lists a file's objects without a pause, and reads each that it has not seen: all must be whole, at all times.

    Attributes:
        wrong: What was listed and was not whole.
        sightings: How many objects were read.
    """

    def __init__(self, laboratory: Laboratory, file: File) -> None:
        self._laboratory = laboratory
        self._file = file
        self._expected = laboratory.undisturbed(file.kind).objects
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._observe)
        self.wrong: list[str] = []
        self.sightings = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _observe(self) -> None:
        seen: set[tuple[str, str, object]] = set()
        while not self._ended.wait(0.02):
            # The endpoint may be the one that was killed.
            with suppress(BotoCoreError, ClientError):
                for one in self._laboratory.s3.list_objects_v2(Bucket=PROCESSED).get("Contents", []):
                    sighting = (one["Key"], one["ETag"], one["LastModified"])
                    if self._file.name in one["Key"] and sighting not in seen:
                        self._judge(one["Key"])
                        seen.add(sighting)

    def _judge(self, key: str) -> None:
        body = self._laboratory.read(key)
        self.sightings += 1
        expected = self._expected.get(self._file.label(key))
        if not is_same(body, expected, self._file):
            lines = body.count(b"\n")
            self.wrong.append(
                f"{key} was listed with {len(body):,} bytes and {lines:,} lines, which are not the right ones"
            )


def is_same(body: bytes, expected: bytes | None, file: File) -> bool:
    """Whether an object is what an undisturbed conversion makes; a manifest names the file."""
    if expected is None:
        return False
    if len(expected) < 10_000:
        undisturbed = f"undisturbed-{file.kind.replace(' ', '-')}".encode()
        return body == expected.replace(undisturbed, file.name.encode())
    return body == expected
