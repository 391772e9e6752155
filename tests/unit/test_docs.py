"""The documents cannot rot: commands, targets and links that they show exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from lakehouse.cli.main import lakehouse
from lakehouse.local.coverage import markdown

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("terraform/**/README.md")])
CODE = re.compile(r"```.*?```|^ {4,}[^\n]*$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
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
