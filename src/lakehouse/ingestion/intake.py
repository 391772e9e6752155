"""Takes files in: each is registered once, refused with a reason, parked, or handed to one execution."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import error_code, translate
from lakehouse.errors import PermanentError, RecordNotFoundError, StatusConflictError
from lakehouse.ingestion.messages import LandedFile
from lakehouse.metadata.circuits import Circuits, Outcome
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.identity import execution_name, version_text

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

    from lakehouse.functions.surroundings import Answer
    from lakehouse.metadata.files import FileRecords

# What each engine of a file depends on.
_DEPENDENCIES = {"spark": "glue", "in_process": "lambda"}
# SQS delays a message for so long at most; one that is parked for longer is parked again.
_LONGEST_DELAY_SECONDS = 900


class Decision(StrEnum):
    """What became of a landed file."""

    STARTED = "STARTED"
    NEEDLESS = "NEEDLESS"
    REFUSED = "REFUSED"
    PARKED = "PARKED"


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes files in.

    Attributes:
        register: Registers a file and looks at its footer, see ``functions.register_file.register``.
        record_failure: Records why a file was refused, see ``functions.record_failure.record``.
        records: The file records.
        circuits: The circuits of the engines.
        states: Step Functions client.
        sqs: SQS client.
        state_machine_arn: The file-conversion state machine.
        queue_url: The queue of landed files, which parked files go back to.
    """

    register: Callable[[LandedFile], Answer]
    record_failure: Callable[[LandedFile, PermanentError], Answer]
    records: FileRecords
    circuits: Circuits
    states: SFNClient
    sqs: SQSClient
    state_machine_arn: str
    queue_url: str

    def take(self, landed: LandedFile) -> Decision:
        """Take a file in. However often and in whatever order this is called for a file, it is converted once.

        Args:
            landed: The file.

        Returns:
            What became of it.

        Raises:
            TransientError: AWS did not do its part: the message is to be delivered again.
        """
        try:
            registered = self.register(landed)
        except StatusConflictError:
            # This attempt has failed, or another execution has the file: an event that comes late or twice.
            return Decision.NEEDLESS
        except PermanentError as error:
            self.record_failure(landed, error)
            return Decision.REFUSED
        if registered["status"] != FileStatus.REGISTERED:
            return Decision.NEEDLESS
        wait = self._wait_seconds(str(registered["engine"]), str(registered["file_id"]))
        if wait:
            self._park(landed, wait)
            return Decision.PARKED
        return self._start(landed, registered)

    def _wait_seconds(self, engine: str, file_id: str) -> int:
        return self.circuits.wait_seconds(_DEPENDENCIES[engine], file_id, self._outcome_of)

    def _outcome_of(self, file_id: str) -> Outcome:
        """A conversion that runs or is done was taken by its engine."""
        try:
            status = self.records.get(file_id).status
        except RecordNotFoundError:
            return Outcome.UNKNOWN
        return Outcome.TAKEN if status in {FileStatus.RUNNING, FileStatus.SUCCEEDED} else Outcome.UNKNOWN

    def _park(self, landed: LandedFile, seconds: int) -> None:
        """Send the file back as a new message: a receive is not spent on waiting."""
        try:
            self.sqs.send_message(
                QueueUrl=self.queue_url, MessageBody=landed.message, DelaySeconds=min(seconds, _LONGEST_DELAY_SECONDS)
            )
        except (ClientError, BotoCoreError) as error:
            raise translate(error, f"Parking {landed.key} in {self.queue_url}") from error

    def _start(self, landed: LandedFile, registered: Answer) -> Decision:
        name = execution_name(str(registered["file_id"]), landed.attempt)
        wanted = {
            "bucket": landed.bucket,
            "key": landed.key,
            "version_id": version_text(registered["version_id"]),
            "attempt": landed.attempt,
            "run_id": name,
        }
        try:
            self.states.start_execution(
                stateMachineArn=self.state_machine_arn, name=name, input=json.dumps(wanted, sort_keys=True)
            )
        except ClientError as error:
            # The same start came twice, or the daily run was faster: that execution converts the file.
            if error_code(error) == "ExecutionAlreadyExists":
                return Decision.NEEDLESS
            raise translate(error, f"Starting the conversion of {landed.key}") from error
        except BotoCoreError as error:
            raise translate(error, f"Starting the conversion of {landed.key}") from error
        return Decision.STARTED
