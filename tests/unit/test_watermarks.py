"""Watermarks: how far each source was extracted."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.errors import StatusConflictError
from lakehouse.metadata.watermarks import Watermarks


@pytest.fixture
def watermarks(dynamodb: Any, watermarks_table: str) -> Watermarks:
    return Watermarks(dynamodb, watermarks_table)


def test_a_source_that_was_never_extracted_has_no_watermark(watermarks: Watermarks) -> None:
    assert watermarks.get("orders") is None


def test_a_watermark_advances_and_remembers_the_run(watermarks: Watermarks) -> None:
    watermarks.advance("orders", "2022-01-01", run_id="run-1")
    advanced = watermarks.advance("orders", "2022-01-02", run_id="run-2")
    assert watermarks.get("orders") == advanced
    assert (advanced.value, advanced.run_id) == ("2022-01-02", "run-2")


def test_a_watermark_never_goes_back(watermarks: Watermarks) -> None:
    watermarks.advance("orders", "2022-01-02")
    with pytest.raises(StatusConflictError, match="stands at 2022-01-02, beyond 2022-01-01"):
        watermarks.advance("orders", "2022-01-01")
    kept = watermarks.get("orders")
    assert kept is not None
    assert kept.value == "2022-01-02"


def test_advancing_to_where_it_stands_changes_nothing(watermarks: Watermarks) -> None:
    first = watermarks.advance("orders", "2022-01-02", run_id="run-1")
    assert watermarks.advance("orders", "2022-01-02", run_id="run-2") == first
    assert watermarks.get("orders") == first


def test_sources_do_not_share_a_watermark(watermarks: Watermarks) -> None:
    watermarks.advance("orders", "9")
    assert watermarks.advance("customers", "1").value == "1"
