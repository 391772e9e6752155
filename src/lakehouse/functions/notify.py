"""Tells people what happened: of records that changed (DynamoDB Streams), of executions that died (EventBridge)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools.metrics import MetricUnit, single_metric
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.parser import BaseModel, ValidationError
from pydantic import Field

from lakehouse.alerting.alerts import Alert, Execution, of_execution, of_file, of_run
from lakehouse.errors import PoisonMessageError
from lakehouse.functions import surroundings
from lakehouse.metadata.attribute_values import Item, deserialize
from lakehouse.metadata.file_record import FileRecord, FileStatus
from lakehouse.metadata.pipeline_runs import PipelineRun, RunStatus

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lakehouse.functions.surroundings import Answer, Event

_METRIC = "AlertsSent"
# Messages are shown in errors and logs, but not as long as they may be.
_SHOWN = 500


class _Detail(BaseModel):
    executionArn: str  # noqa: N815 - Step Functions' own name
    stateMachineArn: str  # noqa: N815 - Step Functions' own name
    status: str
    input: str | None = None
    error: str | None = None
    cause: str | None = None


class _StatusChange(BaseModel):
    detail_type: Literal["Step Functions Execution Status Change"] = Field(alias="detail-type")
    detail: _Detail


def alert_of_change(record: DynamoDBRecord) -> Alert | None:
    """The alert of a record that changed: as it was then, whatever became of it since.

    Args:
        record: A change in the table of the files or of the pipeline runs, with its new image.

    Returns:
        The alert; None where there is nothing to tell: a file that is tried again by itself, a run that goes on.

    Raises:
        PoisonMessageError: The record is of another table, or cannot be read.
    """
    image = (record.raw_event.get("dynamodb") or {}).get("NewImage")
    if not image:
        return None
    arn = record.event_source_arn or ""
    table = arn.partition(":table/")[2].partition("/")[0]
    try:
        return _alert_of(table, deserialize(image))
    except (KeyError, TypeError, ValueError) as error:
        raise PoisonMessageError(
            f"A change in {arn or 'no table'} cannot be told: {error!r} ({str(image)[:_SHOWN]}). The function knows "
            "the tables of the files and of the pipeline runs: mend the record, or the event source mapping."
        ) from error


def _alert_of(table: str, item: Item) -> Alert | None:
    settings = surroundings.settings()
    if table == settings.files_table:
        file = FileRecord.from_item(item)
        return of_file(file) if file.status is FileStatus.FAILED and file.next_attempt is None else None
    if table == settings.pipeline_runs_table:
        run = PipelineRun.from_item(item)
        return None if run.status is RunStatus.RUNNING else of_run(run)
    raise KeyError(table)


def alert_of_event(event: Event) -> Alert:
    """The alert of an execution that ended without a record.

    Args:
        event: EventBridge's "Step Functions Execution Status Change".

    Returns:
        The alert.

    Raises:
        PoisonMessageError: It is another event.

    Source:
        https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    try:
        detail = _StatusChange.model_validate(dict(event)).detail
    except ValidationError as error:
        raise PoisonMessageError(
            f"An event is no change of an execution's status: {error} ({str(dict(event))[:_SHOWN]}). "
            "Invoke the function by its event source mappings and its rule only."
        ) from error
    return of_execution(
        Execution(detail.executionArn, detail.stateMachineArn, detail.status, detail.input, detail.error, detail.cause)
    )


def _send(alert: Alert) -> None:
    is_sent = surroundings.notifications().send(alert)
    surroundings.log().info(
        "told" if is_sent else "told before", extra={"alert": alert.key, "severity": alert.severity}
    )
    if is_sent:
        with single_metric(name=_METRIC, unit=MetricUnit.Count, value=1) as metric:
            metric.add_dimension(name="severity", value=alert.severity.value)


def _tell(record: DynamoDBRecord) -> None:
    try:
        alert = alert_of_change(record)
        if alert is not None:
            _send(alert)
    except Exception as error:
        # The batch goes on; the stream delivers again from this record on.
        surroundings.log().exception("failed", extra={"error_type": type(error).__name__, "reason": str(error)})
        raise


def _work(event: Event, context: LambdaContext) -> Any:
    if "Records" not in event:
        alert = alert_of_event(event)
        _send(alert)
        return {"alert": alert.key}
    return process_partial_response(
        event=dict(event),
        record_handler=_tell,
        processor=BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False),
        context=context,
    )


def handler(event: Event, context: LambdaContext) -> Answer:
    """Tell people, each thing once.

    Args:
        event: A batch of a DynamoDB stream's event source mapping, or an event of EventBridge.
        context: Lambda's context.

    Returns:
        ``batchItemFailures``: from where on the stream delivers again; or ``alert``, the key of what an event told.

    Raises:
        LakehouseError: The alert of EventBridge's event could not be sent: Lambda invokes again.
    """
    observed = surroundings.log().inject_lambda_context(_work, clear_state=True)
    answer: Answer = surroundings.trace().capture_lambda_handler(observed)(event, context)
    return answer
