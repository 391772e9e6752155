"""Takes in what landed: from S3's events in the queue to executions of file-conversion."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.errors import PermanentError, PoisonMessageError
from lakehouse.functions import record_failure, surroundings
from lakehouse.functions.register_file import Registration, register
from lakehouse.functions.surroundings import Answer, Event
from lakehouse.ingestion.intake import Intake
from lakehouse.ingestion.messages import LandedFile, landed_files
from lakehouse.ingestion.retries import backoff_seconds

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext


def _register(landed: LandedFile) -> Answer:
    wanted = Registration(landed.bucket, landed.key, landed.version_id, landed.attempt)
    return register(wanted, surroundings.s3(), surroundings.records(), ContractCatalog.packaged())


def _record_failure(landed: LandedFile, error: PermanentError) -> Answer:
    failed = {"Error": type(error).__name__, "Cause": str(error)}
    event = {
        "bucket": landed.bucket,
        "key": landed.key,
        "version_id": landed.version_id,
        "attempt": landed.attempt,
        "error": failed,
    }
    return record_failure.record(event, surroundings.records(), surroundings.retries())


@cache
def intake() -> Intake:
    """Everything that taking a file in needs."""
    settings = surroundings.settings()
    return Intake(
        register=_register,
        record_failure=_record_failure,
        records=surroundings.records(),
        circuits=surroundings.circuits(),
        states=surroundings.states(),
        sqs=surroundings.sqs(),
        state_machine_arn=settings.file_conversion_arn,
        queue_url=settings.landed_queue_url,
    )


def _take(record: SQSRecord) -> None:
    logger = surroundings.log()
    try:
        for landed in landed_files(record.body):
            decision = intake().take(landed)
            logger.info("taken in", extra={"decision": decision.value, "key": landed.key, "attempt": landed.attempt})
    except Exception as error:
        # The batch goes on; this message is delivered again.
        logger.exception("failed", extra={"error_type": type(error).__name__, "reason": str(error)})
        _deliver_again(record, error)
        raise


def _deliver_again(record: SQSRecord, error: Exception) -> None:
    """Deliver a message again when it may succeed: the queue by itself waits for as long as a batch may take."""
    receives = int(record.attributes.approximate_receive_count)
    # What nobody can read does not get better by waiting: it is a dead letter soon, and people are told.
    delay = 0 if isinstance(error, PoisonMessageError) else backoff_seconds(receives)
    try:
        surroundings.sqs().change_message_visibility(
            QueueUrl=surroundings.settings().landed_queue_url,
            ReceiptHandle=record.receipt_handle,
            VisibilityTimeout=delay,
        )
    except (BotoCoreError, ClientError) as refusal:
        # It comes again all the same, when the queue shows it.
        surroundings.log().warning("delivered again later", extra={"reason": str(refusal)})


def handler(event: Event, context: LambdaContext) -> Any:
    """Take in the files of a batch of messages.

    Args:
        event: A batch of an SQS event source mapping.
        context: Lambda's context.

    Returns:
        ``batchItemFailures``: the messages to deliver again.
    """
    return process_partial_response(
        event=dict(event),
        record_handler=_take,
        processor=BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False),
        context=context,
    )
