"""The S3 backend of an environment on AWS: where the state goes, and that two writers cannot both have it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lakehouse.local.terraform_mirror import init_arguments

TERRAFORM = Path(__file__).resolve().parents[2] / "terraform"
BUCKET = "lakehouse-sandbox-terraform-state"
KEY = "lakehouse/sandbox/terraform.tfstate"

EMPTY_STATE = {
    "version": 4,
    "terraform_version": "1.11.0",
    "serial": 1,
    "lineage": "a-lineage-of-this-test",
    "outputs": {},
    "resources": [],
}
LOCK = {
    "ID": "11111111-2222-3333-4444-555555555555",
    "Operation": "OperationTypeApply",
    "Who": "somebody@elsewhere",
    "Version": "1.11.4",
    "Created": "2024-01-01T00:00:00Z",
    "Path": f"{BUCKET}/{KEY}",
}


@pytest.fixture(scope="module")
def state_bucket(aws):
    """The bucket that environments/sandbox/backend.hcl names."""
    s3 = aws("s3")
    s3.create_bucket(Bucket=BUCKET)
    yield s3
    for listed in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=listed["Key"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture(scope="module")
def sandbox(state_bucket, endpoint, tmp_path_factory):
    """Runs terraform on a copy that is initialised for the sandbox, with a profile as a person would have."""
    place = tmp_path_factory.mktemp("sandbox")
    shutil.copytree(TERRAFORM, place / "terraform", ignore=shutil.ignore_patterns(".terraform*", "tests"))
    (place / "config").write_text("[profile ros-sandbox]\naws_access_key_id = test\naws_secret_access_key = test\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environment = {
        **kept,
        "AWS_CONFIG_FILE": str(place / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(place / "no-credentials"),
        "AWS_ENDPOINT_URL": endpoint.url,
        "TF_DATA_DIR": str(place / "data"),
        "TF_INPUT": "0",
    }

    def run(*arguments):
        return subprocess.run(
            ["terraform", *arguments],
            cwd=place / "terraform",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    initialised = run(
        "init",
        "-no-color",
        "-backend-config=environments/sandbox/backend.hcl",
        "-backend-config=use_path_style=true",
        *init_arguments(),
    )
    assert initialised.returncode == 0, initialised.stderr
    (place / "terraform" / "empty.tfstate").write_text(json.dumps(EMPTY_STATE), encoding="utf-8")
    return run


def test_the_state_lies_under_the_environments_key(sandbox, state_bucket):
    pushed = sandbox("state", "push", "empty.tfstate")

    assert pushed.returncode == 0, pushed.stderr
    keys = [listed["Key"] for listed in state_bucket.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys == [KEY], "the lock is released with the write"


def test_a_state_that_somebody_else_has_locked_is_left_alone(sandbox, state_bucket):
    state_bucket.put_object(Bucket=BUCKET, Key=f"{KEY}.tflock", Body=json.dumps(LOCK).encode())

    refused = sandbox("state", "push", "-force", "empty.tfstate")

    state_bucket.delete_object(Bucket=BUCKET, Key=f"{KEY}.tflock")
    assert refused.returncode != 0
    assert "Error acquiring the state lock" in refused.stderr
    assert "somebody@elsewhere" in refused.stderr
