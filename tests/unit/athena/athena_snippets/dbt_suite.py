"""What dbt-athena's own tests, which run against Athena, show of types and literals."""

from athena_snippets import Fails

SECTION = "Data types"
SOURCE = "https://docs.aws.amazon.com/athena/latest/ug/data-types.html"
SNIPPETS = [
    # A number with a point is a double, unlike in Trino; decimals are written with their type.
    ("typeof(1.5)", "double"),
    ("typeof(decimal '1.5')", "decimal(2,1)"),
    ("decimal '.50'", "0.50"),
    ("cast(cast(-0.05 as decimal(2,2)) as varchar)", "-0.05"),
    ("decimal '1e3'", Fails("INVALID_LITERAL")),
    ("decimal '12345678901234567890123456789012345678.9'", Fails("INVALID_LITERAL")),
    ("1 / 0.0", "Infinity"),
    ("1 / -0.0", "-Infinity"),
    ("0 / 0.0", "NaN"),
    ("1 / decimal '0.0'", Fails("DIVISION_BY_ZERO")),
    # A zone in a text that becomes a timestamp is left out.
    ("cast('2020-01-04 10:20:30.5-0' as timestamp)", "2020-01-04 10:20:30.500"),
    ("cast('2020-01-04 10:20 +07:09' as timestamp)", "2020-01-04 10:20:00.000"),
    ("cast('2020-01-04 10:20:30 America/New_York' as timestamp)", "2020-01-04 10:20:30.000"),
    ("cast('2020-01-04 +07:09' as timestamp)", "2020-01-04 00:00:00.000"),
    ("cast('2020-01-04 10:20:30 +07:09:11' as timestamp)", Fails("INVALID_CAST_ARGUMENT")),
    # Addresses.
    ("ipaddress '10.0.0.1'", "10.0.0.1"),
    ("ipaddress '2001:0DB8::1'", "2001:db8::1"),
    ("typeof(ipaddress '::1')", "ipaddress"),
    ("cast(ipaddress '10.0.0.1' as varchar)", "10.0.0.1"),
    ("cast(cast('10.0.0.1' as ipaddress) as varbinary)", "00 00 00 00 00 00 00 00 00 00 ff ff 0a 00 00 01"),
    ("cast(x'0a000001' as ipaddress)", "10.0.0.1"),
    ("cast(x'0a' as ipaddress)", Fails("INVALID_CAST_ARGUMENT")),
    ("cast('nowhere' as ipaddress)", Fails("INVALID_CAST_ARGUMENT")),
    ("try_cast('nowhere' as ipaddress)", None),
    ("max(a) from (values ipaddress '10.0.0.9', ipaddress '10.0.0.10') t(a)", "10.0.0.10"),
    ("ipaddress '::ffff:10.0.0.1' = ipaddress '10.0.0.1'", "true"),
    # Times with a distance to UTC.
    ("time '12:34:56.789 -00:30'", "12:34:56.789-00:30"),
    ("time '1:02 +5'", "01:02:00.000+05:00"),
    ("cast(time '12:34:56 -00:30' as varchar)", "12:34:56-00:30"),
    ("typeof(time '12:34:56.1234+01:00')", "time(4) with time zone"),
    ("time '12:34:56+01:00' = time '11:34:56+00:00'", Fails("TYPE_MISMATCH")),
]
