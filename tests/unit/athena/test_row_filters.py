"""No file is left out that has a row which a comparison takes, whatever the types of column and literal."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from functools import cache

import pytest
from pyiceberg.conversions import to_bytes
from pyiceberg.expressions.visitors import _InclusiveMetricsEvaluator
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import DecimalType, DoubleType, FloatType, IntegerType, LongType, NestedField

from lakehouse.local.athena.sql.dialect import parse
from lakehouse.local.athena.sql.expressions import Expressions
from lakehouse.local.athena.sql.pruning import note_conditions
from lakehouse.local.athena.sql.queries import Queries
from lakehouse.local.athena.sql.scans import Scan
from lakehouse.local.athena.sql.scope import Column, Relation, Scope
from lakehouse.local.athena.sql.sql_types import DATE, DOUBLE, INTEGER, REAL, Timestamp
from lakehouse.local.athena.sql.sql_types import Decimal as DecimalKind
from lakehouse.local.athena.sql.statement import Statement
from lakehouse.local.athena.tables.iceberg_types import trino_type
from lakehouse.local.athena.tables.pruned_partitions import may_hold
from lakehouse.local.athena.tables.row_filters import row_filter


@pytest.fixture
def conditions():
    """What a condition says of a column c."""

    def noted(kind, condition):
        scan = Scan(0, lambda _: "")
        relations = [Relation((Column("c", kind, "t.c", scan=scan, own_name="c"),), "t")]
        statement = Statement(None, None)
        expressions = Expressions(statement, Scope(relations), Queries(statement))
        note_conditions(parse(f"SELECT 1 WHERE {condition}").args["where"].this, expressions, relations)
        return scan.conditions

    return noted


@pytest.fixture
def may_match(conditions):
    """Whether a file that has these values only is read."""

    @cache
    def evaluator(kind, condition):
        schema = Schema(NestedField(1, "c", kind, required=False))
        filtered = row_filter(conditions(trino_type(kind), condition), schema, schema)
        return _InclusiveMetricsEvaluator(schema, filtered)

    def found(kind, values, condition):
        file = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path="s3://b/k",
            file_format=FileFormat.PARQUET,
            partition=Record(),
            record_count=len(values),
            file_size_in_bytes=1,
            lower_bounds={1: to_bytes(kind, min(values))},
            upper_bounds={1: to_bytes(kind, max(values))},
        )
        return evaluator(kind, condition).eval(file)

    return found


def single(number):
    return struct.unpack("<f", struct.pack("<f", number))[0]


def around(number):
    """A double and its neighbours."""
    return [number, math.nextafter(number, -math.inf), math.nextafter(number, math.inf)]


LITERALS = [
    *("0.0", "0.1", "-0.1", "10.5", "-10.5", "10.1", "1e15", "16777217.0", "9007199254740993.0", "-1e300", "1e-300"),
    *("9223372036854775807.0", "1e38", "7", "-7", "16777217", "9007199254740993"),
    *("decimal '10.5'", "decimal '0.1'", "decimal '10.105'", "decimal '-10.105'", "decimal '16777216.5'"),
]
NUMBERS = [0.0, 0.1, -0.1, 10.5, -10.5, 10.1, 10.105, 1e15, 16777217.0, 9007199254740993.0, 1e37, 9.2e18, 7.0, -7.0]
COLUMNS = {
    "integer": (IntegerType(), [-(2**31), -11, -10, -7, 0, 7, 10, 11, 16777216, 16777217, 2**31 - 1]),
    "bigint": (LongType(), [-(2**63), -10, 0, 10, 2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1, 2**63 - 512, 10**15]),
    "double": (DoubleType(), [near for one in NUMBERS for near in around(one)] + [math.inf, -math.inf, -0.0, -1e300]),
    "real": (FloatType(), [single(one) for one in NUMBERS] + [16777218.0, math.inf, single(math.nextafter(0.1, 1))]),
    "decimal(10,2)": (DecimalType(10, 2), [Decimal(one) for one in ("0.00", "0.10", "10.10", "10.11", "-10.11")]),
    "decimal(38,20)": (
        DecimalType(38, 20),
        [Decimal(f"{one:.20f}") for one in (0.1, 10.1, 10.105)]
        + [Decimal("0.09999999999999999999"), Decimal("10.10000000000000000001"), Decimal("0E-20")],
    ),
}


def written(name, value):
    if isinstance(value, float) and math.isinf(value):
        return f"cast({'-' if value < 0 else ''}infinity() AS {name})"
    return f"cast('{value!r}' AS {name})" if isinstance(value, float) else f"cast('{value}' AS {name})"


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("operator", ["=", "<", "<=", ">", ">="])
def test_a_row_that_is_taken_is_in_a_file_that_is_read(rows, may_match, name, operator):
    kind, values = COLUMNS[name]
    listed = ", ".join(f"({index}, {written(name, value)})" for index, value in enumerate(values))
    conditions = [f"c {operator} {literal}" for literal in LITERALS]
    pruned = 0
    for index, *taken in rows(f"SELECT i, {', '.join(conditions)} FROM (VALUES {listed}) t(i, c)"):
        for condition, is_taken in zip(conditions, taken, strict=True):
            is_read = may_match(kind, [values[int(index)]], condition)
            assert is_read or is_taken == "false", (values[int(index)], condition)
            pruned += not is_read
    assert pruned > len(values)


@pytest.mark.parametrize(
    ("kind", "values", "condition", "is_read"),
    [
        (DoubleType(), [1.0, 10.5], "c > 10.5", False),
        (DoubleType(), [1.0, 10.5], "c >= 10.5", True),
        (DoubleType(), [1.0, 10.5], "c < 1.0", False),
        (DoubleType(), [1.0, 10.5], "c IN (0.5, 11.5)", False),
        (DoubleType(), [1.0, 10.5], "c = 11", False),
        (FloatType(), [1.0, 10.5], "c > 10.6", False),
        (FloatType(), [1.0, 10.5], "c BETWEEN 0.1 AND 0.9", False),
        (IntegerType(), [1, 10], "c > 10.5", False),
        (IntegerType(), [1, 10], "c = 10.0", True),
        (IntegerType(), [1, 10], "c = 11.0", False),
        (LongType(), [1, 10], "c IN (9.5, 12.5)", True),
        (LongType(), [1, 10], "c IN (11.5, 12.5)", False),
        (DecimalType(10, 2), [Decimal("1.00"), Decimal("10.50")], "c > 10.6", False),
        (DecimalType(10, 2), [Decimal("1.00"), Decimal("10.50")], "c > 10", True),
        (DecimalType(10, 2), [Decimal("1.00"), Decimal("10.50")], "c > 11", False),
        (DecimalType(10, 2), [Decimal("1.00"), Decimal("10.50")], "c = decimal '10.505'", False),
        (DecimalType(10, 2), [Decimal("1.00"), Decimal("10.50")], "c <> 10.6", True),
    ],
)
def test_which_files_are_read(may_match, kind, values, condition, is_read):
    assert may_match(kind, values, condition) is is_read


@pytest.mark.parametrize(
    ("condition", "text", "kind", "is_read"),
    [
        ("c > 10.5", "10.5", DOUBLE, False),
        ("c > 10.5", "10.6", DOUBLE, True),
        ("c > 10.5", "NaN", DOUBLE, False),
        ("c <= 10.5", "NaN", DOUBLE, False),
        ("c > 10.5", "Infinity", DOUBLE, True),
        # The nearest number of single precision is a little more than the double.
        ("c > 0.1", "0.1", REAL, True),
        ("c = 0.1", "0.1", REAL, False),
        ("c = decimal '0.1'", "0.1", REAL, True),
        ("c > 10.5", "11", INTEGER, True),
        ("c > 10.5", "10", INTEGER, False),
        ("c = 0.1", "0.10", DecimalKind(4, 2), True),
        ("c < timestamp '2024-01-01 10:00:00'", "2024-01-01", DATE, True),
        ("c = timestamp '2024-01-01 10:00:00'", "2024-01-01", DATE, False),
        ("c > timestamp '2024-01-01 10:00:00 UTC'", "2024-01-01", DATE, True),
        ("c >= date '2024-01-02'", "2024-01-01 23:00:00", Timestamp(3), False),
        ("c > 10.5", "ten", INTEGER, True),
    ],
)
def test_which_partitions_of_hive_tables_are_read(conditions, condition, text, kind, is_read):
    (one,) = conditions(kind, condition)
    assert may_hold(one, text, kind) is is_read
