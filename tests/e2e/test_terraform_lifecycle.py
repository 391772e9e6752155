"""Terraform on the laptop: one apply, a clean plan, a destroy that leaves nothing; other environments plan too."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lakehouse.cli.deployment import aws_deployment
from lakehouse.errors import SettingsError
from lakehouse.local.endpoint import Endpoint
from lakehouse.local.stack import Stack
from lakehouse.local.terraform_mirror import init_arguments

pytestmark = pytest.mark.e2e


def test_the_plan_is_clean_right_after_the_apply(laptop) -> None:
    assert laptop.stack.is_current()
    assert laptop.stack.drift() == ""


def test_up_again_does_nothing_when_nothing_changed(laptop) -> None:
    shown = laptop.run("up").stdout
    assert "Apply Terraform" not in shown


def test_destroy_leaves_nothing(laptop, tmp_path: Path) -> None:
    """On an endpoint of its own, so that the other tests keep theirs."""
    endpoint = Endpoint(tmp_path, port=0)
    endpoint.start()
    try:
        stack = Stack(endpoint, laptop.workplace.terraform, laptop.workplace.package)
        stack.apply()
        stack.destroy()
        state = (stack.folder / "terraform.tfstate").read_text()
        assert '"resources": []' in state
        left = remaining(endpoint)
        assert left == {name: [] for name in left}
    finally:
        endpoint.stop()


def remaining(endpoint: Endpoint) -> dict[str, list[str]]:
    import boto3

    def client(service: str):
        variables = endpoint.environment()
        return boto3.client(
            service,
            endpoint_url=endpoint.url,
            region_name=variables["AWS_DEFAULT_REGION"],
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    glue = client("glue")
    return {
        "buckets": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "databases": [
            database["Name"] for database in glue.get_databases()["DatabaseList"] if database["Name"] != "default"
        ],
        "crawlers": [crawler["Name"] for crawler in glue.get_crawlers()["Crawlers"]],
        "jobs": [job["Name"] for job in glue.get_jobs()["Jobs"]],
        "build projects": client("codebuild").list_projects()["projects"],
        "workgroups": [
            group["Name"] for group in client("athena").list_work_groups()["WorkGroups"] if group["Name"] != "primary"
        ],
        "functions": [function["FunctionName"] for function in client("lambda").list_functions()["Functions"]],
        "state machines": [
            machine["name"] for machine in client("stepfunctions").list_state_machines()["stateMachines"]
        ],
        "roles": [
            role["RoleName"]
            for role in client("iam").list_roles()["Roles"]
            if not role["Path"].startswith("/aws-service-role/")
        ],
        "log groups": [group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]],
    }


def test_the_sandbox_environment_plans_with_its_profile(laptop, tmp_path: Path) -> None:
    configuration = tmp_path / "terraform"
    shutil.copytree(laptop.workplace.terraform, configuration, ignore=shutil.ignore_patterns(".terraform", "tests"))
    (configuration / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    profile = tmp_path / "config"
    profile.write_text("[profile ros-sandbox]\naws_access_key_id = test\naws_secret_access_key = test\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    endpoint = Endpoint(laptop.workplace.home)
    environment = {
        **inherited,
        "AWS_CONFIG_FILE": str(profile),
        "AWS_ENDPOINT_URL": endpoint.url,
        "TF_DATA_DIR": str(tmp_path / "data"),
        "TF_INPUT": "0",
    }

    def terraform(*arguments: str) -> str:
        done = subprocess.run(
            ["terraform", f"-chdir={configuration}", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    terraform("init", *init_arguments())
    plan = terraform(
        "plan",
        "-no-color",
        "-var-file=environments/sandbox/terraform.tfvars",
        f"-var=package_dir={laptop.workplace.package}",
    )
    assert "0 to change, 0 to destroy" in plan
    assert "lakehouse-sandbox-raw" in plan


def test_the_commands_find_a_deployment_by_its_terraform_state(laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on AWS: `lakehouse --environment NAME` reads the outputs of whatever state Terraform is initialised for."""
    folder = laptop.stack.folder
    monkeypatch.setenv("TF_DATA_DIR", str(folder / "data"))
    found = aws_deployment("local", folder / "configuration")
    assert found.buckets == laptop.deployment.buckets
    assert found.client_options == {}
    with pytest.raises(SettingsError, match="initialised for 'local'"):
        aws_deployment("prod", folder / "configuration")
