"""Copies what dbt wrote about its run to S3: which model or test did what, and the manifest that names them.

    python publish_results.py

Reads ``DBT_RESULTS_LOCATION`` (``s3://bucket/prefix/``), ``CODEBUILD_BUILD_ID`` and ``CODEBUILD_BUILD_SUCCEEDING``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import boto3

FILES = ("run_results.json", "manifest.json")


def main() -> int:
    """Upload the files.

    Returns:
        The exit status: 1 where dbt succeeded and yet a file is missing.
    """
    bucket, _, prefix = os.environ["DBT_RESULTS_LOCATION"].removeprefix("s3://").partition("/")
    folder = os.environ["CODEBUILD_BUILD_ID"].rpartition(":")[2]
    s3 = boto3.client("s3")
    missing = []
    for name in FILES:
        file = Path("target") / name
        if not file.is_file():
            missing.append(name)
            continue
        key = f"{prefix}{folder}/{name}"
        s3.upload_file(str(file), bucket, key)
        sys.stdout.write(f"Published s3://{bucket}/{key}\n")
    if missing:
        sys.stdout.write(f"dbt wrote no {' and no '.join(missing)}\n")
    return int(bool(missing) and os.environ.get("CODEBUILD_BUILD_SUCCEEDING") == "1")


if __name__ == "__main__":
    raise SystemExit(main())
