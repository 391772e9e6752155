"""Athena's functions: what they take and return, and how DuckDB computes them.

A module a section of Trino's documentation; ``FUNCTIONS`` is all of them by name.
"""

from __future__ import annotations

from lakehouse.local.athena.sql.functions import (
    aggregates,
    arrays,
    basics,
    binary,
    bitwise,
    conversions,
    date_arithmetic,
    date_fields,
    date_formats,
    dates,
    distributions,
    ip_addresses,
    iso8601,
    json_functions,
    json_texts,
    lambdas,
    map_aggregates,
    maps,
    mathematics,
    regular_expressions,
    statistics,
    strings,
    urls,
    uuid,
    windows,
    words,
)
from lakehouse.local.athena.sql.functions.library import FUNCTIONS, MACROS, UDFS
from lakehouse.local.athena.sql.functions.not_executed import NOT_EXECUTED

SECTIONS = (
    *(conversions, date_arithmetic, date_fields, date_formats, iso8601),
    *(aggregates, arrays, basics, binary, dates, json_functions, json_texts, maps, mathematics, regular_expressions),
    *(bitwise, distributions, ip_addresses, lambdas, map_aggregates, statistics, strings, urls, uuid, windows, words),
)

__all__ = ["FUNCTIONS", "MACROS", "NOT_EXECUTED", "SECTIONS", "UDFS"]
