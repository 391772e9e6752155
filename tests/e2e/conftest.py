"""The whole lakehouse, deployed once for all end-to-end tests, driven as a user drives it: by its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lakehouse.cli.deployment import Deployment, local_deployment
from lakehouse.local.endpoint import Endpoint
from lakehouse.local.stack import Stack
from lakehouse.settings import Workplace


@dataclass(frozen=True)
class Laptop:
    """A deployed lakehouse in a folder of its own."""

    workplace: Workplace

    def run(self, *arguments: str | Path, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Call ``lakehouse`` as a program."""
        done = subprocess.run(
            [sys.executable, "-c", "from lakehouse.cli.main import main; main()", *map(str, arguments)],
            env={**os.environ, "LAKEHOUSE_HOME": str(self.workplace.home), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(
                f"lakehouse {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def json(self, *arguments: str | Path, check: bool = True) -> Any:
        """What a command prints for a program."""
        return json.loads(self.run(*arguments, "--output", "json", check=check).stdout)

    def file(self, key: str) -> dict[str, Any]:
        """The newest record of a raw key."""
        found = [record for record in self.json("files", "--limit", "1000") if record["key"] == key]
        assert found, f"no record of {key}"
        newest: dict[str, Any] = found[0]
        return newest

    @contextmanager
    def lost_events(self) -> Iterator[None]:
        """Nobody hears of what lands meanwhile."""
        functions = self.deployment.client("lambda")
        queue = self.stack.outputs()["queues"]["value"]["landed"]
        name = self.stack.outputs()["functions"]["value"]["ingest"]
        [mapping] = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            self.deployment.client("sqs").purge_queue(QueueUrl=queue)
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    @property
    def deployment(self) -> Deployment:
        """Names and clients."""
        return local_deployment(self.workplace)

    @property
    def stack(self) -> Stack:
        """Its Terraform."""
        return Stack(Endpoint(self.workplace.home), self.workplace.terraform, self.workplace.package)

    def object_text(self, uri: str) -> str:
        """The text of an object."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self.deployment.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body.decode()


@pytest.fixture(scope="session")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """The deployed lakehouse; destroyed and stopped at the end."""
    home = tmp_path_factory.mktemp("laptop")
    here = Laptop(replace(Workplace.from_environment(), home=home))
    try:
        here.run("up", "--port", "0")
        yield here
    finally:
        here.run("down", check=False)
