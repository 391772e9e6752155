"""Where the running endpoint keeps its files and answers, for the executors inside its process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import EndpointDownError

ACCOUNT_ID = "000000000000"
DEFAULT_REGION = "us-east-1"
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """The folders and the address of one endpoint.

    Attributes:
        home: The endpoint's folder: everything it makes lies below it.
        port: The port it listens on.
        region: The region it answers for.
    """

    home: Path
    port: int
    region: str = DEFAULT_REGION

    @property
    def url(self) -> str:
        """The endpoint's address."""
        return f"http://{HOST}:{self.port}"

    @property
    def objects(self) -> Path:
        """The bodies of the S3 objects."""
        return self.home / "s3"

    @property
    def uploads(self) -> Path:
        """The parts of multipart uploads that are not completed; beside the objects, so that a rename publishes."""
        return self.objects / ".versions" / ".uploads"

    @property
    def received(self) -> Path:
        """Bodies of requests that are being received."""
        return self.objects / ".versions" / ".received"

    @property
    def state(self) -> Path:
        """The checkpoints of everything that is not an S3 object, and the journal of what came after them."""
        return self.home / "state"

    @property
    def logs(self) -> Path:
        """The endpoint's own log."""
        return self.home / "logs"

    @property
    def jobs(self) -> Path:
        """Glue job runs, a folder each."""
        return self.home / "jobs"

    @property
    def builds(self) -> Path:
        """CodeBuild builds, a folder each, and what they cache."""
        return self.home / "builds"

    @property
    def functions(self) -> Path:
        """Code and runtime of the Lambda functions."""
        return self.home / "functions"


_current: Place | None = None


def enter(place: Place) -> None:
    """Make this process the endpoint of a place.

    The emulator reads its settings from the environment when it is imported, so this comes before that.

    Args:
        place: The endpoint's folders and address.
    """
    global _current  # noqa: PLW0603 - one endpoint a process, as the emulator's own state is
    _current = place
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        {
            "GATEWAY_PORT": str(place.port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": place.region,
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(place.objects),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(place.state),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "AUTH": "false",
            "ATHENA_ENGINE": "duckdb",
            "LOG_LEVEL": "WARNING",
            # No container is ever started on the user's behalf: an executor does the work, or the call is refused.
            "DOCKER_HOST": f"unix://{place.home / 'no-docker'}",
            **client_environment(place.url, place.region),
        }
    )


def current() -> Place:
    """The place of the endpoint that runs in this process.

    Returns:
        Its folders and address.

    Raises:
        EndpointDownError: This process is not an endpoint.
    """
    if _current is None:
        raise EndpointDownError("No endpoint runs in this process: start one with lakehouse.local.server")
    return _current


def client_environment(url: str, region: str) -> dict[str, str]:
    """The variables that make an AWS client talk to an endpoint.

    Args:
        url: The endpoint's address.
        region: The region to sign for.

    Returns:
        ``AWS_*`` variables for boto3, Terraform and Spark alike.
    """
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
