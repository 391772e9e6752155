"""What a runner is: given an assignment, it hands over a draft, which is shown or discarded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lakehouse.errors import QuarantineThresholdError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from lakehouse.contracts.model import Contract
    from lakehouse.convert.kernel import Counts
    from lakehouse.convert.multipart import WrittenObject
    from lakehouse.convert.output_writer import Publication
    from lakehouse.convert.source import ParquetFacts


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a runner needs to know of a job.

    Attributes:
        bucket: The raw object's bucket.
        key: The raw object's key.
        version_id: Its version, None where the bucket has no versioning.
        facts: What its footer states.
        contract: Its dataset's contract, None for an unknown dataset.
        output_bucket: The processed bucket.
        output_key: Key of the JSON object.
        quarantine_key: Key of the rejected rows.
        object_metadata: User metadata of both objects.
    """

    bucket: str
    key: str
    version_id: str | None
    facts: ParquetFacts
    contract: Contract | None
    output_bucket: str
    output_key: str
    quarantine_key: str
    object_metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A conversion whose objects are uploaded and not yet visible.

    Attributes:
        counts: What became of the rows.
        output: The JSON object to be.
        quarantine: The quarantine object to be; aborted when no row was rejected.
    """

    counts: Counts
    output: Publication
    quarantine: Publication

    def expect_unchanged(self) -> None:
        """Have whatever is published replace what is there now, and nothing that somebody publishes from now on.

        Raises:
            botocore.exceptions.ClientError: S3 did not say what is there.
        """
        if self.counts.rows_rejected:
            self.quarantine.expect_unchanged()
        self.output.expect_unchanged()

    def require_threshold(self, name: str, contract: Contract | None) -> None:
        """Fail a file of which too many rows were rejected, after publishing the rejected rows: they tell why.

        Args:
            name: The file, for the message.
            contract: Its dataset's contract.

        Raises:
            QuarantineThresholdError: More rows broke rules than the contract tolerates.
            PublishedMeanwhileError: Other rejected rows are there by now, see ``expect_unchanged``.
        """
        try:
            self.counts.require_threshold(name, contract)
        except QuarantineThresholdError as error:
            quarantine = self.quarantine.complete()
            raise QuarantineThresholdError(f"{error} The rejected rows are in {quarantine.uri}.") from error

    def publish(self) -> tuple[WrittenObject, WrittenObject | None]:
        """Make the objects visible, the quarantine first: whoever sees the output can see what it leaves out.

        The two are not one step. A newer version that publishes in between keeps its output, and its quarantine where
        it has one; where it has none, this one's quarantine stays, named by no record.

        Returns:
            The output, and the quarantine where any row was rejected.

        Raises:
            PublishedMeanwhileError: Something else is there by now, see ``expect_unchanged``. May be called again: what
                is published already stays.
        """
        quarantine = self.quarantine.complete() if self.counts.rows_rejected else None
        self.quarantine.abort()  # does nothing when it is complete
        return self.output.complete(), quarantine

    def discard(self) -> None:
        """Make nothing visible, and leave nothing behind."""
        self.output.abort()
        self.quarantine.abort()


class Runner(Protocol):
    """Converts a file with the kernel, in one process or in many."""

    @property
    def engine(self) -> str:
        """``in_process`` or ``spark``, as the record shows it."""
        ...

    def draft(self, assignment: Assignment, note_progress: Callable[[int], None]) -> AbstractContextManager[Draft]:
        """Convert and upload everything.

        Args:
            assignment: What to convert.
            note_progress: To be called now and then with the rows read so far; what it raises must end the work.

        Returns:
            A context manager that gives the draft; on leaving it, whatever was not completed is aborted.
        """
        ...
