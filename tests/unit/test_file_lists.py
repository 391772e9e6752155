"""Handing a plan over: short ones in the answer, longer ones as a list in S3, and never more than a state carries."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import boto3
import pytest

from lakehouse.aws_errors import client_config
from lakehouse.errors import PermanentError
from lakehouse.ingestion.file_lists import MOST_BYTES, Place, hand_over
from lakehouse.ingestion.planning import PlannedFile

BUCKET = "lakehouse-test-plans"


@pytest.fixture
def s3(aws_account: None) -> Any:
    client = boto3.client("s3", config=client_config())
    client.create_bucket(Bucket=BUCKET)
    return client


class Known:
    """A plan of files that are known."""

    def __init__(self, files: Any, *, is_whole: bool = True) -> None:
        self._files = files
        self.decided: str | None = "raw-data/trips/z.parquet"
        self.is_whole = is_whole

    def __iter__(self) -> Iterator[PlannedFile]:
        return iter(self._files)


def many(count: int, name: str = "") -> Iterator[PlannedFile]:
    return (PlannedFile(f"{n:032x}", BUCKET, f"raw-data/trips/{name}{n}.parquet", "v" * 32, 1) for n in range(count))


PLACE = Place(BUCKET, "run-1/0.jsonl")


def listed(s3: Any, place: Place = PLACE) -> list[dict[str, Any]]:
    lines = s3.get_object(Bucket=place.bucket, Key=place.key)["Body"].read().decode().splitlines()
    return [json.loads(line) for line in lines]


def test_a_short_plan_is_in_the_answer(s3: Any) -> None:
    answer = hand_over(Known(many(3)), PLACE, s3, limit=3)
    assert answer == {
        "files": [asdict(file) for file in many(3)],
        "list": None,
        "count": 3,
        "more": False,
        "start_after": None,
    }


def test_a_longer_plan_is_a_list_a_line_a_file(s3: Any) -> None:
    answer = hand_over(Known(many(4)), PLACE, s3, limit=3)
    assert answer == {
        "files": [],
        "list": {"bucket": BUCKET, "key": "run-1/0.jsonl"},
        "count": 4,
        "more": False,
        "start_after": None,
    }
    assert listed(s3) == [asdict(file) for file in many(4)]


def test_a_list_has_a_maximum_and_the_next_plan_starts_after_its_last_file(s3: Any) -> None:
    answer = hand_over(Known(many(10)), PLACE, s3, limit=3, most_listed=7)
    assert (answer["count"], answer["more"], answer["start_after"]) == (7, True, "raw-data/trips/6.parquet")
    assert len(listed(s3)) == 7
    just = hand_over(Known(many(7)), PLACE, s3, limit=3, most_listed=7)
    assert (just["count"], just["more"]) == (7, False)


def test_a_plan_that_ran_out_of_time_is_a_list_and_goes_on_where_it_was(s3: Any) -> None:
    answer = hand_over(Known(many(2), is_whole=False), PLACE, s3, limit=3)
    assert (answer["list"], answer["count"]) == ({"bucket": BUCKET, "key": "run-1/0.jsonl"}, 2)
    assert (answer["more"], answer["start_after"]) == (True, "raw-data/trips/z.parquet")


def test_a_plan_that_found_nothing_yet_makes_no_list(s3: Any) -> None:
    answer = hand_over(Known([], is_whole=False), PLACE, s3, limit=3)
    assert (answer["list"], answer["files"], answer["more"]) == (None, [], True)
    assert answer["start_after"] == "raw-data/trips/z.parquet"


def test_without_a_place_for_a_list_the_answer_is_cut_off_and_says_so(s3: Any) -> None:
    cut = hand_over(Known(many(5)), None, s3, limit=3)
    assert (cut["count"], len(cut["files"]), cut["more"]) == (3, 3, True)
    assert cut["start_after"] == "raw-data/trips/2.parquet"


def test_a_list_that_cannot_be_written_is_an_error_that_names_it(s3: Any) -> None:
    with pytest.raises(PermanentError, match=r"Writing s3://missing/l\.jsonl failed"):
        hand_over(Known(many(5)), Place("missing", "l.jsonl"), s3, limit=3)


@pytest.mark.parametrize("name", ["plain", "ü" * 300, "\U0001f695" * 200])
def test_the_plan_stays_below_what_step_functions_carries(s3: Any, name: str) -> None:
    answer = hand_over(Known(many(100_000, name)), None, s3)
    assert answer["more"]
    size = len(json.dumps(answer["files"]).encode())
    assert MOST_BYTES - 4_000 < size <= MOST_BYTES
    assert answer["count"] == len(answer["files"])


@pytest.mark.e2e
def test_a_list_of_very_many_files_is_written_as_it_grows(s3: Any) -> None:
    tracemalloc.start()
    try:
        answer = hand_over(Known(many(1_000_000)), None, s3)
        _, cut = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        written = hand_over(Known(many(100_000)), PLACE, s3, limit=75)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer["more"]
    assert cut < 5_000_000
    assert (written["count"], len(listed(s3))) == (100_000, 100_000)
    # What is held besides a few parts is the object itself, in the account's memory.
    assert peak < 100_000_000
