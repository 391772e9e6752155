"""Lists the objects of a crawl's targets and finds out what each one is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from lakehouse.local.crawling.schemas import PARQUET_MAGIC, SAMPLE_BYTES, FileSchema, of_text
from lakehouse.local.crawling.tables import CrawledFile, is_excluded

_READERS = 8
_TAIL_BYTES = 64 * 1024

Log = Callable[[str], None]


class CrawlStoppedError(Exception):
    """Somebody stopped the crawler."""


def split_path(path: str) -> tuple[str, str]:
    """Take a target's path apart.

    Args:
        path: ``s3://bucket/prefix``, with or without a final slash.

    Returns:
        Bucket and prefix; the prefix ends in a slash, or is empty.
    """
    bucket, _, prefix = path.removeprefix("s3://").partition("/")
    return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""


def read_target(s3: Any, target: Mapping[str, Any], stop: threading.Event, log: Log) -> list[CrawledFile]:
    """Classify the objects below a target.

    Args:
        s3: A boto3 client with the crawler's credentials.
        target: ``Path``, and maybe ``Exclusions`` and ``SampleSize``.
        stop: Set when the crawler is stopped.
        log: Takes a line for each file that is skipped.

    Returns:
        The files whose format is known.

    Raises:
        CrawlStoppedError: The crawler was stopped.
        botocore.exceptions.ClientError: The bucket cannot be read.
    """
    bucket, prefix = split_path(target["Path"])
    objects = _sampled(_objects(s3, bucket, prefix, target.get("Exclusions") or []), target.get("SampleSize"))

    def classify(found: tuple[str, int]) -> CrawledFile | None:
        if stop.is_set():
            raise CrawlStoppedError
        key, size = found
        schema = _classify(s3, bucket, key, size)
        if schema is None:
            log(f"[WARN] Classification UNKNOWN, skipped: s3://{bucket}/{key}")
            return None
        return CrawledFile(key, size, schema)

    with ThreadPoolExecutor(_READERS, thread_name_prefix="crawler") as pool:
        return [file for file in pool.map(classify, objects) if file is not None]


def _objects(s3: Any, bucket: str, prefix: str, exclusions: Sequence[str]) -> Iterator[tuple[str, int]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            key, size = item["Key"], item["Size"]
            parts = key[len(prefix) :].split("/")
            # As in Hive, names that begin with _ or . are hidden.
            is_hidden = any(part.startswith(("_", ".")) for part in parts)
            if size and not key.endswith("/") and not is_hidden and not is_excluded("/".join(parts), exclusions):
                yield key, size


def _sampled(objects: Iterator[tuple[str, int]], most_per_folder: int | None) -> Iterator[tuple[str, int]]:
    taken: dict[str, int] = {}
    for key, size in objects:
        folder = key.rpartition("/")[0]
        taken[folder] = taken.get(folder, 0) + 1
        if most_per_folder is None or taken[folder] <= most_per_folder:
            yield key, size


def _classify(s3: Any, bucket: str, key: str, size: int) -> FileSchema | None:
    try:
        tail = _range(s3, bucket, key, max(0, size - _TAIL_BYTES), size)
        if tail[-4:] == PARQUET_MAGIC and len(tail) > 8:
            footer = int.from_bytes(tail[-8:-4], "little") + 8
            if footer > size:
                return None
            if footer > len(tail):
                tail = _range(s3, bucket, key, size - footer, size)
            # Every start of the endpoint would wait for PyArrow.
            from lakehouse.local.crawling.parquet_footers import of_parquet

            return of_parquet(tail[-footer:])
        head = tail if size <= _TAIL_BYTES else _range(s3, bucket, key, 0, min(size, SAMPLE_BYTES))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "InvalidRange"):
            # Deleted or replaced since it was listed.
            return None
        raise
    return of_text(head, is_whole=size <= len(head))


def _range(s3: Any, bucket: str, key: str, start: int, end: int) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{end - 1}")["Body"].read()
    return body
