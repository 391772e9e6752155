"""Who a file is: the same however it is announced, another for another version."""

from __future__ import annotations

import re

import pytest

from lakehouse.errors import InputFileError
from lakehouse.metadata.identity import dataset_of_key, execution_name, file_id, version_or_none, version_text

KEY = "raw-data/trips/a.parquet"


def test_a_file_id_never_changes_between_releases() -> None:
    assert file_id("raw", KEY, version_id="v1") == "975643f0914011a47954bc82f094184b"


def test_another_version_bucket_or_key_is_another_file() -> None:
    identities = {
        file_id("raw", KEY, version_id="v1"),
        file_id("raw", KEY, version_id="v2"),
        file_id("other", KEY, version_id="v1"),
        file_id("raw", KEY + "x", version_id="v1"),
        file_id("raw", KEY, version_id=None, etag="e1"),
        file_id("raw", KEY, version_id=None, etag="e2"),
    }
    assert len(identities) == 6


def test_the_etag_counts_only_where_there_is_no_version_and_its_quotes_never() -> None:
    assert file_id("raw", KEY, version_id="v1", etag="a") == file_id("raw", KEY, version_id="v1", etag="b")
    assert file_id("raw", KEY, version_id="null", etag='"e"') == file_id("raw", KEY, version_id=None, etag="e")


def test_an_execution_name_is_one_that_step_functions_takes() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}-12", execution_name(file_id("raw", KEY, version_id="v1"), 12))


def test_a_version_can_stand_where_a_text_must() -> None:
    assert [version_or_none(version_text(version)) for version in (None, "v1")] == [None, "v1"]
    assert version_text(None) == "null"


def test_the_dataset_is_the_first_folder_of_the_raw_layer() -> None:
    assert dataset_of_key("raw-data/trips/2022/01/a.parquet") == "trips"


@pytest.mark.parametrize("key", ["raw-data/a.parquet", "raw-data//a.parquet", "raw-data/trips/", "x/trips/a.parquet"])
def test_a_key_of_another_shape_has_no_dataset(key: str) -> None:
    with pytest.raises(InputFileError, match="not a key of the raw layer"):
        dataset_of_key(key)
