"""Two versions of one raw object at the moment of publication: what the newer one published is never replaced."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import boto3
import pytest
from file_table import create_file_table
from request_proxy import Point, RequestProxy

from lakehouse.aws_errors import client_config
from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.contracts.model import OutputOptions
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.job import ConversionJob, Converter
from lakehouse.convert.multipart import part_bytes
from lakehouse.convert.object_writer import ObjectWriter
from lakehouse.convert.spark import SparkRunner
from lakehouse.errors import PublishedMeanwhileError, ServiceUnavailableError
from lakehouse.functions.register_file import Registration, register
from lakehouse.metadata.file_record import FileStatus
from lakehouse.metadata.files import FileRecords
from lakehouse.sample import generate

RAW, PROCESSED, TABLE = "publication-races-raw", "publication-races-processed", "publication-races-files"
# One PutObject, and more JSON than one part holds: a multipart upload.
ROWS = {"one put": 500, "parts": 30_000}
PATIENCE_SECONDS = 60
NUMBERS = itertools.count()
DIRTY_SHARE = 0.04


class Lakehouse:
    def __init__(self, aws: Callable[..., Any], endpoint_url: str, folder: Any) -> None:
        self.aws, self.endpoint_url, self.folder = aws, endpoint_url, folder
        self.s3 = aws("s3")
        for bucket in (RAW, PROCESSED):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        dynamodb = aws("dynamodb")
        create_file_table(dynamodb, TABLE)
        self.records = FileRecords(dynamodb, TABLE)

    def land(self, name: str, rows: int, seed: int, *, dirty_share: float = DIRTY_SHARE) -> ConversionJob:
        """Upload a version and register it as an execution does; the job it gives."""
        key = f"raw-data/yellow_tripdata/{name}.parquet"
        facts = generate(self.folder / f"{name}-{seed}.parquet", rows=rows, dirty_share=dirty_share, seed=seed)
        version = self.s3.put_object(Bucket=RAW, Key=key, Body=facts.path.read_bytes())["VersionId"]
        arn = f"arn:{name}-{seed}"
        wanted = Registration(RAW, key, version, 1, run_id="run", execution_arn=arn)
        answer = register(wanted, self.s3, self.records, ContractCatalog.packaged())
        return ConversionJob(answer["file_id"], RAW, key, version, 1, execution_arn=arn, run_id="run")

    def convert(
        self, job: ConversionJob, s3: Any = None, runner: Any = None, *, max_object_bytes: int | None = None
    ) -> Any:
        client = s3 or self.s3
        output = OutputOptions(max_object_bytes=max_object_bytes)
        contracts = ContractCatalog(replace(contract, output=output) for contract in ContractCatalog.packaged())
        return Converter(client, self.records, contracts, PROCESSED).convert(job, runner or InProcessRunner(client))

    def interrupted(self, prefix: str, action: Callable[[], object], *, number: int = 1, times: int = 1) -> Any:
        """A client that does something else right before it publishes the how-manieth object under a prefix."""
        client = self.aws("s3")
        seen = 0

        def before(params: Any, **_: Any) -> None:
            nonlocal seen
            seen += params["Key"].startswith(prefix)
            if params["Key"].startswith(prefix) and number <= seen < number + times:
                action()

        for operation in ("PutObject", "CompleteMultipartUpload"):
            client.meta.events.register(f"before-parameter-build.s3.{operation}", before)
        return client

    def sources(self, prefix: str, name: str) -> list[str]:
        """Which versions of the file its objects under a prefix were made of, newest first."""
        found = self.s3.list_object_versions(Bucket=PROCESSED, Prefix=prefix).get("Versions", [])
        return [
            self.s3.head_object(Bucket=PROCESSED, Key=one["Key"], VersionId=one["VersionId"])["Metadata"].get(
                "source-version", "somebody"
            )
            for one in found
            if f"/{name}." in one["Key"]
        ]

    def require_whole(self, job: ConversionJob) -> None:
        """The output and the quarantine are this version's, and nothing is left half-done."""
        record = self.records.get(job.file_id)
        assert record.status is FileStatus.SUCCEEDED
        for uri, rows in (
            (record.output_uri, record.rows_written),
            (record.quarantine_uri, record.rows_quarantined),
        ):
            assert uri is not None
            answer = self.s3.get_object(Bucket=PROCESSED, Key=uri.removeprefix(f"s3://{PROCESSED}/"))
            assert answer["Metadata"]["source-version"] == job.version_id
            assert answer["Body"].read().count(b"\n") == rows
        assert self.uploads() == []

    def require_skipped(self, job: ConversionJob, newer: ConversionJob) -> None:
        record = self.records.get(job.file_id)
        assert (record.status, record.duplicate_of) == (FileStatus.SKIPPED, newer.file_id)

    def uploads(self) -> list[str]:
        return [one["Key"] for one in self.s3.list_multipart_uploads(Bucket=PROCESSED).get("Uploads", [])]


@pytest.fixture(scope="module")
def lakehouse(endpoint: Any, aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    return Lakehouse(aws, endpoint.url, tmp_path_factory.mktemp("publication-races"))


@pytest.fixture(params=["in_process", pytest.param("spark", marks=pytest.mark.e2e)])
def make_runner(request: pytest.FixtureRequest, lakehouse: Lakehouse) -> Callable[[Any], Any]:
    if request.param == "in_process":
        return InProcessRunner
    spark = request.getfixturevalue("spark")
    options = {"endpoint_url": lakehouse.endpoint_url}
    return lambda client: SparkRunner(lambda: spark.sparkContext, client, client_options=options)


sizes = pytest.mark.parametrize("size", ROWS)


@sizes
@pytest.mark.parametrize("was_there", [False, True], ids=["first output", "an output before"])
@pytest.mark.parametrize("moment", ["quarantine/", "processed-data/"])
def test_an_older_version_does_not_replace_what_a_newer_one_published_just_before_it(
    lakehouse: Lakehouse, make_runner: Callable[[Any], Any], moment: str, was_there: bool, size: str
) -> None:
    name = f"just-before-{next(NUMBERS)}"
    before = [lakehouse.land(name, ROWS[size], seed=0)] if was_there else []
    for job in before:
        lakehouse.convert(job)
    older, newer = lakehouse.land(name, ROWS[size], seed=1), []

    def publish_newer() -> None:
        newer.append(lakehouse.land(name, ROWS[size], seed=2))
        lakehouse.convert(newer[0])

    client = lakehouse.interrupted(moment, publish_newer)
    assert lakehouse.convert(older, client, make_runner(client)) is None
    lakehouse.require_whole(newer[0])
    lakehouse.require_skipped(older, newer[0])
    versions = [newer[0].version_id, *(job.version_id for job in before)]
    assert lakehouse.sources("processed-data/", name) == versions
    # The older one's quarantine was there for a moment, where its output was what came too late.
    own = [] if moment == "quarantine/" else [older.version_id]
    assert lakehouse.sources("quarantine/", name) == [versions[0], *own, *versions[1:]]


@sizes
def test_a_newer_version_replaces_what_an_older_one_published_just_before_it(lakehouse: Lakehouse, size: str) -> None:
    name = f"older-just-before-{size.replace(' ', '-')}"
    older = lakehouse.land(name, ROWS[size], seed=1)
    has_looked, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        has_looked.set()
        assert may_go_on.wait(PATIENCE_SECONDS)

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(lakehouse.convert, older, lakehouse.interrupted("quarantine/", wait))
        assert has_looked.wait(PATIENCE_SECONDS)
        newer = lakehouse.land(name, ROWS[size], seed=2)

        def let_older_publish() -> None:
            may_go_on.set()
            assert late.result().rows_read == ROWS[size]

        assert lakehouse.convert(newer, lakehouse.interrupted("quarantine/", let_older_publish)).rows_read == ROWS[size]
    lakehouse.require_whole(newer)
    for prefix in ("processed-data/", "quarantine/"):
        assert lakehouse.sources(prefix, name) == [newer.version_id, older.version_id]


def test_an_older_version_with_too_many_rejected_rows_leaves_the_newer_ones_quarantine(lakehouse: Lakehouse) -> None:
    name = "older-fails"
    older, newer = lakehouse.land(name, 500, seed=1, dirty_share=0.5), []

    def publish_newer() -> None:
        newer.append(lakehouse.land(name, 500, seed=2))
        lakehouse.convert(newer[0])

    assert lakehouse.convert(older, lakehouse.interrupted("quarantine/", publish_newer)) is None
    lakehouse.require_whole(newer[0])
    lakehouse.require_skipped(older, newer[0])
    assert lakehouse.sources("quarantine/", name) == [newer[0].version_id]


@pytest.mark.parametrize("rows", [3_000, 9_000], ids=["newer is shorter", "newer is longer"])
def test_a_newer_version_in_the_midst_of_several_objects_ends_with_all_that_its_manifest_lists(
    lakehouse: Lakehouse, rows: int
) -> None:
    name, limit = f"several-{rows}", 500_000
    older, newer = lakehouse.land(name, 6_000, seed=1), []

    def publish_newer() -> None:
        newer.append(lakehouse.land(name, rows, seed=2))
        lakehouse.convert(newer[0], max_object_bytes=limit)

    client = lakehouse.interrupted("processed-data/", publish_newer, number=2)
    assert lakehouse.convert(older, client, max_object_bytes=limit) is None
    lakehouse.require_skipped(older, newer[0])
    record = lakehouse.records.get(newer[0].file_id)
    listed = json.loads(read(lakehouse, record.output_uri))["entries"]
    bodies = [read(lakehouse, entry["url"]) for entry in listed]
    assert len(listed) == record.output_objects > 2
    assert [len(body) for body in bodies] == [entry["meta"]["content_length"] for entry in listed]
    assert sum(body.count(b"\n") for body in bodies) == record.rows_written
    assert lakehouse.uploads() == []


def read(lakehouse: Lakehouse, uri: str | None) -> bytes:
    assert uri is not None
    key = uri.removeprefix(f"s3://{PROCESSED}/")
    body: bytes = lakehouse.s3.get_object(Bucket=PROCESSED, Key=key)["Body"].read()
    return body


@sizes
def test_where_somebody_else_is_always_faster_the_attempt_is_left_to_a_later_try(
    lakehouse: Lakehouse, size: str
) -> None:
    name = f"always-faster-{size.replace(' ', '-')}"
    job = lakehouse.land(name, ROWS[size], seed=1)
    day = lakehouse.s3.head_object(Bucket=RAW, Key=job.key)["LastModified"].strftime("%Y/%m/%d")
    key = f"processed-data/{day}/yellow_tripdata/{name}.json"
    times = iter(range(100))

    def overtake() -> None:
        lakehouse.s3.put_object(Bucket=PROCESSED, Key=key, Body=b"%d" % next(times))

    client = lakehouse.interrupted("processed-data/", overtake, times=100)
    with pytest.raises(ServiceUnavailableError, match="5 times in a row"):
        lakehouse.convert(job, client)
    assert lakehouse.records.get(job.file_id).status is FileStatus.RUNNING
    assert lakehouse.uploads() == []
    assert set(lakehouse.sources("processed-data/", name)) == {"somebody"}
    assert lakehouse.convert(job).rows_read == ROWS[size]
    lakehouse.require_whole(job)


# --- answers that are lost ----------------------------------------------------------------------------------------


KEY = "lost-answers/object.json"
BODIES = {"one put": b"ours", "parts": b"ours" + bytes(part_bytes(1))}


@pytest.fixture
def proxy(endpoint: Any) -> Iterator[RequestProxy]:
    with RequestProxy(lambda: endpoint.port) as running:
        yield running


@pytest.fixture
def distant_s3(endpoint: Any, proxy: RequestProxy) -> Any:
    """A client with this project's retries, whose requests go through the proxy."""
    variables = endpoint.environment()
    session = boto3.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )
    return session.client("s3", endpoint_url=f"http://127.0.0.1:{proxy.port}", config=client_config())


@pytest.fixture(params=["one put", "parts"])
def unanswered(request: pytest.FixtureRequest) -> tuple[bytes, Point]:
    """A body, and the request that publishes it and whose answer is lost."""
    kind = {"one put": "PutObject", "parts": "CompleteMultipartUpload"}[request.param]
    return BODIES[request.param], Point(kind, 1, "unanswered")


@pytest.mark.parametrize("was_there", [False, True], ids=["first object", "an object before"])
def test_an_object_that_is_there_though_the_answer_was_lost_is_a_success(
    lakehouse: Lakehouse, proxy: RequestProxy, distant_s3: Any, unanswered: tuple[bytes, Point], was_there: bool
) -> None:
    body, point = unanswered
    target = {"Bucket": PROCESSED, "Key": f"{was_there}/{point.kind}/{KEY}"}
    if was_there:
        lakehouse.s3.put_object(**target, Body=b"before")
    proxy.watch(point, lambda: True)
    with ObjectWriter(distant_s3, *target.values(), metadata={"file-id": "f"}) as writer:
        writer.write(body)
        writer.expect_unchanged()
        written = writer.complete()
    assert proxy.reached
    assert proxy.seen[point.kind] == 2
    answer = lakehouse.s3.get_object(**target, ChecksumMode="ENABLED")
    assert (answer["Body"].read(), f"CRC32={answer['ChecksumCRC32']}") == (body, written.checksum)
    versions = lakehouse.s3.list_object_versions(Bucket=PROCESSED, Prefix=target["Key"])["Versions"]
    assert len(versions) == 1 + was_there


def test_equal_bytes_of_another_file_are_not_taken_for_an_answer_that_was_lost(lakehouse: Lakehouse) -> None:
    target = {"Bucket": PROCESSED, "Key": f"equal/{KEY}"}
    with (
        pytest.raises(PublishedMeanwhileError),
        ObjectWriter(lakehouse.s3, *target.values(), metadata={"file-id": "ours"}) as writer,
    ):
        writer.write(b"equal")
        writer.expect_unchanged()
        lakehouse.s3.put_object(**target, Body=b"equal", Metadata={"file-id": "theirs"}, ChecksumAlgorithm="CRC32")
        writer.complete()


def test_an_object_that_was_replaced_before_the_lost_answer_was_asked_for_again_is_no_success(
    lakehouse: Lakehouse, proxy: RequestProxy, distant_s3: Any
) -> None:
    target = {"Bucket": PROCESSED, "Key": f"replaced/{KEY}"}

    def replace_it() -> bool:
        lakehouse.s3.put_object(**target, Body=b"theirs")
        return True

    proxy.watch(Point("PutObject", 1, "unanswered"), replace_it)
    with pytest.raises(PublishedMeanwhileError), ObjectWriter(distant_s3, *target.values()) as writer:
        writer.write(b"ours")
        writer.expect_unchanged()
        writer.complete()
    assert lakehouse.s3.get_object(**target)["Body"].read() == b"theirs"
