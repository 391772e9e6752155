"""Glue job: converts one parquet file of the raw layer into one JSON object of the processed layer.

Arguments, all required: ``--file_id --bucket --key --version_id --attempt --execution_arn --run_id`` and the settings
(``--LAKEHOUSE_RAW_BUCKET`` and so on, see ``lakehouse.settings``), which Terraform sets as default arguments.
``version_id`` is ``null`` for an object without a version, as S3 itself says.

An error leaves the script as it is: Glue shows it as the run's ErrorMessage, ``ClassName: message``.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import boto3
from awsglue.context import GlueContext
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

from lakehouse import json_log
from lakehouse.aws_errors import client_config
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.convert.job import ConversionJob, Converter
from lakehouse.convert.spark import SparkRunner
from lakehouse.metadata.files import FileRecords
from lakehouse.metadata.identity import version_or_none
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

_JOB_ARGUMENTS = ["file_id", "bucket", "key", "version_id", "attempt", "execution_arn", "run_id"]
_SETTINGS = [f"LAKEHOUSE_{field.name.upper()}" for field in fields(Settings)]


def main(arguments: Sequence[str]) -> None:
    """Convert the file that the arguments name.

    Args:
        arguments: The script's name and its arguments, as in ``sys.argv``.

    Raises:
        LakehouseError: The file was not converted; its record says why.
    """
    options = getResolvedOptions(list(arguments), [*_JOB_ARGUMENTS, *_SETTINGS])
    json_log.configure(run_id=options["run_id"], file_id=options["file_id"], job_run_id=options.get("JOB_RUN_ID"))
    settings = Settings.from_mapping(options)
    s3 = boto3.client("s3", config=client_config())
    converter = Converter(
        s3=s3,
        records=FileRecords(boto3.client("dynamodb", config=client_config()), settings.files_table),
        contracts=ContractCatalog.packaged(),
        processed_bucket=settings.processed_bucket,
    )
    job = ConversionJob(
        file_id=options["file_id"],
        bucket=options["bucket"],
        key=options["key"],
        version_id=version_or_none(options["version_id"]),
        attempt=int(options["attempt"]),
        execution_arn=options["execution_arn"],
        run_id=options["run_id"],
        job_run_id=options.get("JOB_RUN_ID"),
    )
    try:
        converter.convert(job, SparkRunner(_start_spark, s3))
    except Exception:
        logging.getLogger("lakehouse.parquet_to_json").exception("%s was not converted", job.uri)
        raise


def _start_spark() -> SparkContext:
    spark = SparkContext.getOrCreate()
    # Glue reports the job's metrics only where there is one of these.
    # https://docs.aws.amazon.com/glue/latest/dg/monitor-profile-glue-job-cloudwatch-metrics.html
    GlueContext(spark)
    return spark


if __name__ == "__main__":
    main(sys.argv)
