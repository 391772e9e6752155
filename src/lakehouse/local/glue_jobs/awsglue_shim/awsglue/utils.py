"""Reads a job's arguments.

Source: https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-get-resolved-options.html
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

_RESERVED = (
    "JOB_NAME",
    "JOB_ID",
    "JOB_RUN_ID",
    "SECURITY_CONFIGURATION",
    "TempDir",
    "encryption-type",
    "job-bookmark-from",
    "job-bookmark-option",
    "job-bookmark-to",
)


class GlueArgumentError(Exception):
    """An argument that the script asks for is missing."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, str]:  # noqa: N802 - Glue's own name
    """Read named arguments of the job.

    Args:
        args: ``sys.argv``.
        options: Names without dashes; every one is required.

    Returns:
        Their values, and those of Glue's reserved arguments that were given; dashes in names become underscores.

    Raises:
        GlueArgumentError: One is missing.
    """
    parser = _Parser(prog=args[0], allow_abbrev=False)
    for name in dict.fromkeys([*options, *_RESERVED]):
        parser.add_argument(f"--{name}", dest=name.replace("-", "_"), required=name in options)
    known, _ = parser.parse_known_args(list(args[1:]))
    return {name: value for name, value in vars(known).items() if value is not None}
