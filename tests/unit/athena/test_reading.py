"""Rows of a query that DuckDB hands on while it runs: failures in the middle are those of the statement."""

from __future__ import annotations

import duckdb
import pytest

from lakehouse.local.athena.duck import failure_of

ROWS = 300_000


def test_rows_come_in_batches(duck):
    batches = [batch.num_rows for batch in duck.read(f"SELECT range AS a FROM range({ROWS})", 10_000)]
    assert sum(batches) == ROWS
    assert max(batches) <= 10_000


def test_functions_of_python_are_there(duck):
    (batch,) = duck.read("SELECT athena_ip_text(unhex('00000000000000000000000000000001')) AS a", 10)
    assert batch.column(0).to_pylist() == ["::1"]


@pytest.mark.parametrize(
    ("late", "code"),
    [
        ("CAST('[[TYPE_OF_OURS: ours]]' AS INTEGER)", "TYPE_OF_OURS"),
        ("CAST('text' AS INTEGER)", "INVALID_CAST_ARGUMENT"),
        ("CAST(range * 1000000 AS INTEGER)", "NUMERIC_VALUE_OUT_OF_RANGE"),
        ("9223372036854775807 + range", "NUMERIC_VALUE_OUT_OF_RANGE"),
    ],
)
def test_a_late_failure_is_that_of_the_statement(duck, late, code):
    sql = f"SELECT CASE WHEN range = {ROWS - 1} THEN {late} ELSE 1 END AS a FROM range({ROWS})"
    with pytest.raises(duckdb.Error) as caught:
        list(duck.read(sql, 1000))
    assert failure_of(caught.value).code == code
    assert duck.execute("SELECT 1").fetchall() == [(1,)]
