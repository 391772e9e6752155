"""How files stand, for those who ask about very many: a hundred a call, and no attribute more than is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from lakehouse.metadata.attribute_values import Item, read_time
from lakehouse.metadata.dynamodb import DynamoTable
from lakehouse.metadata.file_record import FileStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Keys of one BatchGetItem: DynamoDB's own limit.
MOST_KEYS = 100
_ATTRIBUTES = ("file_id", "status", "attempt", "updated_at", "next_attempt")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a plan needs of a file's record.

    Attributes:
        status: Where the file stands.
        attempt: The attempt the status speaks of.
        updated_at: When the record last changed, UTC.
        next_attempt: The attempt that waits in the queue already.
    """

    status: FileStatus
    attempt: int
    updated_at: datetime
    next_attempt: int | None = None


class FileStandings:
    """The table of file records, read by the hundred; from several threads at a time, as boto3 allows.

    Args:
        client: A boto3 DynamoDB client, made with ``aws_errors.client_config()``.
        table_name: The table of file records.
    """

    def __init__(self, client: DynamoDBClient, table_name: str) -> None:
        self._table = DynamoTable(client, table_name, ["file_id"])

    def of(self, file_ids: Sequence[str]) -> dict[str, Standing]:
        """Look files up, strongly consistent.

        Args:
            file_ids: At most ``MOST_KEYS`` files, each once.

        Returns:
            How those stand that have a record, by ``file_id``.

        Raises:
            ThrottledError: DynamoDB left keys unprocessed again and again.
            LakehouseError: DynamoDB refused.

        Source:
            https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
        """
        items = self._table.find_many(({"file_id": file_id} for file_id in file_ids), _ATTRIBUTES)
        return {str(item["file_id"]): _standing(item) for item in items}


def _standing(item: Item) -> Standing:
    waiting = item.get("next_attempt")
    return Standing(
        FileStatus(item["status"]), int(item["attempt"]), read_time(item["updated_at"]), waiting and int(waiting)
    )
