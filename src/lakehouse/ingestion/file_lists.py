"""Hands a plan to the state machine: a short one inside the answer, a longer one as a list in S3.

Step Functions carries 256 KiB from state to state, and an execution's history holds 25,000 events: what is short enough
for both goes from state to state; anything longer is read by a distributed Map, a line an item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from lakehouse.aws_errors import translate
from lakehouse.convert.object_writer import ObjectWriter
from lakehouse.ingestion.planning import PlannedFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A quarter of what Step Functions carries: the results of the files and the failures among them are there as well.
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MOST_BYTES = 64 * 1024
# As many files as one run converts within its time; a Map Run itself takes a hundred million.
MOST_LISTED = 100_000
# Parts of a list that are sent at a time: each holds some MB.
_UPLOADS = 2


class Planned(Protocol):
    """Files to convert, of which not all may be decided; see ``planning.Plan``."""

    decided: str | None
    is_whole: bool

    def __iter__(self) -> Iterator[PlannedFile]:
        """Go through the files."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a long list goes.

    Attributes:
        bucket: A bucket.
        key: A key; a list that is there is replaced.
    """

    bucket: str
    key: str


def hand_over(
    plan: Planned,
    place: Place | None,
    client: S3Client,
    *,
    limit: int | None = None,
    most_bytes: int = MOST_BYTES,
    most_listed: int = MOST_LISTED,
) -> dict[str, Any]:
    """Give the state machine its files, in bounded memory.

    Args:
        plan: The files to convert.
        place: Where a list goes that is too long for the answer; None to cut it off there.
        client: S3 client.
        limit: The most files inside the answer; None for as many as fit.
        most_bytes: The most bytes of them as JSON.
        most_listed: The most files of a list in S3.

    Returns:
        ``files``, the files themselves, or ``list``, the ``bucket`` and ``key`` of a JSON Lines object with them (else
        None); their ``count``; ``more``, whether the plan is to go on, and then ``start_after``, the key behind which.

    Raises:
        LakehouseError: S3 or DynamoDB refused.

    Source:
        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html (JSONL)
    """
    files = iter(plan)
    taken, following = _first(files, limit, most_bytes)
    if place is None or (following is None and (plan.is_whole or not taken)):
        return _answer(plan, count=len(taken), last=_last_key(taken) if following else None, files=taken)
    rest = () if following is None else (following,)
    # From here on only the text of a part or two is held.
    items = chain(taken, map(asdict, chain(rest, files)))
    count, last = _written(items, place, client, most_listed)
    return _answer(plan, count=count, last=last, at=place)


def _first(files: Iterator[PlannedFile], limit: int | None, most_bytes: int) -> tuple[list[Any], PlannedFile | None]:
    """As many as fit into an answer, and the first that does not."""
    taken: list[Any] = []
    size = 2
    for file in files:
        item = asdict(file)
        size += len(json.dumps(item).encode()) + 2
        if size > most_bytes or (limit is not None and len(taken) >= limit):
            return taken, file
        taken.append(item)
    return taken, None


def _written(items: Iterable[Any], place: Place, client: S3Client, most: int) -> tuple[int, str | None]:
    """Write a list; how many files it has, and where it was cut off, the last one's key."""
    count, last = 0, ""
    try:
        with ObjectWriter(client, place.bucket, place.key, threads=_UPLOADS) as writer:
            for item in items:
                if count == most:
                    break
                writer.write(f"{json.dumps(item)}\n".encode())
                count, last = count + 1, item["key"]
            else:
                last = ""
            writer.complete()
    except (ClientError, BotoCoreError) as error:
        raise translate(error, f"Writing s3://{place.bucket}/{place.key}") from error
    return count, last or None


def _last_key(taken: list[Any]) -> str:
    return str(taken[-1]["key"]) if taken else ""


def _answer(
    plan: Planned, *, count: int, last: str | None, files: list[Any] | None = None, at: Place | None = None
) -> dict[str, Any]:
    """Where something was left out, the next plan starts after what was taken last, else after what was decided."""
    more = last is not None or not plan.is_whole
    return {
        "files": files or [],
        "list": None if at is None else asdict(at),
        "count": count,
        "more": more,
        "start_after": (last if last is not None else plan.decided) if more else None,
    }
