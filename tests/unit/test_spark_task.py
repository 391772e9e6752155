"""What a Spark worker is spared between two tasks."""

from __future__ import annotations

import importlib
import sys
import zipfile
import zipimport
from pathlib import Path

import pytest

from lakehouse.convert.spark_task import _drop_archives


def test_archives_that_python_forgets_are_still_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "modules.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("in_archive_first.py", "NAME = 'first'")
        written.writestr("in_archive_second.py", "NAME = 'second'")
    monkeypatch.syspath_prepend(str(archive))
    assert importlib.import_module("in_archive_first").NAME == "first"
    assert isinstance(sys.path_importer_cache[str(archive)], zipimport.zipimporter)

    _drop_archives()

    assert not any(isinstance(known, zipimport.zipimporter) for known in sys.path_importer_cache.values())
    assert importlib.import_module("in_archive_second").NAME == "second"
