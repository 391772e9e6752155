"""The laboratory in which all kill points are tried, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from laboratory import Laboratory


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    # Everybody who collects the tests would wait for what it imports.
    from laboratory import Laboratory

    with Laboratory(tmp_path_factory.mktemp("crashes")) as found:
        yield found
