"""Rules and quarantine on random tables: every row is in one of the two outputs, and its rules are right."""

from __future__ import annotations

import json
import math

import pyarrow as pa
from arrow_tables import KINDS
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.contracts.model import Column, Contract, RowRule
from lakehouse.convert.kernel import Kernel

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
SMALL = st.integers(-3, 3)

HELD = Contract(
    dataset="rides",
    version="1",
    columns=(
        Column("count", pa.int64(), is_required=True, valid_values=(-2, 0, 2)),
        Column("fare", pa.float64(), is_required=True, minimum=-1, exclusive_maximum=3),
        Column("tip", pa.float64(), exclusive_minimum=-2, maximum=2.5),
        Column("code", pa.string(), min_length=1, max_length=2, pattern="[ab]*"),
    ),
    row_rules=(RowRule("tip_within_fare", "tip > fare"), RowRule("paired", "count = 2 AND code IS NULL")),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "count": st.none() | SMALL,
            "fare": st.none() | st.floats(-4, 4) | st.sampled_from([float("nan"), float("inf"), -1.0, 3.0]),
            "tip": st.none() | st.floats(-4, 4) | st.sampled_from([float("-inf"), -2.0, 2.5]),
            "code": st.none() | st.text("abc", max_size=3),
        }
    ),
    max_size=12,
)


def lines(ndjson: bytes) -> list[dict]:
    return [json.loads(line) for line in ndjson.decode("utf-8").split("\n")[:-1]]


def broken_rules(row: dict) -> list[str]:
    """The rules written out by hand, over the row as it is written."""
    count, fare, tip, code = row["count"], row["fare"], row["tip"], row["code"]
    judged = {
        "count_required": count is None,
        "count_values": count is not None and count not in (-2, 0, 2),
        "fare_required": fare is None,
        "fare_range": fare is not None and not -1 <= fare < 3,
        "tip_range": tip is not None and not -2 < tip <= 2.5,
        "code_length": code is not None and not 1 <= len(code) <= 2,
        "code_pattern": code is not None and "c" in code,
        "tip_within_fare": tip is not None and fare is not None and tip > fare,
        "paired": count == 2 and code is None,
    }
    return [name for name, is_broken in judged.items() if is_broken]


@settings(max_examples=examples(200), deadline=None, suppress_health_check=SLOW)
@given(ROWS, st.integers(0, 10**9))
def test_every_row_is_written_or_rejected_with_exactly_the_rules_it_breaks(rows, first_row) -> None:
    schema = pa.schema([(column.name, column.type) for column in HELD.columns])
    columns = [
        pa.array([row[name] for row in rows], schema.field(name).type, from_pandas=False) for name in schema.names
    ]
    batch = pa.record_batch(columns, schema=schema)

    converted = Kernel(schema, HELD).convert(batch, first_row)

    seen = [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in rows
    ]
    verdicts = [broken_rules(row) for row in seen]
    assert lines(converted.ndjson) == [row for row, verdict in zip(seen, verdicts, strict=True) if not verdict]
    assert lines(converted.rejected) == [
        {"row_number": first_row + index + 1, "broken_rules": verdict, "row": row}
        for index, (row, verdict) in enumerate(zip(seen, verdicts, strict=True))
        if verdict
    ]
    counted = {rule: sum(rule in verdict for verdict in verdicts) for rule in converted.counts.rule_results}
    assert converted.counts.rule_results == counted
    converted.counts.require_conserved("batch", len(rows))


@settings(max_examples=examples(150), deadline=None, suppress_health_check=SLOW)
@given(st.data(), KINDS, st.lists(st.booleans(), min_size=1, max_size=6))
def test_a_rejected_row_of_any_type_is_in_the_quarantine_with_all_its_values(data, kind, bad) -> None:
    raw = data.draw(kind.columns(len(bad)))
    held = Contract("rides", "1", (Column("bad", pa.int8(), maximum=0),), allowed_drift=frozenset({"added_column"}))
    batch = pa.record_batch([pa.array(map(int, bad), pa.int8()), kind.build(raw)], names=["bad", "value"])

    converted = Kernel(batch.schema, held).convert(batch, 0)

    good = iter(lines(converted.ndjson))
    rejected = iter(lines(converted.rejected))
    for index, (value, is_bad) in enumerate(zip(raw, bad, strict=True)):
        line = next(rejected) if is_bad else {"row": next(good), "row_number": index + 1, "broken_rules": ["bad_range"]}
        assert (line["row_number"], line["broken_rules"]) == (index + 1, ["bad_range"])
        assert kind.holds(value, line["row"]["value"]), f"{kind.type}: {value!r} became {line['row']['value']!r}"
    assert next(good, None) is None
    assert next(rejected, None) is None
