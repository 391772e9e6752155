"""The laptop's Terraform: what it was applied to is remembered, and Terraform's own words reach the user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakehouse.cli.deployment import Deployment
from lakehouse.errors import CommandError, SettingsError
from lakehouse.local.endpoint import Endpoint
from lakehouse.local.stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    configuration, package = tmp_path / "terraform", tmp_path / "package"
    configuration.mkdir()
    package.mkdir()
    (configuration / "main.tf").write_text('output "x" {\n  value = 1\n}\n')
    (package / "functions.zip").write_bytes(b"zip")
    return Stack(Endpoint(tmp_path / "home"), configuration, package)


def remember_apply(stack: Stack) -> None:
    stack.folder.mkdir(parents=True)
    applied = {"fingerprint": stack._fingerprint(), "outputs": {"x": {"value": 1}}}
    (stack.folder / "applied.json").write_text(json.dumps(applied))


def test_nothing_is_applied_at_first(stack: Stack) -> None:
    assert not stack.is_applied()
    assert not stack.is_current()


@pytest.mark.parametrize("changed", ["terraform/main.tf", "package/functions.zip"])
def test_a_changed_configuration_or_artifact_has_to_be_applied(changed: str, stack: Stack, tmp_path: Path) -> None:
    remember_apply(stack)
    assert stack.is_current()
    (tmp_path / changed).write_bytes(b"# something else\n")
    assert stack.is_applied()
    assert not stack.is_current()


def test_a_new_test_of_the_configuration_changes_nothing_that_is_deployed(stack: Stack, tmp_path: Path) -> None:
    remember_apply(stack)
    (tmp_path / "terraform" / "tests").mkdir()
    (tmp_path / "terraform" / "tests" / "main.tftest.hcl").write_text("# a test\n")
    assert stack.is_current()


def test_terraforms_own_words_are_the_error(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "terraform" / "main.tf").write_text('resource "aws_s3_bucket" {\n')
    with pytest.raises(CommandError, match=r"(?s)terraform init failed.*main\.tf"):
        stack.apply()
    assert not stack.is_applied()


def test_the_tracked_configuration_is_never_touched(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "terraform" / "main.tf").write_text("nonsense\n")
    with pytest.raises(CommandError):
        stack.apply()
    assert [path.name for path in (tmp_path / "terraform").iterdir()] == ["main.tf"]


def test_outputs_that_are_missing_are_named() -> None:
    with pytest.raises(SettingsError, match="buckets, tables, state_machines, crawlers"):
        Deployment.from_outputs(
            {name: {"value": name} for name in ("project", "environment", "region", "account_id")}, source="the state"
        )
