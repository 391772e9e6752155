"""One file across the workers of a real Spark cluster."""

from __future__ import annotations

import pytest
from scaling import converted

from lakehouse.sample import generate

pytestmark = pytest.mark.e2e


def test_two_workers_share_one_file_and_write_the_bytes_that_one_worker_writes(endpoint, tmp_path) -> None:
    source = generate(tmp_path / "yellow_tripdata_2024-02.parquet", rows=400_000, dirty_share=0.02, seed=1).path

    alone, together = (
        converted(source, workers, tmp_path / f"cluster-{workers}", endpoint.environment()) for workers in (1, 2)
    )

    assert alone["tasks"] > 1
    assert min(together["tasks_by_worker"]) > 0, "one worker did nothing"
    assert sum(together["tasks_by_worker"]) >= 2 * together["tasks"]  # it converts twice
    assert (together["checksum"], together["bytes"]) == (alone["checksum"], alone["bytes"])
