"""What CodeBuild is told to do with the dbt project: a buildspec that it can run, and results that are published."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lakehouse.local.codebuild.buildspec import parse
from lakehouse.metadata.pipeline_runs import PipelineRuns, Transformation

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
    assert "run_dbt.py build" in " ".join(buildspec.phases["build"].commands)


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


def results(*given: tuple[str, str, int, str | None]) -> str:
    """The run_results.json of dbt, with nodes of (unique_id, status, rows, message)."""
    nodes = [
        {
            "unique_id": unique_id,
            "status": status,
            "execution_time": 1.23456,
            "message": message,
            "adapter_response": {"rows_affected": rows},
        }
        for unique_id, status, rows, message in given
    ]
    return json.dumps({"results": nodes})


@pytest.fixture
def runs(
    publish: ModuleType, monkeypatch: pytest.MonkeyPatch, dynamodb: Any, pipeline_runs_table: str
) -> Callable[[str], Any]:
    """Publishes results of a build that a run started, and reads the run's record."""
    import boto3

    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="artifacts")
    table = PipelineRuns(dynamodb, pipeline_runs_table)
    table.start("lakehouse-pipeline", "2026-01-01T00:00:00Z", run_id="run-1")
    for name, value in {
        "LAKEHOUSE_PIPELINE_RUNS_TABLE": pipeline_runs_table,
        "LAKEHOUSE_PIPELINE_NAME": "lakehouse-pipeline",
        "LAKEHOUSE_EXECUTION_DATE": "2026-01-01T00:00:00Z",
        "LAKEHOUSE_RUN_ID": "run-1",
    }.items():
        monkeypatch.setenv(name, value)
    Path("target", "manifest.json").write_text("{}")

    def published(text: str) -> Any:
        Path("target", "run_results.json").write_text(text)
        assert publish.main() == 0
        return table.get("lakehouse-pipeline", "2026-01-01T00:00:00Z")

    return published


def test_the_runs_record_learns_what_became_of_each_model(runs: Callable[[str], Any]) -> None:
    run = runs(
        results(
            ("model.lakehouse.stg_trips", "success", -1, "OK -1"),
            ("model.lakehouse.fct_trips", "success", 42, "OK 42"),
            ("test.lakehouse.unique_fct_trips_trip_id.0123456789", "pass", 0, None),
        )
    )
    assert run.transformations == (
        Transformation("stg_trips", "model", "success", 1.235),
        Transformation("fct_trips", "model", "success", 1.235, rows=42),
    )
    assert run.transformation_results == "s3://artifacts/run-results/1234/"


def test_what_failed_comes_first_and_says_why_in_one_line(
    runs: Callable[[str], Any], dynamodb: Any, pipeline_runs_table: str
) -> None:
    run = runs(
        results(
            ("model.lakehouse.fct_trips", "success", 42, "OK 42"),
            ("test.lakehouse.unique_fct_trips_trip_id.0123456789", "fail", 3, "Got 3 results,\n  not 0"),
            ("model.lakehouse.dim_users", "error", -1, None),
        )
    )
    assert [one.name for one in run.transformations] == ["unique_fct_trips_trip_id", "dim_users", "fct_trips"]
    assert run.transformations[0].reason == "Got 3 results, not 0"
    key = {"pipeline_name": {"S": "lakehouse-pipeline"}, "execution_date": {"S": "2026-01-01T00:00:00Z"}}
    item = dynamodb.get_item(TableName=pipeline_runs_table, Key=key)["Item"]
    assert item["transformation_failure"]["S"] == (
        "test unique_fct_trips_trip_id: Got 3 results, not 0; model dim_users: dbt gave no reason"
    )


def test_a_project_of_thousands_of_models_still_fits_the_record(runs: Callable[[str], Any]) -> None:
    nodes = [(f"model.lakehouse.model_{number}", "error", -1, "x" * 4_000) for number in range(3_000)]
    run = runs(results(*nodes))
    assert len(run.transformations) == 500
    assert all(len(one.reason) == 300 for one in run.transformations)


def test_a_record_that_another_run_has_taken_over_is_left_alone(
    runs: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_RUN_ID", "run-0")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        runs(results(("model.lakehouse.fct_trips", "success", 42, "OK 42")))


@mock_aws
def test_missing_results_fail_a_build_that_succeeded_and_leave_a_failed_one_its_own_reason(
    publish: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish.main() == 1
    monkeypatch.setenv("CODEBUILD_BUILD_SUCCEEDING", "0")
    assert publish.main() == 0
