"""Athena's numbers are Python's: exact decimals with Trino's precisions, and whole numbers cut off towards zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal

import duckdb
import pytest
from effort import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.local.athena.duck import Duck, failure_of
from lakehouse.local.athena.failures import StatementFailedError
from lakehouse.local.athena.sql.compiled import compile_query
from lakehouse.local.athena.sql.statement import Session, TableName

EXACT = Context(prec=200, rounding=ROUND_HALF_UP)
MOST_DIGITS = 38
SESSION = Session("awsdatacatalog", "default", datetime(2024, 3, 6))  # noqa: DTZ001 - in UTC
BIGINTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-1000, 1000)

Answer = Callable[[str], list[str | None]]


class NoTables:
    def source(self, name: TableName, *_: object) -> None:
        raise AssertionError(name)


@st.composite
def decimals(draw: st.DrawFn) -> tuple[str, int, int]:
    """A number's text, and its precision and scale."""
    precision = draw(st.integers(1, MOST_DIGITS))
    scale = draw(st.integers(0, precision))
    number = draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    return format(Decimal(number).scaleb(-scale, EXACT), "f"), precision, scale


@pytest.fixture(scope="module")
def answer() -> Iterator[Answer]:
    duck = Duck(threads=1)

    def first_row(sql: str) -> list[str | None]:
        try:
            return list(duck.execute(compile_query(sql, SESSION, NoTables()).as_text()).fetchall()[0])
        except duckdb.Error as error:
            raise failure_of(error) from error

    yield first_row
    duck.connection.close()


def result_type(sign: str, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Precision and scale, from the documentation's table."""
    (ap, as_), (bp, bs) = a, b
    scale = max(as_, bs)
    if sign == "*":
        precision, scale = ap + bp, as_ + bs
    elif sign == "/":
        precision = ap + bs + max(0, bs - as_)
    elif sign == "%":
        precision = min(ap - as_, bp - bs) + scale
    else:
        precision = 1 + scale + max(ap - as_, bp - bs)
    return min(MOST_DIGITS, precision), scale


def computed(sign: str, a: Decimal, b: Decimal, scale: int) -> Decimal:
    if sign == "/":
        return EXACT.divide(a, b).quantize(Decimal(1).scaleb(-scale), context=EXACT)
    operations = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply, "%": EXACT.remainder}
    return operations[sign](a, b)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sign=st.sampled_from("+-*/%"), left=decimals(), right=decimals())
def test_decimals_are_exact(answer, sign, left, right):
    (a, *a_type), (b, *b_type) = left, right
    sql = (
        f"SELECT x {sign} y, typeof(x {sign} y) FROM (VALUES (CAST('{a}' AS decimal({a_type[0]},{a_type[1]})), "
        f"CAST('{b}' AS decimal({b_type[0]},{b_type[1]})))) AS t(x, y)"
    )
    precision, scale = result_type(sign, (a_type[0], a_type[1]), (b_type[0], b_type[1]))
    if sign in "/%" and not Decimal(b):
        expected = None
        code = {"DIVISION_BY_ZERO", "NUMERIC_VALUE_OUT_OF_RANGE"}
    else:
        expected = None if scale > MOST_DIGITS else computed(sign, Decimal(a), Decimal(b), scale)
        code = {"NUMERIC_VALUE_OUT_OF_RANGE"}
    try:
        found, kind = answer(sql)
    except StatementFailedError as error:
        failed = error.code
    else:
        failed = None
    if failed is not None:
        assert failed in code
        operands_fit = all(kind[0] - kind[1] + max(a_type[1], b_type[1]) <= MOST_DIGITS for kind in (a_type, b_type))
        # Both are brought to one scale first, for which the type may be too small.
        assert expected is None or abs(expected) >= Decimal(10) ** (precision - scale) or not operands_fit
        return
    assert kind == f"decimal({precision},{scale})"
    assert found is not None
    assert Decimal(found) == expected
    assert -Decimal(found).as_tuple().exponent == scale


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=BIGINTS, right=BIGINTS)
def test_whole_numbers_are_cut_off_towards_zero(answer, left, right):
    sql = f"SELECT x / y, x % y FROM (VALUES (CAST('{left}' AS bigint), CAST('{right}' AS bigint))) AS t(x, y)"
    if right == 0:
        with pytest.raises(StatementFailedError, match="DIVISION_BY_ZERO"):
            answer(sql)
        return
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    if quotient == 2**63:
        with pytest.raises(StatementFailedError, match="NUMERIC_VALUE_OUT_OF_RANGE"):
            answer(sql)
        return
    assert answer(sql) == [str(quotient), str(left - quotient * right)]


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_s_text_is_the_double(answer, number):
    plain, scientific = answer(f"SELECT x, CAST(x AS varchar) FROM (VALUES CAST('{number!r}' AS double)) AS t(x)")
    assert plain is not None
    assert scientific is not None
    assert float(plain) == float(scientific) == number
    # Java writes an exponent where Python may not.
    assert ("E" in plain) == (number != 0 and not 1e-3 <= abs(number) < 1e7)
    assert "E" in scientific
