"""The documents cannot rot: commands, targets and links that they show exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from lakehouse import errors
from lakehouse.alerting import alerts
from lakehouse.cli.main import lakehouse
from lakehouse.local.coverage import markdown

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("terraform/**/README.md")])
CODE = re.compile(r"```.*?```|^ {4,}[^\n]*$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
RUNBOOK = ROOT / "docs" / "runbook.md"
ALARMS = ROOT / "terraform" / "modules" / "alerting" / "alarms.tf"
# What the text names for a reader who knows the rest.
SHORTENED = {"lakehouse explain": ["3f1c2b7a9d04"], "lakehouse query --as-of": ["2026-01-31T00:00:00Z", "SELECT 1"]}
RECORDED = {
    name
    for name, error in vars(errors).items()
    if isinstance(error, type)
    and issubclass(error, (errors.InputFileError, errors.ConversionError, errors.TransientError))
    and error is not errors.TransientError
} | {"AccessDeniedError", "SchemaDriftError"}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def code_of(document: Path) -> str:
    return "\n".join(CODE.findall(document.read_text(encoding="utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_shown_exists(document: Path) -> None:
    for words in re.findall(r"(?<![\w./-])lakehouse ([a-z][a-z |-]*)", code_of(document)):
        for name in words.split("|"):
            first, *rest = name.split() or [""]
            command = lakehouse.commands.get(first)
            assert command is not None, f"{document.name} shows `lakehouse {first}`, which is no command"
            if isinstance(command, click.Group):
                assert not rest or rest[0] in command.commands


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_shown_exists(document: Path) -> None:
    for words in re.findall(r"(?<![\w./-])make ([a-z][a-z |-]*)", code_of(document)):
        shown = {name.split()[0] for name in words.split("|") if name.split()}
        assert shown <= TARGETS, f"{document.name} shows make {shown - TARGETS}"


def runbook_commands() -> list[str]:
    """Each command line of the runbook: of its code blocks, and within its text."""
    shown = re.findall(r"^ {4}(lakehouse .+)$|`(lakehouse [^`]+)`", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    return list(dict.fromkeys(block or inline for block, inline in shown))


@pytest.mark.parametrize("line", runbook_commands())
def test_every_command_line_of_the_runbook_is_understood(line: str) -> None:
    arguments = shlex.split(line)[1:]
    if line in SHORTENED:
        arguments += SHORTENED[line]
    # Parsed as a call is, and not called.
    context = lakehouse.make_context("lakehouse", list(arguments))
    name, command, rest = lakehouse.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    command.make_context(name, rest, parent=context)


def test_every_kind_of_alert_and_every_alarm_has_its_section_in_the_runbook() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    kinds = {name.removeprefix("of_") for name in vars(alerts) if name.startswith("of_")}
    assert kinds >= {"file", "run"}
    alarms = re.findall(r'^ +name += "([a-z-]+)"', ALARMS.read_text(encoding="utf-8"), re.MULTILINE)
    assert alarms
    rows = [row for row in text.splitlines() if row.startswith("| al")]
    sections = {
        re.sub("[^a-z -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall("^#+ (.+)$", text, re.MULTILINE)
    }
    for told in (*(f"alert `{kind}/…`" for kind in kinds), *(f"alarm `{name}`" for name in alarms)):
        (row,) = [row for row in rows if row.startswith(f"| {told} ")]
        links = set(re.findall(r"\(#([a-z-]+)\)", row))
        assert links, f"the runbook has no section for {told}"
        assert links <= sections


@pytest.mark.parametrize("error", sorted(RECORDED))
def test_every_error_that_a_file_may_fail_with_is_in_the_runbook(error: str) -> None:
    assert f"`{error}`" in RUNBOOK.read_text(encoding="utf-8")


def test_the_index_of_decisions_lists_every_one() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    for decision in (ROOT / "docs" / "adr").glob("0*.md"):
        title = decision.read_text().splitlines()[0].removeprefix("# ").partition(" ")[2]
        assert f"({decision.name})" in index
        assert title in index


def test_every_make_target_explains_itself() -> None:
    explained = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert explained == TARGETS


def test_the_page_of_what_the_laptop_executes_is_current() -> None:
    page = ROOT / "docs" / "local-coverage.md"
    assert page.read_text() == markdown(), (
        "renew it: lakehouse local coverage --output markdown > docs/local-coverage.md"
    )
