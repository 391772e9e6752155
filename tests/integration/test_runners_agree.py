"""Both runners write the same bytes, whatever the table."""

from __future__ import annotations

import io
import json
import os
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from arrow_tables import KINDS
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from lakehouse.contracts.model import Contract, OutputOptions
from lakehouse.convert.in_process import InProcessRunner
from lakehouse.convert.runner import Assignment
from lakehouse.convert.s3_source import S3Source
from lakehouse.convert.source import inspect
from lakehouse.convert.spark import SparkRunner

pytestmark = pytest.mark.e2e

BUCKET = "runners-agree"
# `RUNNER_EXAMPLES=2000 pytest tests/integration/test_runners_agree.py` looks longer.
EXAMPLES = int(os.environ.get("RUNNER_EXAMPLES", "25"))
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
OPTIONS = st.builds(
    OutputOptions, compression=st.sampled_from(["none", "gzip", "zstd"]), nulls=st.sampled_from(["explicit", "omit"])
)


@pytest.fixture(scope="module")
def runners(endpoint, aws, spark):
    s3 = aws("s3")
    s3.create_bucket(Bucket=BUCKET)
    by_spark = SparkRunner(lambda: spark.sparkContext, s3, client_options={"endpoint_url": endpoint.url})
    return s3, (InProcessRunner(s3), by_spark)


@st.composite
def tables(draw: st.DrawFn):
    names = draw(st.lists(st.text(max_size=6), min_size=1, max_size=3, unique=True))
    kinds = [draw(KINDS) for _ in names]
    # pyarrow writes null fixed-size lists that it cannot read: the file is refused, see docs/json-mapping.md.
    assume(not any("fixed_size_list" in str(kind.type) for kind in kinds))
    rows = draw(st.integers(0, 6))
    columns = [(kind, draw(kind.columns(rows))) for kind in kinds]
    return names, columns, draw(st.integers(1, 6))


def assigned(s3, content, options):
    key = f"{uuid.uuid4().hex}.parquet"
    s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    # No column is promised, so each is an added one.
    contract = Contract("any", "1.0.0", (), output=options, allowed_drift=frozenset({"added_column"}))
    facts = inspect(S3Source(s3, BUCKET, key))
    return Assignment(BUCKET, key, None, facts, contract, BUCKET, f"{key}.json", f"{key}.quarantine.json", {})


def converted(s3, runner, assignment):
    """The counts, the output's bytes and encoding, and the quarantine's bytes."""
    with runner.draft(assignment, lambda _rows: None) as draft:
        draft.counts.require_conserved(assignment.key, assignment.facts.rows)
        _, quarantine = draft.publish()
    output = s3.get_object(Bucket=BUCKET, Key=assignment.output_key)
    rejected = s3.get_object(Bucket=BUCKET, Key=assignment.quarantine_key)["Body"].read() if quarantine else b""
    return draft.counts, output["Body"].read(), output.get("ContentEncoding"), rejected


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW)
@given(drawn=tables(), options=OPTIONS)
def test_a_random_table_becomes_the_same_bytes_under_both_runners_and_its_values_can_be_read_back(
    runners, drawn, options
) -> None:
    s3, both = runners
    names, columns, group_rows = drawn
    table = pa.table([kind.build(raw) for kind, raw in columns], names=names)
    content = io.BytesIO()
    try:
        pq.write_table(table, content, row_group_size=group_rows)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, OSError):
        reject()  # parquet has no such type

    first, second = (converted(s3, runner, assigned(s3, content.getvalue(), options)) for runner in both)

    assert first == second
    encoding = {"none": None, "gzip": "gzip", "zstd": "zstd"}[options.compression]
    assert first[2] == encoding
    ndjson = first[1]
    if encoding and ndjson:
        ndjson = pa.CompressedInputStream(pa.BufferReader(ndjson), encoding).read()
    lines = [json.loads(line) for line in ndjson.decode().split("\n")[:-1]]
    assert len(lines) == table.num_rows
    for index, line in enumerate(lines):
        for name, (kind, raw) in zip(names, columns, strict=True):
            if name in line:
                assert kind.holds(raw[index], line[name])
            else:
                assert options.nulls == "omit"
                assert raw[index] is None or kind.count_nonfinite(raw[index])
