"""What must still be under a key when an object is published there: S3's conditional writes.

S3 judges the condition and publishes in one step, when the last byte is there. So of two writers who both looked before
either published, the second is refused (412, or 404 where the object it saw was deleted), and can look again.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypedDict

from botocore.exceptions import ClientError

from lakehouse.aws_errors import error_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

# PutObject may be sent again after any of them, since it carries all its bytes.
REFUSALS = frozenset({"ConditionalRequestConflict", "NoSuchKey", "OperationAborted", "PreconditionFailed"})

# HEAD has no body, so the code is the bare status: 404 also for a delete marker; 403 for a key that is not there where
# the caller may not list the bucket, which no conversion may. A 403 that means something else makes the condition fail
# when S3 judges it: it never makes an object be overwritten.
_ABSENT = frozenset({"403", "404"})


class ConditionHeaders(TypedDict, total=False):
    """Arguments of PutObject and CompleteMultipartUpload."""

    IfMatch: str
    IfNoneMatch: str


@dataclass(frozen=True, slots=True)
class Precondition:
    """What was under a key, and must still be there for an object to take its place.

    Where KMS encrypts the bucket, as Terraform has it, every write has an ETag of its own. Elsewhere equal bytes have
    equal ETags: an object that was replaced and came back, byte for byte, counts as one that stayed.

    Attributes:
        etag: The object's ETag, None where there was no object.
    """

    etag: str | None

    @classmethod
    def of(cls, client: S3Client, bucket: str, key: str) -> Self:
        """See what is under a key now.

        Args:
            client: S3 client.
            bucket: Bucket.
            key: Key.

        Returns:
            The condition that it is still there.

        Raises:
            botocore.exceptions.ClientError: S3 did not say.
        """
        try:
            return cls(client.head_object(Bucket=bucket, Key=key)["ETag"])
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return cls(None)
            raise

    @property
    def headers(self) -> ConditionHeaders:
        """What a request says to be carried out under this condition only."""
        return {"IfNoneMatch": "*"} if self.etag is None else {"IfMatch": self.etag}


def headers_of(precondition: Precondition | None) -> ConditionHeaders:
    """What a request says.

    Args:
        precondition: The condition, None to publish over whatever is there.

    Returns:
        Arguments of PutObject and CompleteMultipartUpload.
    """
    return {} if precondition is None else precondition.headers


def is_published(client: S3Client, bucket: str, key: str, checksum: str, metadata: Mapping[str, str]) -> bool:
    """Whether the object under a key is the very one that was to be published there.

    The SDK sends a request again when the answer to the first was lost. The second is refused because the first
    succeeded.

    Args:
        client: S3 client.
        bucket: Bucket.
        key: Key.
        checksum: CRC32 of the object to be, base64.
        metadata: User metadata of the object to be: ``file-id`` tells equal bytes of two files apart.

    Returns:
        True where it is.
    """
    try:
        head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError:
        return False
    return head.get("ChecksumCRC32") == checksum and head["Metadata"].get("file-id") == metadata.get("file-id")
