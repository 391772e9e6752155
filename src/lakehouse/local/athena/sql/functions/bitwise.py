"""Bitwise functions.

https://trino.io/docs/current/functions/bitwise.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.local.athena.sql.functions.library import scalar
from lakehouse.local.athena.sql.functions.support import lets, refused
from lakehouse.local.athena.sql.sql_types import BIGINT

if TYPE_CHECKING:
    from lakehouse.local.athena.sql.calls import Call

scalar("bitwise_and(bigint, bigint) -> bigint", "({0} & {1})")
scalar("bitwise_or(bigint, bigint) -> bigint", "({0} | {1})")
scalar("bitwise_xor(bigint, bigint) -> bigint", "xor({0}, {1})")
scalar("bitwise_not(bigint) -> bigint", "(~{0})")


def _bit_count(call: Call) -> str:
    def body(given: list[str]) -> str:
        number, bits = given
        half = f"(1::HUGEINT << ({bits} - 1)::INTEGER)"
        fits = f"{number}::HUGEINT BETWEEN -{half} AND {half} - 1"
        mask = f"((1::HUGEINT << {bits}::INTEGER) - 1)::BIGINT"
        count = f"CAST(bit_count({number} & {mask}) AS BIGINT)"
        counted = f"CASE WHEN {bits} = 64 THEN CAST(bit_count({number}) AS BIGINT) ELSE {count} END"
        range_ = "Bits specified in bit_count must be between 2 and 64"
        small = "Number must be representable with the bits specified"
        return refused(f"{bits} <= 1 OR {bits} > 64", range_, BIGINT, refused(f"NOT ({fits})", small, BIGINT, counted))

    return lets(call.sql, body)


scalar("bit_count(bigint, bigint) -> bigint", _bit_count)

for _kind, _held in (("tinyint", "TINYINT"), ("smallint", "SMALLINT"), ("integer", "INTEGER"), ("bigint", "BIGINT")):
    # As many bits as the type has; those that are pushed out are lost.
    for _name, _sign in (("bitwise_left_shift", "<<"), ("bitwise_right_shift", ">>")):
        scalar(
            f"{_name}({_kind}, integer) -> {_kind}",
            f"CASE WHEN {{1}} >= 64 THEN 0::{_held} ELSE CAST((CAST({{0}} AS BIT) {_sign} {{1}}) AS {_held}) END",
        )
    scalar(
        f"bitwise_right_shift_arithmetic({_kind}, integer) -> {_kind}",
        f"CAST((CAST({{0}} AS BIGINT) >> least({{1}}, 63)) AS {_held})",
    )
