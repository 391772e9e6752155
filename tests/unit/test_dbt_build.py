"""What CodeBuild is told to do with the dbt project: a buildspec that it can run, and results that are published."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from moto import mock_aws

from lakehouse.local.codebuild.buildspec import parse

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
BUILDSPEC = (PROJECT / "buildspec.yml").read_text(encoding="utf-8")


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a folder where dbt has run, with a bucket for its results."""
    (tmp_path / "target").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "DBT_RESULTS_LOCATION": "s3://artifacts/run-results/",
        "CODEBUILD_BUILD_ID": "lakehouse-dbt:1234",
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("publish_results", PROJECT / "publish_results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_laptop_runs_the_buildspec_of_the_dbt_project() -> None:
    buildspec = parse(BUILDSPEC)

    assert buildspec.shell == "bash"
    assert buildspec.cache_paths == (".cache/**/*",)
    assert "dbt.cli.main" in " ".join(buildspec.phases["build"].commands)


def test_a_build_asks_no_package_index() -> None:
    installs = re.findall(r"pip install((?:.|\\\n)*?)(?:&&|$)", BUILDSPEC)

    assert installs
    assert all("--no-index" in install and "--find-links wheels" in install for install in installs)


def test_the_variables_of_the_buildspec_are_those_that_terraform_sets() -> None:
    source = (ROOT / "terraform" / "modules" / "transformation" / "main.tf").read_text(encoding="utf-8")
    given = set(re.findall(r"^\s+(DBT_\w+)\s+=", source, re.MULTILINE))
    made = set(re.findall(r"export (\w+)=", BUILDSPEC))
    script = (PROJECT / "publish_results.py").read_text(encoding="utf-8")
    read = set(re.findall(r"\$\{?(\w+)", BUILDSPEC)) | set(re.findall(r'environ(?:\.get\(|\[)"(\w+)"', script))

    assert {name for name in read if name.startswith("DBT_")} <= given | made
    assert "DBT_TARGET" in read


@mock_aws
def test_results_are_published_under_the_build(publish: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    import boto3

    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="artifacts")
    for name in ("run_results.json", "manifest.json"):
        Path("target", name).write_text(json.dumps({"name": name}))

    assert publish.main() == 0
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="artifacts")["Contents"]]
    assert keys == ["run-results/1234/manifest.json", "run-results/1234/run_results.json"]
    assert "Published s3://artifacts/run-results/1234/run_results.json" in capsys.readouterr().out


@mock_aws
def test_missing_results_fail_a_build_that_succeeded_and_leave_a_failed_one_its_own_reason(
    publish: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish.main() == 1
    monkeypatch.setenv("CODEBUILD_BUILD_SUCCEEDING", "0")
    assert publish.main() == 0
