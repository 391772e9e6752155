"""One file converted by itself: no lakehouse, no record, only a file (or object) in and files (or objects) out."""

from __future__ import annotations

import errno
import resource
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lakehouse.convert.in_process import convert_stream
from lakehouse.convert.kernel import Kernel
from lakehouse.convert.local_file_writer import LocalFileWriter
from lakehouse.convert.object_writer import ObjectWriter
from lakehouse.convert.runner import Draft
from lakehouse.convert.source import inspect
from lakehouse.convert.split_output import open_output
from lakehouse.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

    from lakehouse.contracts.difference import Difference
    from lakehouse.contracts.model import Contract, OutputOptions
    from lakehouse.convert.multipart import WrittenObject
    from lakehouse.convert.output_writer import OutputWriter
    from lakehouse.convert.source import ParquetFacts, ParquetSource
    from lakehouse.quality.results import Counts

# The most files that macOS lets a process open, whatever it states.
_MACOS_MOST_FILES = 10_240


class Destination(Protocol):
    """Where outputs go, by name."""

    def open(self, name: str, content_encoding: str | None = None) -> OutputWriter:
        """Open an output.

        Args:
            name: A path, or a key.
            content_encoding: How it is compressed, None where it is not.

        Returns:
            Its writer; nothing is visible before ``complete``.
        """
        ...


class LocalDestination:
    """Files of this machine."""

    def open(self, name: str, content_encoding: str | None = None) -> OutputWriter:  # noqa: ARG002 - a name says it all
        """Open a file, see ``Destination``.

        Raises:
            CommandError: It cannot be written there.
        """
        path = Path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return _opened(path)
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise CommandError(
                    f"{path}: an output of so many files has more of them open than this process may have. Raise "
                    "--max-object-bytes, or the limit (ulimit -n)."
                ) from error
            raise CommandError(f"{path} cannot be written ({error.strerror}). Give -o a place where it can.") from error


def _opened(path: Path) -> LocalFileWriter:
    """Open a file. All files of an output are open until it is complete: each is locked against being cleaned up."""
    try:
        return LocalFileWriter(path)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        # What a process has at first is little (256 on a Mac), what it may take for the asking is a lot.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):
            soft = _MACOS_MOST_FILES if most == resource.RLIM_INFINITY else most
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
        return LocalFileWriter(path)


@dataclass(frozen=True, slots=True)
class BucketDestination:
    """Objects of a bucket.

    Attributes:
        s3: S3 client.
        bucket: The bucket.
    """

    s3: S3Client
    bucket: str

    def open(self, name: str, content_encoding: str | None = None) -> OutputWriter:
        """Open an object, see ``Destination``."""
        return ObjectWriter(self.s3, self.bucket, name, content_encoding=content_encoding)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion did.

    Attributes:
        facts: The file as its footer states it.
        counts: What became of its rows.
        drift: What differs from the contract, and is allowed.
        output: The JSON, or the manifest of several objects.
        quarantine: The rejected rows, None where there are none.
        seconds: From looking at the file to the whole output.
    """

    facts: ParquetFacts
    counts: Counts
    drift: tuple[Difference, ...]
    output: WrittenObject
    quarantine: WrittenObject | None
    seconds: float


def convert_alone(
    source: ParquetSource,
    destination: Destination,
    output_name: str,
    quarantine_name: str,
    *,
    contract: Contract | None = None,
    options: OutputOptions | None = None,
    note_progress: Callable[[ParquetFacts, int], None] = lambda _facts, _rows: None,
) -> Conversion:
    """Convert a file in this process.

    Nothing is visible before all rows are accounted for; after an error nothing is left, but for the rejected rows
    where too many were.

    Args:
        source: The parquet file.
        destination: Where the outputs go.
        output_name: Name of the JSON.
        quarantine_name: Name of the rejected rows' file, which is made where there are any.
        contract: Rules and casts; None converts by the file's schema alone.
        options: How the output is stored, where that is not as the contract says.
        note_progress: Called with the file and the rows read so far.

    Returns:
        What was done.

    Raises:
        LakehouseError: The file cannot be converted; the message says why.
    """
    started = time.monotonic()
    facts = inspect(source)
    kernel = Kernel(facts.schema, contract, options, name=source.name)
    with (
        open_output(destination.open, output_name, kernel.output) as output,
        destination.open(quarantine_name) as quarantine,
    ):
        counts = convert_stream(source, facts, kernel, output, quarantine, partial(note_progress, facts))
        draft = Draft(counts=counts, output=output, quarantine=quarantine)
        counts.require_conserved(source.name, facts.rows)
        draft.require_threshold(source.name, contract)
        written, rejected = draft.publish()
    return Conversion(facts, counts, kernel.drift, written, rejected, round(time.monotonic() - started, 3))
