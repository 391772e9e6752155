"""The laptop's own commands: the endpoint, what is deployed on it, and what it needs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from lakehouse.cli.presentation import Column, bytes_text, console, print_json, seconds_text, table
from lakehouse.errors import SettingsError
from lakehouse.local.stack import TerraformProgress
from lakehouse.settings import Workplace

output_option = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for a person, JSON for a program.",
)


@dataclass
class Steps:
    """A list of steps, shown as they are done, with their times.

    Attributes:
        screen: Where to show them.
        timings: Seconds by step, in order.
    """

    screen: Console = field(default_factory=console)
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[Status]:
        """Show one step: a spinner while it works (on a terminal), one line when it is done.

        Args:
            title: What is being done.

        Yields:
            The spinner, whose text may be changed to tell progress.
        """
        start = time.monotonic()
        with self.screen.status(escape(title)) as status:
            yield status
        seconds = time.monotonic() - start
        self.timings[title] = self.timings.get(title, 0) + seconds
        self.screen.print(f"[green]✓[/] {escape(title):<52}[dim]{seconds_text(seconds):>9}[/]")


def bring_up(workplace: Workplace, steps: Steps, *, port: int | None = None, apply: bool = False) -> None:
    """Check, build, start and deploy: what every command that needs the laptop's stack begins with.

    Args:
        workplace: The checkout.
        steps: Where to show what is done.
        port: The endpoint's port, None for the last one used or the default.
        apply: Apply Terraform even when nothing changed since the last time.

    Raises:
        LakehouseError: A prerequisite is missing, or a part failed.
    """
    from lakehouse.local import doctor
    from lakehouse.local.endpoint import Endpoint
    from lakehouse.local.stack import Stack
    from lakehouse.package import build

    endpoint = Endpoint(workplace.home, port)
    if not endpoint.is_up():
        with steps.step("Check Java, Terraform, provider, port, disk"):
            doctor.require(workplace.home, port)
    title = "Build the artifacts of Lambda, Glue and dbt"
    with steps.step(title) as status:
        build(workplace.root, workplace.package, progress=lambda doing: status.update(f"{title}: {doing}"))
    if not endpoint.is_up():
        with steps.step("Start the local AWS endpoint"):
            endpoint.start()
    stack = Stack(endpoint, workplace.terraform, workplace.package)
    if apply or not stack.is_current():
        title = "Apply Terraform"
        with steps.step(title) as status:
            stack.apply(lambda at: status.update(_apply_words(title, at)))


def _apply_words(title: str, at: TerraformProgress) -> Text:
    """One line, whatever the terminal's width."""
    words = f"{title}: {at.done} of {at.total or '?'} resources, {at.address.removeprefix('module.')}"
    return Text(words, no_wrap=True, overflow="ellipsis")


@click.command()
@click.option("--port", type=int, help="The endpoint's port. Default: the last one used, else 4566.")
@click.option("--apply", is_flag=True, help="Apply Terraform even when nothing changed since the last time.")
@click.pass_obj
def up(workplace: Workplace, port: int | None, *, apply: bool) -> None:
    """Start the local AWS endpoint and deploy the lakehouse on it.

    What was there before is kept. Example: lakehouse up
    """
    from lakehouse.local.endpoint import Endpoint

    _only_local(workplace)
    steps = Steps()
    bring_up(workplace, steps, port=port, apply=apply)
    steps.screen.print(f"The lakehouse is up at {Endpoint(workplace.home).url}. Next: lakehouse ingest FILE…")


@click.command()
@click.pass_obj
def down(workplace: Workplace) -> None:
    """Stop the local AWS endpoint; its data is kept.

    Example: lakehouse down
    """
    from lakehouse.local.endpoint import Endpoint

    _only_local(workplace)
    endpoint = Endpoint(workplace.home)
    was_up = endpoint.is_up()
    endpoint.stop()
    console().print("The local AWS endpoint is stopped." if was_up else "The local AWS endpoint was not running.")


@click.command()
@output_option
@click.pass_obj
def status(workplace: Workplace, output: str) -> None:
    """Tell whether the endpoint runs, where, and what is deployed on it.

    Exit code 3 when it is not up. Example: lakehouse status
    """
    from lakehouse.local.endpoint import Endpoint
    from lakehouse.local.stack import Stack

    _only_local(workplace)
    endpoint = Endpoint(workplace.home)
    stack = Stack(endpoint, workplace.terraform, workplace.package)
    is_up = endpoint.is_up()
    facts = {
        "endpoint": endpoint.url if is_up else "not running",
        "terraform": "applied" if stack.is_applied() else "not applied",
        "home": str(workplace.home),
        "log": str(workplace.home / "logs" / "endpoint.log"),
    }
    if output == "json":
        print_json({**facts, "is_up": is_up, "is_applied": stack.is_applied()})
    else:
        screen = console()
        for name, value in facts.items():
            screen.print(f"{name:<10} {value}", soft_wrap=True)
        if is_up:
            names = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
            screen.print("\nFor the AWS CLI and other clients:")
            for name, value in sorted(endpoint.environment().items()):
                if name in names:
                    screen.print(f"  export {name}={value}", soft_wrap=True)
    if not is_up:
        click.get_current_context().exit(3)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(workplace: Workplace, *, yes: bool) -> None:
    """Stop the endpoint and delete all its data: buckets, tables, runs, logs.

    Example: lakehouse reset --yes
    """
    from lakehouse.local.endpoint import Endpoint

    _only_local(workplace)
    if not yes:
        click.confirm(f"Delete everything the endpoint holds under {workplace.home}?", abort=True)
    Endpoint(workplace.home).stop()
    freed = 0
    for entry in sorted(workplace.home.iterdir()) if workplace.home.is_dir() else ():
        if entry.name == "tools":  # the pinned uv: no data, and needed to start again
            continue
        freed += _size(entry)
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    console().print(f"Deleted {bytes_text(freed)} under {workplace.home}.", soft_wrap=True)


@click.command()
@output_option
@click.pass_obj
def doctor(workplace: Workplace, output: str) -> None:
    """Check what the laptop needs, and say how to mend what is missing.

    Exit code 3 when something is. Example: lakehouse doctor
    """
    from lakehouse.local import doctor as examination

    findings = examination.examine(workplace.home)
    if output == "json":
        print_json([{name: getattr(found, name) for name in found.__slots__} for found in findings])
    else:
        screen = console()
        for found in findings:
            mark = "[green]✓[/]" if found.is_met else "[red]✗[/]"
            screen.print(f"{mark} {found.name:<18} {escape(found.found)}")
            if found.remedy:
                screen.print(f"  → {escape(found.remedy)}")
    if not all(found.is_met for found in findings):
        click.get_current_context().exit(3)


@click.group(name="local")
def local_group() -> None:
    """What the laptop does for real.

    Example: lakehouse local coverage
    """


@local_group.command()
@click.argument("service", required=False)
@click.option(
    "--output",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
    help="A table for a person, JSON for a program, Markdown for docs/local-coverage.md.",
)
def coverage(service: str | None, output: str) -> None:
    """List which AWS calls the laptop executes, keeps as state only, or refuses.

    Example: lakehouse local coverage glue
    """
    from lakehouse.local.coverage import groups, markdown

    if output == "markdown":
        click.echo(markdown(), nl=False)
        return
    found = [group for group in groups() if service in {None, group.service}]
    if not found:
        raise click.BadParameter(f"no service {service!r}: see lakehouse local coverage", param_hint="SERVICE")
    if output == "json":
        print_json([asdict(group) for group in found])
        return
    rows = []
    shown = ""
    for group in found:
        name, shown = ("" if group.service == shown else group.service), group.service
        rows.append((name, group.kind, Text.assemble(", ".join(group.operations), (f"  {group.note}", "dim"))))
    columns = [Column("Service"), Column("On the laptop"), Column("Operations", is_flexible=True)]
    console().print(table(columns, rows))


@click.command()
@click.option("--platform", help="Target of the binaries, as uv names it. Default: AWS's Linux on x86_64.")
@click.pass_obj
def package(workplace: Workplace, platform: str | None) -> None:
    """Build what is deployed: the Lambda zip, the Glue script and its wheels, the dbt project with its own.

    Example: lakehouse package
    """
    from lakehouse.package import AWS_PLATFORM, build

    steps = Steps()
    title = "Build the artifacts of Lambda, Glue and dbt"
    with steps.step(title) as status:
        built = build(
            workplace.root,
            workplace.package,
            platform=platform or AWS_PLATFORM,
            progress=lambda doing: status.update(f"{title}: {doing}"),
        )
    columns = [Column("Artifact", is_flexible=True), Column("Size", is_number=True)]
    rows = [(str(path.relative_to(workplace.root)), bytes_text(path.stat().st_size)) for path in built.artifacts]
    steps.screen.print(table(columns, rows))


def _only_local(workplace: Workplace) -> None:
    if workplace.environment != "local":
        raise SettingsError(
            f"This command works on the laptop only, and {workplace.environment!r} is chosen. "
            "Leave out --environment (and unset LAKEHOUSE_ENVIRONMENT)."
        )


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file() and not entry.is_symlink())


COMMANDS = (up, down, status, reset, doctor, local_group, package)
