"""Upkeep of Iceberg tables through Athena: small files become large ones, old snapshots and orphaned files go.

https://docs.aws.amazon.com/athena/latest/ug/querying-iceberg-data-optimization.html
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from lakehouse.athena_queries import AthenaQueries
from lakehouse.errors import CommandError, QueryFailedError

# Athena rewrites so much at a time, and says when there is more.
_MORE_TO_DO = "ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED"
_MORE_TO_EXPIRE = "ICEBERG_VACUUM_MORE_RUNS_NEEDED"
_MOST_RUNS = 20


@dataclass(frozen=True, slots=True)
class TableSize:
    """How big a table is.

    Attributes:
        files: Its data and delete files.
        size_bytes: Their bytes.
        snapshots: Its snapshots.
    """

    files: int
    size_bytes: int
    snapshots: int


@dataclass(frozen=True, slots=True)
class TableReport:
    """What upkeep did to a table.

    Attributes:
        table: The table.
        before: Its size before.
        after: Its size after.
    """

    table: str
    before: TableSize
    after: TableSize

    def as_dict(self) -> dict[str, Any]:
        """The report for a program.

        Returns:
            Plain values.
        """
        return asdict(self)


class Maintenance:
    """Keeps tables in shape."""

    def __init__(self, queries: AthenaQueries) -> None:
        """Take what statements run with.

        Args:
            queries: Of the tables' database.
        """
        self._queries = queries

    def maintain(self, table: str) -> TableReport:
        """OPTIMIZE and VACUUM a table.

        Args:
            table: Its name.

        Returns:
            Its size before and after.

        Raises:
            QueryFailedError: Athena did not do it.
            CommandError: The name is none of a table.
        """
        if not re.fullmatch(r"\w+", table):
            raise CommandError(f"{table!r} is no name of a table: letters, digits and underscores.")
        before = self._size(table)
        self._until_done(f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK", _MORE_TO_DO)
        self._until_done(f"VACUUM {table}", _MORE_TO_EXPIRE)
        return TableReport(table, before, self._size(table))

    def _until_done(self, sql: str, more: str) -> None:
        for _ in range(_MOST_RUNS):
            try:
                self._queries.run(sql)
            except QueryFailedError as error:
                if more not in str(error):
                    raise
            else:
                return
        raise QueryFailedError(f"{sql} was run {_MOST_RUNS} times and is not done. Run it again later.")

    def _size(self, table: str) -> TableSize:
        # The name was checked: nothing but letters, digits and underscores.
        sizes = f'SELECT count(*), coalesce(sum(file_size_in_bytes), 0) FROM "{table}$files"'  # noqa: S608
        files = self._queries.run(sizes)
        ((count, size),) = self._queries.rows(files)
        snapshots = self._queries.run(f'SELECT count(*) FROM "{table}$snapshots"')  # noqa: S608
        ((number,),) = self._queries.rows(snapshots)
        return TableSize(int(count or 0), int(size or 0), int(number or 0))
