"""Planning a run over very many keys: ``python tests/benchmarks/planning.py [KEYS …]``.

S3's listing and DynamoDB's look-ups are answered inside the process, below botocore: every request is made, signed and
parsed as against AWS, but no network answers, so the time is the processor's alone. The list of planned files goes to
the local endpoint. Each size has a process of its own, whose most memory is the kernel's number.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config

RAW, PLANS, TABLE = "bench-raw", "bench-plans", "bench-files"
PAGE = 1_000
# Of a thousand files so many have no record yet; the others are converted.
NEW_OF_A_THOUSAND = 50
SIZES = (10_000, 100_000, 1_000_000)
_CREATED = "2022-01-01T00:00:00.000Z"


def main(arguments: list[str]) -> None:
    """Measure every size, or one in this process: ``--one KEYS``."""
    if arguments[:1] == ["--one"]:
        print(json.dumps(one(int(arguments[1]))))
        return
    from lakehouse.local.endpoint import Endpoint

    sizes = [int(each) for each in arguments] or list(SIZES)
    with tempfile.TemporaryDirectory() as folder:
        endpoint = Endpoint(Path(folder), port=0)
        endpoint.start()
        try:
            print(
                f"{'keys':>12} {'planned':>9} {'seconds':>8} {'keys/s':>8} {'peak MB':>8} {'lists':>6} {'look-ups':>8}"
            )
            for size in sizes:
                show(measured(size, endpoint.environment()))
        finally:
            endpoint.stop()


def show(found: dict[str, Any]) -> None:
    """Print a line of the table."""
    keys, seconds, calls = found["keys"], found["seconds"], found["calls"]
    print(
        f"{keys:>12,} {found['planned']:>9,} {seconds:>8.1f} {keys / seconds:>8,.0f} {found['peak_bytes'] / 1e6:>8.0f} "
        f"{calls['ListObjectVersions']:>6,} {calls['BatchGetItem']:>8,}",
        flush=True,
    )


def measured(keys: int, environment: dict[str, str]) -> dict[str, Any]:
    """Plan in a process of its own.

    Args:
        keys: How many keys lie in the raw bucket.
        environment: The variables of the endpoint that takes the list.

    Returns:
        See ``one``.
    """
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(keys)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def one(keys: int) -> dict[str, Any]:
    """Plan.

    Args:
        keys: How many keys lie in the raw bucket.

    Returns:
        ``keys``, the ``planned`` files, ``seconds``, ``peak_bytes`` of this process and the ``calls`` by operation.
    """
    from lakehouse.aws_errors import client_config
    from lakehouse.ingestion.file_lists import Place, hand_over
    from lakehouse.ingestion.landed_objects import listing_client
    from lakehouse.ingestion.planning import Plan
    from lakehouse.ingestion.standings import FileStandings

    calls: Counter[str] = Counter()
    path_style = client_config().merge(Config(s3={"addressing_style": "path"}))
    s3, listing = boto3.client("s3", config=path_style), listing_client()
    dynamodb = boto3.client("dynamodb", config=client_config())
    s3.create_bucket(Bucket=f"{PLANS}-{keys}")
    listing.meta.events.register("before-send.s3.ListObjectVersions", lambda request, **_: listed(request, keys, calls))
    dynamodb.meta.events.register("before-send.dynamodb.BatchGetItem", lambda request, **_: looked_up(request, calls))
    started = time.perf_counter()
    plan = Plan(listing, FileStandings(dynamodb, TABLE), RAW)
    answer = hand_over(plan, Place(f"{PLANS}-{keys}", "plan.jsonl"), s3, limit=60)
    seconds = time.perf_counter() - started
    assert not answer["more"], answer
    peak = _peak_bytes()
    return {"keys": keys, "planned": answer["count"], "seconds": seconds, "peak_bytes": peak, "calls": calls}


def _peak_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage would also tell of the process that started this one, from before it began anew.
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class _Body(io.BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, size: int = 65536) -> Any:
        while chunk := self.read(size):
            yield chunk


def _answer(request: AWSRequest, kind: str, body: str) -> AWSResponse:
    content = body.encode()
    headers = {"content-type": kind, "content-length": str(len(content))}
    return AWSResponse(request.url, 200, headers, _Body(content))


def listed(request: AWSRequest, keys: int, calls: Counter[str]) -> AWSResponse:
    """A page of ListObjectVersions, as S3 answers.

    Args:
        request: The request.
        keys: How many keys there are.
        calls: Counts it.

    Returns:
        The answer.
    """
    calls["ListObjectVersions"] += 1
    first = 0
    if "key-marker=" in request.url:
        first = int(request.url.split("key-marker=")[1].split("&")[0].split(".parquet")[0][-8:]) + 1
    last = min(first + PAGE, keys)
    versions = "".join(
        f"<Version><Key>raw-data/trips/{number:08}.parquet</Key><VersionId>{number:032x}</VersionId>"
        f"<IsLatest>true</IsLatest><LastModified>{_CREATED}</LastModified><ETag>&quot;{number:032x}&quot;</ETag>"
        "<Size>1048576</Size><StorageClass>STANDARD</StorageClass><Owner><ID>owner</ID></Owner></Version>"
        for number in range(first, last)
    )
    is_truncated = last < keys
    marker = f"raw-data/trips/{last - 1:08}.parquet"
    following = (
        f"<NextKeyMarker>{marker}</NextKeyMarker><NextVersionIdMarker>{last - 1:032x}</NextVersionIdMarker>"
        if is_truncated
        else ""
    )
    return _answer(
        request,
        "application/xml",
        '<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{RAW}</Name><Prefix>raw-data/</Prefix><MaxKeys>{PAGE}</MaxKeys>"
        f"<IsTruncated>{str(is_truncated).lower()}</IsTruncated>{following}{versions}</ListVersionsResult>",
    )


def looked_up(request: AWSRequest, calls: Counter[str]) -> AWSResponse:
    """The records of a hundred files, as DynamoDB answers.

    Args:
        request: The request.
        calls: Counts it.

    Returns:
        The answer.
    """
    calls["BatchGetItem"] += 1
    wanted = json.loads(request.body)["RequestItems"][TABLE]["Keys"]
    items = [
        {
            "file_id": key["file_id"],
            "status": {"S": "SUCCEEDED"},
            "attempt": {"N": "1"},
            "updated_at": {"S": "2022-01-01T00:00:00.000000Z"},
        }
        for key in wanted
        if int(key["file_id"]["S"], 16) % 1_000 >= NEW_OF_A_THOUSAND
    ]
    body = json.dumps({"Responses": {TABLE: items}, "UnprocessedKeys": {}})
    return _answer(request, "application/x-amz-json-1.0", body)


if __name__ == "__main__":
    main(sys.argv[1:])
