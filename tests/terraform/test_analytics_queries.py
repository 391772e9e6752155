"""The named queries and prepared statements of the analytics module: one statement of Athena's SQL each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlglot

ANALYTICS = Path(__file__).resolve().parents[2] / "terraform" / "modules" / "analytics"
FILES = sorted([*ANALYTICS.glob("queries/*.sql"), *ANALYTICS.glob("statements/*.sql")])

TABLES = {"dim_users", "dim_zones", "fct_events", "fct_trips", "fct_trips_daily", "trips_archive"}


def text_of(file):
    """The SQL as Terraform fills it in, without its comments."""
    text = file.read_text(encoding="utf-8")
    text = text.replace("${location}", "s3://bucket/curated-data/").replace("${database}", "lakehouse_test_curated")
    return re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_one_statement_that_athena_parses(file):
    text = text_of(file)
    if text.startswith(("OPTIMIZE", "VACUUM")):
        assert re.fullmatch(r"(OPTIMIZE \w+ REWRITE DATA USING BIN_PACK|VACUUM \w+)\s*", text)
        return

    assert len(sqlglot.parse(text, dialect="athena")) == 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_names_tables_of_the_curated_layer_only(file):
    named = set(re.findall(r"\b(?:fct|dim)_\w+|\btrips_archive\b", text_of(file)))

    assert named
    assert named <= TABLES


def test_values_of_prepared_statements_are_parameters():
    for file in ANALYTICS.glob("statements/*.sql"):
        assert "?" in text_of(file)
        assert "'" not in text_of(file), f"{file.name} has a value in its text"


def test_the_queries_cover_what_an_analyst_is_promised():
    assert {file.stem for file in ANALYTICS.glob("queries/*.sql")} >= {
        "create_iceberg_table",
        "daily_revenue",
        "data_quality",
        "table_maintenance",
        "time_travel",
    }
