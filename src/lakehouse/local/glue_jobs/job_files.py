"""What a job has in S3, read as its role: the script, and the wheels that all its runs share.

Unpacking and compiling the wheels takes seconds, so it begins when the job is created or changed; a run that starts
meanwhile waits for the rest of it.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.errors import LakehouseError, PrerequisiteError
from lakehouse.local import place
from lakehouse.local.glue_jobs import arguments as job_arguments
from lakehouse.local.glue_jobs import python_runtime
from lakehouse.local.roles import session_credentials

_log = logging.getLogger(__name__)


class JobFiles:
    """Reads S3 with a job's role.

    Args:
        role: The role's ARN or name.
        session_name: Who reads: a job run's id.

    Attributes:
        credentials: The role's session, as environment variables.
    """

    def __init__(self, role: str, session_name: str) -> None:
        self._place = place.current()
        self.credentials = session_credentials(role, session_name)

    @cached_property
    def s3(self) -> Any:
        """A boto3 S3 client with the role's session."""
        # A session of its own: boto3's default one is not safe across threads.
        session: Any = boto3.Session(
            aws_access_key_id=self.credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self.credentials["AWS_SESSION_TOKEN"],
            region_name=self._place.region,
        )
        return session.client("s3", endpoint_url=self._place.url, config=Config(s3={"addressing_style": "path"}))

    def read(self, location: str) -> bytes:
        """Read an object.

        Args:
            location: Its ``s3://`` address.

        Returns:
            Its content.

        Raises:
            PrerequisiteError: It is not there, or the role may not read it.
        """
        bucket, key = _bucket_and_key(location)
        try:
            body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise _unreadable(location) from error
        return body

    def python(self, arguments: Mapping[str, str]) -> tuple[Path, list[Path]]:
        """The interpreter of a run and the folders of its modules, made where that was not done yet.

        Args:
            arguments: The run's merged arguments.

        Returns:
            The interpreter, and the entries of ``PYTHONPATH``.

        Raises:
            PrerequisiteError: A wheel is missing or unfit.
        """
        cache = self._place.home / "glue"
        interpreter = python_runtime.interpreter(cache)
        archives = [self._archive(location) for location in job_arguments.wheel_locations(arguments)]
        return interpreter, python_runtime.module_folders(cache, archives, interpreter)

    def _archive(self, location: str) -> python_runtime.Archive:
        bucket, key = _bucket_and_key(location)
        try:
            head = self.s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            raise _unreadable(location) from error
        digest = f"{head['ETag']}:{head['ContentLength']}"
        return python_runtime.Archive(key.rpartition("/")[2], digest, partial(self.read, location))


def prepare_in_background(job: Mapping[str, Any]) -> None:
    """Make ready what the job's first run will need; a job that cannot be run says so when it is started.

    Args:
        job: The job's definition, as it was created or changed.
    """
    arguments = job_arguments.merged(job, {})
    if job_arguments.wheel_locations(arguments) and not list(job_arguments.refusals(job, arguments)):
        # Threads have no account and region of their own.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(_prepare, dict(job), arguments), daemon=True).start()


def _prepare(job: Mapping[str, Any], arguments: Mapping[str, str]) -> None:
    try:
        JobFiles(job["Role"], "preparation").python(arguments)
    except (LakehouseError, BotoCoreError, OSError) as error:
        # No run asked for it yet: the first one tries again, and fails with this error if it persists.
        _log.info("The modules of the job %s are not ready yet: %s", job["Name"], error)


def _bucket_and_key(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def _unreadable(location: str) -> PrerequisiteError:
    return PrerequisiteError(f"{location} cannot be read. Upload it, or let the job's role read it; then start again.")
