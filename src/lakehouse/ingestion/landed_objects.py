"""What lies in the raw bucket: a page of the listing at a time, from any key on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import client_config, translate
from lakehouse.metadata.identity import RAW_PREFIX, RAW_SUFFIX, file_id, version_or_none

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class LandedObject:
    """The latest version of an object that is a file of the pipeline.

    Attributes:
        file_id: Its identity.
        key: Its key.
        version_id: Its version, None where the bucket has no versioning.
    """

    file_id: str
    key: str
    version_id: str | None


@dataclass(frozen=True, slots=True)
class ListedPage:
    """A page of the listing.

    Attributes:
        objects: The files on it, in the order of their keys.
        through: The last key that the page is about, file or not; empty where there is none.
    """

    objects: tuple[LandedObject, ...]
    through: str


def listing_client() -> S3Client:
    """Make a client for very long listings.

    Returns:
        An S3 client that gives times as the texts they are: parsing a million of them, which nobody reads, takes longer
        than everything else about a plan.
    """
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
    client: S3Client = boto3.Session(botocore_session=session).client("s3", config=client_config())
    return client


def listed_pages(
    client: S3Client, bucket: str, datasets: Sequence[str] = (), start_after: str | None = None
) -> Iterator[ListedPage]:
    """List the files of the raw layer in the order of their keys.

    Args:
        client: S3 client.
        bucket: The raw bucket.
        datasets: Only these; all without any.
        start_after: Only keys behind this one.

    Yields:
        The pages, also those without a file.

    Raises:
        LakehouseError: S3 refused.

    Source:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
    """
    paginator = client.get_paginator("list_object_versions")
    for prefix in _prefixes(datasets):
        place: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        if start_after is not None and start_after.startswith(prefix):
            place["KeyMarker"] = start_after
        elif start_after is not None and start_after > prefix:
            # S3 orders by the bytes of UTF-8, which is the order of code points: this folder is done.
            continue
        try:
            for page in paginator.paginate(**place):
                yield _page(bucket, page, start_after)
        except (ClientError, BotoCoreError) as error:
            raise translate(error, f"Listing s3://{bucket}/{prefix}") from error


def _prefixes(datasets: Sequence[str]) -> list[str]:
    """The folders to list, in the order of their keys, and none that lies within another."""
    wanted = sorted({f"{RAW_PREFIX}{dataset}/" for dataset in datasets}) or [RAW_PREFIX]
    return [one for one in wanted if not any(one != other and one.startswith(other) for other in wanted)]


def _page(bucket: str, page: Any, start_after: str | None) -> ListedPage:
    versions = page.get("Versions", ())
    last = versions[-1]["Key"] if versions else ""
    # Whether a marker's own key is listed once more, S3 does not say.
    objects = tuple(
        _landed(bucket, version) for version in versions if _is_file(version) and version["Key"] > (start_after or "")
    )
    return ListedPage(objects, str(page.get("NextKeyMarker") or last))


def _is_file(version: Any) -> bool:
    """The latest version, and no key right below raw-data/, which has no dataset."""
    key = version["Key"]
    return bool(version["IsLatest"]) and key.endswith(RAW_SUFFIX) and "/" in key.removeprefix(RAW_PREFIX)


def _landed(bucket: str, version: Any) -> LandedObject:
    version_id = version_or_none(version["VersionId"])
    identity = file_id(bucket, version["Key"], version_id=version_id, etag=version["ETag"])
    return LandedObject(identity, version["Key"], version_id)
