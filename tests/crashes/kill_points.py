"""Kills conversions, their helpers and the endpoint at seeded points, and looks at what is left.

    python tests/crashes/kill_points.py --seeds 0-199

A seed chooses what is converted, who is killed, at which request of the conversion, and how it is run again. Nothing
half-written may ever be listed, and no kill may be taken for a fault of the file; after the re-run there is exactly one
right output, its quarantine, a true record, no upload in progress, no process and no temporary file.
"""

# ruff: noqa: T201 - a script that prints its table

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from laboratory import KINDS, PROCESSED, Conversion, File, Laboratory, Observer, is_same
from request_proxy import MOMENTS, Point

from lakehouse.metadata.file_record import FileRecord, FileStatus

# Who is killed, in which kinds of conversion, and how often of a hundred seeds.
VICTIMS = {
    "converter": (("one object", "one object", "several objects"), 38),
    "reader": (("one object",), 10),
    "endpoint": (("one object", "several objects"), 22),
    "sleeper": (("one object", "several objects"), 12),
    "Spark driver": (("Spark",), 6),
    "Spark JVM": (("Spark",), 5),
    "Spark worker": (("Spark",), 7),
}
RERUNS = ("same attempt", "next attempt", "next attempt after the failure was recorded")
_WITH_BODY = ("UploadPart", "PutObject")
# While the helpers of a conversion are at work: most of all while parts are uploaded.
_MIDWAY = {
    "reader": ("GetObject", "UploadPart", "UploadPart"),
    "Spark worker": ("GetObject", "UploadPart", "UploadPart"),
    "Spark JVM": ("CompleteMultipartUpload", "GetObject", "ListParts", "PutObject", "UploadPart", "UploadPart"),
}
_END_SECONDS = 20.0


@dataclass(frozen=True)
class Scenario:
    """What a seed stands for.

    Attributes:
        seed: The seed.
        kind: What is converted.
        victim: Who is killed; a ``sleeper`` is the converter, stopped until the re-run has ended.
        point: When. The kind ``time`` counts milliseconds from the first request.
        rerun: How it is run again.
    """

    seed: int
    kind: str
    victim: str
    point: Point
    rerun: str


@dataclass(frozen=True)
class Outcome:
    """What became of it.

    Attributes:
        scenario: The seed.
        is_reached: Whether the point was reached.
        status: What the record said after the kill.
        wrong: What is not as promised.
        seconds: How long it took.
    """

    scenario: Scenario
    is_reached: bool
    status: str
    wrong: tuple[str, ...]
    seconds: float


def scenario_of(seed: int, laboratory: Laboratory) -> Scenario:
    """What a seed stands for: the same in each run, as far as conversions send the same requests."""
    random = Random(seed)
    victim = random.choices(list(VICTIMS), [share for _, share in VICTIMS.values()])[0]
    kind = random.choice(VICTIMS[victim][0])
    undisturbed = laboratory.undisturbed(kind)
    name = random.choice(_MIDWAY.get(victim) or [*sorted(undisturbed.requests), "time"])
    # The footer is read before the helpers are there.
    where = random.uniform(0.5 if victim in _MIDWAY and name == "GetObject" else 0.0, 1.0)
    moment = random.choice(MOMENTS if name in _WITH_BODY else [each for each in MOMENTS if each != "during"])
    rerun = random.choice(RERUNS)
    if name == "time":
        return Scenario(seed, kind, victim, Point("time", int(where * undisturbed.seconds * 1000), "after"), rerun)
    return Scenario(seed, kind, victim, Point(name, 1 + int(where * undisturbed.requests[name]), moment), rerun)


def run(laboratory: Laboratory, scenario: Scenario) -> Outcome:
    """Kill, run again, and look."""
    started = time.monotonic()
    laboratory.undisturbed(scenario.kind)
    file = laboratory.land(scenario.kind, f"seed-{scenario.seed}")
    with Observer(laboratory, file) as observer:
        trial = _Trial(laboratory, scenario, file)
        trial.disturb()
        record = laboratory.records.find(file.file_id)
        if record is not None and record.status is FileStatus.FAILED:
            trial.wrong.append(f"a kill was taken for a fault of the file: {record.error_type}: {record.reason}")
        trial.run_again()
        wrong = [*trial.wrong, *_examine(laboratory, file)]
    wrong += observer.wrong
    laboratory.remove(file)
    status = record.status.value if record else "lost"
    return Outcome(scenario, trial.is_reached, status, tuple(wrong), time.monotonic() - started)


class _Trial:
    def __init__(self, laboratory: Laboratory, scenario: Scenario, file: File) -> None:
        self._laboratory = laboratory
        self._scenario = scenario
        self._file = file
        self._conversions: list[Conversion] = []
        self._is_hit = threading.Event()
        self.wrong: list[str] = []
        self.is_reached = False

    def disturb(self) -> None:
        point, proxy = self._scenario.point, self._laboratory.proxy
        first = threading.Event()
        self._conversions = []
        proxy.watch(None if point.kind == "time" else point, self._kill)
        conversion = self._laboratory.start(self._file, attempt=1)
        self._conversions.append(conversion)
        if point.kind == "time":
            while not proxy.seen and conversion.process.poll() is None:
                first.wait(0.001)
            first.wait(point.number / 1000)
            self._kill()
        self._wait_for(conversion)
        self.is_reached = self._is_hit.is_set()
        if self._scenario.victim == "endpoint":
            conversion.wait()
        if not self._is_asleep:
            self._expect_no_processes(conversion)

    def _wait_for(self, conversion: Conversion) -> None:
        """Until the conversion has ended, is asleep, or the endpoint is up again."""
        while conversion.process.poll() is None:
            if self._is_hit.wait(0.01):
                break
        if self._is_hit.is_set() and self._scenario.victim == "endpoint":
            self._laboratory.endpoint.start()
        elif not self._is_asleep:
            conversion.wait()
        if self._scenario.victim.startswith("Spark"):
            # As the Glue job's executor does when the driver has ended.
            with suppress(ProcessLookupError):
                os.killpg(conversion.process.pid, signal.SIGKILL)

    @property
    def _is_asleep(self) -> bool:
        return self._scenario.victim == "sleeper" and self._is_hit.is_set()

    def run_again(self) -> None:
        laboratory, file = self._laboratory, self._file
        attempt = 1
        record = laboratory.records.find(file.file_id)
        if self._scenario.rerun != RERUNS[0] and (record is None or record.status is not FileStatus.SUCCEEDED):
            attempt = 2
            if self._scenario.rerun == RERUNS[2] and not self._is_asleep:
                laboratory.record_failure(file, attempt=1)
        if record is not None and record.status is FileStatus.FAILED:
            attempt = 2
        laboratory.register(file, attempt)
        laboratory.proxy.watch(None, lambda: False)
        again = laboratory.start(file, attempt)
        self._conversions.append(again)
        status = again.wait()
        if status:
            self.wrong.append(f"the re-run ended with {status}: {again.log.read_text()[-1500:]}")
        if self._is_asleep:
            self._wake()
        for conversion in self._conversions:
            self._expect_no_processes(conversion)
            self._expect_no_files(conversion)

    def _wake(self) -> None:
        sleeper = self._conversions[0]
        os.killpg(sleeper.process.pid, signal.SIGCONT)
        said = sleeper.log.read_text() if sleeper.wait() else ""
        if said and "StatusConflictError" not in said.splitlines()[-1]:
            self.wrong.append(f"the sleeper did not stop by a StatusConflictError: {said[-1500:]}")

    def _kill(self) -> bool:
        """Kill the victim; whether the connection that carries the request dies too."""
        conversion, victim = self._conversions[0], self._scenario.victim
        pids = {
            "converter": lambda: [conversion.process.pid],
            "sleeper": lambda: [conversion.process.pid],
            "reader": lambda: conversion.processes("reader_process"),
            "endpoint": lambda: [self._laboratory.endpoint_pid],
            "Spark driver": lambda: [conversion.process.pid],
            "Spark JVM": lambda: conversion.processes("SparkSubmit"),
            "Spark worker": lambda: _workers(conversion),
        }[victim]()
        for pid in pids[-1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP if victim == "sleeper" else signal.SIGKILL)
                self._is_hit.set()
        return victim in {"converter", "endpoint", "Spark driver"}

    def _expect_no_processes(self, conversion: Conversion) -> None:
        deadline = time.monotonic() + _END_SECONDS
        while conversion.processes():
            if time.monotonic() > deadline:
                self.wrong.append(f"processes live on: {conversion.processes()}")
                os.killpg(conversion.process.pid, signal.SIGKILL)
                return
            time.sleep(0.02)

    def _expect_no_files(self, conversion: Conversion) -> None:
        if KINDS[self._scenario.kind].engine == "spark":
            return  # the executor deletes the run's folder
        left = [str(path) for path in (conversion.folder / "tmp").rglob("*")]
        if left:
            self.wrong.append(f"temporary files are left: {left}")


def _workers(conversion: Conversion) -> list[int]:
    """Spark's Python workers: forked by the daemon, which has no such parent."""
    daemons = conversion.processes("pyspark.daemon")
    parents = {pid: int(_stat(pid)[1]) for pid in daemons}
    return sorted(pid for pid in daemons if parents[pid] in parents)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _examine(laboratory: Laboratory, file: File) -> Iterator[str]:
    expected = laboratory.undisturbed(file.kind).objects
    found = {file.label(key): key for key in laboratory.keys(file.name)}
    if sorted(found) != sorted(expected):
        yield f"the objects are {sorted(found)}"
    for label, key in found.items():
        if not is_same(laboratory.read(key), expected.get(label), file):
            yield f"{key} is not what an undisturbed conversion makes"
    if laboratory.uploads():
        yield f"uploads are in progress: {laboratory.uploads()}"
    record = laboratory.records.find(file.file_id)
    if record is None or record.status is not FileStatus.SUCCEEDED:
        yield f"the record says {record}"
    else:
        yield from _examine_record(laboratory, file, record, set(found.values()))


def _examine_record(laboratory: Laboratory, file: File, record: FileRecord, keys: set[str]) -> Iterator[str]:
    undisturbed = laboratory.undisturbed(file.kind)
    output = [
        len(body)
        for label, body in undisturbed.objects.items()
        if label.startswith("processed-data") and "_manifest" not in label
    ]
    facts = undisturbed.facts
    broken = {rule: rows for rule, rows in record.rule_results.items() if rows}
    counted = (record.rows_read, record.rows_written, record.rows_quarantined, broken, record.bytes_written)
    if counted != (facts.rows, facts.clean_rows, facts.dirty_rows, dict(facts.rule_results), sum(output)):
        yield f"the record counts {counted}"
    if record.reason or record.error_type:
        yield f"the record keeps an old failure: {record.reason}"
    named = {str(uri).removeprefix(f"s3://{PROCESSED}/") for uri in (record.output_uri, record.quarantine_uri)}
    if not named <= keys:
        yield f"the record names {named - keys}"
        return
    key = str(record.output_uri).removeprefix(f"s3://{PROCESSED}/")
    held = laboratory.s3.head_object(Bucket=PROCESSED, Key=key, ChecksumMode="ENABLED").get("ChecksumCRC32")
    if record.output_checksum != f"CRC32={held}":
        yield f"the record says {record.output_checksum}, S3 {held}"


def run_all(seeds: list[int], folder: Path, tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Run seeds one after the other in one laboratory."""
    outcomes = []
    with Laboratory(folder) as laboratory:
        for seed in seeds:
            outcome = run(laboratory, scenario_of(seed, laboratory))
            tell(outcome)
            outcomes.append(outcome)
    return outcomes


def _tell(outcome: Outcome) -> None:
    one = outcome.scenario
    reached = "" if outcome.is_reached else " (not reached)"
    print(
        f"{one.seed:4} {one.kind:16} {one.victim:13} {one.point!s:38} {outcome.status:10} {one.rerun:14.14} "
        f"{outcome.seconds:5.1f} s {'WRONG: ' + ' | '.join(outcome.wrong) if outcome.wrong else 'right'}{reached}",
        flush=True,
    )


def _summary(outcomes: list[Outcome]) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for outcome in outcomes:
        row = (outcome.scenario.victim, outcome.scenario.point.kind if outcome.is_reached else "(not reached)")
        counts[row] += 1
        wrong[row] += bool(outcome.wrong)
    print(f"\n{'victim':14} {'at':26} {'seeds':>5} {'right':>5}")
    for row, count in sorted(counts.items()):
        print(f"{row[0]:14} {row[1]:26} {count:5} {count - wrong[row]:5}")
    print(f"{'all':41} {counts.total():5} {counts.total() - wrong.total():5}")


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("0-199"), help="such as 0-199 or 3,17")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-points-") as found_folder:
        found_outcomes = run_all(options.seeds, Path(found_folder), _tell)
    _summary(found_outcomes)
    raise SystemExit(any(outcome.wrong for outcome in found_outcomes))
