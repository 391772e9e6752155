"""Ways from a parquet file to NDJSON. Each prepares itself and returns what is to be timed."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[], int]  # gives the bytes of JSON that it wrote
Contestant = Callable[[Path, Path], Run]
BUCKET = "benchmark"
# A gigabit a second.
LINK_BYTES_A_SECOND = 125_000_000
# What the converter hands on at a time.
_STRETCH_BYTES = 2**21


def lakehouse_with_rules(source: Path, folder: Path) -> Run:
    return _lakehouse(source, folder, _contract())


def lakehouse_without_rules(source: Path, folder: Path) -> Run:
    return _lakehouse(source, folder, None)


def _lakehouse(source: Path, folder: Path, contract: Any) -> Run:
    from lakehouse.convert.source import LocalSource
    from lakehouse.convert.standalone import LocalDestination, convert_alone

    def run() -> int:
        names = str(folder / "out.json"), str(folder / "out.quarantine.json")
        return convert_alone(LocalSource(source), LocalDestination(), *names, contract=contract).output.size_bytes

    return run


def polars_sink_ndjson(source: Path, folder: Path) -> Run:
    import polars as pl

    def run() -> int:
        pl.scan_parquet(source).sink_ndjson(folder / "out.json")
        return (folder / "out.json").stat().st_size

    return run


def duckdb_copy(source: Path, folder: Path) -> Run:
    import duckdb

    def run() -> int:
        duckdb.sql(f"COPY (FROM read_parquet('{source}')) TO '{folder / 'out.json'}' (FORMAT json)")
        return (folder / "out.json").stat().st_size

    return run


def pandas_to_json(source: Path, folder: Path) -> Run:
    import pandas as pd

    def run() -> int:
        pd.read_parquet(source).to_json(folder / "out.json", orient="records", lines=True, date_format="iso")
        return (folder / "out.json").stat().st_size

    return run


def awswrangler_to_json(source: Path, folder: Path) -> Run:
    import awswrangler as wr
    import pandas as pd

    _endpoint_client()
    wr.config.s3_endpoint_url = os.environ["AWS_ENDPOINT_URL"]

    def run() -> int:
        frame = pd.read_parquet(source)
        wr.s3.to_json(frame, f"s3://{BUCKET}/wrangled.json", orient="records", lines=True, date_format="iso")
        return _size("wrangled.json")

    return run


def spark_write_json(source: Path, folder: Path) -> Run:
    session = _spark()

    def run() -> int:
        shutil.rmtree(folder / "spark", ignore_errors=True)
        session.read.parquet(str(source)).write.json(str(folder / "spark"))
        return sum(path.stat().st_size for path in (folder / "spark").glob("*.json"))

    return run


def lakehouse_on_spark(source: Path, folder: Path) -> Run:
    from lakehouse.convert.spark import SparkRunner

    session, s3 = _spark(), _endpoint_client()
    runner = SparkRunner(lambda: session.sparkContext, s3, client_options={"endpoint_url": s3.meta.endpoint_url})
    return _published(s3, runner, source)


def lakehouse_to_the_endpoint(source: Path, folder: Path) -> Run:
    return _to_the_endpoint(_endpoint_client(), source)


def lakehouse_over_a_link(source: Path, folder: Path) -> Run:
    return _to_the_endpoint(_over_a_link(_endpoint_client()), source)


def _to_the_endpoint(s3: Any, source: Path) -> Run:
    from lakehouse.convert.in_process import InProcessRunner

    return _published(s3, InProcessRunner(s3), source)


def conversion_alone(source: Path, folder: Path) -> Run:
    """The same conversion, its output thrown away."""
    from lakehouse.convert.in_process import convert_stream
    from lakehouse.convert.kernel import Kernel
    from lakehouse.convert.source import inspect

    s3 = _endpoint_client()
    parquet = _uploaded(s3, source)

    def run() -> int:
        facts, nowhere = inspect(parquet), _nowhere()
        convert_stream(parquet, facts, Kernel(facts.schema, _contract()), nowhere, _nowhere(), lambda _rows: None)
        return nowhere.size_bytes

    return run


def upload_alone(source: Path, folder: Path) -> Run:
    """The same bytes, converted before."""
    return _upload(_endpoint_client(), source, folder)


def upload_over_a_link(source: Path, folder: Path) -> Run:
    """The same bytes, converted before."""
    return _upload(_over_a_link(_endpoint_client()), source, folder)


def _upload(s3: Any, source: Path, folder: Path) -> Run:
    from lakehouse.convert.object_writer import ObjectWriter

    data = _json(source, folder)

    def run() -> int:
        with ObjectWriter(s3, BUCKET, "uploaded.json") as writer:
            for start in range(0, len(data), 2**24):
                writer.write(data[start : start + 2**24])
        return len(data)

    return run


def _contract() -> Any:
    from lakehouse.contracts.catalog import ContractCatalog

    return ContractCatalog.packaged().find("yellow_tripdata")


def _nowhere() -> Any:
    from lakehouse.convert.multipart import WrittenObject
    from lakehouse.convert.output_writer import OutputWriter

    class Nowhere(OutputWriter):
        size_bytes = 0

        def write(self, data: bytes | memoryview) -> None:
            self.size_bytes += len(data)

        def seal(self) -> None:
            """Nothing is held."""

        def expect_unchanged(self) -> None:
            """Nobody else writes to nowhere."""

        def _publish(self) -> WrittenObject:
            return WrittenObject("nowhere", self.size_bytes, None)

        def abort(self) -> None:
            """Nothing is held."""

    return Nowhere()


def _spark() -> Any:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
    }
    return SparkSession.builder.master("local[*]").config(map=settings).getOrCreate()


def _endpoint_client() -> Any:
    import boto3

    from lakehouse.aws_errors import client_config

    return boto3.client("s3", config=client_config())


def copied_in_memory(source: Path, folder: Path) -> Run:
    """The JSON as it is, copied once."""
    data = _json(source, folder)
    target = memoryview(bytearray(_STRETCH_BYTES))

    def run() -> int:
        for start in range(0, len(data), _STRETCH_BYTES):
            piece = data[start : start + _STRETCH_BYTES]
            target[: len(piece)] = piece
        return len(data)

    return run


def written_to_disk(source: Path, folder: Path) -> Run:
    """The JSON as it is, written to a new file: into the system's cache, as every contestant leaves it."""
    data = _json(source, folder)

    def run() -> int:
        with (folder / "out.copy.json").open("wb", buffering=0) as file:
            for start in range(0, len(data), _STRETCH_BYTES):
                file.write(data[start : start + _STRETCH_BYTES])
        return len(data)

    return run


def _json(source: Path, folder: Path) -> memoryview:
    _lakehouse(source, folder, _contract())()
    return memoryview((folder / "out.json").read_bytes())


def create_bucket(name: str) -> None:
    """A bucket as the lakehouse's: encrypted with a KMS key, so that nobody computes MD5s of what goes into it."""
    import boto3

    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})


def _over_a_link(s3: Any) -> Any:
    """The client behind a link of limited speed, as S3 is: sending costs time then, and no more of the processor."""
    lock = threading.Lock()

    def send(request: Any, **_: Any) -> None:
        with lock:
            time.sleep(int(request.headers["Content-Length"]) / LINK_BYTES_A_SECOND)

    s3.meta.events.register("before-send.s3.UploadPart", send)
    return s3


def _size(key: str) -> int:
    return int(_endpoint_client().head_object(Bucket=BUCKET, Key=key)["ContentLength"])


def _uploaded(s3: Any, source: Path) -> Any:
    from lakehouse.convert.s3_source import S3Source

    s3.upload_file(str(source), BUCKET, source.name)
    return S3Source(s3, BUCKET, source.name)


def _published(s3: Any, runner: Any, source: Path) -> Run:
    from lakehouse.convert.runner import Assignment
    from lakehouse.convert.source import inspect

    parquet = _uploaded(s3, source)

    def run() -> int:
        facts = inspect(parquet)
        names = f"{runner.engine}.json", f"{runner.engine}.quarantine.json"
        assignment = Assignment(BUCKET, source.name, None, facts, _contract(), BUCKET, *names, {})
        with runner.draft(assignment, lambda _rows: None) as draft:
            draft.counts.require_conserved(source.name, facts.rows)
            return draft.publish()[0].size_bytes

    return run


PEER = "polars sink_ndjson (no rules)"
TO_DISK: dict[str, Contestant] = {
    PEER: polars_sink_ndjson,
    "lakehouse convert, its contract's rules": lakehouse_with_rules,
    "lakehouse convert, no contract": lakehouse_without_rules,
    "duckdb COPY (no rules)": duckdb_copy,
    "pandas to_json (no rules)": pandas_to_json,
    "awswrangler to_json, to the endpoint (no rules)": awswrangler_to_json,
    "Spark df.write.json (no rules)": spark_write_json,
    "lakehouse on Spark, rules, to the endpoint": lakehouse_on_spark,
}
BOUNDS: dict[str, Contestant] = {
    "copied in memory": copied_in_memory,
    "written to a file": written_to_disk,
}
# By the first two of each, the third is judged.
TO_THE_ENDPOINT: dict[str, Contestant] = {
    "conversion alone, rules": conversion_alone,
    "upload alone": upload_alone,
    "both, overlapping": lakehouse_to_the_endpoint,
}
OVER_A_LINK: dict[str, Contestant] = {
    "conversion alone, rules": conversion_alone,
    "upload alone, over the link": upload_over_a_link,
    "both, overlapping, over the link": lakehouse_over_a_link,
}
