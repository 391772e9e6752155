"""Lists what landed in the raw layer and is not converted yet, for one run of the pipeline."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import boto3

from lakehouse.aws_errors import client_config
from lakehouse.functions import surroundings
from lakehouse.functions.surroundings import Answer, Event, handles
from lakehouse.ingestion.file_lists import Place, hand_over
from lakehouse.ingestion.landed_objects import listing_client
from lakehouse.ingestion.planning import Plan
from lakehouse.ingestion.standings import FileStandings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# What is left of the function's time when a plan ends: enough to write the end of a list.
_SECONDS_TO_HAND_OVER = 45


@cache
def _listing() -> S3Client:
    return listing_client()


@cache
def _standings() -> FileStandings:
    client = boto3.client("dynamodb", config=client_config())
    return FileStandings(client, surroundings.settings().files_table)


def _is_time_up() -> bool:
    return surroundings.seconds_left() < _SECONDS_TO_HAND_OVER


@handles
def handler(event: Event) -> Answer:
    """Plan a run, or as much of it as the function's time allows.

    Args:
        event: ``run_id`` and, if need be, ``datasets``, ``retry_failed``, ``start_after`` (where the plan before this
            one ended), ``limit`` (the most files in the answer) and ``list`` (``bucket`` and ``key`` of a longer list).

    Returns:
        See ``file_lists.hand_over``.

    Raises:
        LakehouseError: S3 or DynamoDB refused.
    """
    plan = Plan(
        _listing(),
        _standings(),
        surroundings.settings().raw_bucket,
        datasets=event.get("datasets") or (),
        retry_failed=bool(event.get("retry_failed")),
        start_after=event.get("start_after"),
        is_time_up=_is_time_up,
    )
    place = event.get("list")
    return hand_over(plan, Place(**place) if place else None, surroundings.s3(), limit=event.get("limit"))
