"""A plan's memory does not grow with the bucket."""

from __future__ import annotations

import pytest
from planning import measured

from lakehouse.local.endpoint import Endpoint

MB = 1_000_000
pytestmark = pytest.mark.e2e


def test_ten_times_the_keys_take_no_more_memory(endpoint: Endpoint) -> None:
    few, many = (measured(keys, endpoint.environment()) for keys in (10_000, 100_000))

    assert (few["calls"]["BatchGetItem"], many["calls"]["BatchGetItem"]) == (100, 1_000)
    assert 4_000 < many["planned"] < 6_000
    assert many["peak_bytes"] < 256 * MB
    assert many["peak_bytes"] - few["peak_bytes"] < 30 * MB
