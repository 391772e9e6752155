"""What the queue of landed files holds: S3's event notifications, and our own requests to try a file again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.parser import BaseModel, ValidationError
from pydantic import Field

from lakehouse.errors import PoisonMessageError
from lakehouse.metadata.identity import version_or_none

_CREATED = "ObjectCreated:"
_TEST = "s3:TestEvent"
# Messages of the queue are shown in errors and logs, but not as long as they may be (256 KiB).
_SHOWN = 500


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file that is to be converted.

    Attributes:
        bucket: Its bucket.
        key: Its key.
        version_id: Its version, None where the bucket has no versioning.
        attempt: The attempt to make.
    """

    bucket: str
    key: str
    version_id: str | None = None
    attempt: int = 1

    @property
    def message(self) -> str:
        """The message that asks for this attempt: the body of an SQS message."""
        return json.dumps({"retry": asdict(self)})


class _Object(BaseModel):
    key: str = Field(min_length=1)
    versionId: str | None = None  # noqa: N815 - S3's own name


class _Bucket(BaseModel):
    name: str = Field(min_length=1)


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    eventName: str  # noqa: N815 - S3's own name
    s3: _S3


class _Notification(BaseModel):
    Records: list[_Record]


class _Retry(BaseModel):
    bucket: str = Field(min_length=1)
    key: str = Field(min_length=1)
    version_id: str | None = None
    attempt: int = Field(ge=1)


def landed_files(body: str) -> tuple[LandedFile, ...]:
    """Read a message.

    Args:
        body: An SQS message's body.

    Returns:
        The files that it announces: none for S3's test event, and for events of anything but an object's creation.

    Raises:
        PoisonMessageError: It is neither S3's nor ours.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    try:
        content: Any = json.loads(body)
        if isinstance(content, dict) and content.get("Event") == _TEST:
            return ()
        if isinstance(content, dict) and "retry" in content:
            wanted = _Retry.model_validate(content["retry"])
            return (LandedFile(wanted.bucket, wanted.key, version_or_none(wanted.version_id), wanted.attempt),)
        notification = _Notification.model_validate(content)
    except (ValueError, ValidationError) as error:
        raise PoisonMessageError(
            f"A message of the queue is neither an event of S3 nor a request of ours: {body[:_SHOWN]!r} ({error}). "
            "Find out who sends to the queue; the message ends in the dead-letter queue (lakehouse failed)."
        ) from error
    return tuple(
        LandedFile(
            bucket=record.s3.bucket.name,
            # As in a form: spaces are plus signs.
            key=unquote_plus(record.s3.object.key),
            version_id=version_or_none(record.s3.object.versionId),
        )
        for record in notification.Records
        if record.eventName.removeprefix("s3:").startswith(_CREATED)
    )
