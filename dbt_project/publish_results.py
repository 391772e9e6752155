"""Tells what dbt did: its own files go to S3, and a pipeline run's record learns what became of each model.

    python publish_results.py

Reads ``DBT_RESULTS_LOCATION`` (``s3://bucket/prefix/``), ``CODEBUILD_BUILD_ID``, ``CODEBUILD_BUILD_SUCCEEDING``, and
of a build that a pipeline started, ``LAKEHOUSE_PIPELINE_RUNS_TABLE``, ``LAKEHOUSE_PIPELINE_NAME``,
``LAKEHOUSE_EXECUTION_DATE`` and ``LAKEHOUSE_RUN_ID``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3

RUN_RESULTS = Path("target") / "run_results.json"
FILES = (RUN_RESULTS, Path("target") / "manifest.json")
# https://docs.getdbt.com/reference/artifacts/run-results-json
FAILED = frozenset({"error", "fail", "partial success", "runtime error"})
BUILT = frozenset({"model", "seed", "snapshot"})
# An item of DynamoDB takes 400 KB.
MOST_TRANSFORMATIONS = 500
MOST_FAILURES_NAMED = 10
LONGEST_REASON = 300


def transformation(result: Mapping[str, Any]) -> dict[str, Any]:
    """What became of one node of dbt.

    Args:
        result: An entry of ``results`` in run_results.json.

    Returns:
        ``name``, ``kind`` (model, seed, snapshot, test …), ``status``, ``seconds``, and where there are any ``rows``
        (those that were written) and the ``reason`` of a failure.
    """
    kind, _, name = result["unique_id"].split(".")[:3]
    found = {
        "name": name,
        "kind": kind,
        "status": result["status"],
        "seconds": Decimal(str(round(result["execution_time"], 3))),
    }
    rows = (result.get("adapter_response") or {}).get("rows_affected", -1)
    if kind in BUILT and rows >= 0:
        found["rows"] = rows
    if result["status"] in FAILED:
        found["reason"] = " ".join(str(result.get("message") or "dbt gave no reason").split())[:LONGEST_REASON]
    return found


def told(results: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What is worth keeping: everything that is built, and what failed, which comes first.

    Args:
        results: ``results`` of run_results.json.

    Returns:
        The transformations, at most ``MOST_TRANSFORMATIONS``.
    """
    every = [transformation(result) for result in results]
    kept = [one for one in every if one["kind"] in BUILT or one["status"] in FAILED]
    return sorted(kept, key=lambda one: one["status"] not in FAILED)[:MOST_TRANSFORMATIONS]


def failure(kept: list[dict[str, Any]]) -> str | None:
    """Which models and tests failed, and why, in one line.

    Args:
        kept: The transformations.

    Returns:
        The line, None where none failed.
    """
    failed = [one for one in kept if one["status"] in FAILED]
    if not failed:
        return None
    named = "; ".join(f"{one['kind']} {one['name']}: {one['reason']}" for one in failed[:MOST_FAILURES_NAMED])
    more = len(failed) - MOST_FAILURES_NAMED
    return f"{named}; and {more} more" if more > 0 else named


def record(location: str) -> None:
    """Write the transformations into the record of the pipeline run that started the build.

    Args:
        location: Where dbt's own files were published.

    Raises:
        ClientError: The record belongs to another run by now, or cannot be written.
    """
    kept = told(json.loads(RUN_RESULTS.read_text(encoding="utf-8"))["results"])
    values: dict[str, Any] = {":run_id": os.environ["LAKEHOUSE_RUN_ID"], ":results": location, ":kept": kept}
    change = "SET transformations = :kept, transformation_results = :results"
    if said := failure(kept):
        values[":failure"] = said
        change += ", transformation_failure = :failure"
    boto3.resource("dynamodb").Table(os.environ["LAKEHOUSE_PIPELINE_RUNS_TABLE"]).update_item(
        Key={
            "pipeline_name": os.environ["LAKEHOUSE_PIPELINE_NAME"],
            "execution_date": os.environ["LAKEHOUSE_EXECUTION_DATE"],
        },
        ConditionExpression="run_id = :run_id",
        UpdateExpression=change,
        ExpressionAttributeValues=values,
    )


def main() -> int:
    """Upload the files, and record what became of the models.

    Returns:
        The exit status: 1 where dbt succeeded and yet a file is missing.
    """
    bucket, _, prefix = os.environ["DBT_RESULTS_LOCATION"].removeprefix("s3://").partition("/")
    folder = f"{prefix}{os.environ['CODEBUILD_BUILD_ID'].rpartition(':')[2]}/"
    s3 = boto3.client("s3")
    missing = [file.name for file in FILES if not file.is_file()]
    for file in FILES:
        if file.name not in missing:
            s3.upload_file(str(file), bucket, f"{folder}{file.name}")
            sys.stdout.write(f"Published s3://{bucket}/{folder}{file.name}\n")
    if "LAKEHOUSE_RUN_ID" in os.environ and RUN_RESULTS.is_file():
        record(f"s3://{bucket}/{folder}")
    if missing:
        sys.stdout.write(f"dbt wrote no {' and no '.join(missing)}\n")
    return int(bool(missing) and os.environ.get("CODEBUILD_BUILD_SUCCEEDING") == "1")


if __name__ == "__main__":
    raise SystemExit(main())
