"""ResultWriter: what became of the child executions of a distributed Map, as files in S3.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import IO, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local import place
from lakehouse.local.roles import session_credentials
from lakehouse.local.step_functions.history import Execution
from lakehouse.local.step_functions.json_path import Json

_FAILED = "States.ResultWriterFailed"
_RESOURCE = "arn:aws:states:::s3:putObject"
_IN_MEMORY = 1024**2
# The files' names by the status of the executions in them; those that never began are PENDING, and stay empty here.
_FILES = ("SUCCEEDED", "FAILED", "PENDING")


def problems_of(writer: Mapping[str, Any]) -> Iterator[str]:
    """Name what is not executed here.

    Args:
        writer: A Map's ``ResultWriter``.

    Yields:
        One sentence a problem.
    """
    if writer.get("Resource") != _RESOURCE:
        resource = writer.get("Resource")
        yield f"ResultWriter's resource {resource} is not executed by the local endpoint; use {_RESOURCE}"
    configuration = writer.get("WriterConfig") or {}
    if configuration.get("OutputType", "JSON") != "JSON" or configuration.get("Transformation", "NONE") != "NONE":
        yield (
            "ResultWriter's WriterConfig is executed by the local endpoint with OutputType JSON and Transformation "
            "NONE only"
        )


class ResultWriter:
    """Writes the results of one Map Run, below a folder of its own.

    Args:
        arguments: ``Bucket`` and, if need be, ``Prefix``.
        map_run_arn: The Map Run.
        role: The state machine's role, as which it writes.
    """

    def __init__(self, arguments: Mapping[str, Any], map_run_arn: str, role: str) -> None:
        self._bucket = str(arguments.get("Bucket", ""))
        prefix = str(arguments.get("Prefix") or "").rstrip("/")
        number = map_run_arn.rpartition(":")[2]
        self._folder = f"{prefix}/{number}" if prefix else number
        self._map_run_arn = map_run_arn
        here = place.current()
        credentials = session_credentials(role, f"map-run-{number}")
        # A session of its own: boto3's default one is not safe across threads.
        session: Any = boto3.Session(
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials["AWS_SESSION_TOKEN"],
            region_name=here.region,
        )
        config = Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 3})
        self._client = session.client("s3", endpoint_url=here.url, config=config)

    def write(self, children: Iterable[Execution]) -> Json:
        """Write the results and their manifest.

        Args:
            children: The child executions that ended.

        Returns:
            The Map's result: ``MapRunArn`` and ``ResultWriterDetails``.

        Raises:
            StateError: ``States.ResultWriterFailed``: S3 refused.
        """
        manifest_key = f"{self._folder}/manifest.json"
        try:
            files = self._write_results(children)
            manifest = {
                "DestinationBucket": self._bucket,
                "MapRunArn": self._map_run_arn,
                "ResultFiles": {status: files.get(status, []) for status in sorted(_FILES)},
            }
            self._client.put_object(Bucket=self._bucket, Key=manifest_key, Body=json.dumps(manifest).encode())
        except (ClientError, BotoCoreError) as error:
            raise StateError(_FAILED, f"Writing to s3://{self._bucket}/{self._folder}/ failed: {error}") from error
        return {
            "MapRunArn": self._map_run_arn,
            "ResultWriterDetails": {"Bucket": self._bucket, "Key": manifest_key},
        }

    def _write_results(self, children: Iterable[Execution]) -> dict[str, list[Json]]:
        written: dict[str, IO[bytes]] = {}
        try:
            for child in children:
                status = "SUCCEEDED" if child["status"] == "SUCCEEDED" else "FAILED"
                if status not in written:
                    written[status] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed below
                file = written[status]
                file.write(b"," if file.tell() else b"[")
                file.write(json.dumps(_described(child)).encode())
            return {status: [self._upload(status, file)] for status, file in written.items()}
        finally:
            for file in written.values():
                file.close()

    def _upload(self, status: str, file: IO[bytes]) -> Json:
        file.write(b"]")
        size = file.tell()
        file.seek(0)
        key = f"{self._folder}/{status}_0.json"
        self._client.upload_fileobj(file, self._bucket, key)
        return {"Key": key, "Size": size}


def _described(child: Execution) -> Json:
    described = {
        "ExecutionArn": child["executionArn"],
        "Input": child["input"],
        "InputDetails": {"Included": True},
        "Name": child["name"],
        "RedriveCount": 0,
        "RedriveStatus": "NOT_REDRIVABLE",
        "StartDate": _moment(child["startDate"]),
        "StateMachineArn": child["stateMachineArn"],
        "Status": child["status"],
        "StopDate": _moment(child["stopDate"]),
    }
    if child["status"] == "SUCCEEDED":
        return described | {"Output": child["output"], "OutputDetails": {"Included": True}}
    return described | {"Error": child.get("error", ""), "Cause": child.get("cause", "")}


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).isoformat(timespec="milliseconds").replace("+00:00", "Z")
