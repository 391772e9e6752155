"""Which failures pass by themselves, and when the file is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import translate
from lakehouse.errors import PublishedMeanwhileError, ServiceUnavailableError, ThrottledError
from lakehouse.ingestion.messages import LandedFile

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from lakehouse.metadata.circuits import Circuits

MOST_ATTEMPTS = 5
# It may be the file that a process dies of: too large, or worse.
MOST_ATTEMPTS_OF_THE_DYING = 3
_FIRST_DELAY_SECONDS = 30
_LONGEST_DELAY_SECONDS = 900

# Names of errors that say: not now. Ours, and those that Step Functions gives to a service's refusal.
_TRANSIENT = frozenset(
    {
        *(kind.__name__ for kind in (PublishedMeanwhileError, ServiceUnavailableError, ThrottledError)),
        "ConversionAbandoned",
        "Glue.ConcurrentRunsExceededException",
        "Glue.InternalServiceException",
        "Glue.OperationTimeoutException",
        "Glue.ResourceNumberLimitExceededException",
        "Glue.ThrottlingException",
        "Lambda.AWSLambdaException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.SdkClientException",
        "Lambda.ServiceException",
        "Lambda.TooManyRequestsException",
    }
)
# Names of errors that say: the process that converted it died, or took too long.
_DYING = frozenset({"JobRunFailed", "Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"})


def is_transient(error_type: str) -> bool:
    """Whether the same file may be converted later.

    Args:
        error_type: Class name of an error of ours, or AWS's name for it, as a state machine reports it.

    Returns:
        True for throttling, lacking capacity, time-outs, errors of the service itself, and processes that died.
    """
    return most_attempts(error_type) > 1


def most_attempts(error_type: str) -> int:
    """How often a file is tried that fails like this.

    Args:
        error_type: As for ``is_transient``.

    Returns:
        The attempts, all in all; 1 where another try does not help.
    """
    if error_type in _DYING:
        return MOST_ATTEMPTS_OF_THE_DYING
    return MOST_ATTEMPTS if error_type in _TRANSIENT else 1


def dependency_of(error_type: str) -> str | None:
    """Who refused the work.

    Args:
        error_type: As for ``is_transient``.

    Returns:
        ``glue`` or ``lambda``; None where no engine is to blame.
    """
    service = error_type.partition(".")[0].lower()
    return service if error_type in _TRANSIENT and service in {"glue", "lambda"} else None


def backoff_seconds(tries: int) -> int:
    """For how long to wait before the next try: exponential, with full jitter, at most a quarter of an hour.

    Args:
        tries: Tries so far, from 1.

    Returns:
        Whole seconds, any number up to the limit: what failed together does not come back together.

    Source:
        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    limit = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2 ** (tries - 1))
    return random.randint(0, limit)  # noqa: S311 - jitter, not a secret


@dataclass(frozen=True, slots=True)
class Retries:
    """Has files tried again whose failure passes by itself.

    Attributes:
        circuits: The circuits of the engines.
        sqs: SQS client.
        queue_url: The queue of landed files.
    """

    circuits: Circuits
    sqs: SQSClient
    queue_url: str

    def note(self, landed: LandedFile, error_type: str, reason: str) -> bool:
        """Note a failure, and send the file back to the queue if it may succeed later.

        Args:
            landed: The file and the attempt that failed.
            error_type: As for ``is_transient``.
            reason: What the error says.

        Returns:
            Whether the file is tried again.

        Raises:
            TransientError: AWS did not take it: note it again.
        """
        dependency = dependency_of(error_type)
        if dependency is not None:
            self.circuits.refused(dependency, reason)
        if landed.attempt >= most_attempts(error_type):
            return False
        again = LandedFile(landed.bucket, landed.key, landed.version_id, landed.attempt + 1)
        delay = backoff_seconds(landed.attempt)
        try:
            self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=again.message, DelaySeconds=delay)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, f"Sending {landed.key} back to {self.queue_url}") from error
        return True
