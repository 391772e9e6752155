"""The dbt project's own buildspec, from the zip that is deployed, on the local endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from lakehouse.dbt_package import DBT_ZIP
from lakehouse.package import build

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of the checkout."""
    output = tmp_path_factory.mktemp("package")
    build(ROOT, output)
    return output


def test_the_environment_is_installed_from_the_zip_alone_and_kept_for_the_next_build(
    package: Path, aws: Callable[..., Any]
) -> None:
    s3, codebuild, logs = aws("s3"), aws("codebuild"), aws("logs")
    name = f"dbt-{uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    s3.upload_file(str(package / DBT_ZIP), name, "source.zip")
    image = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
    # Proxies that nobody answers: whatever asks the internet fails.
    variables = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    codebuild.create_project(
        name=name,
        source={"type": "S3", "location": f"{name}/source.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        cache={"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]},
        environment={
            "type": "LINUX_CONTAINER",
            "image": image,
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{"name": each, "value": value} for each, value in variables.items()],
        },
        serviceRole="arn:aws:iam::000000000000:role/dbt",
    )
    buildspec = yaml.safe_load((ROOT / "dbt_project" / "buildspec.yml").read_text(encoding="utf-8"))
    script = (
        "import dbt.adapters.athena, dbt.version; print('dbt', dbt.version.get_installed_version().to_version_string())"
    )
    buildspec["phases"]["build"]["commands"] = [f'"$DBT_PYTHON" -c "{script}"']
    del buildspec["phases"]["post_build"]

    def run() -> tuple[dict[str, Any], list[str]]:
        build_id = codebuild.start_build(projectName=name, buildspecOverride=yaml.safe_dump(buildspec))["build"]["id"]
        deadline = time.monotonic() + 180
        while not (ended := codebuild.batch_get_builds(ids=[build_id])["builds"][0])["buildComplete"]:
            assert time.monotonic() < deadline, ended
            time.sleep(0.2)
        where = ended["logs"]
        events = logs.get_log_events(
            logGroupName=where["groupName"], logStreamName=where["streamName"], startFromHead=True
        )["events"]
        return ended, [event["message"] for event in events]

    first, second = run(), run()

    assert (first[0]["buildStatus"], second[0]["buildStatus"]) == ("SUCCEEDED", "SUCCEEDED"), first[1]
    assert any(line.startswith("dbt =1.11") for line in second[1]), second[1]
    assert any("Symlinking cached folder .cache" in line for line in second[1])
    installs = [
        next(phase["durationInSeconds"] for phase in ended["phases"] if phase["phaseType"] == "INSTALL")
        for ended, _ in (first, second)
    ]
    assert installs[1] <= installs[0]
