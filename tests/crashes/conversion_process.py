"""Converts one file with the in-process runner, in a process that may be killed at any time.

    python conversion_process.py '{"file_id": …}'

The arguments are those of the Glue job and of the Lambda function, with the names of bucket and table.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import boto3

from lakehouse.aws_errors import client_config
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.model import OutputOptions
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.job import ConversionJob, Converter
from lakehouse.metadata.files import FileRecords


def main(processed_bucket: str, table: str, max_object_bytes: int | None, job: dict[str, object]) -> None:
    s3 = boto3.client("s3", config=client_config())
    output = OutputOptions(max_object_bytes=max_object_bytes)
    converter = Converter(
        s3=s3,
        records=FileRecords(boto3.client("dynamodb", config=client_config()), table),
        contracts=ContractCatalog(replace(contract, output=output) for contract in ContractCatalog.packaged()),
        processed_bucket=processed_bucket,
    )
    converter.convert(ConversionJob(**job), InProcessRunner(s3))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
