"""docs/athena.md lists the sections that are covered."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import athena_snippets

PAGE = Path(__file__).resolve().parents[3] / "docs" / "athena.md"


def table():
    names = sorted(module.name for module in pkgutil.iter_modules(athena_snippets.__path__))
    sections = [importlib.import_module(f"athena_snippets.{name}") for name in names]
    rows = [f"| [{one.SECTION}]({one.SOURCE}) | {len(one.SNIPPETS):,} |" for one in sections]
    total = sum(len(one.SNIPPETS) for one in sections)
    return "\n".join(["| section | expressions |", "| --- | ---: |", *rows, f"| in all | {total:,} |"])


def test_the_page_lists_every_section_with_its_number_of_expressions():
    found = re.search(r"<!-- sections -->\n(.*)\n<!-- /sections -->", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert found[1] == table(), f"Put this between the marks:\n{table()}"
