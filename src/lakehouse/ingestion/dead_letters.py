"""Messages that failed too often: looking at them, and sending them back once the cause is mended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import translate
from lakehouse.errors import PoisonMessageError, ServiceUnavailableError
from lakehouse.ingestion.messages import LandedFile, landed_files

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH = 10
# While the messages are looked through, nobody else sees them.
_HIDDEN_SECONDS = 60
_POLL_SECONDS = 0.5
_LONGEST_MOVE_SECONDS = 900


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed too often.

    Attributes:
        message_id: SQS's number of the message.
        sent_at: When it was first sent, UTC.
        receives: How often it was delivered.
        body: What it says.
        receipt: What SQS wants to delete it.
    """

    message_id: str
    sent_at: datetime
    receives: int
    body: str
    receipt: str

    @property
    def files(self) -> tuple[LandedFile, ...]:
        """The files that it is about; none of a message that cannot be read."""
        try:
            return landed_files(self.body)
        except PoisonMessageError:
            return ()


class DeadLetters:
    """The dead letters of a queue.

    Args:
        client: SQS client.
        queue_url: The dead-letter queue.
        origin_url: The queue that its messages came from.
    """

    def __init__(self, client: SQSClient, queue_url: str, origin_url: str) -> None:
        self._client = client
        self._queue_url = queue_url
        self._origin_url = origin_url

    def find(self, most: int = 1_000) -> list[DeadLetter]:
        """Look at the dead letters; they stay where they are.

        Args:
            most: The most of them.

        Returns:
            The letters, oldest first.

        Raises:
            LakehouseError: SQS refused.
        """
        found = list(self._received(most))
        for letter in found:
            self._show(letter)
        return sorted(found, key=lambda letter: letter.sent_at)

    def send_all_back(self) -> int:
        """Send everything back through SQS's own move task, and wait for its end.

        Returns:
            How many messages went back.

        Raises:
            LakehouseError: SQS refused, or the task failed.
        """
        arn = self._call("get_queue_attributes", QueueUrl=self._queue_url, AttributeNames=["QueueArn"])
        source = arn["Attributes"]["QueueArn"]
        self._call("start_message_move_task", SourceArn=source)
        limit = time.monotonic() + _LONGEST_MOVE_SECONDS
        while True:
            task = self._call("list_message_move_tasks", SourceArn=source, MaxResults=1)["Results"][0]
            moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
            if task["Status"] == "COMPLETED":
                return moved
            if task["Status"] != "RUNNING" or time.monotonic() > limit:
                raise ServiceUnavailableError(
                    f"Moving the dead letters of {source} is {task['Status']} after {moved} messages "
                    f"({task.get('FailureReason') or 'no reason given'}). Run it again: what has moved stays moved."
                )
            time.sleep(_POLL_SECONDS)

    def send_back(self, is_chosen: Callable[[DeadLetter], bool], most: int | None = None) -> int:
        """Send some back, each as a new message.

        Args:
            is_chosen: Which.
            most: The most of them, None for all; the oldest go first.

        Returns:
            How many went back.

        Raises:
            LakehouseError: SQS refused; what went back before is gone from the dead letters.
        """
        found = sorted(self._received(None), key=lambda letter: letter.sent_at)
        chosen = [letter for letter in found if is_chosen(letter)][:most]
        # Sent before it is deleted: a crash in between makes a second message, never none.
        for letter in chosen:
            self._call("send_message", QueueUrl=self._origin_url, MessageBody=letter.body)
            self._call("delete_message", QueueUrl=self._queue_url, ReceiptHandle=letter.receipt)
        sent = {letter.message_id for letter in chosen}
        for letter in found:
            if letter.message_id not in sent:
                self._show(letter)
        return len(chosen)

    def _received(self, most: int | None) -> Iterator[DeadLetter]:
        seen: set[str] = set()
        while most is None or len(seen) < most:
            answer = self._call(
                "receive_message",
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=_BATCH if most is None else min(_BATCH, most - len(seen)),
                VisibilityTimeout=_HIDDEN_SECONDS,
                AttributeNames=["All"],
                WaitTimeSeconds=1,
            )
            messages = [one for one in answer.get("Messages", []) if one["MessageId"] not in seen]
            if not messages:
                return
            for message in messages:
                seen.add(message["MessageId"])
                sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
                receives = int(message["Attributes"]["ApproximateReceiveCount"])
                yield DeadLetter(message["MessageId"], sent_at, receives, message["Body"], message["ReceiptHandle"])

    def _show(self, letter: DeadLetter) -> None:
        """Let others see a message again at once."""
        self._call(
            "change_message_visibility",
            QueueUrl=self._queue_url,
            ReceiptHandle=letter.receipt,
            VisibilityTimeout=0,
        )

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, f"Reading {self._queue_url} ({operation})") from error
        return answer
