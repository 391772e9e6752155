"""`make demo` prints what the README shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

README = Path(__file__).resolve().parents[2] / "README.md"
# A stack that is up already needs none of these.
ONLY_THE_FIRST_TIME = ("Setting up", "✓ Check Java", "✓ Start the local", "✓ Apply Terraform")


def normalised(text: str) -> set[str]:
    """Lines without what differs from run to run: times, dates, ids, spacing."""
    lines = (re.sub(r"[0-9a-f]{12}|\d[\d.,:TZ/-]*( min)?( \d+)?( s\b)?", "#", line) for line in text.splitlines())
    return {" ".join(line.split()) for line in lines} - {""}


def test_the_demo_prints_what_the_readme_shows(laptop) -> None:
    block = re.search(r"```text\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block, "the README shows no output of make demo"
    shown = "\n".join(line for line in block[1].splitlines() if not line.startswith(ONLY_THE_FIRST_TIME))
    printed = laptop.run("demo", COLUMNS="80").stdout
    assert normalised(shown) <= normalised(printed)
