"""Every row that goes in comes out once, in order: in the output or in the quarantine."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.contracts.model import Column, Contract, RowRule
from lakehouse.convert.in_process import convert_stream
from lakehouse.convert.kernel import Kernel
from lakehouse.convert.local_file_writer import LocalFileWriter
from lakehouse.convert.source import LocalSource, inspect
from lakehouse.sample import generate

CONTRACT = Contract(
    dataset="meters",
    version="1.0.0",
    columns=(
        Column("id", pa.int64(), is_required=True),
        Column("value", pa.float64(), minimum=-10, maximum=10),
        Column("remark", pa.string(), max_length=3),
    ),
    row_rules=(RowRule("remark_needs_value", "value IS NULL AND remark IS NOT NULL"),),
)

rows = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.none() | st.integers(-(2**63), 2**63 - 1),
            "value": st.none() | st.floats(width=64),
            "remark": st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
        }
    ),
    max_size=60,
)
SCHEMA = pa.schema([("id", pa.int64()), ("value", pa.float64()), ("remark", pa.string())])


def converted(path, contract):
    """Convert a file; its counts, the rows of the output and those of the quarantine."""
    source = LocalSource(path)
    facts = inspect(source)
    output, quarantine = path.with_suffix(".json"), path.with_suffix(".quarantine")
    with LocalFileWriter(output) as written, LocalFileWriter(quarantine) as rejected:
        counts = convert_stream(source, facts, Kernel(facts.schema, contract), written, rejected, lambda _: None)
    read = [[json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]] for file in (output, quarantine)]
    return counts, *read


def as_json(row):
    """A row as JSON can hold it: what is not finite is null."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }


def breaks_a_rule(row):
    value, remark = as_json(row)["value"], row["remark"]
    return (
        row["id"] is None
        or (value is not None and not -10 <= value <= 10)
        or (remark is not None and len(remark) > 3)
        or (value is None and remark is not None)
    )


@settings(deadline=None, max_examples=examples(100))
@given(rows, st.integers(1, 20), st.booleans())
def test_each_row_is_written_or_quarantined_by_the_rules_and_keeps_its_place(rows, row_group_size, has_contract):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path, row_group_size=row_group_size)
        counts, written, rejected = converted(path, CONTRACT if has_contract else None)
    bad = {number for number, row in enumerate(rows, 1) if has_contract and breaks_a_rule(row)}
    assert written == [as_json(row) for number, row in enumerate(rows, 1) if number not in bad]
    assert [one["row_number"] for one in rejected] == sorted(bad)
    assert [as_json(one["row"]) for one in rejected] == [as_json(rows[number - 1]) for number in sorted(bad)]
    assert all(one["broken_rules"] for one in rejected)
    assert (counts.rows_read, counts.rows_written, counts.rows_rejected) == (len(rows), len(rows) - len(bad), len(bad))


@settings(deadline=None, max_examples=examples(15))
@given(rows=st.integers(0, 3_000), dirty_share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_a_generated_file_is_divided_exactly_as_its_generator_states(rows, dirty_share, seed):
    from lakehouse.contracts.catalog import ContractCatalog

    with tempfile.TemporaryDirectory() as folder:
        facts = generate(Path(folder) / "a.parquet", rows=rows, dirty_share=dirty_share, seed=seed)
        counts, written, rejected = converted(facts.path, ContractCatalog.packaged().find("yellow_tripdata"))
    assert counts.rows_read == rows
    assert counts.rows_written == len(written) == facts.clean_rows
    assert counts.rows_rejected == len(rejected) == facts.dirty_rows
