"""Settings are read in one place, and missing ones are named."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from lakehouse.errors import SettingsError
from lakehouse.settings import Settings, Workplace

ROOT = Path(__file__).resolve().parents[2]
COMPLETE = {f"LAKEHOUSE_{field.name.upper()}": field.name for field in fields(Settings)}


def test_settings_come_from_variables_named_after_them() -> None:
    settings = Settings.from_mapping(COMPLETE)
    assert settings.raw_bucket == "raw_bucket"
    assert settings.files_table == "files_table"


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_or_empty_setting_is_named(name: str, value: str | None) -> None:
    values = {key: found for key, found in COMPLETE.items() if key != name}
    if value is not None:
        values[name] = value
    with pytest.raises(SettingsError, match=name):
        Settings.from_mapping(values)


def test_a_workplace_without_terraform_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKEHOUSE_ROOT", str(tmp_path))
    with pytest.raises(SettingsError, match="LAKEHOUSE_ROOT"):
        Workplace.from_environment()


def test_the_home_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
    assert Workplace.from_environment().home == tmp_path


def test_only_settings_and_the_laptops_processes_read_the_environment() -> None:
    """The package proper takes settings; its environment is only passed on to processes that are started."""
    readers = {
        str(path.relative_to(ROOT / "src" / "lakehouse"))
        for path in (ROOT / "src" / "lakehouse").rglob("*.py")
        if re.search(r"os\.environ|os\.getenv", path.read_text())
    }
    allowed = {"settings.py", "package.py", "transformation.py", "convert/reading_child.py"}
    assert {name for name in readers if not name.startswith("local/")} <= allowed
