"""``lakehouse``: the front door of the laptop and of a deployed environment alike."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from lakehouse.cli import convert, data, demo, explain, failures, landing, laptop, pipeline, queries, transformations
from lakehouse.errors import EndpointDownError, LakehouseError, PrerequisiteError, SettingsError, TransientError
from lakehouse.settings import Workplace

# What the exit codes mean; click itself exits with 2 on wrong usage.
EXIT_FAILED = 1
EXIT_NOT_READY = 3
EXIT_TRY_AGAIN = 4
# Commands that only look at the files they are given.
_WITHOUT_A_CHECKOUT = frozenset({"convert"})


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 something is not installed or not running, 4 try again.",
)
@click.option(
    "-e",
    "--environment",
    envvar="LAKEHOUSE_ENVIRONMENT",
    default="local",
    show_default=True,
    help="The deployed environment to talk to.",
)
@click.version_option(package_name="lakehouse")
@click.pass_context
def lakehouse(context: click.Context, environment: str) -> None:
    """Run, feed and watch the lakehouse, on this laptop or on AWS.

    Example: lakehouse up && lakehouse ingest trips.parquet && lakehouse run --watch
    """
    try:
        context.obj = (context.obj or Workplace.from_environment()).talking_to(environment)
    except SettingsError:
        if context.invoked_subcommand not in _WITHOUT_A_CHECKOUT:
            raise


for part in (laptop, demo, landing, data, failures, explain, pipeline, convert, queries, transformations):
    for command in part.COMMANDS:
        lakehouse.add_command(command)


def exit_code_of(error: LakehouseError) -> int:
    """The exit code that an error ends the command with."""
    if isinstance(error, (EndpointDownError, PrerequisiteError)):
        return EXIT_NOT_READY
    return EXIT_TRY_AGAIN if isinstance(error, TransientError) else EXIT_FAILED


def main() -> None:
    """Run the command line; an error of ours ends it with one message, not a traceback."""
    try:
        lakehouse.main(prog_name=Path(sys.argv[0]).name, standalone_mode=True)
    except LakehouseError as error:
        Console(stderr=True, highlight=False).print(Text.assemble(("error: ", "bold red"), str(error)))
        sys.exit(exit_code_of(error))
