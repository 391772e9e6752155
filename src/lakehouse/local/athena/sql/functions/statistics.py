"""Statistical aggregate functions.

https://trino.io/docs/current/functions/aggregate.html#statistical-aggregate-functions
"""

from __future__ import annotations

from lakehouse.local.athena.sql.functions.library import aggregate

for _name, _held in (
    *(("stddev", "stddev_samp"), ("stddev_samp", "stddev_samp"), ("stddev_pop", "stddev_pop")),
    *(("variance", "var_samp"), ("var_samp", "var_samp"), ("var_pop", "var_pop")),
    ("geometric_mean", "geometric_mean"),
):
    aggregate(f"{_name}(bigint) -> double", f"{_held}({{distinct}}{{0}}){{tail}}")
    for _kind in ("double", "real"):
        aggregate(f"{_name}({_kind}) -> {_kind}", f"CAST({_held}({{distinct}}{{0}}){{tail}} AS {{type}})")
_COUNT = "count({distinct}{0}){tail}"
# Where all values are the same, Java divides zero by zero.
aggregate(
    "kurtosis(double) -> double",
    f"CASE WHEN {_COUNT} >= 4 THEN coalesce(kurtosis({{distinct}}{{0}}){{tail}}, 'NaN'::DOUBLE) END",
)
# DuckDB estimates the whole population's, Trino does not.
aggregate(
    "skewness(double) -> double",
    f"CASE WHEN {_COUNT} >= 3 THEN coalesce(skewness({{distinct}}{{0}}){{tail}} * ({_COUNT} - 2) "
    f"/ sqrt(CAST({_COUNT} AS DOUBLE) * ({_COUNT} - 1)), 'NaN'::DOUBLE) END",
)
for _kind in ("double", "real"):
    for _name in ("covar_pop", "covar_samp"):
        aggregate(f"{_name}({_kind}, {_kind}) -> {_kind}", f"CAST({_name}({{0}}, {{1}}){{tail}} AS {{type}})")
    for _name in ("corr", "regr_slope", "regr_intercept"):
        # What is no number is null in Trino.
        _text = f"{_name}({{0}}, {{1}}){{tail}}"
        aggregate(
            f"{_name}({_kind}, {_kind}) -> {_kind}", f"CAST(CASE WHEN isfinite({_text}) THEN {_text} END AS {{type}})"
        )
