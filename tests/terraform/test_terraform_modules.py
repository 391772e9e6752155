"""Terraform's own checks: format, validity, and the tests beside each module."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

TERRAFORM = Path(__file__).resolve().parents[2] / "terraform"
pytestmark = pytest.mark.e2e

MODULES = [".", *sorted(str(file.parent.relative_to(TERRAFORM)) for file in TERRAFORM.glob("modules/*/main.tf"))]


def test_the_configuration_is_formatted(initialise):
    formatted = initialise(".").run("fmt", "-check", "-diff", "-recursive", "-no-color")

    assert formatted.returncode == 0, f"Run: terraform fmt -recursive terraform\n{formatted.stdout}"


def test_the_configuration_is_valid(initialise):
    validated = initialise(".").run("validate", "-no-color")

    assert validated.returncode == 0, validated.stderr


@pytest.mark.parametrize("module", MODULES)
def test_the_tests_beside_the_module_pass(initialise, module):
    tested = initialise(module).run("test", "-no-color")

    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "passed, 0 failed" in tested.stdout


def test_every_module_has_tests_beside_it():
    untested = [module for module in MODULES if not list((TERRAFORM / module / "tests").glob("*.tftest.hcl"))]

    assert untested == []


def test_nothing_of_a_terraform_run_lies_in_the_tree():
    tracked = subprocess.run(
        ["git", "ls-files", "terraform"], cwd=TERRAFORM.parent, capture_output=True, text=True, check=False
    ).stdout.splitlines()

    assert [name for name in tracked if ".terraform" in name or ".tfstate" in name] == []
