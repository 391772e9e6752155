"""Landing: a file goes where the pipeline finds it, the same bytes go there once, and a refusal says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from lakehouse.contracts.catalog import ContractCatalog
from lakehouse.errors import FileVanishedError, InputFileError, PermanentError, ServiceUnavailableError
from lakehouse.landing import dataset_of, land

BUCKET = "raw"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "yellow_tripdata_2022-01.parquet"
    path.write_bytes(b"PAR1 some bytes PAR1")
    return path


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("yellow_tripdata_2022-01.parquet", "yellow_tripdata"),
        ("green_tripdata_2025-01.parquet", "green_tripdata"),
        ("fhv_tripdata_2025-01.parquet", "fhv_tripdata"),
        ("Station Status-20240131.parquet", "station_status"),
        ("orders.parquet", "orders"),
    ],
)
def test_the_dataset_is_told_by_the_name(name: str, dataset: str) -> None:
    assert dataset_of(Path(name), ContractCatalog.packaged()) == dataset


def test_a_name_without_a_word_asks_for_the_dataset() -> None:
    with pytest.raises(InputFileError, match="--dataset"):
        dataset_of(Path("2024-01.parquet"), ContractCatalog.packaged())


def test_a_file_lands_below_its_dataset(s3: Any, file: Path) -> None:
    landed = land(s3, BUCKET, file, "yellow_tripdata")
    assert landed.is_new
    assert landed.key == "raw-data/yellow_tripdata/yellow_tripdata_2022-01.parquet"
    assert s3.get_object(Bucket=BUCKET, Key=landed.key)["Body"].read() == file.read_bytes()


def test_the_same_bytes_are_not_uploaded_again_and_changed_bytes_are(s3: Any, file: Path) -> None:
    uploads = [land(s3, BUCKET, file, "d").is_new for _ in range(2)]
    file.write_bytes(b"PAR1 other bytes PAR1")
    uploads.append(land(s3, BUCKET, file, "d").is_new)
    assert uploads == [True, False, True]
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 2


def test_what_is_no_parquet_file_is_refused_before_any_upload(s3: Any, tmp_path: Path) -> None:
    other = tmp_path / "trips.csv"
    other.write_text("a,b")
    for path in (other, tmp_path / "nothing.parquet", tmp_path):
        with pytest.raises(InputFileError, match=str(path)):
            land(s3, BUCKET, path, "d")
    assert "Versions" not in s3.list_object_versions(Bucket=BUCKET)


def test_a_missing_bucket_is_named(s3: Any, file: Path) -> None:
    with pytest.raises((PermanentError, FileVanishedError), match="s3://elsewhere/"):
        land(s3, "elsewhere", file, "d")


def test_an_endpoint_that_does_not_answer_is_something_to_try_again(file: Path) -> None:
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, connect_timeout=1),
    )
    with pytest.raises(ServiceUnavailableError, match=file.name):
        land(client, BUCKET, file, "d")
