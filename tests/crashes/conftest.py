"""The laboratory in which all kill points are tried, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The script and its modules, which run without pytest too.
sys.path.insert(0, str(Path(__file__).parent))

from laboratory import Laboratory


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with Laboratory(tmp_path_factory.mktemp("crashes")) as found:
        yield found
