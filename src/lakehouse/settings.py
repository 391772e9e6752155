"""The only reader of the environment.

Lambda functions and the Glue job receive the names of the deployed resources from Terraform, as environment variables
and job arguments of the same names; the command line reads them from Terraform's outputs (``cli/deployment.py``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from lakehouse.errors import SettingsError

_PREFIX = "LAKEHOUSE_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Names of the deployed resources that a component works on.

    Attributes:
        project: Project name, the first part of every resource name.
        environment: Environment name: ``local``, ``sandbox``, ``dev``, ``staging`` or ``prod``.
        raw_bucket: Bucket of the raw layer.
        processed_bucket: Bucket of the processed layer.
        files_table: DynamoDB table of the file records.
        pipeline_runs_table: DynamoDB table of the pipeline runs.
        watermarks_table: DynamoDB table of the watermarks.
        circuits_table: DynamoDB table of the circuit breakers.
        file_conversion_arn: State machine that converts one file.
        landed_queue_url: Queue of the files that landed.
        notifications_table: DynamoDB table of the alerts that were sent.
        info_topic_arn: SNS topic of what is good to know.
        warning_topic_arn: SNS topic of what somebody should look at today.
        critical_topic_arn: SNS topic of what somebody should look at now.
    """

    project: str
    environment: str
    raw_bucket: str
    processed_bucket: str
    files_table: str
    pipeline_runs_table: str
    watermarks_table: str
    circuits_table: str
    file_conversion_arn: str
    landed_queue_url: str
    notifications_table: str
    info_topic_arn: str
    warning_topic_arn: str
    critical_topic_arn: str

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> Settings:
        """Build from ``LAKEHOUSE_<NAME>`` keys.

        Args:
            values: For example ``os.environ``, or a Glue job's arguments under the same names.

        Returns:
            The settings.

        Raises:
            SettingsError: One or more are missing or empty; the message names them all.
        """
        names = {field.name: _PREFIX + field.name.upper() for field in fields(cls)}
        missing = [key for key in names.values() if not values.get(key)]
        if missing:
            raise SettingsError(
                f"Settings missing: {', '.join(missing)}. Terraform sets them on every function and job "
                "(modules/processing): deploy again, or export them."
            )
        return cls(**{name: values[key] for name, key in names.items()})

    @classmethod
    def from_environment(cls) -> Settings:
        """Build from the process environment.

        Returns:
            The settings.

        Raises:
            SettingsError: One or more are missing or empty.
        """
        return cls.from_mapping(os.environ)


@dataclass(frozen=True, slots=True)
class Workplace:
    """Folders of a checkout, for the commands that work on the laptop.

    Attributes:
        root: The checkout: the folder that holds ``terraform/``.
        home: What a run makes: the endpoint's state, logs, jobs (``$LAKEHOUSE_HOME``, else ``<root>/.lakehouse``).
        environment: The environment the commands talk to (``$LAKEHOUSE_ENVIRONMENT``, else ``local``).
    """

    root: Path
    home: Path
    environment: str

    @property
    def terraform(self) -> Path:
        """The root module of the Terraform configuration."""
        return self.root / "terraform"

    @property
    def package(self) -> Path:
        """Where the artifacts are built."""
        return self.root / "build" / "package"

    @classmethod
    def from_environment(cls) -> Workplace:
        """Find the checkout this package is installed from.

        Returns:
            The folders.

        Raises:
            SettingsError: The package was installed without its checkout, so there is no Terraform to apply.
        """
        root = Path(os.environ.get(_PREFIX + "ROOT") or Path(__file__).resolve().parents[2])
        if not (root / "terraform" / "main.tf").is_file():
            raise SettingsError(
                f"No terraform/main.tf under {root}. Run the command from a checkout's own environment "
                "(make setup), or name the checkout in LAKEHOUSE_ROOT."
            )
        home = Path(os.environ.get(_PREFIX + "HOME") or root / ".lakehouse").resolve()
        return cls(root=root, home=home, environment=os.environ.get(_PREFIX + "ENVIRONMENT") or "local")

    def talking_to(self, environment: str) -> Workplace:
        """The same folders, another environment."""
        return replace(self, environment=environment)
