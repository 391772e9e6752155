"""Which object in the processed layer belongs to which object in the raw layer.

``raw-data/<dataset>/<file>.parquet`` becomes ``processed-data/YYYY/MM/DD/<dataset>/<file>.json``, and its rejected rows
``quarantine/YYYY/MM/DD/<dataset>/<file>.json``, where the date is the UTC day on which the raw object landed: it is a
fact of the object, so that running again at any time gives the same key.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from lakehouse.errors import InputFileError
from lakehouse.metadata.identity import RAW_PREFIX, RAW_SUFFIX, dataset_of_key

if TYPE_CHECKING:
    from datetime import datetime

OUTPUT_PREFIX = "processed-data/"
QUARANTINE_PREFIX = "quarantine/"


def output_key(raw_key: str, landed_at: datetime) -> str:
    """Key of the JSON object of a raw object.

    Args:
        raw_key: ``raw-data/<dataset>/<file>.parquet``; folders in between are kept.
        landed_at: The raw object's LastModified, with a time zone.

    Returns:
        A key in the processed bucket.

    Raises:
        InputFileError: The raw key has another shape.
    """
    return OUTPUT_PREFIX + _dated_name(raw_key, landed_at)


def quarantine_key(raw_key: str, landed_at: datetime) -> str:
    """Key of the object that holds the rejected rows of a raw object.

    Args:
        raw_key: ``raw-data/<dataset>/<file>.parquet``; folders in between are kept.
        landed_at: The raw object's LastModified, with a time zone.

    Returns:
        A key in the processed bucket.

    Raises:
        InputFileError: The raw key has another shape.
    """
    return QUARANTINE_PREFIX + _dated_name(raw_key, landed_at)


def _dated_name(raw_key: str, landed_at: datetime) -> str:
    dataset_of_key(raw_key)  # refuses keys outside the raw layer
    name = raw_key.removeprefix(RAW_PREFIX)
    if not name.endswith(RAW_SUFFIX) or name.endswith("/" + RAW_SUFFIX):
        # Two raw keys must never share an output key, so only the one suffix that all of them have is cut off.
        raise InputFileError(
            f"{raw_key}: the name does not end in <file>{RAW_SUFFIX}, so it has no place in the processed layer. "
            f"Upload it under a name that does (lakehouse ingest does)."
        )
    return f"{landed_at.astimezone(UTC):%Y/%m/%d}/{name.removesuffix(RAW_SUFFIX)}.json"
