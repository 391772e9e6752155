"""Messages of the queue of landed files: S3's, ours, and those that are neither."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import PoisonMessageError
from lakehouse.ingestion.messages import LandedFile, landed_files


def event(name: str = "ObjectCreated:Put", key: str = "raw-data/trips/a.parquet", **of_object: object) -> dict:
    """A record as S3 sends it; what is not read is left in."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": name,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": "raw", "arn": "arn:aws:s3:::raw"},
            "object": {"key": key, "size": 4, "eTag": "abc", "sequencer": "00", **of_object},
        },
    }


def message(*records: dict) -> str:
    return json.dumps({"Records": list(records)})


def test_an_upload_is_a_landed_file_with_its_version() -> None:
    assert landed_files(message(event(versionId="v1"))) == (LandedFile("raw", "raw-data/trips/a.parquet", "v1"),)


def test_a_bucket_without_versions_says_null_or_nothing() -> None:
    assert (
        landed_files(message(event(), event(versionId="null"))) == (LandedFile("raw", "raw-data/trips/a.parquet"),) * 2
    )


def test_keys_come_as_in_a_form() -> None:
    [found] = landed_files(message(event(key="raw-data/trips/a+b%2Bc+%C3%A4%25.parquet")))
    assert found.key == "raw-data/trips/a b+c \u00e4%.parquet"


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "ObjectRestore:Completed", "ObjectTagging:Put"])
def test_other_events_announce_nothing(name: str) -> None:
    assert landed_files(message(event(name))) == ()


@pytest.mark.parametrize("name", ["ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Copy"])
def test_every_way_to_create_an_object_counts(name: str) -> None:
    assert len(landed_files(message(event(name)))) == 1


def test_the_test_event_announces_nothing() -> None:
    assert landed_files(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"})) == ()


@given(
    st.builds(
        LandedFile, st.text(min_size=1), st.text(min_size=1), st.none() | st.text("abc", min_size=1), st.integers(1, 9)
    )
)
def test_a_request_of_ours_is_read_as_it_was_written(landed: LandedFile) -> None:
    assert landed_files(landed.message) == (landed,)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        '{"Records": [{}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": ""}, "object": {"key": "k"}}}]}',
        '{"retry": {"bucket": "raw", "key": "k", "attempt": 0}}',
        '{"retry": null}',
    ],
)
def test_what_is_neither_is_poison_and_shown(body: str) -> None:
    with pytest.raises(PoisonMessageError, match="neither an event of S3 nor a request of ours"):
        landed_files(body)
