"""However a plan is handed over, and in however many pieces, it lists the same files, each once."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
import pytest
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from lakehouse.aws_errors import client_config
from lakehouse.ingestion.file_lists import Place, hand_over
from lakehouse.ingestion.planning import PlannedFile

PLACE = Place("plans", "run/0.jsonl")
# The order of keys in S3, as text of Python: by code points.
KEYS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40), unique=True)


class Pieces:
    """A plan of known files that is interrupted after so many of them."""

    def __init__(self, files: Sequence[PlannedFile], start_after: str | None, patience: int) -> None:
        self._left = [file for file in files if start_after is None or file.key > start_after]
        self._patience = patience
        self.decided = start_after
        self.is_whole = False

    def __iter__(self) -> Iterator[PlannedFile]:
        for file in self._left[: self._patience]:
            yield file
            self.decided = file.key
        self.is_whole = len(self._left) <= self._patience


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with mock_aws(), pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        client = boto3.client("s3", config=client_config(), region_name="us-east-1")
        client.create_bucket(Bucket=PLACE.bucket)
        yield client


def listed(s3: Any, answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What a Map goes over."""
    if answer["list"] is None:
        files: list[dict[str, Any]] = answer["files"]
        return files
    body = s3.get_object(Bucket=answer["list"]["bucket"], Key=answer["list"]["key"])["Body"].read()
    # Only a line feed ends a line of JSON Lines.
    return [json.loads(line) for line in io.BytesIO(body)]


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=KEYS,
    limit=st.integers(1, 8),
    most_bytes=st.integers(400, 4_000),
    most_listed=st.integers(1, 8),
    patience=st.integers(1, 12),
    is_listed=st.booleans(),
)
def test_every_way_and_number_of_pieces_gives_the_same_files_in_the_same_order(
    s3: Any, keys: list[str], limit: int, most_bytes: int, most_listed: int, patience: int, is_listed: bool
) -> None:
    files = [PlannedFile(f"{n:032x}", "raw", key, "v", n + 1) for n, key in enumerate(sorted(keys))]
    found: list[dict[str, Any]] = []
    start_after, is_over = None, False
    for _ in range(len(files) + 2):
        plan = Pieces(files, start_after, patience)
        place = PLACE if is_listed else None
        answer = hand_over(plan, place, s3, limit=limit, most_bytes=most_bytes, most_listed=most_listed)
        piece = listed(s3, answer)
        assert len(piece) == answer["count"]
        assert len(answer["files"]) <= limit
        assert len(json.dumps(answer["files"]).encode()) <= most_bytes
        found += piece
        start_after, is_over = answer["start_after"], not answer["more"]
        if is_over:
            break
    assert is_over
    assert [PlannedFile(**each) for each in found] == files
