from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lakehouse.convert.layout import output_key, quarantine_key
from lakehouse.errors import InputFileError

LANDED_AT = datetime(2024, 1, 31, 23, 59, tzinfo=UTC)
KEY = "raw-data/yellow_tripdata/yellow_tripdata_2022-01.parquet"


def test_the_output_lies_under_the_day_on_which_the_raw_object_landed():
    assert output_key(KEY, LANDED_AT) == "processed-data/2024/01/31/yellow_tripdata/yellow_tripdata_2022-01.json"


def test_the_quarantine_lies_under_the_same_name_beside_it():
    assert quarantine_key(KEY, LANDED_AT) == "quarantine/2024/01/31/yellow_tripdata/yellow_tripdata_2022-01.json"


def test_the_day_is_that_of_utc():
    tokyo = LANDED_AT.astimezone(timezone(timedelta(hours=9)))
    assert tokyo.day == 1
    assert output_key(KEY, tokyo) == output_key(KEY, LANDED_AT)


def test_folders_between_dataset_and_file_are_kept():
    assert output_key("raw-data/trips/2024/eu/a.b.parquet", LANDED_AT).endswith("/31/trips/2024/eu/a.b.json")


@pytest.mark.parametrize(
    "key",
    [
        "other/trips/a.parquet",
        "raw-data/a.parquet",
        "raw-data/trips/a.csv",
        "raw-data/trips/a.PARQUET",
        "raw-data/trips/.parquet",
        "raw-data/trips/",
        "",
    ],
)
def test_a_key_without_a_place_in_the_processed_layer_is_refused_by_name(key):
    with pytest.raises(InputFileError, match=r"raw layer|processed layer"):
        output_key(key, LANDED_AT)
