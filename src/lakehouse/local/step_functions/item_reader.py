"""ItemReader: the items of a distributed Map that lie in S3.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
"""

# ruff: noqa: SLF001 - the emulator has no public names for its state
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError as StateError

from lakehouse.local.step_functions.json_path import Json
from lakehouse.local.step_functions.references import Context

_FAILED = "States.ItemReaderFailed"
_RESOURCES = ("arn:aws:states:::s3:getObject", "arn:aws:states:::s3:listObjectsV2")
_INPUT_TYPES = ("CSV", "JSON", "JSONL")


def problems_of(reader: Mapping[str, Any]) -> Iterator[str]:
    """Name what is not executed here.

    Args:
        reader: A Map's ``ItemReader``.

    Yields:
        One sentence a problem.
    """
    resource = reader.get("Resource")
    if resource not in _RESOURCES:
        yield f"ItemReader's resource {resource} is not executed by the local endpoint; use {' or '.join(_RESOURCES)}"
    configuration = reader.get("ReaderConfig") or {}
    kind = configuration.get("InputType")
    if str(resource).endswith("getObject") and kind not in _INPUT_TYPES:
        yield f"ItemReader's InputType {kind} is not executed by the local endpoint; use {', '.join(_INPUT_TYPES)}"
    arguments = reader.get("Parameters") or reader.get("Arguments") or {}
    for field in sorted({"VersionId", "VersionId.$", "ExpectedBucketOwner"} & set(arguments)):
        yield f"ItemReader's {field} is not executed by the local endpoint; leave it out, or run on AWS"


def read(reader: Mapping[str, Any], effective: Json, context: Context) -> list[Json]:
    """Read the items.

    Args:
        reader: A Map's ``ItemReader``.
        effective: The Map's effective input.
        context: The execution's context.

    Returns:
        The items.

    Raises:
        StateError: ``States.ItemReaderFailed``: there is no such object, or it holds no list of items.
    """
    try:
        items = stepfunctions._read_map_items(reader, effective, context)
    except (ValueError, LookupError, TypeError) as error:
        raise StateError(_FAILED, f"The items cannot be read: {type(error).__name__}: {error}") from error
    if not isinstance(items, list):
        raise StateError(_FAILED, f"A Map needs an array of items, but the object holds a {type(items).__name__}")
    return items
