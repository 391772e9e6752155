"""Converts one file in this process: the runner for files that are not worth a Spark start-up."""

from __future__ import annotations

from dataclasses import asdict

from lakehouse.functions import bundled_wheels, surroundings
from lakehouse.functions.surroundings import Answer, Event, handles, require
from lakehouse.metadata.identity import version_or_none


@handles
def handler(event: Event) -> Answer:
    """Convert the file that the event names.

    Args:
        event: ``file_id``, ``bucket``, ``key``, ``version_id``, ``attempt``, ``execution_arn``, ``run_id``: the Glue
            job's arguments.

    Returns:
        ``file_id``, ``attempt`` and the result's fields, as the file's record has them; without these where nothing was
        published, see ``Converter.convert``.

    Raises:
        LakehouseError: The file was not converted; its record says why.
    """
    bundled_wheels.make_importable()
    from lakehouse.contracts.catalog import ContractCatalog
    from lakehouse.convert.in_process import InProcessRunner
    from lakehouse.convert.job import ConversionJob, Converter

    job = ConversionJob(
        file_id=require(event, "file_id"),
        bucket=require(event, "bucket"),
        key=require(event, "key"),
        version_id=version_or_none(event.get("version_id")),
        attempt=int(event.get("attempt") or 1),
        execution_arn=event.get("execution_arn"),
        run_id=event.get("run_id"),
    )
    converter = Converter(
        s3=surroundings.s3(),
        records=surroundings.records(),
        contracts=ContractCatalog.packaged(),
        processed_bucket=surroundings.settings().processed_bucket,
    )
    result = converter.convert(job, InProcessRunner(surroundings.s3()))
    return {"file_id": job.file_id, "attempt": job.attempt, **(asdict(result) if result else {})}
