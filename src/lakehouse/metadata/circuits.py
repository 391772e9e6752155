"""Circuit breakers: while a dependency refuses work, none is sent to it.

A circuit's state is an item in DynamoDB, so that it holds across functions and invocations::

    closed ──(failures within the window)──► open ──(after the cool-down)──► half open: one file is the probe
       ▲                                       ▲                                  │
       └────────── the probe was taken ────────┼──────────────────────────────────┤
                                               └── refused: twice the cool-down ──┘
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from lakehouse.errors import ThrottledError
from lakehouse.metadata.attribute_values import Item, read_time, utc_now
from lakehouse.metadata.dynamodb import DynamoTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# So many refusals within the window open a circuit.
FAILURES = 3
WINDOW = timedelta(minutes=2)
FIRST_COOL_DOWN = timedelta(seconds=30)
LONGEST_COOL_DOWN = timedelta(minutes=15)
# A probe of which nothing is heard for so long is forgotten, and another file becomes it.
PROBE_LASTS = timedelta(minutes=5)
# Writers that meet on one item: each loser looks again.
_TRIES = 20


class Outcome(StrEnum):
    """What became of a probe."""

    TAKEN = "TAKEN"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Circuit:
    """The circuit of one dependency.

    Attributes:
        dependency: What work is sent to: ``glue``, ``lambda``.
        failures: Refusals within the window; or since the circuit opened.
        first_failure_at: When the window began.
        open_until: When the cool-down ends; None while the circuit is closed.
        cool_down_seconds: How long the cool-down is; twice as long each time a probe is refused.
        reason: What the dependency said last.
        probe: The file that tries whether work is taken again.
        probe_until: When the probe is forgotten.
        version: Rises with each change, so that two writers never build on one state.
    """

    dependency: str
    failures: int = 0
    first_failure_at: datetime | None = None
    open_until: datetime | None = None
    cool_down_seconds: int = 0
    reason: str | None = None
    probe: str | None = None
    probe_until: datetime | None = None
    version: int = 0

    @property
    def is_closed(self) -> bool:
        """Whether work is sent as it comes."""
        return self.open_until is None

    def after_failure(self, now: datetime, reason: str) -> Circuit:
        """The circuit after the dependency refused work.

        Args:
            now: The time, UTC.
            reason: What it said.

        Returns:
            The circuit: open, once there were ``FAILURES`` within the ``WINDOW``, or if it was half open.
        """
        if self.open_until is not None:
            if now < self.open_until:
                # Of work that was sent before the circuit opened: it tells nothing new.
                return replace(self, failures=self.failures + 1, reason=reason)
            longer = min(timedelta(seconds=self.cool_down_seconds) * 2, LONGEST_COOL_DOWN)
            return _opened(replace(self, failures=self.failures + 1), now, longer, reason)
        is_in_window = self.first_failure_at is not None and now - self.first_failure_at <= WINDOW
        counted = replace(
            self,
            failures=self.failures + 1 if is_in_window else 1,
            first_failure_at=self.first_failure_at if is_in_window else now,
            reason=reason,
        )
        return _opened(counted, now, FIRST_COOL_DOWN, reason) if counted.failures >= FAILURES else counted

    @classmethod
    def from_item(cls, item: Item) -> Circuit:
        """Read a circuit.

        Args:
            item: The DynamoDB item, as Python values.

        Returns:
            The circuit.
        """
        values: dict[str, Any] = {
            field.name: item[field.name] for field in fields(cls) if item.get(field.name) is not None
        }
        return cls(**{name: _READERS[name](value) if name in _READERS else value for name, value in values.items()})


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "first_failure_at": read_time,
    "open_until": read_time,
    "probe_until": read_time,
    "failures": int,
    "cool_down_seconds": int,
    "version": int,
}


def _opened(circuit: Circuit, now: datetime, cool_down: timedelta, reason: str) -> Circuit:
    seconds = int(cool_down.total_seconds())
    return replace(
        circuit, open_until=now + cool_down, cool_down_seconds=seconds, reason=reason, probe=None, probe_until=None
    )


class Circuits:
    """The table of circuits.

    Args:
        client: A boto3 DynamoDB client, made with ``aws_errors.client_config()``.
        table_name: The table.
        clock: Tells the time, UTC.
    """

    def __init__(self, client: DynamoDBClient, table_name: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._table = DynamoTable(client, table_name, ["dependency"])
        self._clock = clock

    def get(self, dependency: str) -> Circuit:
        """Read a circuit, strongly consistent.

        Args:
            dependency: The dependency.

        Returns:
            Its circuit; a closed one where nothing was ever refused.
        """
        item = self._table.find({"dependency": dependency})
        return Circuit(dependency) if item is None else Circuit.from_item(item)

    def wait_seconds(self, dependency: str, file_id: str, outcome_of: Callable[[str], Outcome]) -> int:
        """Ask whether work may be sent to a dependency now.

        Args:
            dependency: The dependency.
            file_id: The file that the work is about: it may become the probe.
            outcome_of: Tells what became of a probe.

        Returns:
            0 to send it; else the seconds to wait before asking again.

        Raises:
            ThrottledError: Too many others change the circuit at the same moment.
        """
        for _ in range(_TRIES):
            found, now = self.get(dependency), self._clock()
            if found.open_until is None:
                return 0
            if now < found.open_until:
                return _seconds_until(found.open_until, now)
            if found.probe is not None and found.probe != file_id:
                if outcome_of(found.probe) is Outcome.TAKEN:
                    if self._write(found, Circuit(dependency)):
                        return 0
                    continue
                if found.probe_until is not None and now < found.probe_until:
                    return _seconds_until(found.probe_until, now)
            if self._write(found, replace(found, probe=file_id, probe_until=now + PROBE_LASTS)):
                return 0
        raise _contended(dependency)

    def refused(self, dependency: str, reason: str) -> Circuit:
        """Note that a dependency refused work.

        Args:
            dependency: The dependency.
            reason: What it said.

        Returns:
            The circuit as it stands now.

        Raises:
            ThrottledError: Too many others change the circuit at the same moment.
        """
        for _ in range(_TRIES):
            found = self.get(dependency)
            changed = found.after_failure(self._clock(), reason)
            if self._write(found, changed):
                return changed
        raise _contended(dependency)

    def _write(self, before: Circuit, after: Circuit) -> bool:
        """Replace the state that was read; False where it is another one by now."""
        unchanged: Any = Attr("version").eq(before.version) if before.version else Attr("dependency").not_exists()
        return self._table.put(asdict(replace(after, version=before.version + 1)), unchanged).is_accepted


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(1, int((moment - now).total_seconds()) + 1)


def _contended(dependency: str) -> ThrottledError:
    return ThrottledError(
        f"The circuit of {dependency} was changed by others {_TRIES} times while it was to be changed. Try again."
    )
