"""Files at the limits of the format, and the strange and broken files of others: converted or refused with a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.convert.kernel import Kernel
from lakehouse.convert.source import LocalSource, inspect, iter_batches
from lakehouse.errors import LakehouseError

TORTURE_FILES = Path(__file__).with_name("torture_files.py")
MOST_MB = 600

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


def torture(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, TORTURE_FILES, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
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


@pytest.mark.e2e
def test_a_value_that_unpacks_to_1_gb_is_refused_by_its_file(tmp_path) -> None:
    path = tmp_path / "bomb.parquet"
    torture("make", "value_of_1_gb", path)

    done = torture("read", path, check=False)

    assert done.returncode == 1
    assert "ReaderMemoryError" in done.stderr
    assert "bomb.parquet: reading row group 0 takes more memory" in done.stderr
