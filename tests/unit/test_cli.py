"""The command line: every command explains itself, and an error of ours is one message with a meaningful exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from lakehouse.cli import presentation
from lakehouse.cli.main import EXIT_FAILED, EXIT_NOT_READY, EXIT_TRY_AGAIN, exit_code_of, lakehouse
from lakehouse.errors import ContractError, EndpointDownError, PrerequisiteError, ThrottledError
from lakehouse.settings import Workplace


def every_command(group: click.Group, words: tuple[str, ...] = ()) -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[" ".join((*words, name))] = command
        if isinstance(command, click.Group):
            found |= every_command(command, (*words, name))
    return found


COMMANDS = every_command(lakehouse)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    assert COMMANDS[name].help, f"{name} has no help"
    assert "Example: lakehouse " in COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_and_example_exists(name: str) -> None:
    command = COMMANDS[name]
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert isinstance(command.help, str)
    words = command.help.split("Example: lakehouse ")[1].split()
    known = " ".join(words)
    assert any(known.startswith(name) for name in COMMANDS), f"the example of {name} calls no command there is"


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(root=Path.cwd(), home=tmp_path / "home", environment="local")


@pytest.mark.parametrize(
    "command", [["files"], ["runs"], ["run"], ["ingest", "pyproject.toml"], ["quarantine", "abcdef"]]
)
def test_a_command_that_needs_the_endpoint_says_how_to_start_it(command: list[str], workplace: Workplace) -> None:
    result = CliRunner().invoke(lakehouse, command, obj=workplace)
    assert isinstance(result.exception, EndpointDownError)
    assert "lakehouse up" in str(result.exception)


def test_an_error_is_one_message_on_stderr_without_a_traceback(tmp_path: Path) -> None:
    environment = {**os.environ, "LAKEHOUSE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", "from lakehouse.cli.main import main; main()", "files"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_NOT_READY
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_status_tells_a_program_that_the_endpoint_is_down(workplace: Workplace) -> None:
    result = CliRunner().invoke(lakehouse, ["status", "--output", "json"], obj=workplace)
    assert result.exit_code == EXIT_NOT_READY
    assert '"is_up": false' in result.output


@pytest.mark.parametrize("command", [["up"], ["down"], ["status"], ["reset", "--yes"]])
def test_the_laptops_commands_refuse_another_environment(command: list[str], workplace: Workplace) -> None:
    result = CliRunner().invoke(lakehouse, ["--environment", "prod", *command], obj=workplace)
    assert result.exit_code != 0
    assert "laptop only" in str(result.exception)


def test_exit_codes_tell_what_to_do_next() -> None:
    assert exit_code_of(PrerequisiteError("Java is missing")) == EXIT_NOT_READY
    assert exit_code_of(EndpointDownError("down")) == EXIT_NOT_READY
    assert exit_code_of(ThrottledError("slow down")) == EXIT_TRY_AGAIN
    assert exit_code_of(ContractError("no such column")) == EXIT_FAILED


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 01 s"), (3_600, "1 h 00 min")],
)
def test_durations_read_well(value: float | None, text: str) -> None:
    assert presentation.seconds_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**4, "5.0 TiB")]
)
def test_sizes_read_well(value: int | None, text: str) -> None:
    assert presentation.bytes_text(value) == text


def test_a_table_keeps_every_fixed_column_whole_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [presentation.Column("Name", is_flexible=True), presentation.Column("Rows", is_number=True)]
    shown = presentation.table(columns, [("x" * 200, "1,234,567")])
    Console(width=80).print(shown)
    printed = capsys.readouterr().out
    assert "1,234,567" in printed
    assert printed.count("x") == 200
    assert max(map(len, printed.splitlines())) <= 80
