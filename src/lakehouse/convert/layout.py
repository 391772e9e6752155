"""Which object in the processed layer belongs to which object in the raw layer.

``raw-data/<dataset>/<file>.parquet`` becomes ``processed-data/YYYY/MM/DD/<dataset>/<file>.json``, and its rejected rows
``quarantine/YYYY/MM/DD/<dataset>/<file>.json``, where the date is the UTC day on which the raw object landed: it is a
fact of the object, so that running again at any time gives the same key. Compressed output is called ``<file>.json.gz``
or ``.zst``, since readers go by the name. Output of limited size lies in ``<file>.parts/``: ``00001.json`` and so on,
with ``_manifest.json``, whose name hides it from Athena, Spark and crawlers.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from lakehouse.convert.chunks import SUFFIXES
from lakehouse.errors import InputFileError
from lakehouse.metadata.identity import RAW_PREFIX, RAW_SUFFIX, dataset_of_key

if TYPE_CHECKING:
    from datetime import datetime

    from lakehouse.contracts.model import Compression

OUTPUT_PREFIX = "processed-data/"
QUARANTINE_PREFIX = "quarantine/"
_EXTENSION = ".json"
_PARTS = ".parts/"


def output_key(raw_key: str, landed_at: datetime, compression: Compression = "none") -> str:
    """Key of the JSON object of a raw object.

    Args:
        raw_key: ``raw-data/<dataset>/<file>.parquet``; folders in between are kept.
        landed_at: The raw object's LastModified, with a time zone.
        compression: How the output is compressed.

    Returns:
        A key in the processed bucket.

    Raises:
        InputFileError: The raw key has another shape.
    """
    return OUTPUT_PREFIX + _dated_name(raw_key, landed_at) + SUFFIXES[compression]


def part_name(output_name: str, number: int) -> str:
    """Key (or path) of one of several objects that an output consists of.

    Args:
        output_name: The key that it would have as one object.
        number: From 1.

    Returns:
        ``<file>.parts/00001.json``, in name order for 99,999 objects.
    """
    return f"{parts_folder(output_name)}{number:05d}{_EXTENSION}{output_name.rpartition(_EXTENSION)[2]}"


def manifest_name(output_name: str) -> str:
    """Key (or path) of the list of these objects.

    Args:
        output_name: The key that the output would have as one object.

    Returns:
        ``<file>.parts/_manifest.json``.
    """
    return f"{parts_folder(output_name)}_manifest{_EXTENSION}"


def parts_folder(output_name: str) -> str:
    """The folder of an output of several objects.

    Args:
        output_name: The key that the output would have as one object.

    Returns:
        ``<file>.parts/``.
    """
    return output_name.rpartition(_EXTENSION)[0] + _PARTS


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
    if _PARTS in name:
        raise InputFileError(
            f"{raw_key}: a folder called <name>{_PARTS} holds the parts of an output in the processed layer. "
            "Upload the file to a folder of another name."
        )
    return f"{landed_at.astimezone(UTC):%Y/%m/%d}/{name.removesuffix(RAW_SUFFIX)}{_EXTENSION}"
