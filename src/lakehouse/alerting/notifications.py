"""Sends each alert once: a table remembers what was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr
from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.alerting.alerts import Alert, Severity
from lakehouse.aws_errors import translate
from lakehouse.errors import ServiceUnavailableError
from lakehouse.metadata.attribute_values import Item, timestamp, utc_now
from lakehouse.metadata.dynamodb import DynamoTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient

# Who began to send and died is not waited for any longer: twice as long as the function may run.
_LEASE = timedelta(minutes=1)
# Longer than any queue or stream delivers again.
_REMEMBERED = timedelta(days=90)
_SENDING, _SENT = "SENDING", "SENT"


class Notifications:
    """Publishes alerts to topics by severity.

    Args:
        dynamodb: DynamoDB client, made with ``aws_errors.client_config()``.
        table_name: The table that remembers what was told.
        sns: SNS client.
        topics: ARN of the topic of each severity.
        clock: Tells the time, UTC.
    """

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        table_name: str,
        sns: SNSClient,
        topics: Mapping[Severity, str],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._table = DynamoTable(dynamodb, table_name, ["notification_id"])
        self._sns = sns
        self._topics = topics
        self._clock = clock

    def send(self, alert: Alert) -> bool:
        """Tell people, unless they were told.

        A crash between telling and remembering tells a second time; none is lost.

        Args:
            alert: What to tell.

        Returns:
            Whether it was sent now.

        Raises:
            ServiceUnavailableError: Somebody else began to send it and may have died: only later it can be known.
            LakehouseError: AWS refused: send it again.
        """
        now = self._clock()
        expires_at = int((now + _REMEMBERED).timestamp())
        item = {"notification_id": alert.key, "status": _SENDING, "claimed_at": now, "expires_at": expires_at}
        abandoned = Attr("status").eq(_SENDING) & Attr("claimed_at").lt(timestamp(now - _LEASE))
        claim = self._table.put(item, Attr("notification_id").not_exists() | abandoned)
        if not claim.is_accepted:
            return _require_told(alert, claim.item)
        self._publish(alert, now)
        self._table.update({"notification_id": alert.key}, {"status": _SENT}, Attr("notification_id").exists())
        return True

    def _publish(self, alert: Alert, now: datetime) -> None:
        try:
            self._sns.publish(
                TopicArn=self._topics[alert.severity],
                Subject=alert.subject,
                Message=alert.text,
                MessageAttributes={"severity": {"DataType": "String", "StringValue": alert.severity.value}},
            )
        except (ClientError, BotoCoreError) as error:
            # Not told: whoever tries again need not wait.
            key = {"notification_id": alert.key}
            self._table.update(key, {"claimed_at": now - 2 * _LEASE}, Attr("notification_id").exists())
            raise translate(error, f"Publishing {alert.key}") from error


def _require_told(alert: Alert, found: Item | None) -> bool:
    """Whoever only began to send may be dead: to take its word for it would lose the alert."""
    if found is not None and found.get("status") == _SENT:
        return False
    raise ServiceUnavailableError(
        f"{alert.key} is being sent by somebody else since {(found or {}).get('claimed_at', 'just now')}, who may have "
        f"died. Send it again when {_LEASE.total_seconds():.0f} seconds have passed since then."
    )
