"""The doctor names what is missing and how to mend it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lakehouse.errors import PrerequisiteError
from lakehouse.local import doctor


def program(folder: Path, name: str, says: str) -> None:
    """A program on PATH that says something, as `java -version` and `terraform version` do."""
    file = folder / name
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    file.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that holds nothing but the shell's own tools."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def finding(home: Path, name: str, port: int | None = 0) -> doctor.Finding:
    return next(found for found in doctor.examine(home, port) if found.name.startswith(name))


@pytest.mark.parametrize("name", ["Java", "Terraform"])
def test_a_missing_program_is_named_with_a_remedy(name: str, path: Path, tmp_path: Path) -> None:
    found = finding(tmp_path, name)
    assert not found.is_met
    assert "not on PATH" in found.found
    assert "nstall" in found.remedy


@pytest.mark.parametrize(
    ("version", "is_met"), [("17.0.15", True), ("11.0.2", False), ("21.0.1", False), ("1.8.0_402", False)]
)
def test_only_java_17_will_do(version: str, is_met: bool, path: Path, tmp_path: Path) -> None:
    program(path, "java", f'openjdk version "{version}" 2025-04-15')
    found = finding(tmp_path, "Java")
    assert (found.is_met, found.found) == (is_met, version)
    assert bool(found.remedy) is not is_met


@pytest.mark.parametrize(("version", "is_met"), [("1.11.0", True), ("1.14.2", True), ("2.0.0", True), ("1.9.8", False)])
def test_terraform_must_be_new_enough(version: str, is_met: bool, path: Path, tmp_path: Path) -> None:
    program(path, "terraform", f"Terraform v{version}\non linux_amd64")
    found = finding(tmp_path, "Terraform")
    assert (found.is_met, found.found) == (is_met, version)


def test_a_program_that_answers_strangely_is_not_taken_for_good(path: Path, tmp_path: Path) -> None:
    program(path, "java", "The operation couldn't be completed. Unable to locate a Java Runtime.")
    found = finding(tmp_path, "Java")
    assert not found.is_met
    assert "Unable to locate" in found.found


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = finding(tmp_path, "Endpoint", port)
    assert not found.is_met
    assert str(port) in found.found
    assert "--port" in found.remedy


def test_what_is_missing_is_refused_all_at_once(path: Path, tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"(?s)Java 17: .*Terraform >= 1.11: "):
        doctor.require(tmp_path, 0)
