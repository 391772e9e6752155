"""How files stand, for those who ask about very many: a hundred a call, and no attribute more than is needed."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import translate
from lakehouse.errors import ThrottledError
from lakehouse.metadata.attribute_values import read_time
from lakehouse.metadata.file_record import FileStatus

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Keys of one BatchGetItem: DynamoDB's own limit.
MOST_KEYS = 100
_TRIES = 8
_BACKOFF_BASE_SECONDS = 0.05
_BACKOFF_MAX_SECONDS = 5.0
_READ = {
    "ProjectionExpression": "file_id, #status, attempt, updated_at, next_attempt",
    "ExpressionAttributeNames": {"#status": "status"},
    "ConsistentRead": True,
}


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
        self._client = client
        self._table_name = table_name

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
        found: dict[str, Standing] = {}
        keys: Any = [{"file_id": {"S": file_id}} for file_id in file_ids]
        for tried in range(_TRIES):
            if not keys:
                return found
            if tried:
                limit = min(_BACKOFF_MAX_SECONDS, _BACKOFF_BASE_SECONDS * 2**tried)
                time.sleep(random.uniform(0, limit))  # noqa: S311 - full jitter, not a secret
            answer = self._read(keys)
            for item in answer["Responses"].get(self._table_name, ()):
                found[item["file_id"]["S"]] = _standing(item)
            keys = answer.get("UnprocessedKeys", {}).get(self._table_name, {}).get("Keys")
        if not keys:
            return found
        raise ThrottledError(
            f"Reading {self._table_name} failed: DynamoDB left {len(keys)} keys unprocessed after {_TRIES} attempts. "
            "Try again later."
        )

    def _read(self, keys: Any) -> Any:
        request: Any = {self._table_name: {**_READ, "Keys": keys}}
        try:
            return self._client.batch_get_item(RequestItems=request)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, f"Reading {self._table_name} (batch_get_item)") from error


def _standing(item: Any) -> Standing:
    waiting = item.get("next_attempt")
    return Standing(
        FileStatus(item["status"]["S"]),
        int(item["attempt"]["N"]),
        read_time(item["updated_at"]["S"]),
        None if waiting is None or "N" not in waiting else int(waiting["N"]),
    )
