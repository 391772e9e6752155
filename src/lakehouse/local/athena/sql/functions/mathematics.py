"""Mathematical functions, and the two that compare.

https://trino.io/docs/current/functions/math.html
https://trino.io/docs/current/functions/comparison.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.functions.library import alias, scalar
from lakehouse.local.athena.sql.functions.support import lets, refused, strict
from lakehouse.local.athena.sql.operators import arithmetic
from lakehouse.local.athena.sql.signatures import Binding
from lakehouse.local.athena.sql.sql_types import BIGINT, LARGEST_PRECISION, Decimal, SqlType

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

_INTEGERS = ("tinyint", "smallint", "integer", "bigint")
_FLOATING = ("double", "real")

for _kind in (*_INTEGERS, *_FLOATING, "decimal(p,s)"):
    scalar(f"abs({_kind}) -> {_kind}", "abs({0})")
for _kind in _INTEGERS:
    scalar(f"ceiling({_kind}) -> {_kind}", "{0}")
    scalar(f"floor({_kind}) -> {_kind}", "{0}")
    scalar(f"sign({_kind}) -> {_kind}", "CAST(sign({0}) AS {type})")
    scalar(f"mod({_kind}, {_kind}) -> {_kind}", "({0} % {1})")
    scalar(f"round({_kind}) -> {_kind}", "{0}")
for _kind in _FLOATING:
    scalar(f"ceiling({_kind}) -> {_kind}", "CAST(ceil({0}) AS {type})")
    scalar(f"floor({_kind}) -> {_kind}", "CAST(floor({0}) AS {type})")
    scalar(f"sign({_kind}) -> {_kind}", "CAST(CASE WHEN isnan({0}) THEN {0} ELSE sign({0}) END AS {type})")
    scalar(f"mod({_kind}, {_kind}) -> {_kind}", "CAST(fmod({0}, {1}) AS {type})")
    scalar(f"round({_kind}) -> {_kind}", "CAST(round({0}) AS {type})")
    scalar(f"round({_kind}, integer) -> {_kind}", "CAST(round(CAST({0} AS DOUBLE), {1}) AS {type})")
    scalar(f"truncate({_kind}) -> {_kind}", "CAST(trunc({0}) AS {type})")


def _rounded_integer(call: Call) -> str:
    kind = call.result

    def body(given: list[str]) -> str:
        number, digits = given
        power = f"CAST(power(10, -greatest({digits}, -19)) AS HUGEINT)"
        half = f"(({number}::HUGEINT + sign({number}) * ({power} // 2)) // {power} * {power})"
        return f"CASE WHEN {digits} >= 0 THEN {number} ELSE CAST({half} AS {kind.duck}) END"

    return lets(call.sql, body)


for _kind in _INTEGERS:
    scalar(f"round({_kind}, integer) -> {_kind}", _rounded_integer)


def _whole(binding: Binding) -> SqlType:
    precision, scale = binding.numbers["p"], binding.numbers["s"]
    return Decimal(min(LARGEST_PRECISION, precision - scale + min(1, scale)), 0)


def _cut(binding: Binding) -> SqlType:
    return Decimal(max(1, binding.numbers["p"] - binding.numbers["s"]), 0)


def _wider(binding: Binding) -> SqlType:
    return Decimal(min(LARGEST_PRECISION, binding.numbers["p"] + 1), binding.numbers["s"])


def _to_digits(call: Call) -> str:
    """``round`` and ``truncate`` of a decimal to some digits: DuckDB's own want to know how many beforehand."""
    kind = call.parameters[0]
    assert isinstance(kind, Decimal)  # noqa: S101 - the signature says so
    name = {"round": "round", "truncate": "trunc"}[call.name]

    def at(digits: int, number: str) -> str:
        if digits >= kind.scale:
            return f"CAST({number} AS {call.result.duck})"
        if -digits >= kind.precision - kind.scale + (call.name == "round"):
            return f"CAST(0 AS {call.result.duck})"
        return f"CAST({name}({number}, {digits}) AS {call.result.duck})"

    value = call.arguments[1].value
    if isinstance(value, int):
        return strict([call[0]], at(value, call[0]))

    def body(given: list[str]) -> str:
        number, digits = given
        low = kind.scale - kind.precision - 1
        cases = " ".join(f"WHEN {digits} = {one} THEN {at(one, number)}" for one in range(low + 1, kind.scale))
        top = f"WHEN {digits} >= {kind.scale} THEN {at(kind.scale, number)}"
        return f"CASE WHEN {number} IS NULL OR {digits} IS NULL THEN NULL {top} {cases} ELSE {at(low, number)} END"

    return lets(call.sql, body)


def _remainder(binding: Binding) -> SqlType:
    p, s, q, t = (binding.numbers[one] for one in "psqt")
    return Decimal(min(q - t, p - s) + max(s, t), max(s, t))


def _mod(call: Call) -> str:
    return arithmetic("%", *call.arguments).as_type(call.result).sql


scalar("ceiling(decimal(p,s)) -> decimal", "CAST(ceil({0}) AS {type})", result=_whole)
scalar("floor(decimal(p,s)) -> decimal", "CAST(floor({0}) AS {type})", result=_whole)
scalar("round(decimal(p,s)) -> decimal", "CAST(round({0}) AS {type})", result=_whole)
scalar("round(decimal(p,s), integer) -> decimal", _to_digits, result=_wider)
scalar("truncate(decimal(p,s)) -> decimal", "CAST(trunc({0}) AS {type})", result=_cut)
scalar("truncate(decimal(p,s), integer) -> decimal(p,s)", _to_digits)
scalar("sign(decimal(p,s)) -> decimal(1,0)", "CAST(sign({0}) AS {type})")
scalar("mod(decimal(p,s), decimal(q,t)) -> decimal", _mod, result=_remainder)
alias("ceil", "ceiling")

for _name in (
    *("sqrt", "exp", "ln", "log2", "log10", "degrees", "radians"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
):
    scalar(f"{_name}(double) -> double", f"{_name}({{0}})")
scalar("atan2(double, double) -> double", "atan2({0}, {1})")
scalar("log(double, double) -> double", "(ln({1}) / ln({0}))")
scalar("power(double, double) -> double", "power({0}, {1})")
alias("pow", "power")
scalar("pi() -> double", "pi()")
scalar("e() -> double", "exp(1.0::DOUBLE)")
scalar("nan() -> double", "'NaN'::DOUBLE")
scalar("infinity() -> double", "'Infinity'::DOUBLE")
for _kind in _FLOATING:
    scalar(f"is_nan({_kind}) -> boolean", "isnan({0})")
scalar("is_finite(double) -> boolean", "isfinite({0})")
scalar("is_infinite(double) -> boolean", "isinf({0})")


def _random(call: Call) -> str:
    kind = call.result
    if len(call.arguments) == 1:
        drawn = f"CAST(floor(random() * {call[0]}) AS {kind.duck})"
        return refused(f"{call[0]} <= 0", "bound must be positive", kind, drawn)

    def body(given: list[str]) -> str:
        low, high = given
        width = f"({high}::HUGEINT - {low}::HUGEINT)"
        drawn = f"CAST({low}::HUGEINT + CAST(floor(random() * {width}) AS HUGEINT) AS {kind.duck})"
        return refused(f"{low} >= {high}", "start value must be less than stop value", kind, drawn)

    return lets(call.sql, body)


scalar("random() -> double", "random()")
for _kind in _INTEGERS:
    scalar(f"random({_kind}) -> {_kind}", _random)
    scalar(f"random({_kind}, {_kind}) -> {_kind}", _random)
alias("rand", "random")


def _bucket(call: Call) -> str:
    def body(given: list[str]) -> str:
        x, low, high, count = given
        up = f"WHEN {x} < {low} THEN 0 WHEN {x} >= {high} THEN {count} + 1"
        down = f"WHEN {x} > {low} THEN 0 WHEN {x} <= {high} THEN {count} + 1"
        rising = f"CASE {up} ELSE floor({count} * ({x} - {low}) / ({high} - {low})) + 1 END"
        falling = f"CASE {down} ELSE floor({count} * ({low} - {x}) / ({low} - {high})) + 1 END"
        found = f"CAST(CASE WHEN {low} < {high} THEN {rising} ELSE {falling} END AS BIGINT)"
        checks = (
            (f"{count} <= 0", "bucketCount must be greater than 0"),
            (f"isnan({x})", "operand must not be NaN"),
            (f"NOT isfinite({low})", "first bound must be finite"),
            (f"NOT isfinite({high})", "second bound must be finite"),
            (f"{low} = {high}", "bounds cannot equal each other"),
        )
        for condition, message in reversed(checks):
            found = refused(condition, message, BIGINT, found)
        return strict(given, found)

    return lets(call.sql, body)


def _bin(call: Call) -> str:
    def body(given: list[str]) -> str:
        x, bins = given
        found = f"CAST(len(list_filter({bins}, lambda bin: bin <= {x})) AS BIGINT)"
        for condition, message in (
            (f"{bins} <> list_sort({bins})", "Bin values are not sorted in ascending order"),
            (f"len(list_filter({bins}, lambda bin: isfinite(bin))) < len({bins})", "Bin value must be finite"),
            (f"isnan({x})", "Operand cannot be NaN"),
            (f"len({bins}) = 0", "Bins cannot be an empty array"),
        ):
            found = refused(condition, message, BIGINT, found)
        return strict(given, found)

    return lets(call.sql, body)


scalar("width_bucket(double, double, double, bigint) -> bigint", _bucket)
scalar("width_bucket(double, array(double)) -> bigint", _bin)


def _extreme(call: Call) -> str:
    """Null where one is null; DuckDB's own leave nulls out."""
    return strict(call.sql, f"{call.name}({', '.join(call.sql)})")


scalar("greatest(E...) -> E", _extreme, orderable="E")
scalar("least(E...) -> E", _extreme, orderable="E")
