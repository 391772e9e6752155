"""Files at the limits of the format, and the strange and broken files of others: converted or refused with a reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse.convert.kernel import Kernel
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.errors import LakehouseError

TORTURE_FILES = Path(__file__).with_name("torture_files.py")
MOST_MB = 600

# Of each file, one part in so many, so that the tests take seconds; TORTURE=full takes the whole file.
SHARES = {
    "rows_of_10_mb": 3,
    "columns_10_000": 3,
    "row_groups_100_000": 10,
    "row_group_of_2_gb": 10,
    "text_of_1_mb_repeated": 40,
    "text_of_1_mb_in_a_category": 40,
    "long_text_among_codes": 1,
    "lists_of_flags": 3,
    "structs_of_1_000_fields": 1,
}
IS_FULL = os.environ.get("TORTURE") == "full"
# 160 MB of libraries, and for every batch under way (one that arrives, one that is written, one for each of the
# kernel's threads) its values, their texts and its lines, of 32 to 64 MB each.
MOST_PROCESS_MB = 500 + 100 * min(max((os.cpu_count() or 1) // 2, 1), 4)
# 60 MB of libraries, a batch before and after it is cut, and what parquet wants whole: a page (200 MB for rows of
# 10 MB) or a reader for each of ten thousand columns (200 MB).
MOST_READER_MB = 450

# Everything else of shared/data/parquet converts.
REFUSED = {
    "incorrect_map_schema.parquet": "CorruptFileError",
    "rle-dict-uncompressed-corrupt-checksum.parquet": "CorruptFileError",
}
REFUSED_BAD = {
    "ARROW-GH-41321.parquet": "CorruptFileError",
    "ARROW-GH-45185.parquet": "CorruptFileError",
    "fact_trips.one-newline.parquet": "NotParquetError",
    "yellow_tripdata_2021-01.truncated.parquet": "TruncatedFileError",
    "yellow_tripdata_2024-01.s3-accessdenied-xml.parquet": "NotParquetError",
}


def refusals(folder: Path) -> dict[str, str]:
    """Convert every file of a folder, and tell which were refused by what."""
    found = {}
    for path in sorted(folder.glob("*.parq*")):
        try:
            facts = inspect(LocalSource(path))
            kernel = Kernel(facts.schema)
            lines = 0
            for batch in iter_batches(LocalSource(path)):
                converted = kernel.convert(batch.data, batch.first_row)
                made = converted.ndjson + converted.rejected
                lines += made.count(b"\n")
                assert all(isinstance(json.loads(line), dict) for line in made.splitlines())
            assert lines == facts.rows
        except LakehouseError as error:
            found[path.name] = type(error).__name__ if path.name in str(error) else f"unnamed: {error}"
    return found


def test_every_real_parquet_file_converts_or_is_refused_with_its_name(shared_data) -> None:
    assert refusals(shared_data / "parquet") == REFUSED


def test_every_bad_file_is_refused_with_its_name(shared_data) -> None:
    assert refusals(shared_data / "bad") == REFUSED_BAD


def torture(*arguments: str | Path, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TORTURE_FILES, *arguments]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.mark.e2e
@pytest.mark.parametrize(
    "name", ["rows_of_10_mb", "columns_10_000", "row_groups_100_000", "row_group_of_2_gb", "text_of_1_mb_repeated"]
)
def test_a_file_at_a_limit_is_read_whole_in_bounded_memory(tmp_path, name) -> None:
    path = tmp_path / f"{name}.parquet"
    made = json.loads(torture("make", name, path).stdout)

    read = json.loads(torture("read", path).stdout)

    assert read["rows"] == made["rows"]
    assert read["largest_mb"] <= 32
    assert read["peak_mb"] <= MOST_MB, read


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that does not outlive its test: pytest keeps its own, and an output of 30 GB is enough once."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def made(name: str, path: Path, share: int = 0) -> int:
    """Make a torture file; its rows."""
    share = share or (1 if IS_FULL else SHARES[name])
    rows: int = json.loads(torture("make", name, path, str(share)).stdout)["rows"]
    return rows


def require_bounded(done: dict[str, Any]) -> None:
    assert done["process_mb"] <= MOST_PROCESS_MB, done
    assert done["reader_mb"] <= MOST_READER_MB, done


@pytest.mark.e2e
@pytest.mark.parametrize("name", SHARES)
def test_a_file_at_a_limit_is_converted_in_bounded_memory_and_its_rows_are_right(folder, name) -> None:
    path, out = folder / "a.parquet", folder / "a.json"
    rows = made(name, path)

    done = json.loads(torture("convert", path, out).stdout)

    assert done["rows"] == rows
    require_bounded(done)
    assert json.loads(torture("compare", path, out).stdout) == {"rows": rows, "json_bytes": done["bytes"]}


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("options", "suffix"),
    [(("--compression", "gzip"), ".gz"), (("--compression", "zstd"), ".zst"), (("--max-object-bytes", "10000000"), "")],
    ids=["gzip", "zstd", "many objects"],
)
def test_no_way_to_store_the_output_takes_memory_that_grows_with_it(folder, options, suffix) -> None:
    path, out = folder / "a.parquet", folder / f"a.json{suffix}"
    rows = made("row_group_of_2_gb", path, share=1 if IS_FULL else 20)

    done = json.loads(torture("convert", path, out, *options).stdout)

    outs = [out] if out.exists() else sorted((folder / "a.parts").glob("0*.json"))
    assert done["rows"] == rows
    assert done["objects"] == len(outs)
    require_bounded(done)
    assert json.loads(torture("compare", path, *outs).stdout)["rows"] == rows


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["rows_of_10_mb", "row_group_of_2_gb"])
def test_an_upload_adds_a_few_parts_to_what_the_conversion_takes(folder, endpoint, aws, name) -> None:
    path = folder / "a.parquet"
    rows = made(name, path)
    bucket = f"torture-{name.replace('_', '-')}"
    s3 = aws("s3")
    s3.create_bucket(Bucket=bucket)

    done = json.loads(torture("convert", path, f"s3://{bucket}/a.json", **endpoint.environment()).stdout)

    assert done["rows"] == rows
    require_bounded(done)
    s3.download_file(bucket, "a.json", str(folder / "a.json"))
    s3.delete_object(Bucket=bucket, Key="a.json")
    assert json.loads(torture("compare", path, folder / "a.json").stdout)["json_bytes"] == done["bytes"]


@pytest.mark.e2e
def test_a_value_that_unpacks_to_1_gb_is_refused_by_its_file(tmp_path) -> None:
    path = tmp_path / "bomb.parquet"
    torture("make", "value_of_1_gb", path)

    done = torture("read", path, check=False)

    assert done.returncode == 1
    assert "ReaderMemoryError" in done.stderr
    assert "bomb.parquet: reading row group 0 takes more memory" in done.stderr
