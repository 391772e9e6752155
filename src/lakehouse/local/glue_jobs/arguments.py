"""What a job run is asked to do, and what of it the laptop cannot honour.

Source: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

# Nothing here is refused without need: the other special arguments only concern logs, metrics and billing.
_REFUSED = {
    "--class": "it runs a Scala main class",
    "--datalake-formats": "the Iceberg, Hudi and Delta jars are not on PyPI",
    "--extra-files": "files are not copied to the workers",
    "--extra-jars": "jars are not added to the driver",
    "--extra-py-files": "only wheels are: use --additional-python-modules",
    "--user-jars-first": "jars are not added to the driver",
}
_REFUSED_WHEN_TRUE = {
    "--enable-glue-datacatalog": "Spark SQL does not read the Data Catalog here",
    "--use-postgres-driver": "jars are not added to the driver",
}


def merged(job: Mapping[str, Any], run_arguments: Mapping[str, str]) -> dict[str, str]:
    """The arguments of a run: the job's defaults, then the run's, then the job's that no run may override.

    Args:
        job: The job's definition.
        run_arguments: ``Arguments`` of StartJobRun.

    Returns:
        Argument names, with their dashes, and values.
    """
    return {
        **(job.get("DefaultArguments") or {}),
        **run_arguments,
        **(job.get("NonOverridableArguments") or {}),
    }


def refusals(job: Mapping[str, Any], arguments: Mapping[str, str]) -> list[str]:
    """What the run asks for that nothing here does.

    Args:
        job: The job's definition.
        arguments: The merged arguments.

    Returns:
        One sentence each; empty where the run can be honoured.
    """
    return list(_refusals(job, arguments))


def _refusals(job: Mapping[str, Any], arguments: Mapping[str, str]) -> Iterator[str]:
    command = job.get("Command") or {}
    if command.get("Name") != "glueetl":
        yield f"Command.Name {command.get('Name')!r} is not run here, only 'glueetl' is"
    if (job.get("Connections") or {}).get("Connections"):
        yield "Connections are not made here"
    if arguments.get("--job-language", "python") != "python":
        yield "--job-language: only python is run here"
    for name, reason in _REFUSED.items():
        if arguments.get(name):
            yield f"{name}: {reason}"
    for name, reason in _REFUSED_WHEN_TRUE.items():
        if arguments.get(name, "false").lower() == "true":
            yield f"{name}: {reason}"
    for location in wheel_locations(arguments):
        if not location.startswith("s3://") or not location.endswith((".whl", ".gluewheels.zip")):
            yield f"--additional-python-modules: {location!r} would need a package index; give wheels in S3"


def wheel_locations(arguments: Mapping[str, str]) -> list[str]:
    """Where the run's additional Python modules lie.

    Args:
        arguments: The merged arguments.

    Returns:
        The entries of ``--additional-python-modules``.
    """
    return [part.strip() for part in arguments.get("--additional-python-modules", "").split(",") if part.strip()]


def spark_settings(arguments: Mapping[str, str]) -> dict[str, str]:
    """The Spark settings of ``--conf``.

    Args:
        arguments: The merged arguments; several settings are written as ``a=1 --conf b=2``.

    Returns:
        Names and values.
    """
    words = [word for word in shlex.split(arguments.get("--conf", "")) if word != "--conf"]
    return dict(word.split("=", 1) for word in words if "=" in word)


def command_line(job_name: str, run_id: str, arguments: Mapping[str, str]) -> list[str]:
    """What the script finds in ``sys.argv`` after its own name.

    Args:
        job_name: The job's name.
        run_id: The run's id.
        arguments: The merged arguments.

    Returns:
        Names and values, in turn.
    """
    given = {"--JOB_NAME": job_name, "--JOB_RUN_ID": run_id, **arguments}
    return [word for name, value in given.items() for word in (name, str(value))]
