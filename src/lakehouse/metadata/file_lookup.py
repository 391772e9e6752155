"""Looking up the records of files."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from lakehouse.errors import MetadataError, RecordNotFoundError
from lakehouse.metadata.dynamodb import DynamoTable
from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.query import Page, Period, Query

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class FileLookup:
    """The table of file records, to read only.

    Args:
        client: A boto3 DynamoDB client, made with ``aws_errors.client_config()``.
        table_name: The table.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._table = DynamoTable(client, table_name, ["file_id"])

    def find(self, file_id: str) -> FileRecord | None:
        """Read a record, strongly consistent.

        Args:
            file_id: The file.

        Returns:
            Its record, None where there is none.
        """
        item = self._table.find({"file_id": file_id})
        return None if item is None else FileRecord.from_item(item)

    def get(self, file_id: str) -> FileRecord:
        """Read a record that should be there, strongly consistent.

        Args:
            file_id: The file.

        Returns:
            Its record.

        Raises:
            RecordNotFoundError: There is none.
        """
        record = self.find(file_id)
        if record is None:
            raise not_found(file_id)
        return record

    def get_many(self, file_ids: Iterable[str]) -> dict[str, FileRecord]:
        """Read many records, strongly consistent.

        Args:
            file_ids: The files, each once.

        Returns:
            The records that exist, by ``file_id``.
        """
        items = self._table.find_many({"file_id": file_id} for file_id in file_ids)
        return {str(item["file_id"]): FileRecord.from_item(item) for item in items}

    def find_duplicate(self, record: FileRecord) -> FileRecord | None:
        """Look for a conversion of the same bytes under the same key that is still what the key was converted to.

        Args:
            record: A file.

        Returns:
            The record of the version of the same object that was converted last, if it has the same size and checksum;
            else None. An earlier one does not count: its output was overwritten. Nor does one that is converted anew.
        """
        versions = self.iterate(key=record.key)
        last = next((one for one in versions if one.bucket == record.bucket and one.output_uri is not None), None)
        if last is None or record.checksum is None or last.file_id == record.file_id:
            return None
        if last.status is not FileStatus.SUCCEEDED:
            return None
        is_same = (last.size_bytes, last.checksum) == (record.size_bytes, record.checksum)
        return last if is_same else None

    def query(
        self,
        *,
        status: FileStatus | None = None,
        dataset: str | None = None,
        key: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        page_token: str | None = None,
        newest_first: bool = True,
    ) -> Page[FileRecord]:
        """Look records up, a page at a time; eventually consistent.

        Args:
            status: Only these; at least one of status, dataset and key is needed.
            dataset: Only these.
            key: Only versions of this object.
            since: Only registered at or after this time.
            until: Only registered before this time.
            limit: The most records of the page.
            page_token: ``next_token`` of the page before.
            newest_first: By time of registration, descending.

        Returns:
            The page.

        Raises:
            MetadataError: No criterion, or a page token of another query.
        """
        query = _query(status, dataset, key, Period(since, until), newest_first=newest_first)
        page = self._table.page(query, limit=limit, token=page_token)
        return Page(tuple(map(FileRecord.from_item, page.items)), page.next_token)

    def iterate(
        self,
        *,
        status: FileStatus | None = None,
        dataset: str | None = None,
        key: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = True,
    ) -> Iterator[FileRecord]:
        """Look records up, all of them, in bounded memory; eventually consistent.

        Args:
            status: Only these; with no criterion at all, every record.
            dataset: Only these.
            key: Only versions of this object.
            since: Only registered at or after this time.
            until: Only registered before this time.
            newest_first: By time of registration, descending.

        Yields:
            The records.
        """
        period = Period(since, until)
        if status is None and dataset is None and key is None:
            queries = [_query(each, None, None, period, newest_first=newest_first) for each in FileStatus]
        else:
            queries = [_query(status, dataset, key, period, newest_first=newest_first)]
        streams = [map(FileRecord.from_item, self._table.iterate(query)) for query in queries]
        yield from heapq.merge(*streams, key=lambda record: record.created_at, reverse=newest_first)


def _query(
    status: FileStatus | None, dataset: str | None, key: str | None, period: Period, *, newest_first: bool
) -> Query:
    """Read the most selective index; the other criteria filter what it finds."""
    criteria = {
        name: value for name, value in (("key", key), ("dataset", dataset), ("status", status)) if value is not None
    }
    if not criteria:
        raise MetadataError("Nothing to look files up by. Give a status, a dataset or a key.")
    name, value = next(iter(criteria.items()))
    filters = [Attr(other).eq(str(wanted)) for other, wanted in criteria.items() if other != name]
    return Query(
        index=f"{name}-created_at-index",
        condition=period.of(name, str(value), "created_at"),
        filter=reduce(and_, filters) if filters else None,
        newest_first=newest_first,
    )


def not_found(file_id: str) -> RecordNotFoundError:
    """The error for a file that has no record.

    Args:
        file_id: The file.

    Returns:
        The error, to raise.
    """
    return RecordNotFoundError(
        f"No file has the file_id {file_id}. Look it up with lakehouse files; register a new file first."
    )
