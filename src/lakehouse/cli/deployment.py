"""A deployed lakehouse as the command line sees it: names from Terraform's outputs, clients for its region.

The local deployment lives behind the laptop's endpoint; every other one in the AWS account that its Terraform state
belongs to. The commands are the same for both.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lakehouse.errors import CommandError, EndpointDownError, SettingsError
from lakehouse.settings import Workplace

LOCAL = "local"

_CLIENT_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=5,
    read_timeout=60,
    s3={"addressing_style": "path"},
)


@dataclass(frozen=True)
class Deployment:
    """Names and clients of one deployed environment.

    Attributes:
        project: Project name.
        environment: Environment name.
        region: AWS region.
        account_id: AWS account the names belong to.
        buckets: Bucket names by short name (``raw``, ``processed``, …).
        tables: DynamoDB table names by short name (``files``, ``pipeline_runs``, ``watermarks``).
        state_machines: State machine ARNs by short name.
        crawlers: Crawler names by layer.
        databases: Glue database names by layer.
        queues: SQS queue URLs by short name (``landed``, ``dead_letters``).
        functions: Lambda function names by short name.
        glue_jobs: Glue job names by short name.
        workgroup: Name of Athena's workgroup.
        dbt_environment: The environment variables that dbt_project/ reads.
        client_options: Options of every boto3 client: endpoint and credentials, where they are not the usual ones.
    """

    project: str
    environment: str
    region: str
    account_id: str
    buckets: Mapping[str, str]
    tables: Mapping[str, str]
    state_machines: Mapping[str, str]
    crawlers: Mapping[str, str]
    databases: Mapping[str, str]
    queues: Mapping[str, str]
    functions: Mapping[str, str]
    glue_jobs: Mapping[str, str]
    workgroup: str
    dbt_environment: Mapping[str, str]
    client_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether this is the laptop."""
        return self.environment == LOCAL

    def client(self, service: str) -> Any:
        """A boto3 client of this deployment.

        Args:
            service: AWS service name as boto3 spells it.

        Returns:
            The client, with the endpoint and credentials of the deployment.
        """
        return boto3.client(service, config=_CLIENT_CONFIG, **{"region_name": self.region, **self.client_options})  # type: ignore[call-overload]

    @classmethod
    def from_outputs(
        cls, outputs: Mapping[str, Any], *, source: str, client_options: Mapping[str, str] | None = None
    ) -> Deployment:
        """Build from ``terraform output -json``.

        Args:
            outputs: Terraform's outputs: ``{name: {"value": …}}``.
            source: Where they were read, for the error message.
            client_options: See the class.

        Returns:
            The deployment.

        Raises:
            SettingsError: An output is missing.
        """
        names = (
            *("project", "environment", "region", "account_id", "buckets", "tables", "state_machines", "crawlers"),
            *("databases", "queues", "functions", "glue_jobs", "workgroup", "dbt_environment"),
        )
        missing = [name for name in names if name not in outputs]
        if missing:
            raise SettingsError(
                f"{source} lacks the output(s) {', '.join(missing)}: nothing was deployed from there yet, or by "
                "another version. Apply Terraform first (on the laptop: lakehouse up)."
            )
        return cls(**{name: outputs[name]["value"] for name in names}, client_options=dict(client_options or {}))


def local_deployment(workplace: Workplace) -> Deployment:
    """The laptop's deployment.

    Args:
        workplace: The checkout and its folders.

    Returns:
        The deployment behind the running endpoint.

    Raises:
        EndpointDownError: The endpoint is not running, or nothing was applied to it yet.
    """
    from lakehouse.local.endpoint import Endpoint
    from lakehouse.local.stack import Stack

    endpoint = Endpoint(workplace.home)
    if not endpoint.is_up():
        raise EndpointDownError(
            "The local AWS endpoint is not running. Start it with: lakehouse up (its data is kept between starts)."
        )
    stack = Stack(endpoint, workplace.terraform, workplace.package)
    if not stack.is_applied():
        raise EndpointDownError("The endpoint runs, but Terraform was not applied to it yet. Run: lakehouse up")
    variables = endpoint.environment()
    return Deployment.from_outputs(
        stack.outputs(),
        source=str(stack.folder),
        client_options={
            "endpoint_url": endpoint.url,
            "aws_access_key_id": variables["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": variables["AWS_SECRET_ACCESS_KEY"],
        },
    )


def deployment(workplace: Workplace) -> Deployment:
    """The deployment that the commands talk to.

    Args:
        workplace: The checkout; its ``environment`` chooses between the laptop and AWS.

    Returns:
        The deployment.

    Raises:
        LakehouseError: See ``local_deployment`` and ``aws_deployment``.
    """
    if workplace.environment == LOCAL:
        return local_deployment(workplace)
    return aws_deployment(workplace.environment, workplace.terraform)


def aws_deployment(environment: str, terraform_folder: Path) -> Deployment:
    """A deployment on AWS, read from the Terraform state that ``terraform init`` selected.

    Args:
        environment: The environment the caller means.
        terraform_folder: The root module.

    Returns:
        The deployment; credentials are those of the shell (``AWS_PROFILE``, SSO, …).

    Raises:
        CommandError: Terraform cannot read the state.
        SettingsError: The state belongs to another environment.
    """
    command = ["terraform", f"-chdir={terraform_folder}", "output", "-json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise CommandError("terraform is not on PATH. Run: lakehouse doctor") from error
    except subprocess.CalledProcessError as error:
        raise CommandError(
            f"Cannot read the outputs of {environment!r}: {error.stderr.strip()}. Initialise the state first: "
            f"terraform -chdir=terraform init -backend-config=environments/{environment}/backend.hcl"
        ) from error
    found = Deployment.from_outputs(json.loads(done.stdout), source=f"the Terraform state of {environment!r}")
    if found.environment != environment:
        raise SettingsError(
            f"You asked for {environment!r}, but terraform/ is initialised for {found.environment!r}. Run: "
            f"terraform -chdir=terraform init -reconfigure -backend-config=environments/{environment}/backend.hcl"
        )
    return found
