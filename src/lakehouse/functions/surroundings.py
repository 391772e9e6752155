"""What every handler has around it: the deployed resources' names, one client a service, the log, the trace.

Everything is made at the first call and kept for the next ones, as long as Lambda keeps the process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Tracer

from lakehouse.aws_errors import client_config
from lakehouse.errors import LakehouseError, PermanentError
from lakehouse.metadata.circuits import Circuits
from lakehouse.metadata.files import FileRecords
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

    from lakehouse.alerting.notifications import Notifications
    from lakehouse.ingestion.retries import Retries

Event = Mapping[str, Any]
Answer = dict[str, Any]

# What Lambda says of the invocation that goes on.
_invocation: ContextVar[LambdaContext | None] = ContextVar("lakehouse_invocation", default=None)

# On every line of the log, so that one query follows a file through all components.
_LOGGED = ("run_id", "file_id", "key", "attempt")


@cache
def settings() -> Settings:
    """The names of the deployed resources, from the function's environment."""
    return Settings.from_environment()


@cache
def s3() -> S3Client:
    """The S3 client."""
    return boto3.client("s3", config=client_config())


@cache
def records() -> FileRecords:
    """The file records."""
    return FileRecords(boto3.client("dynamodb", config=client_config()), settings().files_table)


@cache
def circuits() -> Circuits:
    """The circuit breakers."""
    return Circuits(boto3.client("dynamodb", config=client_config()), settings().circuits_table)


@cache
def retries() -> Retries:
    """What has files tried again."""
    from lakehouse.ingestion.retries import Retries

    return Retries(circuits(), sqs(), settings().landed_queue_url)


@cache
def notifications() -> Notifications:
    """What tells people about what happened, once."""
    from lakehouse.alerting.alerts import Severity
    from lakehouse.alerting.notifications import Notifications

    known = settings()
    topics = {
        Severity.INFO: known.info_topic_arn,
        Severity.WARNING: known.warning_topic_arn,
        Severity.CRITICAL: known.critical_topic_arn,
    }
    client = boto3.client("dynamodb", config=client_config())
    return Notifications(client, known.notifications_table, sns(), topics)


@cache
def sns() -> SNSClient:
    """The SNS client."""
    return boto3.client("sns", config=client_config())


@cache
def sqs() -> SQSClient:
    """The SQS client."""
    return boto3.client("sqs", config=client_config())


@cache
def states() -> SFNClient:
    """The Step Functions client."""
    return boto3.client("stepfunctions", config=client_config())


@cache
def log() -> Logger:
    """The log of the function."""
    # No location: it would be this file's for every function. The time as the Glue job's log writes it.
    return Logger(location=None, utc=True, use_rfc3339=True)


@cache
def trace() -> Tracer:
    """The trace of the function."""
    return Tracer()


def handles(work: Callable[[Event], Answer]) -> Callable[[Event, LambdaContext], Answer]:
    """Make a Lambda handler of a function from event to answer.

    The event and the answer, or the error, are logged as one JSON line each, with the run and the file on both; the
    call is a segment of the trace. An error leaves as it is: Lambda reports its class name as ``errorType``, which
    the state machine's Retry and Catch name.

    Args:
        work: Does the work.

    Returns:
        The handler.
    """

    def logged(event: Event, context: LambdaContext) -> Answer:
        _invocation.set(context)
        logger = log()
        logger.append_keys(**{name: event[name] for name in _LOGGED if event.get(name) is not None})
        logger.info("started", extra={"event": dict(event)})
        try:
            answer = work(event)
        except LakehouseError as error:
            # A refusal, not a crash: the message says it all, and what it came from is named where there is something.
            cause = {"caused_by": repr(error.__cause__)} if error.__cause__ else {}
            logger.error("failed", extra={"error_type": type(error).__name__, "reason": str(error)} | cause)  # noqa: TRY400
            raise
        except Exception as error:
            logger.exception("failed", extra={"error_type": type(error).__name__, "reason": str(error)})
            raise
        logger.append_keys(**{name: answer[name] for name in _LOGGED if answer.get(name) is not None})
        logger.info("done", extra={"answer": {name: value for name, value in answer.items() if name != "files"}})
        return answer

    @wraps(work)
    def handler(event: Event, context: LambdaContext) -> Answer:
        observed = log().inject_lambda_context(logged, clear_state=True)
        answer: Answer = trace().capture_lambda_handler(observed)(event, context)
        return answer

    return handler


def seconds_left() -> float:
    """How long the invocation may still take.

    Returns:
        Seconds; without an end where no Lambda runs the work.

    Source:
        https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """
    context = _invocation.get()
    return math.inf if context is None else context.get_remaining_time_in_millis() / 1000


def require(event: Event, name: str) -> str:
    """Read a text that an event must have.

    Args:
        event: The event.
        name: The text's name.

    Returns:
        The text.

    Raises:
        PermanentError: It is missing or empty.
    """
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise PermanentError(
            f"The event lacks {name}: it has {', '.join(sorted(event)) or 'nothing'}. "
            "Start the state machine with the input that its comment describes."
        )
    return value
