"""The deployed file-conversion state machine, walked in this process, its tasks done by the functions' own handlers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from injector import Fault, FaultPlan, ProcessDiedError
from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError
from stage import Actor

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.job import ConversionJob, Converter
from lakehouse.functions import convert_file, record_failure, register_file, surroundings
from lakehouse.local.step_functions.interpreter import walk
from lakehouse.metadata.identity import version_or_none

_DEFINITIONS = Path(__file__).parents[2] / "terraform" / "modules" / "workflow"
_HANDLERS: Mapping[str, Any] = {
    "register_file": register_file.handler,
    "convert_file": convert_file.handler,
    "record_failure": record_failure.handler,
}
_EXECUTIONS = "arn:aws:states:us-east-1:000000000000:execution:file-conversion"
CONTEXT = SimpleNamespace(
    function_name="function", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:x", aws_request_id="1"
)


def _definition(file: str, files_table: str) -> dict[str, Any]:
    text = (_DEFINITIONS / file).read_text(encoding="utf-8").replace("${files_table}", files_table)
    text = text.replace("${file_conversion_executions_arn}", _EXECUTIONS)
    found: dict[str, Any] = json.loads(re.sub(r"\$\{(\w+?)(_arn)?\}", r"\1", text))
    return found


class SparkRunner(InProcessRunner):
    """The kernel without Spark: what the Glue job would do in its tasks."""

    engine = "spark"


class ConversionMachine:
    """Executes file-conversion, and the pipeline's part that starts it.

    Attributes:
        arn: The state machine.
        executed: The names of the executions so far: Step Functions takes each once.

    Args:
        machine_arn: A state machine of the endpoint that does nothing: it knows which names are taken.
        states: Step Functions client that nothing happens to.
        files_table: The table of the file records.
        dynamodb: DynamoDB client of the state machines themselves, which does not retry: the definitions do.
        plan: The faults that hold now.
        actor: Who works now.
    """

    def __init__(
        self,
        machine_arn: str,
        states: Any,
        files_table: str,
        dynamodb: Any,
        plan: Callable[[], FaultPlan | None],
        actor: Callable[[], Actor | None],
    ) -> None:
        self.executed: set[str] = set()
        self._running: set[str] = set()
        self.arn = machine_arn
        self._states = states
        self._conversion = _definition("file_conversion.json", files_table)
        pipeline = _definition("state_machine.json", files_table)
        self._file_of_run = pipeline["States"]["ConvertFiles"]["ItemProcessor"]
        self._dynamodb = dynamodb
        self._plan = plan
        self._actor = actor

    def started(self) -> list[str]:
        """The names of the executions that were started and that nobody has executed yet."""
        pages = self._states.get_paginator("list_executions").paginate(stateMachineArn=self.arn)
        return sorted({one["name"] for page in pages for one in page["executions"]} - self.executed)

    def execute(self, name: str) -> Any:
        """Execute file-conversion to its end.

        Args:
            name: The execution.

        Returns:
            Its output.

        Raises:
            StateError: It failed.
        """
        self.executed.add(name)
        self._running.add(name)
        arn = f"{self.arn.replace(':stateMachine:', ':execution:')}:{name}"
        given = json.loads(self._states.describe_execution(executionArn=arn)["input"])
        try:
            return _walk(self._conversion, f"{_EXECUTIONS}:{name}", given)
        finally:
            self._running.discard(name)

    def convert_in_run(self, file: dict[str, Any]) -> Any:
        """Do with a planned file what the pipeline's Map does.

        Args:
            file: The file.

        Returns:
            What the run is told of it.
        """
        return _walk(self._file_of_run, f"{_EXECUTIONS}:run", {"file": file, "run_id": "run"})

    def invoke(self, resource: str, arguments: dict[str, Any]) -> Any:
        """Do a task: what ``stepfunctions._invoke_resource`` is replaced by.

        Args:
            resource: The integration.
            arguments: Its arguments.

        Returns:
            Its result.
        """
        match resource.removeprefix("arn:aws:states:::"):
            case "lambda:invoke":
                return {"Payload": self._function(arguments["FunctionName"], arguments["Payload"])}
            case "glue:startJobRun.sync":
                return self._job(arguments["Arguments"])
            case "states:startExecution.sync:2":
                return self._child(arguments["Name"], arguments["Input"])
            case "aws-sdk:sfn:describeExecution":
                return self._described(arguments["ExecutionArn"].rpartition(":")[2])
            case "dynamodb:getItem":
                try:
                    return self._process(lambda: self._dynamodb.get_item(**arguments))
                except ClientError as error:
                    raise StateError(f"DynamoDB.{error.response['Error']['Code']}", str(error)) from error
                except (BotoCoreError, ProcessDiedError) as error:
                    raise StateError("DynamoDB.ServiceUnavailableException", str(error)) from error
        raise AssertionError(resource)

    def _child(self, name: str, given: dict[str, Any]) -> Any:
        try:
            self._states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(given))
        except self._states.exceptions.ExecutionAlreadyExists as error:
            raise StateError("StepFunctions.ExecutionAlreadyExistsException", str(error)) from error
        try:
            return {"Output": self.execute(name)}
        except StateError as error:
            cause = json.dumps({"Error": error.error, "Cause": error.cause, "Status": "FAILED"})
            raise StateError("States.TaskFailed", cause) from error

    def _described(self, name: str) -> Any:
        """Its end is not waited for: what was started and not executed yet is executed now."""
        if name in self.started():
            with suppress(StateError):
                self.execute(name)
        if name not in self.executed:
            raise StateError("Sfn.ExecutionDoesNotExistException", f"Execution Does Not Exist: {name}")
        return {"Status": "RUNNING" if name in self._running else "FAILED"}

    def _refuse(self, operation: str, refusals: Mapping[Fault, str]) -> None:
        """Let AWS refuse to start the work."""
        who, plan = self._actor(), self._plan()
        fault = plan.fault(who.name, operation) if plan and who else None
        if fault in refusals:
            raise StateError(refusals[fault], "injected")

    def _process(self, work: Callable[[], Any]) -> Any:
        """Do something in a process of its own, which may die."""
        try:
            return work()
        finally:
            who = self._actor()
            if who is not None:
                who.is_dead = False

    def _function(self, name: str, event: dict[str, Any]) -> Any:
        refusals = {Fault.THROTTLED: "TooManyRequestsException", Fault.SERVER_ERROR: "ServiceException"}
        self._refuse("lambda.Invoke", {fault: f"Lambda.{code}" for fault, code in refusals.items()})
        try:
            return self._process(lambda: _HANDLERS[name](event, CONTEXT))
        except ProcessDiedError as error:
            raise StateError("Runtime.ExitError", _cause("Runtime.ExitError", "signal: killed")) from error
        except Exception as error:
            raise StateError(type(error).__name__, _cause(type(error).__name__, str(error))) from error

    def _job(self, arguments: dict[str, str]) -> dict[str, str]:
        refusals = {Fault.THROTTLED: "ThrottlingException", Fault.SERVER_ERROR: "InternalServiceException"}
        self._refuse("glue.StartJobRun", {fault: f"Glue.{code}" for fault, code in refusals.items()})
        given = {name.removeprefix("--"): value for name, value in arguments.items()}
        job = ConversionJob(
            file_id=given["file_id"],
            bucket=given["bucket"],
            key=given["key"],
            version_id=version_or_none(given["version_id"]),
            attempt=int(given["attempt"]),
            execution_arn=given["execution_arn"],
            run_id=given["run_id"],
            job_run_id="jr_1",
        )
        converter = Converter(
            s3=surroundings.s3(),
            records=surroundings.records(),
            contracts=ContractCatalog.packaged(),
            processed_bucket=surroundings.settings().processed_bucket,
        )
        try:
            self._process(lambda: converter.convert(job, SparkRunner(surroundings.s3())))
        except (Exception, ProcessDiedError) as error:
            message = f"{type(error).__name__}: {error}"
            if isinstance(error, ProcessDiedError):
                message = "Command failed with exit code 137"
            run = {"JobRunState": "FAILED", "Id": "jr_1", "JobName": "job", "ErrorMessage": message}
            raise StateError("States.TaskFailed", json.dumps(run)) from error
        return {"JobRunState": "SUCCEEDED"}


def _walk(machine: dict[str, Any], arn: str, given: dict[str, Any]) -> Any:
    name = arn.rpartition(":")[2]
    record = {"events": [], "executionArn": arn, "stateMachineArn": "none", "name": name}
    context = {"Execution": {"Id": arn, "Name": name, "Input": given}, "variables": {}}
    return walk(machine["States"], machine["StartAt"], given, record, context)


def _cause(error_type: str, message: str) -> str:
    return json.dumps({"errorType": error_type, "errorMessage": message})


def install(monkeypatch: Any, machine: ConversionMachine) -> None:
    """Have the walk's tasks done by a machine, and its waits take no time."""
    monkeypatch.setattr(stepfunctions, "_invoke_resource", machine.invoke)
    monkeypatch.setattr(stepfunctions, "_SFN_WAIT_SCALE", 0.0)
