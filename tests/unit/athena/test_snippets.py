"""What Athena's functions and expressions give, by the section of the documentation that says so."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import athena_snippets
import pytest

from lakehouse.local.athena.failures import StatementFailedError

SECTIONS: list[ModuleType] = [
    importlib.import_module(f"athena_snippets.{module.name}")
    for module in pkgutil.iter_modules(athena_snippets.__path__)
]
SNIPPETS = [
    pytest.param(sql, expected, id=f"{section.__name__.rpartition('.')[2]}: {sql}")
    for section in SECTIONS
    for sql, expected in section.SNIPPETS
]


@pytest.mark.parametrize(("sql", "expected"), SNIPPETS)
def test_an_expression_gives_what_the_documentation_says(rows, sql, expected):
    query = sql if sql.lower().startswith(("select ", "with ", "values ")) else f"SELECT {sql}"
    if isinstance(expected, athena_snippets.Fails):
        with pytest.raises(StatementFailedError) as caught:
            rows(query)
        assert caught.value.code == expected.code
        return
    assert rows(query)[0][0] == expected


def test_every_section_names_its_source():
    for section in SECTIONS:
        assert section.SECTION
        assert section.SOURCE.startswith(("https://trino.io/docs/", "https://docs.aws.amazon.com/athena/"))
