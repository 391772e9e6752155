"""Fixtures of the Terraform tests: copies of the configuration, initialised outside the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lakehouse.local.terraform_mirror import init_arguments

TERRAFORM = Path(__file__).resolve().parents[2] / "terraform"


@dataclass(frozen=True)
class Initialised:
    """A module's copy, ready for ``terraform`` commands."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run terraform there; what it says and returns is the caller's to judge."""
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


def plain_environment(data: Path) -> dict[str, str]:
    """The process environment without settings that would lead Terraform elsewhere."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_", "TF_CLI_ARGS"))
    }
    if not Path(kept.get("TF_CLI_CONFIG_FILE", "/")).is_file():
        kept.pop("TF_CLI_CONFIG_FILE", None)
    return {**kept, "TF_DATA_DIR": str(data), "TF_IN_AUTOMATION": "1", "TF_INPUT": "0"}


@pytest.fixture(scope="session")
def initialise(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Initialised]:
    """Makes a copy of the configuration with one module initialised; "." is the root module."""
    done: dict[str, Initialised] = {}

    def make(module: str) -> Initialised:
        if module not in done:
            place = tmp_path_factory.mktemp("terraform")
            shutil.copytree(TERRAFORM, place / "terraform", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
            copy = Initialised(place / "terraform" / module, plain_environment(place / "data"))
            initialised = copy.run("init", "-backend=false", "-no-color", *init_arguments())
            assert initialised.returncode == 0, initialised.stderr
            done[module] = copy
        return done[module]

    return make
