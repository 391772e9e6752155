"""The step by which everybody sees what a statement wrote: one snapshot, one change of the Data Catalog's entry.

A statement that only adds files can be added to whatever the table is by then. One that replaces files was computed
from a snapshot; if the table has another one by now, the statement is run again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

from lakehouse.local.athena.failures import StatementFailedError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, Transaction

    from lakehouse.local.athena.tables.objects import Objects

T = TypeVar("T")

_TRIES = 5
_LONGEST_PAUSE_SECONDS = 1.0


def run_again_on_conflict(statement: Callable[[], T]) -> T:
    """Run a statement, and again where another one changed the table meanwhile.

    Args:
        statement: Reads the table, writes files, and commits.

    Returns:
        What it returns.

    Raises:
        StatementFailedError: Others were faster every time.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            return statement()
        except CommitFailedException as error:
            if attempt == _TRIES:
                raise StatementFailedError(
                    "ICEBERG_COMMIT_ERROR",
                    f"Failed to commit Iceberg update to table: other commits were faster {_TRIES} times ({error})",
                ) from error
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS * attempt / _TRIES))  # noqa: S311 - spreads the tries
        except NoSuchTableError as error:
            raise StatementFailedError("TABLE_NOT_FOUND", f"The table was dropped meanwhile: {error}") from error
        except FileNotFoundError as error:
            raise missing_metadata(error) from error
    raise AssertionError("the last try returns or raises")


def missing_metadata(error: FileNotFoundError) -> StatementFailedError:
    """The failure of a table whose metadata is gone, perhaps as the table was dropped meanwhile.

    Args:
        error: Names the file.

    Returns:
        The failure, to be raised.
    """
    return StatementFailedError("ICEBERG_MISSING_METADATA", f"Metadata of the table is not found: {error}")


def append(table: Table, files: Sequence[DataFile], objects: Objects) -> None:
    """Add files to a table.

    Args:
        table: The table.
        files: The files; deleted where the table cannot have them.
        objects: Has them.

    Raises:
        CommitFailedException: Others were faster every time.
        NoSuchTableError: The table was dropped meanwhile.
    """
    with _deleted_unless_added(files, objects), table.transaction() as transaction:
        add(transaction, files)


def add(transaction: Transaction, files: Sequence[DataFile]) -> None:
    """Add files to a table in a transaction.

    Args:
        transaction: The transaction.
        files: The files; where there are none, the snapshot says that nothing was added, as Athena's does.
    """
    with transaction.update_snapshot().fast_append() as snapshot:
        for file in files:
            snapshot.append_data_file(file)


def replace(table: Table, old: Sequence[DataFile], new: Sequence[DataFile], objects: Objects) -> None:
    """Put files in the place of others.

    Args:
        table: The table as it was when the files were chosen.
        old: The files that go.
        new: The files that come; deleted where the table cannot have them.
        objects: Has them.

    Raises:
        CommitFailedException: The table has another snapshot by now.
        NoSuchTableError: The table was dropped meanwhile.
    """
    with _deleted_unless_added(new, objects):
        transaction = table.transaction()
        with transaction.update_snapshot().overwrite() as snapshot:
            for file in old:
                snapshot.delete_data_file(file)
            for file in new:
                snapshot.append_data_file(file)
        # PyIceberg would apply the change to any newer snapshot, and lose rows that came meanwhile.
        transaction._snapshot_producers = []
        transaction.commit_transaction()


@contextmanager
def _deleted_unless_added(files: Sequence[DataFile], objects: Objects) -> Iterator[None]:
    """After any other failure the table may have the files; VACUUM finds out."""
    try:
        yield
    except (CommitFailedException, NoSuchTableError):
        objects.delete(file.file_path for file in files)
        raise
