"""The laboratory in which all kill points are tried, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from laboratory import Laboratory


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    with Laboratory(tmp_path_factory.mktemp("crashes")) as found:
        yield found
