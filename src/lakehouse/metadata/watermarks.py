"""How far each source has been extracted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from lakehouse.errors import StatusConflictError
from lakehouse.metadata.attribute_values import Item, read_time, utc_now
from lakehouse.metadata.dynamodb import DynamoTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a source has been extracted.

    Attributes:
        source: The source, for example a Snowflake table.
        value: The last value that is in the raw layer; texts are compared, so numbers need leading zeros.
        updated_at: When it last advanced, UTC.
        run_id: The run that advanced it.
    """

    source: str
    value: str
    updated_at: datetime
    run_id: str | None = None


class Watermarks:
    """The table of watermarks.

    Args:
        client: A boto3 DynamoDB client, made with ``aws_errors.client_config()``.
        table_name: The table.
        clock: Tells the time, UTC.
    """

    def __init__(self, client: DynamoDBClient, table_name: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._table = DynamoTable(client, table_name, ["source"])
        self._clock = clock

    def get(self, source: str) -> Watermark | None:
        """Read a source's watermark, strongly consistent.

        Args:
            source: The source.

        Returns:
            Its watermark, None where nothing was extracted yet.
        """
        item = self._table.find({"source": source})
        return None if item is None else _watermark(item)

    def advance(self, source: str, value: str, *, run_id: str | None = None) -> Watermark:
        """Move a watermark forward.

        Args:
            source: The source.
            value: The last value that now is in the raw layer. The stored value again changes nothing.
            run_id: The run that extracted it.

        Returns:
            The watermark as it stands.

        Raises:
            StatusConflictError: It stands further already: another run was faster.
        """
        changes = {"value": value, "updated_at": self._clock(), "run_id": run_id}
        behind = Attr("value").not_exists() | Attr("value").lt(value)
        write = self._table.update({"source": source}, changes, behind)
        stored = _watermark(write.item or {})
        if not write.is_accepted and stored.value != value:
            raise StatusConflictError(
                f"The watermark of {source} stands at {stored.value}, beyond {value}. A watermark never goes back: "
                "to extract an earlier span again, backfill it by date."
            )
        return stored


def _watermark(item: Item) -> Watermark:
    return Watermark(item["source"], item["value"], read_time(item["updated_at"]), item.get("run_id"))
