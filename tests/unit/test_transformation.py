"""dbt's environment and its commands: installed once a lock, told by variables only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lakehouse.errors import CommandError
from lakehouse.settings import Workplace
from lakehouse.transformation import DbtEnvironment, dbt_environment, run_dbt


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    (tmp_path / "uv.lock").write_text("first", encoding="utf-8")
    return Workplace(root=tmp_path, home=tmp_path / "home", environment="local")


@pytest.fixture
def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A uv that notes its arguments, and fails where it is told to."""
    program, noted = tmp_path / "uv", tmp_path / "noted"
    program.write_text(
        f'#!/bin/sh\n[ -z "$UV_FAILS" ] || {{ echo no index >&2; exit 2; }}\n'
        f'echo "$@" >> {noted}; mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("UV", str(program))
    return noted


def test_dbt_is_installed_once_for_each_lock(workplace, fake_uv) -> None:
    first = dbt_environment(workplace)
    assert dbt_environment(workplace) == first
    (workplace.root / "uv.lock").write_text("second", encoding="utf-8")

    assert dbt_environment(workplace).python != first.python
    calls = fake_uv.read_text(encoding="utf-8").splitlines()
    assert len(calls) == 2
    assert all("--frozen --only-group dbt" in call for call in calls)


def test_an_installation_that_failed_is_told_and_tried_again(workplace, fake_uv, monkeypatch) -> None:
    monkeypatch.setenv("UV_FAILS", "1")
    with pytest.raises(CommandError, match=r"uv sync ended with 2 .*no index"):
        dbt_environment(workplace)

    monkeypatch.delenv("UV_FAILS")
    dbt_environment(workplace)
    assert len(fake_uv.read_text(encoding="utf-8").splitlines()) == 1


def environment_of(tmp_path: Path, script: str) -> DbtEnvironment:
    """An environment whose dbt is a few lines of Python."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -c \'{script}\' "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return DbtEnvironment(python, tmp_path, tmp_path / "target")


def test_dbt_sees_the_variables_it_is_given_and_none_of_ours(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DBT_ATHENA_SCHEMA", "of the caller")
    monkeypatch.setenv("PYTHONPATH", "of the caller")
    dbt = environment_of(tmp_path, "import os, sys; print(sys.argv[1:], sorted(os.environ.items()))")

    said = run_dbt(["build"], {"DBT_ATHENA_SCHEMA": "given"}, dbt).stdout

    assert "['--no-use-colors', 'build']" in said
    assert "('DBT_ATHENA_SCHEMA', 'given')" in said
    assert f"('DBT_TARGET_PATH', '{tmp_path / 'target'}')" in said
    assert "of the caller" not in said


def test_a_failed_command_says_what_dbt_said(tmp_path) -> None:
    dbt = environment_of(tmp_path, 'print("Failure in model fct_trips"); raise SystemExit(1)')

    with pytest.raises(CommandError, match=r"dbt build --full-refresh ended with 1:\nFailure in model fct_trips"):
        run_dbt(["build", "--full-refresh"], {}, dbt)
