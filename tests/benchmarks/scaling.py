"""One file across the workers of a Spark cluster, against one worker: ``python tests/benchmarks/scaling.py``.

Each cluster's driver is a process of its own; its second conversion is timed. The object's checksum shows that the
bytes are the same, however many workers wrote them. docs/scaling.md works the numbers out for a terabyte a day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contestants import create_bucket
from spark_cluster import SparkCluster

BUCKET = "scaling"
ROWS = 2_600_000


def converted(source: Path, workers: int, folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Convert a file with a cluster of so many workers.

    Args:
        source: A parquet file of yellow taxi trips with many row groups.
        workers: How many workers of one core.
        folder: For the cluster's logs.
        environment: Where S3 is, and as whom.

    Returns:
        ``seconds`` (the second time), ``rows``, ``bytes``, ``checksum``, ``tasks`` and ``tasks_by_worker``.
    """
    with SparkCluster(folder, workers, environment) as cluster:
        command = [sys.executable, __file__, "--driver", cluster.url, str(source)]
        variables = {**os.environ, **environment, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"The driver failed: {done.stderr[-3000:]}")
        return {**json.loads(done.stdout.splitlines()[-1]), "tasks_by_worker": cluster.tasks_by_worker()}


def driver(master: str, source: Path) -> dict[str, Any]:
    """Convert the file twice with a cluster, as the Glue job does."""
    import boto3
    from pyspark import SparkConf, SparkContext

    from lakehouse.aws_errors import client_config
    from lakehouse.contracts.catalog import ContractCatalog
    from lakehouse.convert.plan import plan_tasks
    from lakehouse.convert.runner import Assignment
    from lakehouse.convert.s3_source import S3Source
    from lakehouse.convert.source import inspect
    from lakehouse.convert.spark import SparkRunner

    settings = {"spark.ui.enabled": "false", "spark.executor.memory": "1g", "spark.driver.host": "127.0.0.1"}
    spark = SparkContext(master, "scaling", conf=SparkConf().setAll(list(settings.items())))
    workers = spark.defaultParallelism
    s3 = boto3.client("s3", config=client_config())
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        create_bucket(BUCKET)
    s3.upload_file(str(source), BUCKET, source.name)
    contract = ContractCatalog.packaged().find("yellow_tripdata")
    runner = SparkRunner(lambda: spark, s3, client_options={"endpoint_url": s3.meta.endpoint_url})
    for _ in range(2):
        start = time.perf_counter()
        facts = inspect(S3Source(s3, BUCKET, source.name))
        names = f"{source.stem}.json", f"{source.stem}.quarantine.json"
        assignment = Assignment(BUCKET, source.name, None, facts, contract, BUCKET, *names, {})
        with runner.draft(assignment, lambda _rows: None) as draft:
            draft.counts.require_conserved(source.name, facts.rows)
            output, _ = draft.publish()
        seconds = time.perf_counter() - start
    tasks = len(plan_tasks(facts, workers))
    spark.stop()
    return {
        "seconds": seconds, "rows": facts.rows, "bytes": output.size_bytes, "checksum": output.checksum, "tasks": tasks
    }  # fmt: skip


def main(arguments: list[str]) -> None:
    """Print a table, or be a driver."""
    if arguments[:1] == ["--driver"]:
        print(json.dumps(driver(arguments[1], Path(arguments[2]))))
        return
    from lakehouse.local.endpoint import Endpoint
    from lakehouse.sample import generate

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = generate(folder / "yellow_tripdata_2024-02.parquet", rows=ROWS, dirty_share=0.02, seed=1).path
        endpoint = Endpoint(folder / "endpoint", port=0)
        endpoint.start()
        try:
            found = {
                workers: converted(source, workers, folder / f"cluster-{workers}", endpoint.environment())
                for workers in (1, 2)
            }
        finally:
            endpoint.stop()
    assert len({this["checksum"] for this in found.values()}) == 1, "the workers wrote different bytes"
    print("| workers | s | rows/s | MB/s of JSON | tasks | tasks by worker, both times | one worker's time ÷ this |")
    print("| ---: | ---: | ---: | ---: | ---: | --- | ---: |")
    for workers, this in found.items():
        seconds, shares = this["seconds"], ", ".join(map(str, this["tasks_by_worker"]))
        print(
            f"| {workers} | {seconds:.2f} | {this['rows'] / seconds:,.0f} | {this['bytes'] / seconds / 1e6:,.0f} "
            f"| {this['tasks']} | {shares} | {found[1]['seconds'] / seconds:.2f} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
