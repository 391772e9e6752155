"""Messages that failed too often: looking at them, and sending them back once the cause is mended.

SQS shows messages only by receiving them, which hides them from everybody else for a while. So whoever looks shows them
again, and what is hidden by somebody else is counted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.errors import PermanentError, PoisonMessageError, ServiceUnavailableError
from lakehouse.ingestion.messages import LandedFile, landed_files
from lakehouse.metadata.attribute_values import utc_now

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH = 10
# While the messages are looked through, nobody else sees them. Nobody looks for longer than half of it, so that what
# was received first still is hidden, and its receipt good, when the last one has come.
_HIDDEN_SECONDS = 120
_LONGEST_LOOK_SECONDS = 60
_POLL_SECONDS = 0.5
_LONGEST_MOVE_SECONDS = 840
_TASK_RUNS = frozenset({"AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation"})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed too often.

    Attributes:
        message_id: SQS's number of the message.
        sent_at: When it was first sent, UTC.
        receives: How often it was delivered, looks at the dead letters included.
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


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters; all of them without any wish.

    Attributes:
        older_than: Only those that were sent longer ago.
        younger_than: Only those that were sent since.
        key: Only those about a file whose key, or name, is like this: ``*`` and ``?`` stand for any text and letter.
        count: The most of them, the oldest first.
    """

    older_than: timedelta | None = None
    younger_than: timedelta | None = None
    key: str | None = None
    count: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Choice()

    def of(self, letters: Iterable[DeadLetter], now: datetime) -> list[DeadLetter]:
        """Choose.

        Args:
            letters: The letters.
            now: The time, UTC.

        Returns:
            The chosen ones, oldest first.
        """
        fitting = [letter for letter in letters if self._fits(letter, now)]
        return sorted(fitting, key=lambda letter: letter.sent_at)[: self.count]

    def _fits(self, letter: DeadLetter, now: datetime) -> bool:
        age = now - letter.sent_at
        if self.older_than is not None and age < self.older_than:
            return False
        if self.younger_than is not None and age > self.younger_than:
            return False
        pattern = self.key
        return pattern is None or any(_is_like(landed.key, pattern) for landed in letter.files)


def _is_like(key: str, pattern: str) -> bool:
    return fnmatchcase(key, pattern) or fnmatchcase(key.rpartition("/")[2], pattern)


class DeadLetters:
    """The dead letters of a queue.

    Args:
        client: SQS client.
        queue_url: The dead-letter queue.
        origin_url: The queue that its messages came from.
        clock: Tells the time, UTC.
    """

    def __init__(
        self, client: SQSClient, queue_url: str, origin_url: str, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._origin_url = origin_url
        self._clock = clock

    @classmethod
    def of_queue(cls, client: SQSClient, origin_url: str) -> Self:
        """The dead letters of a queue, which its redrive policy names.

        Args:
            client: SQS client.
            origin_url: The queue.

        Returns:
            Its dead letters.

        Raises:
            LakehouseError: SQS refused, or the queue has none.
        """
        answer = _call(client, "get_queue_attributes", QueueUrl=origin_url, AttributeNames=["RedrivePolicy"])
        policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy") or "{}")
        name = str(policy.get("deadLetterTargetArn") or "").rpartition(":")[2]
        if not name:
            raise PermanentError(f"{origin_url} has no dead-letter queue. Deploy it: modules/ingestion makes one.")
        return cls(client, str(_call(client, "get_queue_url", QueueName=name)["QueueUrl"]), origin_url)

    def count(self) -> int:
        """Count the dead letters, those that somebody else is looking at too; SQS counts roughly.

        Returns:
            How many there are.

        Raises:
            LakehouseError: SQS refused.
        """
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._call("get_queue_attributes", AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def find(self, most: int = 1_000) -> list[DeadLetter]:
        """Look at the dead letters; they stay where they are.

        Args:
            most: The most of them.

        Returns:
            The letters, oldest first; without those that somebody else is looking at.

        Raises:
            LakehouseError: SQS refused.
        """
        held: dict[str, DeadLetter] = {}
        try:
            self._receive(held, most)
        finally:
            self._show(held.values())
        return sorted(held.values(), key=lambda letter: letter.sent_at)

    def redrive(self, choice: Choice) -> int:
        """Send dead letters back to their queue.

        Args:
            choice: Which. Everything goes by SQS's own move task; a choice is made among what can be received within a
                minute, which is some thousands of messages: of a longer queue, do it again.

        Returns:
            How many went back.

        Raises:
            LakehouseError: SQS refused. What went back before stays gone; do it again for the others.
        """
        return self._move_all() if choice.is_everything else self._send_back(choice)

    def _move_all(self) -> int:
        """Have SQS move everything, and wait for the end.

        Source:
            https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
        """
        arn = self._call("get_queue_attributes", AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        try:
            self._client.start_message_move_task(SourceArn=arn)
        except (ClientError, BotoCoreError) as error:
            # Somebody else, or this call before its answer was lost, has started it.
            if error_code(error) not in _TASK_RUNS:
                raise translate(error, f"Moving the dead letters of {self._queue_url}") from error
        limit = time.monotonic() + _LONGEST_MOVE_SECONDS
        while True:
            task = _call(self._client, "list_message_move_tasks", SourceArn=arn, MaxResults=1)["Results"][0]
            moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
            if task["Status"] == "COMPLETED":
                return moved
            if task["Status"] != "RUNNING" or time.monotonic() > limit:
                raise ServiceUnavailableError(
                    f"Moving the dead letters of {arn} is {task['Status']} after {moved} messages "
                    f"({task.get('FailureReason') or 'no reason given'}). Run it again: what has moved stays moved."
                )
            time.sleep(_POLL_SECONDS)

    def _send_back(self, choice: Choice) -> int:
        held: dict[str, DeadLetter] = {}
        try:
            self._receive(held, None)
            chosen = choice.of(held.values(), self._clock())
            for letter in chosen:
                # Sent before it is deleted: a crash in between makes a second message, never none.
                _call(self._client, "send_message", QueueUrl=self._origin_url, MessageBody=letter.body)
                self._call("delete_message", ReceiptHandle=letter.receipt)
                del held[letter.message_id]
        finally:
            self._show(held.values())
        return len(chosen)

    def _receive(self, held: dict[str, DeadLetter], most: int | None) -> None:
        """Receive messages until none comes any more; what was received is held also where SQS fails meanwhile."""
        limit = time.monotonic() + _LONGEST_LOOK_SECONDS
        while (most is None or len(held) < most) and time.monotonic() < limit:
            answer = self._call(
                "receive_message",
                MaxNumberOfMessages=_BATCH if most is None else min(_BATCH, most - len(held)),
                VisibilityTimeout=_HIDDEN_SECONDS,
                AttributeNames=["All"],
                # Waiting asks all of SQS's servers: without it, some messages may not be found.
                WaitTimeSeconds=1,
            )
            if not answer.get("Messages"):
                return
            # One that comes a second time, as SQS may deliver, has a new receipt.
            held |= {message["MessageId"]: _letter(message) for message in answer["Messages"]}

    def _show(self, letters: Iterable[DeadLetter]) -> None:
        """Let others see messages again at once; those for which that fails are seen when their time is over."""
        for some in _batches(letters):
            entries = [
                {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for number, letter in enumerate(some)
            ]
            self._call("change_message_visibility_batch", Entries=entries)

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return _call(self._client, operation, QueueUrl=self._queue_url, **arguments)


def _letter(message: Mapping[str, Any]) -> DeadLetter:
    attributes = message["Attributes"]
    return DeadLetter(
        message_id=message["MessageId"],
        sent_at=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC),
        receives=int(attributes["ApproximateReceiveCount"]),
        body=message["Body"],
        receipt=message["ReceiptHandle"],
    )


def _batches(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    remaining = iter(letters)
    while some := list(islice(remaining, _BATCH)):
        yield some


def _call(client: SQSClient, operation: str, **arguments: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = getattr(client, operation)(**arguments)
    except (ClientError, BotoCoreError) as error:
        raise translate(error, f"Asking SQS ({operation} {arguments.get('QueueUrl', '')})") from error
    return answer
