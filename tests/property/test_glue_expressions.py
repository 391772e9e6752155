"""Expressions over partition keys select what DuckDB's WHERE selects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.local.fixes.glue_catalog.expressions import PartitionKey, parse
from lakehouse.local.fixes.glue_catalog.key_types import NULL
from lakehouse.local.fixes.glue_catalog.operations import CatalogError

LETTERS = st.text("aAbB'%_. é\\\n", max_size=4)
NUMBERS = st.integers(-3, 12) | st.integers(-(10**6), 10**6)
DECIMALS = st.decimals(-100, 100, places=2)
DATES = st.dates(date(2023, 12, 30), date(2024, 1, 3)) | st.dates()
NEAR = date(2024, 1, 1)
TIMES = st.datetimes() | st.times().map(lambda time: datetime.combine(NEAR, time))


@dataclass(frozen=True)
class Kind:
    """A type of keys: its values, how one is written in a partition, and how as a literal."""

    type: str
    duckdb: str
    values: st.SearchStrategy
    text: object = str
    prefixes: tuple[str, ...] = ()
    is_quoted: bool = True


def moment(value: datetime) -> str:
    return value.isoformat(sep=" ", timespec="microseconds")


KINDS = [
    Kind("string", "VARCHAR", LETTERS),
    Kind("varchar(10)", "VARCHAR", LETTERS),
    Kind("int", "BIGINT", NUMBERS, is_quoted=False),
    Kind("bigint", "BIGINT", NUMBERS, is_quoted=False),
    Kind("decimal(10,2)", "DECIMAL(10,2)", DECIMALS, lambda value: str(Decimal(value)), is_quoted=False),
    Kind("date", "DATE", DATES, date.isoformat, ("", "date ", "DATE")),
    Kind("timestamp", "TIMESTAMP", TIMES, moment, ("", "timestamp ")),
]


def literals(kind: Kind) -> st.SearchStrategy[str]:
    def write(value, prefix, is_quoted):
        text = kind.text(value)
        return prefix + "'" + text.replace("'", "''") + "'" if is_quoted else text

    prefixes = st.sampled_from(kind.prefixes or ("",))
    return st.builds(write, kind.values, prefixes, st.just(kind.is_quoted))


def terms(name: str, kind: Kind) -> st.SearchStrategy[str]:
    literal = literals(kind)
    names = st.sampled_from([name, name.upper(), f'"{name}"'])
    negation = st.sampled_from(["", "not ", "NOT "])
    compared = st.builds("{} {} {}".format, names, st.sampled_from(["=", "<>", "!=", "<", ">", "<=", ">="]), literal)
    between = st.builds("{} {}between {} and {}".format, names, negation, literal, literal)
    listed = st.builds(
        lambda key, no, values: f"{key} {no}in ({', '.join(values)})",
        names,
        negation,
        st.lists(literal, min_size=1, max_size=3),
    )
    nulls = st.builds("{} is {}null".format, names, negation)
    found = [compared, between, listed, nulls]
    if kind.duckdb == "VARCHAR":
        found.append(st.builds("{} {}like {}".format, names, negation, literal))
    return st.one_of(found)


@st.composite
def questions(draw):
    """Keys, the values of some partitions, and an expression over the keys."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    rows = draw(st.lists(st.tuples(*(st.none() | kind.values for kind in kinds)), max_size=6))
    term = st.one_of([terms(f"k{index}", kind) for index, kind in enumerate(kinds)])
    expressions = st.recursive(
        term,
        lambda inner: (
            st.builds("{} {} {}".format, inner, st.sampled_from(["and", "OR"]), inner)
            | st.builds("{}({})".format, st.sampled_from(["", "not ", "NOT NOT"]), inner)
        ),
        max_leaves=5,
    )
    return kinds, rows, draw(expressions)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        yield opened


@settings(max_examples=examples(300))
@given(question=questions())
def test_partitions_are_selected_as_duckdb_selects_rows(connection, question) -> None:
    kinds, rows, expression = question
    columns = ", ".join(f"k{index} {kind.duckdb}" for index, kind in enumerate(kinds))
    connection.execute(f"create or replace temp table partitions (i integer, {columns})")
    if rows:
        marks = ", ".join("?" for _ in range(len(kinds) + 1))
        connection.executemany(
            f"insert into partitions values ({marks})", [[index, *row] for index, row in enumerate(rows)]
        )
    selected = connection.execute(f"select i from partitions where {expression} order by i").fetchall()

    keys = {f"k{index}": PartitionKey(index, f"k{index}", kind.type) for index, kind in enumerate(kinds)}
    texts = [
        [NULL if value is None else kind.text(value) for kind, value in zip(kinds, row, strict=True)] for row in rows
    ]
    predicate = parse(expression, keys)
    assert [index for index, values in enumerate(texts) if predicate(values)] == [index for (index,) in selected]


@settings(max_examples=examples(300))
@given(text=st.text("k0='1a\"`()<>!,.- \nANDORINLIKEnotbetweenis") | st.text())
def test_whatever_is_asked_is_answered_or_refused(text: str) -> None:
    codes = []
    try:
        parse(text, {"k0": PartitionKey(0, "k0", "string")})(["1"])
    except CatalogError as error:
        codes.append(error.code)
    assert codes in ([], ["InvalidInputException"])
