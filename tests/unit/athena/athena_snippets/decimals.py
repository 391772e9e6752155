"""Decimals: the documentation's literals, and results worked out from its table of precisions and scales.

A number with a point and without the word DECIMAL is a double to Athena.
"""

from athena_snippets import Fails

SECTION = "Decimal functions and operators"
SOURCE = "https://trino.io/docs/current/functions/decimal.html"
SNIPPETS = [
    ("typeof(decimal '0')", "decimal(1,0)"),
    ("typeof(decimal '12345')", "decimal(5,0)"),
    ("typeof(decimal '0000012345.1234500000')", "decimal(20,10)"),
    ("decimal '0000012345.1234500000'", "12345.1234500000"),
    ("typeof(decimal '1.5')", "decimal(2,1)"),
    ("decimal '1.1' + decimal '2.2'", "3.3"),
    ("typeof(decimal '1.1' + decimal '22.22')", "decimal(5,2)"),
    ("decimal '1.10' - 2", "-0.90"),
    ("decimal '1.5' * decimal '1.5'", "2.25"),
    ("typeof(decimal '1.5' * decimal '22.25')", "decimal(6,3)"),
    ("7/decimal '2.0'", "3.5"),
    ("decimal '1.0' / 3", "0.3"),
    ("decimal '1.00' / decimal '3.0'", "0.33"),
    ("decimal '2.0' / decimal '3.0'", "0.7"),
    ("decimal '-2.0' / decimal '3.0'", "-0.7"),
    ("typeof(decimal '1.0' / decimal '3.000')", "decimal(7,3)"),
    ("decimal '5.5' % 2", "1.5"),
    ("-decimal '5.5' % 2", "-1.5"),
    ("typeof(decimal '123.45' % decimal '2.0')", "decimal(3,2)"),
    ("decimal '1.0' / 0", Fails("DIVISION_BY_ZERO")),
    ("decimal '1.0' % 0", Fails("DIVISION_BY_ZERO")),
    ("cast(1 as decimal(38,0)) / cast(3 as decimal(38,10))", "0.3333333333"),
    ("cast(1 as decimal(38,0)) / cast(0 as decimal(38,10))", Fails("DIVISION_BY_ZERO")),
    ("cast(10 as decimal(38,0)) % cast(3 as decimal(20,10))", "1.0000000000"),
    (
        "decimal '99999999999999999999999999999999999999' + 1",
        Fails("NUMERIC_VALUE_OUT_OF_RANGE"),
    ),
    (
        "decimal '99999999999999999999999999999999999999' * 10",
        Fails("NUMERIC_VALUE_OUT_OF_RANGE"),
    ),
    ("- decimal '1.50'", "-1.50"),
    ("typeof(- decimal '1.50')", "decimal(3,2)"),
    ("decimal '1.0' = decimal '1.000'", "true"),
    ("decimal '1.5' > 1", "true"),
    ("decimal '1.5' between 1 and 2e0", "true"),
    ("decimal '1.5' + 1e0", "2.5"),
    ("typeof(decimal '1.5' + 1e0)", "double"),
    ("typeof(decimal '1.5' + real '1')", "real"),
    ("decimal '1.5' + null", None),
    ("cast('12.345' as decimal(4,2))", "12.35"),
    ("cast('-12.345' as decimal(4,2))", "-12.35"),
    ("cast('x' as decimal(4,2))", Fails("INVALID_CAST_ARGUMENT")),
    ("cast(decimal '123.45' as decimal(3,2))", Fails("INVALID_CAST_ARGUMENT")),
    ("cast(12.345e0 as decimal(4,2))", "12.35"),
    ("cast(nan() as decimal(4,2))", Fails("INVALID_CAST_ARGUMENT")),
    ("cast(decimal '1.005' as decimal(3,2))", "1.01"),
    ("cast(-decimal '1.5' as bigint)", "-2"),
    ("cast(1 as decimal)", "1"),
    ("typeof(cast(1 as decimal))", "decimal(38,0)"),
    ("cast(true as decimal(3,1))", "1.0"),
    ("cast(decimal '1.10' as varchar)", "1.10"),
    ("cast(decimal '0.5' as double)", "0.5"),
    ("truncate(decimal '2.7')", "2"),
    ("abs(-decimal '1.50')", "1.50"),
    ("array[decimal '1.5', 2]", "[1.5, 2.0]"),
]
