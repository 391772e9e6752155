"""From botocore's errors to ours, in one place, and the retry policy of every AWS client of this project.

botocore retries what is worth retrying (``client_config``); what it gives up on arrives here and leaves as a
``TransientError`` (the state machine tries again later) or a ``PermanentError`` (a person is told).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own name: the base of its time-outs and refused connections
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
)

from lakehouse.errors import (
    AccessDeniedError,
    FileVanishedError,
    LakehouseError,
    PermanentError,
    ServiceUnavailableError,
    ThrottledError,
)

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError

_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "AuthorizationError",
        "ExpiredToken",
        "ExpiredTokenException",
        "Forbidden",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "KMS.AccessDeniedException",
        "KMSAccessDenied",
        "NotAuthorized",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_OBJECT_GONE = frozenset({"NoSuchKey", "NoSuchVersion"})
# A refusal that says the service, not the request, is at fault, although it is not a 5xx.
_UNAVAILABLE = frozenset({"RequestTimeout", "RequestTimeoutException", "InternalError", "InternalServerError"})


def client_config(*, read_timeout_seconds: int = 60) -> Config:
    """The retry policy of every AWS client of this project.

    ``standard`` mode retries throttling, 5xx and connection errors with exponential backoff and full jitter, at most
    20 s apart; eight attempts span about a minute, which outlasts a DynamoDB or S3 partition split.

    Bodies of objects are sent with a CRC and not signed as well, over TLS the SDK's own choice where it computed the
    CRC itself: the SHA-256 of a body costs as much processor time as half of its conversion.

    Args:
        read_timeout_seconds: How long one request may take to answer.

    Returns:
        The configuration, for ``boto3.client(..., config=...)``.

    Source:
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
    """
    return Config(
        retries={"mode": "standard", "total_max_attempts": 8},
        connect_timeout=5,
        read_timeout=read_timeout_seconds,
        s3={"payload_signing_enabled": False},
    )


def error_code(error: ClientError | BotoCoreError) -> str:
    """The code AWS gave an error.

    Args:
        error: What botocore raised.

    Returns:
        For example ``NoSuchKey`` or ``404``; empty where no answer came.
    """
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def translate(error: ClientError | BotoCoreError, action: str) -> LakehouseError:
    """Turn botocore's error into ours.

    Usage: ``raise translate(error, f"reading s3://{bucket}/{key}") from error``.

    Args:
        error: What botocore raised, after its own retries.
        action: What was being done and on what, as in ``reading s3://bucket/key``: the message begins with it.

    Returns:
        ``ThrottledError`` or ``ServiceUnavailableError`` where trying again may help, ``AccessDeniedError``,
        ``FileVanishedError`` for an object that is gone, else a ``PermanentError`` with what AWS said.
    """
    action = action[:1].upper() + action[1:]
    if isinstance(error, ClientError):
        return _translate_answer(error, action)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | TokenRetrievalError):
        return AccessDeniedError(
            f"{action} failed: no usable AWS credentials were found ({error}). Log in to the environment's profile "
            "(aws sso login), or start the local endpoint (lakehouse up)."
        )
    if isinstance(error, ConnectionError | HTTPClientError):
        return ServiceUnavailableError(
            f"{action} failed: no answer ({error}). Check that the endpoint or the network is up, and try again."
        )
    return PermanentError(f"{action} failed: the request was not sent ({error}). Mend it: trying again cannot help.")


def _translate_answer(error: ClientError, action: str) -> LakehouseError:
    code = error_code(error)
    message = error.response.get("Error", {}).get("Message") or "no message"
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    tries = metadata.get("RetryAttempts", 0) + 1
    said = f"{action} failed: AWS answered {code} ({message})"
    if code in _THROTTLED or status == 429:
        return ThrottledError(
            f"{said} to {tries} attempts. Try again later, or lower the number of files converted at a time."
        )
    if code in _OBJECT_GONE:
        return FileVanishedError(f"{said}. The object or this version of it was deleted: upload it again.")
    if code == "NoSuchUpload":
        return ServiceUnavailableError(
            f"{said}. Somebody else aborted the upload, as the run of another version of the file may do. Try again."
        )
    if code in _DENIED or status == 403:
        return AccessDeniedError(f"{said}. Grant the permission to the role, or use a profile that has it.")
    if status >= 500 or code in _UNAVAILABLE:
        return ServiceUnavailableError(f"{said} to {tries} attempts. The service is unavailable for now: try again.")
    return PermanentError(f"{said}. The same request will be refused again: check that the resource is deployed.")
